"""Tables that flow between stages: parquet with checked columns, a format number and where they come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from trifacet.core.errors import error, first_few
from trifacet.core.files import check_suffix, keep_inputs, sha256_file, write_bytes
from trifacet.core.schema import LabelSchema

METADATA_KEY = "trifacet"
CSV_HEADS = {  # the first that fits counts
    "changes": ("photo_id,attribute,old,new,",),
    "findings": ("photo_id,kind,attribute,",),
    "predictions": ("photo_id,",),
    "probabilities": ("Id,P", "L0"),
    "rejects": ("path,status,reason",),
    "problems": ("place,photo,problem",),
    "decisions": ("number,at,who,scope,subject,attribute,old,new,",),
}
INSTEAD = {  # what to pass where a table of another form was
    "manifest": "Photos are passed as a folder; a table goes through `trifacet ingest` first.",
    "findings": "Pass findings.parquet, which lies beside findings.csv.",
    "predictions": "Pass predictions as Parquet, such as predictions/oof.parquet of folds.",
}
PART = 65_536  # rows that are worked on at once, so that what is made on the way takes a few MB of a large table


class Provenance(BaseModel):
    """What every artifact carries: its kind and format, who made it from what, its schema, and its stamps.

    `inputs` maps a name to a sha256; `stamps` are the warnings that travel with every later score.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    format: int
    stage: str
    label_schema: LabelSchema
    trifacet: str = Field(default_factory=lambda: version("trifacet"))
    inputs: dict[str, str] = {}
    stamps: tuple[str, ...] = ()
    extra: dict[str, Any] = {}


@dataclass(frozen=True)
class TableKind:
    """A kind of table: its name, its format number, its fixed columns, and how older formats become this one.

    `migrations[n]` turns a table of format n into format n + 1.
    """

    name: str
    format: int
    columns: Mapping[str, pl.DataType]
    migrations: Mapping[int, Callable[[pl.DataFrame], pl.DataFrame]]


def check_place(path: Path, *suffixes: str, kind: str, inputs: Sequence[object] = ()) -> None:
    """Refuses a place for a table of this kind that ends otherwise, or that holds an input or a file of another kind.

    kind: of a .parquet its own; of a .csv one of `CSV_HEADS`.

    Raises:
        ConfigError: TRI104.
    """
    check_suffix(path, *suffixes, what=kind if kind.endswith("s") else f"a {kind}")
    keep_inputs(path, *inputs)
    if path.is_file() and (there := _kind_of(path)) != kind:
        do = "Name another file, or delete that one first."
        raise error("TRI104", f"{kind} would replace another thing", where="--out", got=f"{there}: '{path}'", do=do)


def _kind_of(path: Path) -> str:
    """What a file of ours holds, by its metadata or, of a .csv, its first line."""
    try:
        if path.suffix.lower() != ".csv":
            return str(json.loads(pl.read_parquet_metadata(path)[METADATA_KEY])["kind"])
        with path.open(encoding="utf-8") as content:
            first = content.readline(200)
        return next(kind for kind, heads in CSV_HEADS.items() if first.startswith(heads))
    except (KeyError, TypeError, ValueError, OSError, StopIteration, pl.exceptions.PolarsError):
        return "a file that is none of trifacet's"


def write_table(path: Path | str, table: pl.DataFrame, *, provenance: Provenance) -> None:
    """Writes a table with its provenance in the parquet metadata, whole or not at all."""
    content = BytesIO()  # a full disk must arrive as OSError: polars calls it a fault of the format
    table.write_parquet(content, metadata={METADATA_KEY: provenance.model_dump_json()}, compression="zstd")
    write_bytes(Path(path), content.getvalue())  # shared, not copied; a view held by an error crashes Python 3.12.1


