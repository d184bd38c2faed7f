"""Layout `table`: any CSV, TSV or Parquet file, with a map from what is wanted to its columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import polars as pl

from trifacet.core.errors import error, first_few, nearest, pick
from trifacet.data.sources.entries import Labelled, Reading, refuse_bad_labels
from trifacet.data.sources.labels import label_keys, read_labels
from trifacet.pixels.scan import find_files

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
ALIASES = {"person_id": "person", "age_years": "age"}  # a manifest's names, where the plain one is not there


def read_texts(path: Path) -> pl.DataFrame:
    """A table with every cell as text (ids keep their zeros), null where empty. Unnamed columns are left out.

    Raises:
        ManifestError: TRI221, not a table, or without a row.
    """
    try:
        if path.suffix.lower() == ".parquet":
            table = pl.read_parquet(path)
        else:
            table = pl.read_csv(path, infer_schema=False, separator="\t" if path.suffix.lower() == ".tsv" else ",")
        table = table.rename({name: name.strip() for name in table.columns})
    except pl.exceptions.NoDataError:
        raise error("TRI221", "the table is empty", where=path) from None
    except (OSError, pl.exceptions.PolarsError) as problem:
        raise error("TRI221", "not a table", where=path, got=str(problem).splitlines()[0]) from None
    if not table.height:
        raise error("TRI221", "the table has columns but no row", where=path)
    nested = {name for name, kind in table.schema.items() if kind.is_nested() or kind == pl.Binary}
    kept = [n for n in table.columns if n and not n.startswith("_duplicated") and n not in nested]
    return table.select(pl.col(kept).cast(pl.String))


def header(path: Path) -> list[str]:
    """The column names of a table, or none where it cannot be read."""
    try:
        if path.suffix.lower() == ".parquet":
            return list(pl.read_parquet_schema(path))
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        return [name.strip() for name in pl.read_csv(path, infer_schema=False, n_rows=0, separator=separator).columns]
    except (OSError, pl.exceptions.PolarsError):
        return []


def require_columns(table: pl.DataFrame, wanted: Iterable[str], *, where: Path) -> None:
    """Refuses a table without a wanted column, and names the nearest one it has. Raises ManifestError TRI222."""
    lacking = list(dict.fromkeys(name for name in wanted if name not in table.columns))
    if not lacking:
        return
    near = nearest(lacking[0], table.columns)
    by_case = {name.lower(): name for name in table.columns}
    near = by_case.get(lacking[0].lower(), near)
    hint = f"Did you mean '{near}'? " if near else ""
    do = f"{hint}The table has {first_few(table.columns, 10)}: rename the column, or map it (--layout table --map)."
    raise error("TRI222", f"no column {' or '.join(map(repr, lacking[:5]))}", where=where, do=do)


def refuse_twins(paths: Sequence[str], *, where: Path) -> None:
    """Refuses two rows for one photo. Raises ManifestError TRI225."""
    series = pl.Series(paths, dtype=pl.String)
    twice = series.filter(series.is_duplicated())
    if len(twice):
        rows = [f"'{path}' (rows {_rows_of(paths, path)})" for path in twice.unique(maintain_order=True)]
        raise error("TRI225", "two rows for one photo", where=where, got=first_few(rows))


def _rows_of(paths: Sequence[str], path: str) -> str:
    return ", ".join(str(row_number(i)) for i, other in enumerate(paths) if other == path)


def row_number(i: int) -> int:
    """The number under which a spreadsheet shows data row `i` (the header is row 1)."""
    return i + 2


def extra_columns(table: pl.DataFrame, used: Iterable[str]) -> list[pl.Series]:
    """The columns that nobody asked for, as x_NAME."""
    taken = set(used)
    return [table[name].alias(f"x_{name}") for name in table.columns if name not in taken]


def find_table(root: Path) -> Path:
    """The one table that lies directly in `root`. Raises ManifestError TRI223 where there is none or several."""
    tables = sorted(p for p in root.iterdir() if p.suffix.lower() in TABLE_SUFFIXES and not p.name.startswith("."))
    if len(tables) == 1:
        return tables[0]
    got = first_few([t.name for t in tables]) if tables else "none"
    raise error("TRI223", "layout table needs one CSV or Parquet file", where=root, got=got, do="Pass the file itself.")


def read_table_layout(source: Path, reading: Reading) -> Labelled:
    """Photos named by a table. `source` is the file, or a folder that holds just one.

    Columns are found by their own names (path, person or person_id, class, mask, gender, age or age_years) or by
    `reading.columns`; all others are kept as x_NAME. Paths are relative to the photo folder (or absolute and below it).

    Raises:
        ManifestError: TRI221 to TRI225.
    """
    path = find_table(source) if source.is_dir() else source
    table = read_texts(path)
    keys = ("path", "person", *label_keys(reading.schema))
    asked = {ALIASES.get(key, key): name for key, name in reading.columns.items()}
    for key in asked:
        pick(dict.fromkeys(keys), key, what="thing to map", where="--map")
    own = {key: name for name, key in ALIASES.items() if name in table.columns and key not in table.columns}
    columns = {key: asked.get(key, own.get(key, key)) for key in keys}
    require_columns(table, [columns["path"], *asked.values()], where=path)
    columns = {key: name for key, name in columns.items() if name in table.columns}
    root = _root_of(table[columns["path"]], path.parent, reading=reading)
    paths = [_below(text, root) for text in table[columns["path"]]]
    if empty := [row_number(i) for i, p in enumerate(paths) if not p]:
        raise error("TRI225", "rows without a photo's path", where=path, got=f"rows {first_few(empty)}")
    refuse_twins(paths, where=path)
    cells = {key: table[columns[key]].to_list() for key in label_keys(reading.schema) if key in columns}
    labels, bad = read_labels(cells, paths, where=lambda i: f"row {row_number(i)} ({paths[i]})", reading=reading)
    refuse_bad_labels(bad, where=path)
    persons = table[columns["person"]].fill_null("").alias("person_id") if "person" in columns else pl.lit("")
    rows = labels.with_columns(
        pl.Series("path", paths),
        persons if isinstance(persons, pl.Series) else persons.alias("person_id"),
        pl.lit(path.name).alias("label_source"),
        *extra_columns(table, columns.values()),
    ).sort("path")
    found = find_files(root, is_following_links=reading.is_following_links)
    return Labelled("table", root, tuple(found), rows, f"not named in {path.name}", tables=(path,))


def photo_root(folder: Path, reading: Reading) -> Path:
    """Where a source's photos lie: the folder asked for, `images` where there is one, else the source itself.

    Raises:
        ManifestError: TRI220, no such folder.
    """
    if reading.photos and not (folder / reading.photos).is_dir():
        raise error(
            "TRI220", "no such folder", where=folder / reading.photos, do=f"--photos is looked for in {folder}."
        )
    if reading.photos:
        return folder / reading.photos
    return folder / "images" if (folder / "images").is_dir() else folder


def _root_of(texts: Iterable[str | None], folder: Path, *, reading: Reading) -> Path:
    """The photo folder; a table beside `images` may also write its paths as `images/x.jpg`."""
    root = photo_root(folder, reading)
    if root == folder or reading.photos or any(text and (root / text.strip()).exists() for text in texts):
        return root
    return folder


def _below(text: str | None, root: Path) -> str:
    """A path of the table as a POSIX path below `root`."""
    path = (text or "").strip()
    if "\\" in path and not (root / path).exists():  # written on Windows
        path = path.replace("\\", "/")
    if path.startswith("/") and Path(path).is_relative_to(root.absolute()):
        return Path(path).relative_to(root.absolute()).as_posix()
    return PurePosixPath(path).as_posix() if path else ""
