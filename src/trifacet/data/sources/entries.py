"""What a layout says about a folder of photos: the nouns that every layout hands to `ingest`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from trifacet.core.catalogue import CATALOGUE
from trifacet.core.errors import ManifestError, error, first_few
from trifacet.core.schema import DEFAULT_SCHEMA, LabelSchema
from trifacet.pixels.scan import Found

REJECT_COLUMNS = ("source", "path", "status", "reason")


@dataclass(frozen=True)
class Reading:
    """How labels are to be read.

    `columns` maps what is wanted (path, person, class, or an attribute such as age) to a table's column; `values` maps
    an attribute to {text in the source: class of the schema}, "" for not known. `photos` is the folder of the photos
    below the source (default: `images` where there is one). `is_ans_truth`: the numbers in `ans` or `class` are the
    schema's joint ids; off by default, because info.csv comes filled with 0.
    """

    schema: LabelSchema = DEFAULT_SCHEMA
    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    photos: str = ""
    is_ans_truth: bool = False
    is_following_links: bool = False


@dataclass(frozen=True)
class Labelled:
    """One source, read but not scanned.

    `rows` has the columns path (below `root`, POSIX), person_id, age_years, one per attribute, label_source and x_NAME;
    its order is the manifest's. `missing` gives (path, reason) of label rows that cannot have a photo. `tables` are the
    files the labels came from.
    """

    layout: str
    root: Path
    found: tuple[Found, ...]
    rows: pl.DataFrame
    why_extra: str
    missing: tuple[tuple[str, str], ...] = ()
    tables: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


class IngestError(ManifestError):
    """A folder that gives no manifest; `rejects` (source, path, status, reason) tells of every file and row."""

    def __init__(
        self, code: str, what: str, *, rejects: pl.DataFrame, where: str = "", got: str = "", do: str = ""
    ) -> None:
        super().__init__(code, what, where=where, got=got, do=do or CATALOGUE[code].remedy)
        self.rejects = rejects


@dataclass(frozen=True)
class BadLabel:
    """A label that cannot be understood: its photo or folder, where it stands, why, and what helps."""

    path: str
    where: str
    reason: str
    do: str


def reject_rows(rows: list[tuple[str, str, str, str]]) -> pl.DataFrame:
    """A table of rejects from (source, path, status, reason)."""
    return pl.DataFrame(rows, schema=dict.fromkeys(REJECT_COLUMNS, pl.String), orient="row")


def refuse_bad_labels(bad: list[BadLabel], *, where: Path) -> None:
    """Raises IngestError TRI224 when there is any bad label: how many, the first five; its rejects hold all."""
    if not bad:
        return
    count = "1 label cannot" if len(bad) == 1 else f"{len(bad):,} labels cannot"
    rejects = reject_rows([("", b.path, "bad_label", f"{b.where}: {b.reason}") for b in bad])
    first = first_few([f"{b.where}: {b.reason}" for b in bad])
    do = " ".join(dict.fromkeys(b.do for b in bad[:5]))
    raise IngestError("TRI224", f"{count} be understood", rejects=rejects, where=str(where), got=first, do=do)


def parse_columns(texts: Sequence[str]) -> dict[str, str]:
    """{wanted: column} from texts such as `path=img_path,age=age`. Raises ConfigError TRI104."""
    return {wanted: column for text in texts for wanted, column in _pairs(text, where="--map")}


def parse_values(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """{attribute: {text: class}} from texts such as `mask:0=not_worn,1=incorrect`. Raises ConfigError TRI104."""
    table: dict[str, dict[str, str]] = {}
    for text in texts:
        key, colon, pairs = text.partition(":")
        if not colon:
            raise error("TRI104", "takes ATTRIBUTE:TEXT=CLASS,...", where="--map-values", got=f"'{text}'")
        table.setdefault(key.strip(), {}).update(_pairs(pairs, where=f"--map-values {key}"))
    return table


def _pairs(text: str, *, where: str) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(equals and key.strip() for key, equals, _ in pairs):
        raise error("TRI104", "takes pairs NAME=VALUE, with commas between", where=where, got=f"'{text}'")
    return [(key.strip(), value.strip()) for key, _, value in pairs]
