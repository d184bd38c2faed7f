"""Layout `folders`: the folders a photo lies in name its classes; photos in no such folder have no labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import polars as pl

from trifacet.core.errors import first_few, nearest
from trifacet.core.schema import LabelSchema
from trifacet.data.sources.entries import (
    IngestError,
    Labelled,
    Reading,
    map_options,
    refuse_bad_labels,
    reject_rows,
)
from trifacet.data.sources.labels import label_keys, read_labels
from trifacet.data.sources.names import Name, Vocabulary, proposed_maps, vocabulary
from trifacet.data.sources.table import photo_root
from trifacet.pixels.scan import find_files

N_NAMED = 40  # folders that a message names; the rejects hold all


@dataclass(frozen=True)
class _Said:
    """What a photo's folders say together, and those that name no class."""

    texts: dict[str, str | None]
    silent: list[str]


def read_folders_layout(source: Path, reading: Reading) -> Labelled:
    """Photos whose folders name their classes, in any of three ways, in any case.

    `worn/male/under_30/x.jpg`: class names, in any order, and not all attributes need be named; `worn_male_under_30/`:
    several in one name, parted by `_`, `-`, spaces or `/`; `0/` .. `17/`: joint ids of the schema, where every folder
    on the top is such a number. `train`, `val`, `test` and the like are passed over; `reading.values` translates other
    names and parts of names. Photos in folders without any class word have no labels, and that is told; beside class
    folders, photos in no folder are extra.

    Raises:
        ManifestError: TRI220 no folder; TRI224 a folder of whose name only a part is a class.
    """
    root = photo_root(source, reading)
    found = find_files(root, is_following_links=reading.is_following_links)
    photos = [PurePosixPath(f.path) for f in found if not f.status or f.status == "unreadable"]
    known = vocabulary(reading, {p.parts[0] for p in photos if len(p.parts) > 1})
    example = {folder: p for p in reversed(photos) for folder in p.parts[:-1]}
    names = {folder: known.read(folder) for folder in sorted(example)}
    _refuse_partial(names, example, schema=reading.schema, where=root)
    said = {p: _said_of(p, names) for p in photos}
    is_labelled = any(s.texts for s in said.values())
    kept = [p for p, s in said.items() if s.texts or s.silent or not is_labelled]
    paths = [p.as_posix() for p in kept]
    cells = {key: [said[p].texts.get(key) for p in kept] for key in label_keys(reading.schema)}
    labels, bad = read_labels(cells, paths, where=lambda i: f"folder of {paths[i]}", reading=reading)
    refuse_bad_labels(bad, where=root)
    rows = labels.with_columns(
        pl.Series("path", paths, dtype=pl.String),
        pl.lit("").alias("person_id"),
        pl.Series("label_source", ["folder name" if said[p].texts else None for p in kept], dtype=pl.String),
    )
    why_extra = "lies outside the folders of classes" if is_labelled else ""
    return Labelled("folders", root, tuple(found), rows, why_extra, notes=_notes(said, known))


def read_plain_folder(source: Path, reading: Reading) -> Labelled:
    """All photos of a folder without labels, whatever its folders are called. Raises ManifestError TRI220."""
    root = photo_root(source, reading)
    found = find_files(root, is_following_links=reading.is_following_links)
    return Labelled("folders", root, tuple(found), pl.DataFrame({"path": []}, schema={"path": pl.String()}), "")


def _said_of(photo: PurePosixPath, names: Mapping[str, Name]) -> _Said:
    texts: dict[str, str | None] = {}
    silent = []
    for folder in photo.parts[:-1]:
        name = names[folder]
        texts |= name.texts
        if not name.texts and not name.is_set:
            silent.append(folder)
    return _Said(texts, silent)


def _refuse_partial(
    names: Mapping[str, Name], example: Mapping[str, PurePosixPath], *, schema: LabelSchema, where: Path
) -> None:
    """Raises IngestError TRI224 where of a folder's name only a part is a class, or where it names two of one kind."""
    partial = {folder: name for folder, name in names.items() if name.texts and not name.is_whole}
    if not partial:
        return
    told = [f"{folder} (two classes of {name.clash})" if name.clash else folder for folder, name in partial.items()]
    what = "1 folder is" if len(partial) == 1 else f"{len(partial):,} folders are"
    pairs = proposed_maps([name for name in partial.values() if name.runs], schema)
    do = "Rename them" + (
        f", or say which class each other part is (leave CLASS out where it is none): {map_options(pairs)}"
        if pairs
        else "."
    )
    rejects = [("", example[f].as_posix(), "bad_label", f"folder {f}: a class in part only") for f in partial]
    raise IngestError(
        "TRI224",
        f"{what} named after classes in part only",
        rejects=reject_rows(rejects),
        where=str(where),
        got=first_few(told, N_NAMED),
        do=do,
    )


def _notes(said: Mapping[PurePosixPath, _Said], known: Vocabulary) -> tuple[str, ...]:
    """What is told of folders that name no class: how many photos have no labels, and what is passed over."""
    if not any(s.texts for s in said.values()):
        folders = Counter(s.silent[-1] for s in said.values() if s.silent)
        return (f"no folder is named after a class: the {len(said):,} photos have no labels{_nearly(folders, known)}",)
    bare = Counter(s.silent[-1] for s in said.values() if s.silent and not s.texts)
    passed = Counter(folder for s in said.values() if s.texts for folder in s.silent)
    notes = []
    if bare:
        told = first_few([f"{folder} {n:,}" for folder, n in sorted(bare.items())])
        notes.append(f"{bare.total():,} photos have no labels, as their folders name no class: {told}")
        notes[-1] += _nearly(bare, known)
    if passed:
        told = first_few([f"{folder} ({n:,} photos)" for folder, n in sorted(passed.items())])
        notes.append(f"folders within classes that name none are passed over: {told}{_nearly(passed, known)}")
    return tuple(notes)


def _nearly(folders: Counter[str], known: Vocabulary) -> str:
    """The folders that look like a class, which may be slips of the pen."""
    near = [(folder, nearest(folder.lower(), list(known.words))) for folder in sorted(folders)]
    like = [f"{folder} (for {name}?)" for folder, name in near if name]
    return f"; misspelled? {first_few(like)}" if like else ""
