"""Folders of photos -> one manifest; every file ends with exactly one status."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from trifacet.core.errors import error, first_few
from trifacet.core.files import atomic_path
from trifacet.core.manifest import KIND, PERSONS_UNKNOWN, Manifest, check_manifest, empty_columns
from trifacet.core.schema import LabelSchema
from trifacet.core.tables import input_hashes
from trifacet.data.sources import Labelled, Reading, read_source
from trifacet.data.sources.entries import IngestError, reject_rows
from trifacet.pixels.scan import STATUSES, Found, Scan, find_files, scan_files

Progress = Callable[[int, int], None]  # files done, files in all


@dataclass(frozen=True)
class Source:
    """A folder of photos (or the table that names them). Photo and person ids of a named source begin with `name/`."""

    path: Path
    name: str = ""


@dataclass(frozen=True)
class Ingested:
    """A manifest and what became of every file.

    `counts` maps each of STATUSES to its number of files, which add up to `n_files`; `n_missing` label rows had no
    file. `rejects` (source, path, status, reason) lists the files that are no photo of the manifest and the missing.
    `notes` are findings that a person should read.
    """

    manifest: Manifest
    rejects: pl.DataFrame
    counts: dict[str, int]
    n_files: int
    n_missing: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Joined:
    """One source, scanned and joined with its labels; `rejects` are (source, path, status, reason)."""

    rows: pl.DataFrame
    rejects: list[tuple[str, str, str, str]]
    counts: Counter[str]
    n_missing: int
    n_labelled: int


def parse_source(text: str) -> Source:
    """The source that `PATH` or `NAME=PATH` means; a path that exists as it stands is never taken apart."""
    name, equals, path = text.partition("=")
    if equals and "/" not in name and not Path(text).exists():
        return Source(Path(path), name)
    return Source(Path(text))


def ingest(
    sources: Sequence[Source | Path | str],
    *,
    layout: str = "auto",
    reading: Reading | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """A checked manifest of every usable photo below `sources`, and a status for every file.

    Rows are sorted by photo_id within a source (the eval form keeps info.csv's order), whatever the disk's order.
    Only labels that contradict themselves and an empty result stop it; files never do.

    Raises:
        ManifestError: TRI205 nothing usable (an IngestError: its `rejects` tell of every file), TRI220 to TRI227.
    """
    reading = reading or Reading()
    asked = [parse_source(s) if isinstance(s, str) else s if isinstance(s, Source) else Source(s) for s in sources]
    names = _source_names(asked)
    labelled = [read_source(s.path, reading, layout=layout) for s in asked]
    _refuse_colliding_ids(asked, labelled)
    files = [_all_files(s.path, one, reading) for s, one in zip(asked, labelled, strict=True)]
    scans = scan_files([f for found in files for f in found], workers=workers, progress=progress)
    joined = [
        _join(source, one, [(f, next(scans)) for f in found], name)
        for source, one, found, name in zip(asked, labelled, files, names, strict=True)
    ]
    rejects = reject_rows([row for one in joined for row in one.rejects])
    counts = {status: sum(one.counts[status] for one in joined) for status in STATUSES}
    n_files = sum(map(len, files))
    if sum(counts.values()) != n_files:
        raise ValueError(f"{n_files} files must have one status each, got {counts}")
    where = ", ".join(str(s.path) for s in asked)
    _refuse_nothing(joined, rejects, counts, where=where)
    manifest = _manifest(joined, labelled, names, reading.schema)
    check_manifest(manifest, where=where)
    notes = _notes(asked, labelled, joined, manifest)
    return Ingested(manifest, rejects, counts, n_files, sum(one.n_missing for one in joined), notes)


def write_rejects(path: Path, rejects: pl.DataFrame) -> None:
    """Writes path,status,reason of every reject as CSV; a named source's paths begin with its name.

    Raises:
        MachineError: TRI900, TRI901.
    """
    with atomic_path(path) as temporary:
        rejects.select("path", "status", "reason").write_csv(temporary)


def _source_names(asked: Sequence[Source]) -> list[str]:
    """The value of `source` for each: its name, or its folder's, numbered where two folders are called the same."""
    given = [s.name for s in asked if s.name]
    if twice := [name for name, n in Counter(given).items() if n > 1]:
        raise error("TRI104", "two sources have one name", where="NAME=PATH", got=first_few(twice))
    names: list[str] = []
    for source in asked:
        folder = source.path.absolute() if source.path.is_dir() else source.path.absolute().parent
        name, number = source.name or folder.name or "photos", 2
        while not source.name and name in {*names, *given}:
            name, number = f"{folder.name}-{number}", number + 1
        names.append(name)
    return names


def _refuse_colliding_ids(asked: Sequence[Source], labelled: Sequence[Labelled]) -> None:
    """Raises ManifestError TRI226 where photos of two sources would have one photo_id."""
    ids = pl.concat([_prefixed(s, one.rows["path"]) for s, one in zip(asked, labelled, strict=True)])
    if collide := ids.filter(ids.is_duplicated()).unique().sort().to_list():
        where = ", ".join(str(s.path) for s in asked)
        do = "Name the sources: " + " ".join(f"{'ABCDEFGH'[i % 8]}={s.path}" for i, s in enumerate(asked)) + "."
        raise error("TRI226", "sources hold photos of the same id", where=where, got=first_few(collide), do=do)


def _prefixed(source: Source, ids: pl.Series) -> pl.Series:
    """Ids that begin with the source's name, where it has one; "" (nobody) stays ""."""
    return pl.Series([f"{source.name}/{i}" if source.name and i else i for i in ids], dtype=pl.String)


def _all_files(source: Path, labelled: Labelled, reading: Reading) -> list[Found]:
    """The photo folder's files, and with the status ignored those that lie beside it in the source."""
    if not source.is_dir() or labelled.root == source or not labelled.root.is_relative_to(source):
        return list(labelled.found)
    beside = find_files(source, is_following_links=reading.is_following_links, besides=labelled.root)
    why = f"outside {labelled.root.relative_to(source).as_posix()}/"
    outside = [replace(f, path=f"../{f.path}", status=f.status or "ignored", reason=f.reason or why) for f in beside]
    return [*labelled.found, *outside]


def _join(source: Source, labelled: Labelled, scanned: Sequence[tuple[Found, Scan]], name: str) -> _Joined:
    named = set(labelled.rows["path"])
    counts: Counter[str] = Counter()
    rejects = []
    usable: dict[str, Scan] = {}
    for found, scan in scanned:
        is_extra = scan.status == "ok" and found.path not in named
        status, reason = ("extra", labelled.why_extra) if is_extra else (scan.status, scan.reason)
        counts[status] += 1
        if status == "ok":
            usable[found.path] = scan
        else:
            rejects.append((found.path, status, reason))
    there = {found.path for found, _ in scanned}
    missing = [*labelled.missing, *((p, "no such file") for p in labelled.rows["path"] if p not in there)]
    rejects += [(path, "missing", reason) for path, reason in missing]
    rows = labelled.rows.filter(pl.col("path").is_in(list(usable)))
    facts = [usable[path] for path in rows["path"]]
    rows = rows.with_columns(
        _prefixed(source, rows["path"]).alias("photo_id"),
        _prefixed(source, rows["person_id"]).alias("person_id"),
        pl.lit(name).alias("source"),
        pl.Series("sha256", [f.sha256 for f in facts], dtype=pl.String),
        pl.Series("width_px", [f.width_px for f in facts], dtype=pl.Int32),
        pl.Series("height_px", [f.height_px for f in facts], dtype=pl.Int32),
    )
    prefix = f"{source.name}/" if source.name else ""
    lines = [(name, f"{prefix}{path}", status, reason) for path, status, reason in rejects]
    return _Joined(rows, lines, counts, len(missing), len(labelled.rows) + len(labelled.missing))


def _refuse_nothing(joined: Sequence[_Joined], rejects: pl.DataFrame, counts: Mapping[str, int], *, where: str) -> None:
    """Raises IngestError: TRI227 no label has a file, TRI205 no file is usable."""
    if sum(len(one.rows) for one in joined):
        return
    n_labelled, n_missing = sum(one.n_labelled for one in joined), sum(one.n_missing for one in joined)
    got = ", ".join(f"{n:,} {status.replace('_', ' ')}" for status, n in counts.items() if n) or "no file"
    if n_labelled and n_missing == n_labelled:
        first = first_few(rejects.filter(pl.col("status") == "missing")["path"].to_list())
        what = f"none of the {n_labelled:,} label rows has a photo: {first}"
        raise IngestError("TRI227", what, rejects, where=where, got=got)
    raise IngestError("TRI205", "no usable photo", rejects, where=where, got=got)


def _manifest(
    joined: Sequence[_Joined], labelled: Sequence[Labelled], names: Sequence[str], schema: LabelSchema
) -> Manifest:
    rows = pl.concat([one.rows for one in joined], how="diagonal")
    blank = pl.DataFrame(empty_columns(len(rows))).drop("label_weight")
    table = blank.with_columns(rows.get_columns()).with_columns(pl.lit(1.0, dtype=pl.Float32).alias("label_weight"))
    extras = sorted(name for name in rows.columns if name.startswith("x_"))
    roots = {name: Path(os.path.normpath(one.root.absolute())) for name, one in zip(names, labelled, strict=True)}
    tables = {f"{n}/{t.name}": t for n, one in zip(names, labelled, strict=True) for t in one.tables}
    return Manifest(
        table.select(*KIND.columns, *schema.names, *extras),
        schema,
        roots,
        stamps=(PERSONS_UNKNOWN,) if (table["person_id"] == "").any() else (),
        inputs=input_hashes(**tables),
    )


def _notes(
    asked: Sequence[Source], labelled: Sequence[Labelled], joined: Sequence[_Joined], manifest: Manifest
) -> tuple[str, ...]:
    is_one = len(asked) == 1
    notes = [
        note if is_one else f"{s.path}: {note}" for s, one in zip(asked, labelled, strict=True) for note in one.notes
    ]
    people = [set(one.rows["person_id"]) - {""} for one in joined]
    if shared := sum(n > 1 for n in Counter(p for who in people for p in who).values()):
        notes.append(f"{shared:,} person ids occur in several sources and count as one person each: name the sources")
    for name in manifest.schema.names:
        unknown = manifest.table[name].null_count()
        if unknown:
            notes.append(f"{name} is not known of {unknown:,} of {len(manifest):,} photos")
    return tuple(notes)
