"""Folders of photos -> one manifest; every file ends with exactly one status."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import polars as pl

from trifacet.core.errors import error, first_few
from trifacet.core.files import write_text
from trifacet.core.manifest import KIND, PERSONS_UNKNOWN, Manifest, check_manifest, empty_columns
from trifacet.core.schema import LabelSchema
from trifacet.core.tables import input_hashes
from trifacet.data.sources import Labelled, Reading, inner_folder, read_source
from trifacet.data.sources.entries import IngestError, reject_rows
from trifacet.pixels.scan import STATUSES, Found, Scan, find_files, scan_files

Progress = Callable[[int, int], None]  # files done, files in all


@dataclass(frozen=True)
class Source:
    """A folder of photos (or the table that names them). Photo and person ids of a named source begin with `name/`.

    archive, sha256, set_aside: what the folder was unpacked from, and what of that is not in it.
    """

    path: Path
    name: str = ""
    archive: str = ""
    sha256: str = ""
    set_aside: tuple[Found, ...] = ()


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
class _Taken:
    """One source as it was asked for, its value of the column `source`, its labels and all its files."""

    source: Source
    name: str
    labelled: Labelled
    files: list[Found]


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
    if name and equals and "/" not in name and not Path(text).exists():
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
    taken = [
        _take(s, name, layout=layout, reading=reading) for s, name in zip(asked, _source_names(asked), strict=True)
    ]
    _refuse_colliding_ids(taken)
    scans = scan_files([f for t in taken for f in t.files], workers=workers, progress=progress)
    joined = [_join(t, list(islice(scans, len(t.files)))) for t in taken]
    rejects = reject_rows([row for one in joined for row in one.rejects])
    counts = {status: sum(one.counts[status] for one in joined) for status in STATUSES}
    n_files = sum(len(t.files) for t in taken)
    if sum(counts.values()) != n_files:
        raise ValueError(f"{n_files} files must have one status each, got {counts}")
    where = ", ".join(str(s.path) for s in asked)
    _refuse_nothing(taken, joined, rejects=rejects, counts=counts)
    manifest = _manifest(taken, joined, schema=reading.schema)
    check_manifest(manifest, where=where)
    notes = _notes(taken, joined)
    return Ingested(manifest, rejects, counts, n_files, sum(one.n_missing for one in joined), notes)


def write_rejects(path: Path, rejects: pl.DataFrame) -> None:
    """Writes path,status,reason of every reject as CSV; a named source's paths begin with its name.

    Raises:
        MachineError: TRI900, TRI901.
    """
    write_text(path, rejects.select("path", "status", "reason").write_csv())


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


def _take(source: Source, name: str, *, layout: str, reading: Reading) -> _Taken:
    """A source with its labels and all its files; those beside the folder of photos have the status ignored."""
    path = source.path
    labelled = read_source(inner_folder(path, reading) if source.archive else path, reading, layout=layout)
    root = labelled.root
    if not path.is_dir() or root == path or not root.is_relative_to(path):
        return _Taken(source, name, labelled, [*labelled.found, *source.set_aside])
    why = f"outside {root.relative_to(path).as_posix()}/"
    beside = find_files(path, is_following_links=reading.is_following_links, besides=root)
    outside = [replace(f, path=f"../{f.path}", status=f.status or "ignored", reason=f.reason or why) for f in beside]
    return _Taken(source, name, labelled, [*labelled.found, *outside, *set_aside_below(source, root)])


def set_aside_below(source: Source, root: Path) -> list[Found]:
    """What unpacking set aside, its paths below `root` where they would be there."""
    prefix = f"{root.relative_to(source.path).as_posix()}/"
    return [replace(f, path=f.path.removeprefix(prefix)) for f in source.set_aside]


def _refuse_colliding_ids(taken: Sequence[_Taken]) -> None:
    """Raises ManifestError TRI226 where photos of two sources would have one photo_id."""
    ids = pl.concat([_prefixed(t.source, t.labelled.rows["path"]) for t in taken])
    if collide := ids.filter(ids.is_duplicated()).unique().sort().to_list():
        where = ", ".join(str(t.source.path) for t in taken)
        do = "Name the sources: " + " ".join(f"{chr(65 + i % 26)}={t.source.path}" for i, t in enumerate(taken)) + "."
        raise error("TRI226", "sources hold photos of the same id", where=where, got=first_few(collide), do=do)


def _prefixed(source: Source, ids: pl.Series) -> pl.Series:
    """Ids that begin with the source's name, where it has one; "" (nobody) stays ""."""
    return pl.Series([f"{source.name}/{i}" if source.name and i else i for i in ids], dtype=pl.String)


