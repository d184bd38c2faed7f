"""Layout `boostcamp`: the train form (a folder a person, masks named by file) and the eval form (info.csv)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import polars as pl

from trifacet.core.errors import error, first_few
from trifacet.data.sources.entries import Labelled, Reading, refuse_bad_labels
from trifacet.data.sources.labels import JOINT, age_key, label_keys, read_labels
from trifacet.data.sources.table import (
    extra_columns,
    photo_root,
    read_texts,
    refuse_twins,
    require_columns,
    row_number,
)
from trifacet.pixels.scan import find_files

TRAIN_CSV = "train.csv"
INFO_CSV = "info.csv"
TRAIN_COLUMNS = ("id", "gender", "age", "path")

MASK_OF_STEM = {f"mask{i}": "worn" for i in range(1, 6)} | {"incorrect_mask": "incorrect", "normal": "not_worn"}


@dataclass(frozen=True)
class _Person:
    """One person folder, as the csv or its own name describes it."""

    id: str
    gender: str
    age: str
    race: str
    where: str
    extras: Mapping[str, str | None]


def person_of_folder(name: str) -> tuple[str, str, str, str] | None:
    """(id, gender, race, age) of a folder name such as `001498-1_male_Asian_23`; None where it is not made like that.

    A race may itself hold `_`.
    """
    fields = name.split("_")
    if len(fields) < 4 or not all(fields):
        return None
    return fields[0], fields[1], "_".join(fields[2:-1]), fields[-1]


def read_train_form(source: Path, reading: Reading, *, csv: Path | None = None) -> Labelled:
    """Photos `{id}_{gender}_{race}_{age}/{mask1..mask5,incorrect_mask,normal}.*`, labels by `csv` or the folder names.

    The mask comes from the file's name; the csv wins where it differs from a folder's name, and the difference is told.
    One id in two folders is one person.

    Raises:
        ManifestError: TRI220 to TRI225.
    """
    root = photo_root(source, reading)
    found = find_files(root, is_following_links=reading.is_following_links)
    photos = [PurePosixPath(f.path) for f in found if not f.status or f.status == "unreadable"]
    photos = [p for p in photos if len(p.parts) == 2 and p.stem.lower() in MASK_OF_STEM]
    notes: list[str] = []
    missing: list[tuple[str, str]] = []
    if csv is None:
        people = _people_of_folders({p.parts[0] for p in photos})
        why_extra = "not mask1..mask5, incorrect_mask or normal in a folder named id_gender_race_age"
    else:
        people = _people_of_csv(csv)
        notes = _disagreements(people)
        empty = people.keys() - {p.parts[0] for p in photos}
        missing = [(folder, f"{csv.name} {people[folder].where}: no photo in this folder") for folder in sorted(empty)]
        why_extra = f"not mask1..mask5, incorrect_mask or normal in a folder that {csv.name} names"
    photos = [p for p in photos if p.parts[0] in people]
    rows = _rows_of_people(photos, people, reading=reading, where=csv or root)
    return Labelled(
        "boostcamp",
        root,
        tuple(found),
        rows,
        why_extra,
        missing=tuple(missing),
        tables=(csv,) if csv else (),
        notes=tuple(notes),
    )


def _people_of_folders(names: set[str]) -> dict[str, _Person]:
    described = {name: person_of_folder(name) for name in names}
    return {
        name: _Person(person[0], person[1], person[3], person[2], f"folder {name}", {})
        for name, person in described.items()
        if person
    }


def _people_of_csv(csv: Path) -> dict[str, _Person]:
    table = read_texts(csv)
    require_columns(table, TRAIN_COLUMNS, where=csv)
    folders = [(text or "").strip().replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] for text in table["path"]]
    if empty := [row_number(i) for i, (f, p) in enumerate(zip(folders, table["id"], strict=True)) if not (f and p)]:
        raise error("TRI225", "rows without an id or a path", where=csv, got=f"rows {first_few(empty)}")
    refuse_twins(folders, where=csv)
    extras = [name for name in table.columns if name not in (*TRAIN_COLUMNS, "race")]
    people = {}
    for i, (folder, row) in enumerate(zip(folders, table.iter_rows(named=True), strict=True)):
        people[folder] = _Person(
            row["id"].strip(),
            row["gender"] or "",
            row["age"] or "",
            row.get("race") or "",
            f"row {row_number(i)} ({folder})",
            {name: row[name] for name in extras},
        )
    return people


def _disagreements(people: Mapping[str, _Person]) -> list[str]:
    """What the csv and the folder names say differently, counted, with the first five."""
    told = []
    for folder, said in sorted(people.items()):
        named = person_of_folder(folder)
        if named is None:
            continue
        pairs = zip(("id", "gender", "race", "age"), named, (said.id, said.gender, said.race, said.age), strict=True)
        told += [f"{folder}: {what} {theirs}" for what, ours, theirs in pairs if theirs and not _same(ours, theirs)]
    if not told:
        return []
    return [f"the csv differs from the folder's name in {len(told):,} places, the csv is taken: {first_few(told)}"]


def _same(one: str, other: str) -> bool:
    if one.strip().lower() == other.strip().lower():
        return True
    try:
        return not one.startswith("0") and float(one) == float(other)  # 20 and 20.0 are one age; 020 is an id
    except ValueError:
        return False


def _rows_of_people(
    photos: list[PurePosixPath], people: Mapping[str, _Person], *, reading: Reading, where: Path
) -> pl.DataFrame:
    paths = [p.as_posix() for p in photos]
    whose = [people[p.parts[0]] for p in photos]
    said = {
        "mask": [MASK_OF_STEM[p.stem.lower()] for p in photos],
        "gender": [person.gender for person in whose],
        age_key(reading.schema): [person.age for person in whose],
    }
    cells = {key: texts for key, texts in said.items() if key in (*reading.schema.names, age_key(reading.schema))}
    labels, bad = read_labels(cells, paths, where=lambda i: whose[i].where, reading=reading)
    refuse_bad_labels(bad, where=where)
    extras = dict.fromkeys(name for person in whose for name in person.extras)
    return labels.with_columns(
        pl.Series("path", paths, dtype=pl.String),
        pl.Series("person_id", [person.id for person in whose], dtype=pl.String),
        pl.Series(
            "label_source", [where.name if person.extras or where.is_file() else "folder name" for person in whose]
        ),
        pl.Series("x_race", [person.race or None for person in whose], dtype=pl.String),
        *(pl.Series(f"x_{name}", [p.extras.get(name) for p in whose], dtype=pl.String) for name in extras),
    )


def read_eval_form(source: Path, reading: Reading, *, csv: Path) -> Labelled:
    """Photos that info.csv lists, in its order; ImageID is the photo_id, people are unknown.

    `ans` is taken as the truth only when told: the original comes filled with 0.

    Raises:
        ManifestError: TRI220 to TRI225.
    """
    root = photo_root(source, reading)
    table = read_texts(csv)
    require_columns(table, ["ImageID", *(["ans"] if reading.is_ans_truth else [])], where=csv)
    paths = [(text or "").strip() for text in table["ImageID"]]
    if empty := [row_number(i) for i, p in enumerate(paths) if not p]:
        raise error("TRI225", "rows without an ImageID", where=csv, got=f"rows {first_few(empty)}")
    refuse_twins(paths, where=csv)
    cells = {JOINT: table["ans"].to_list()} if reading.is_ans_truth else {}
    labels, bad = read_labels(cells, paths, where=lambda i: f"row {row_number(i)} ({paths[i]})", reading=reading)
    refuse_bad_labels(bad, where=csv)
    rows = labels.with_columns(
        pl.Series("path", paths),
        pl.lit("").alias("person_id"),
        pl.lit(csv.name if reading.is_ans_truth else None, dtype=pl.String).alias("label_source"),
        *extra_columns(table, ["ImageID", "ans"]),
    )
    found = find_files(root, is_following_links=reading.is_following_links)
    notes = _note_on_labels(table, csv, reading=reading)
    notes += () if reading.is_ans_truth else _note_on_answers(table, csv)
    return Labelled("boostcamp", root, tuple(found), rows, f"not named in {csv.name}", tables=(csv,), notes=notes)


def _note_on_labels(table: pl.DataFrame, csv: Path, *, reading: Reading) -> tuple[str, ...]:
    """A note where columns of the eval form are named as labels are: it has none of its own but `ans`."""
    there = [name for name in table.columns if name in {*label_keys(reading.schema), "person_id", "person"} - {JOINT}]
    if not there:
        return ()
    mapped = ",".join(f"{name}={name}" for name in there if name != "person_id")
    told = f"no labels were read from {', '.join(there)} of {csv.name}"
    return (f"{told}: pass --map path=ImageID,{mapped} to read them",)


def _note_on_answers(table: pl.DataFrame, csv: Path) -> tuple[str, ...]:
    answers = Counter(table["ans"].to_list()) if "ans" in table.columns else Counter()
    if len(answers) < 2:
        return ()
    return (f"{csv.name} holds {len(answers)} different answers in `ans`: pass --truth-in-ans if they are the truth",)