def read_table(
    path: Path | str, kind: TableKind, *, only: Sequence[str] | None = None
) -> tuple[pl.DataFrame, Provenance]:
    """A table of `kind`, migrated to today's format and checked, with its provenance; `only` some of its columns.

    Raises:
        ManifestError: TRI202, missing, damaged, of another kind, or newer than this trifacet.
    """
    path = Path(path)
    if path.is_dir():
        raise error("TRI202", f"a folder, not a {kind.name} file", where=str(path), do="Pass the file itself.")
    if not path.is_file():
        raise error("TRI202", f"no {kind.name} file here", where=str(path), do="Check the path.")
    try:
        stored = json.loads(pl.read_parquet_metadata(path)[METADATA_KEY])
        table = pl.read_parquet(path, columns=_there(path, only))
        found, number = stored["kind"], stored["format"]
        is_known = found == kind.name and number <= kind.format
        made = Provenance.model_validate({**stored, "format": kind.format}) if is_known else None
    except (KeyError, TypeError, ValueError, OSError, pl.exceptions.PolarsError) as problem:
        got = "a file without trifacet's metadata" if isinstance(problem, KeyError) else str(problem).splitlines()[0]
        if isinstance(problem, pl.exceptions.PolarsError) and not _is_parquet(path):
            got = "a file that is not Parquet"
        is_other = path.suffix.lower() in (".csv", ".tsv", ".xlsx", ".jpg", ".jpeg", ".png", ".webp")
        do = INSTEAD.get(kind.name, INSTEAD["manifest"]) if is_other else ""
        raise error("TRI202", f"not a {kind.name} file", where=str(path), got=got, do=do) from None
    if found != kind.name:
        raise error("TRI202", f"expected a {kind.name} file", where=str(path), got=f"a {found} file")
    if made is None:
        raise error("TRI202", f"{kind.name} format {number} is newer than this trifacet", where=str(path))
    for older in range(number, kind.format):
        table = kind.migrations[older](table)
    check_columns(table, kind, where=str(path))
    return table, made


def _there(path: Path, only: Sequence[str] | None) -> list[str] | None:
    return None if only is None else [name for name in only if name in pl.read_parquet_schema(path)]


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as content:
        return content.read(4) == b"PAR1"


def read_parts(path: Path | str, names: Sequence[str]) -> Iterator[npt.NDArray[np.float32]]:
    """Columns of numbers (n, names) float32 of a stored table, the rows a part at a time; NaN where null."""
    numbers = pl.scan_parquet(path).select(pl.col(*names).cast(pl.Float32()).fill_null(float("nan")))
    for start in range(0, max(_height(path), 1), PART):
        yield numbers.slice(start, PART).collect().to_numpy()


def read_block(path: Path | str, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Columns of numbers (N, names) float32 of a stored table; NaN where null."""
    block, start = np.empty((_height(path), len(names)), dtype=np.float32), 0
    for part in read_parts(path, names):
        block[start : start + len(part)] = part
        start += len(part)
    return block


def _height(path: Path | str) -> int:
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def by_parts(rows: npt.NDArray[Any], work: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """What `work` makes of rows (N, ...), a row for a row, a part at a time."""
    return np.concatenate([work(rows[i : i + PART]) for i in range(0, max(len(rows), 1), PART)])


def check_columns(table: pl.DataFrame, kind: TableKind, *, where: str) -> None:
    """Refuses a table that lacks a fixed column or holds one of another type. Raises ManifestError TRI202."""
    missing = [name for name in kind.columns if name not in table.columns]
    if missing:
        raise error("TRI202", f"{kind.name} lacks columns", where=where, got=first_few(missing))
    wrong = [f"{n} is {table.schema[n]}, not {t}" for n, t in kind.columns.items() if table.schema[n] != t]
    if wrong:
        raise error("TRI202", f"{kind.name} has columns of another type", where=where, got=first_few(wrong))


def input_hashes(**paths: Path) -> dict[str, str]:
    """The sha256 of each named file, for a provenance."""
    return {name: sha256_file(path) for name, path in paths.items()}