def _join(taken: _Taken, scans: Sequence[Scan]) -> _Joined:
    """What became of a source's files and label rows, each once."""
    labelled = taken.labelled
    named = set(labelled.rows["path"])
    counts: Counter[str] = Counter()
    rejects = []
    usable: dict[str, Scan] = {}
    for scan in scans:
        is_extra = scan.status == "ok" and scan.path not in named
        status, reason = ("extra", labelled.why_extra) if is_extra else (scan.status, scan.reason)
        counts[status] += 1
        if status == "ok":
            usable[scan.path] = scan
        else:
            rejects.append((scan.path, status, reason))
    missing = [*labelled.missing, *_absent(labelled.rows["path"], {scan.path for scan in scans})]
    rejects += [(path, "missing", reason) for path, reason in missing]
    rows = labelled.rows.filter(pl.col("path").is_in(list(usable)))
    facts = [usable[path] for path in rows["path"]]
    rows = rows.with_columns(
        _prefixed(taken.source, rows["path"]).alias("photo_id"),
        _prefixed(taken.source, rows["person_id"]).alias("person_id"),
        pl.lit(taken.name).alias("source"),
        pl.Series("sha256", [f.sha256 for f in facts], dtype=pl.String),
        pl.Series("width_px", [f.width_px for f in facts], dtype=pl.Int32),
        pl.Series("height_px", [f.height_px for f in facts], dtype=pl.Int32),
    )
    prefix = f"{taken.source.name}/" if taken.source.name else ""
    lines = [(taken.name, f"{prefix}{path}", status, reason) for path, status, reason in rejects]
    return _Joined(rows, lines, counts, len(missing), len(labelled.rows) + len(labelled.missing))


def _absent(named: Iterable[str], there: set[str]) -> Iterator[tuple[str, str]]:
    """(path, reason) of each named path that no file has; a file that differs in case or extension only is told."""
    alike = {_stem(path): path for path in sorted(there)}
    for path in named:
        if path not in there:
            near = alike.get(_stem(path))
            yield path, f"no such file; {near} is there" if near else "no such file"


def _stem(path: str) -> str:
    return path.lower().rpartition(".")[0] or path.lower()


def _refuse_nothing(
    taken: Sequence[_Taken], joined: Sequence[_Joined], *, rejects: pl.DataFrame, counts: Mapping[str, int]
) -> None:
    """Raises IngestError: TRI227 no label has a file, TRI205 no file is usable."""
    if sum(len(one.rows) for one in joined):
        return
    where = ", ".join(str(t.source.path) for t in taken)
    n_labelled, n_missing = sum(one.n_labelled for one in joined), sum(one.n_missing for one in joined)
    got = ", ".join(f"{n:,} {status.replace('_', ' ')}" for status, n in counts.items() if n) or "no file"
    if n_labelled and n_missing == n_labelled:
        first = first_few(rejects.filter(pl.col("status") == "missing")["path"].to_list())
        looked = ", ".join(str(t.labelled.root) for t in taken)
        what = f"none of the {n_labelled:,} label rows has a photo below {looked}: {first}"
        raise IngestError("TRI227", what, rejects=rejects, where=where, got=got)
    raise IngestError("TRI205", "no usable photo", rejects=rejects, where=where, got=got)


def _manifest(taken: Sequence[_Taken], joined: Sequence[_Joined], *, schema: LabelSchema) -> Manifest:
    rows = pl.concat([one.rows for one in joined], how="diagonal")
    blank = pl.DataFrame(empty_columns(len(rows))).drop("label_weight")
    table = blank.with_columns(rows.get_columns()).with_columns(pl.lit(1.0, dtype=pl.Float32).alias("label_weight"))
    extras = sorted(name for name in rows.columns if name.startswith("x_"))
    roots = {t.name: Path(os.path.normpath(t.labelled.root.absolute())) for t in taken}
    tables = {f"{t.name}/{table.name}": table for t in taken for table in t.labelled.tables}
    return Manifest(
        table.select(*KIND.columns, *schema.names, *extras),
        schema,
        roots,
        stamps=(PERSONS_UNKNOWN,) if (table["person_id"] == "").any() else (),
        inputs=input_hashes(**tables)
        | {f"{t.name}/{t.source.archive}": t.source.sha256 for t in taken if t.source.archive},
    )


def _notes(taken: Sequence[_Taken], joined: Sequence[_Joined]) -> tuple[str, ...]:
    heads = [f"{t.source.path}: " if len(taken) > 1 else "" for t in taken]
    notes = [head + note for head, t in zip(heads, taken, strict=True) for note in t.labelled.notes]
    kept = [
        f"{t.source.archive} was unpacked into {t.source.path}: its photos are read there"
        for t in taken
        if t.source.archive
    ]
    notes = [*kept, *notes]
    people = [set(one.rows["person_id"]) - {""} for one in joined]
    if shared := sum(n > 1 for n in Counter(p for who in people for p in who).values()):
        told = f"{shared:,} person ids occur in several sources and count as one person each"
        notes.append(f"{told}: name the sources to keep them apart")
    return tuple(notes)
