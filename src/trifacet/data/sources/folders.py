"""Layout `folders`: the folders a photo lies in name its classes; photos in no such folder have no labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import polars as pl

from trifacet.core.errors import nearest
from trifacet.core.schema import LabelSchema
from trifacet.data.sources.entries import BadLabel, Labelled, Reading, refuse_bad_labels
from trifacet.data.sources.labels import joint_names, row_of
from trifacet.data.sources.table import photo_root
from trifacet.pixels.scan import find_files

Classes = Mapping[str, str | None]

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
    labelled = {p: _labels_of(p, known) for p in photos}
    notes = []
    if any(classes for classes, _ in labelled.values()):
        refuse_bad_labels(_unknown(labelled, known), where=root)
        kept = {p: classes for p, (classes, _) in labelled.items() if classes}
        why_extra = "lies outside the folders of classes"
    else:
        refuse_bad_labels([b for b in _unknown(labelled, known) if b.do.startswith("Did")], where=root)
        kept = {p: {} for p in photos}
        why_extra = ""
        notes = ["no folder is named after a class: the photos have no labels"]
    names = reading.schema.names
    rows = pl.DataFrame(
        [
            pl.Series("path", [p.as_posix() for p in kept], dtype=pl.String),
            *(pl.Series(n, [classes.get(n) for classes in kept.values()], dtype=pl.String) for n in names),
        ]
    ).with_columns(
        pl.lit("").alias("person_id"),
        pl.lit(None, dtype=pl.Float32).alias("age_years"),
        pl.lit(None if notes else "folder name", dtype=pl.String).alias("label_source"),
    )
    return Labelled("folders", root, tuple(found), rows, why_extra, notes=tuple(notes))


def _known_names(reading: Reading, tops: set[str]) -> dict[str, Classes]:
    """Lower-case folder names -> what they say; attributes that share a class name cannot be told by it."""
    schema = reading.schema
    known: dict[str, Classes] = dict(joint_names(schema))
    for attribute in schema.attributes:
        others = {c for a in schema.attributes if a is not attribute for c in a.classes}
        known |= {c.lower(): {attribute.name: c} for c in attribute.classes if c not in others}
    for name, table in reading.values.items():
        targets = joint_names(schema) if name not in schema.names else {c: {name: c} for c in _classes(schema, name)}
        known |= {text.lower(): targets[target] for text, target in table.items() if target in targets}
    if is_numbered(tops, schema):
        known |= {top: row_of(schema, int(top)) for top in tops}
    return known


def _classes(schema: LabelSchema, name: str) -> tuple[str, ...]:
    return schema.attribute(name).classes


def is_numbered(tops: set[str], schema: LabelSchema) -> bool:
    """Whether every one of these folder names is a joint id of the schema."""
    return bool(tops) and all(t.isascii() and t.isdigit() and int(t) < schema.n_joint for t in tops)


def _labels_of(photo: PurePosixPath, known: Mapping[str, Classes]) -> tuple[dict[str, str | None], list[str]]:
    """What a photo's folders say, and those that say nothing."""
    classes: dict[str, str | None] = {}
    unknown = []
    for folder in photo.parts[:-1]:
        if (said := known.get(folder.lower())) is not None:
            classes |= said
        elif folder.lower() not in _NEUTRAL:
            unknown.append(folder)
    return classes, unknown


def _unknown(
    labelled: Mapping[PurePosixPath, tuple[Classes, list[str]]], known: Mapping[str, Classes]
) -> list[BadLabel]:
    """Folders that name no class, each once."""
    bad: dict[str, BadLabel] = {}
    for photo, (_, unknown) in labelled.items():
        for folder in unknown:
            if folder in bad:
                continue
            near = nearest(folder.lower(), list(known))
            do = f"Did you mean '{near}'? " if near else ""
            do += f"Rename or remove the folder, or map it: --map-values ATTRIBUTE:{folder}=CLASS."
            bad[folder] = BadLabel(photo.as_posix(), f"folder {folder}", "names no class", do)
    return list(bad.values())
