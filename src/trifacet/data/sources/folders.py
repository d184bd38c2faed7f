"""Layout `folders`: the folders a photo lies in name its classes; photos in no such folder have no labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import polars as pl

from trifacet.core.errors import nearest
from trifacet.core.schema import LabelSchema
from trifacet.data.sources.entries import BadLabel, Labelled, Reading, refuse_bad_labels
from trifacet.data.sources.labels import joint_names, label_keys, read_labels, row_of
from trifacet.data.sources.table import photo_root
from trifacet.pixels.scan import find_files

Texts = Mapping[str, str | None]  # label key -> text
_Said = tuple[dict[str, str | None], list[str]]

_NEUTRAL = {"images", "train", "training", "val", "valid", "validation", "test", "eval"}  # sets, not classes


def read_folders_layout(source: Path, reading: Reading) -> Labelled:
    """Photos whose folders name their classes, in any of three ways, in any case.

    `worn/male/under_30/x.jpg`: class names, in any order, and not all attributes need be named; `worn_male_under_30/`:
    joint names, with `_` or `/`; `0/` .. `17/`: joint ids of the schema, where every folder on the top is such a
    number. `train`, `val`, `test` and the like are passed over; `reading.values` translates other names. Where no
    folder names a class, all photos are without labels; where some do, photos outside them are extra.

    Raises:
        ManifestError: TRI220 no folder; TRI224 a folder beside or within classes that names none.
    """
    root = photo_root(source, reading)
    found = find_files(root, is_following_links=reading.is_following_links)
    photos = [PurePosixPath(f.path) for f in found if not f.status or f.status == "unreadable"]
    known = _known_names(reading, {p.parts[0] for p in photos if len(p.parts) > 1})
    said = {p: _said_of(p, known) for p in photos}
    unknown = _unknown(said, known)
    notes: tuple[str, ...] = ()
    if any(texts for texts, _ in said.values()):
        refuse_bad_labels(unknown, where=root)
        kept = [p for p, (texts, _) in said.items() if texts]
        why_extra = "lies outside the folders of classes"
    else:
        refuse_bad_labels([b for b in unknown if b.do.startswith("Did")], where=root)
        kept = photos
        why_extra, notes = "", ("no folder is named after a class: the photos have no labels",)
    paths = [p.as_posix() for p in kept]
    cells = {key: [said[p][0].get(key) for p in kept] for key in label_keys(reading.schema)}
    labels, bad = read_labels(cells, paths, where=lambda i: f"folder of {paths[i]}", reading=reading)
    refuse_bad_labels(bad, where=root)
    rows = labels.with_columns(
        pl.Series("path", paths, dtype=pl.String),
        pl.lit("").alias("person_id"),
        pl.lit(None if notes else "folder name", dtype=pl.String).alias("label_source"),
    )
    return Labelled("folders", root, tuple(found), rows, why_extra, notes=notes)


def _known_names(reading: Reading, tops: set[str]) -> dict[str, Texts]:
    """Lower-case folder names -> what they say; a class name that two attributes share says nothing."""
    schema = reading.schema
    known: dict[str, Texts] = dict(joint_names(schema))
    if is_numbered(tops, schema):
        known |= {top: row_of(schema, int(top)) for top in tops}
    for attribute in schema.attributes:
        others = {c for a in schema.attributes if a is not attribute for c in a.classes}
        known |= {c.lower(): {attribute.name: c} for c in attribute.classes if c not in others}
    for key, table in reading.values.items():
        known |= {text.lower(): {key: text} for text in table}
    return known


def is_numbered(tops: set[str], schema: LabelSchema) -> bool:
    """Whether every one of these folder names is a joint id of the schema."""
    return bool(tops) and all(t.isascii() and t.isdigit() and int(t) < schema.n_joint for t in tops)


def _said_of(photo: PurePosixPath, known: Mapping[str, Texts]) -> _Said:
    """What a photo's folders say, and those that say nothing."""
    texts: dict[str, str | None] = {}
    silent = []
    for folder in photo.parts[:-1]:
        if (said := known.get(folder.lower())) is not None:
            texts |= said
        elif folder.lower() not in _NEUTRAL:
            silent.append(folder)
    return texts, silent


def _unknown(said: Mapping[PurePosixPath, _Said], known: Mapping[str, Texts]) -> list[BadLabel]:
    """Folders that name no class, each once."""
    bad: dict[str, BadLabel] = {}
    for photo, (_, silent) in said.items():
        for folder in silent:
            if folder in bad:
                continue
            near = nearest(folder.lower(), list(known))
            do = f"Did you mean '{near}'? " if near else ""
            do += f"Rename or remove the folder, or map it: --map-values ATTRIBUTE:{folder}=CLASS."
            bad[folder] = BadLabel(photo.as_posix(), f"folder {folder}", "names no class", do)
    return list(bad.values())
