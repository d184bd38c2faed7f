"""Layouts of photos on disk, one adapter each, and the detection of which one a folder has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from trifacet.core.errors import error, first_few, pick
from trifacet.data.sources.boostcamp import (
    INFO_CSV,
    MASK_OF_STEM,
    TRAIN_COLUMNS,
    TRAIN_CSV,
    person_of_folder,
    read_eval_form,
    read_train_form,
)
from trifacet.data.sources.entries import Labelled, Reading
from trifacet.data.sources.folders import read_folders_layout
from trifacet.data.sources.labels import JOINT, check_value_maps, label_keys
from trifacet.data.sources.names import vocabulary
from trifacet.data.sources.table import ALIASES, TABLE_SUFFIXES, header, photo_root, read_table_layout, read_texts

EVAL_FORM = "eval form"

Adapter = Callable[[Path, Reading], Labelled]


@dataclass(frozen=True)
class _Candidate:
    """A layout that a source may have: what gives it away, and the table that goes with it."""

    layout: str
    why: str
    table: Path | None = None


def read_source(source: Path, reading: Reading, *, layout: str = "auto") -> Labelled:
    """What `source` (a folder of photos, or the table that names them) says about its photos.

    Raises:
        ConfigError: TRI100 no such layout. ManifestError: TRI220 to TRI225.
    """
    check_value_maps(reading)
    if not source.exists():
        raise error("TRI220", "no such folder or table", where=source)
    if layout == "auto":
        found = _detect(source, reading)
        labelled = pick(LAYOUTS, found.layout, what="layout")(found.table or source, reading)
        return replace(labelled, notes=(f"layout {found.layout}: {found.why}", *labelled.notes))
    return pick(LAYOUTS, layout, what="layout")(source, reading)


def inner_folder(folder: Path, reading: Reading) -> Path:
    """What an unpacked archive is about: down through folders that stand alone, until there are photos or labels."""
    while not (reading.photos and (folder / reading.photos).is_dir()):
        shown = [p for p in folder.iterdir() if not p.name.startswith(".") and p.name.lower() != "__macosx"]
        if len(shown) != 1 or not shown[0].is_dir() or (not reading.photos and _candidates(folder, reading)):
            break
        folder = shown[0]
    return folder


def _read_boostcamp_layout(source: Path, reading: Reading) -> Labelled:
    """The form (train or eval) that the source has; a csv may be named in place of its folder."""
    forms = [c for c in _candidates(source, reading) if c.layout == "boostcamp"]
    if len(forms) > 1:
        raise _ambiguous(source, forms)
    if not forms and source.is_dir() and any(p.is_file() for p in photo_root(source, reading).iterdir()):
        return replace(read_folders_layout(source, reading), layout="boostcamp")  # the eval form without its csv
    if not forms:
        expected = f"{TRAIN_CSV}, {INFO_CSV} or folders named id_gender_race_age"
        raise error("TRI223", f"no {expected} here, so this is not layout boostcamp", where=source)
    table = forms[0].table
    folder = source if source.is_dir() else source.parent
    if table is not None and "ImageID" in header(table):
        return read_eval_form(folder, reading, csv=table)
    return read_train_form(folder, reading, csv=table)


LAYOUTS: Mapping[str, Adapter] = {
    "boostcamp": _read_boostcamp_layout,
    "folders": read_folders_layout,
    "table": read_table_layout,
}


def _detect(source: Path, reading: Reading) -> _Candidate:
    if reading.columns:
        return _Candidate("table", "columns are mapped")
    candidates = _candidates(source, reading)
    if len(candidates) > 1:
        raise _ambiguous(source, candidates)
    if candidates:
        return candidates[0]
    if source.is_dir():
        unused = [p.name for p in sorted(source.iterdir()) if p.suffix.lower() in TABLE_SUFFIXES and p.name[0] != "."]
        beside = f" ({first_few(unused)} is not used: to use it, map its columns)" if unused else ""
        return _Candidate("folders", f"no folder is named after a person{beside}")
    if source.suffix.lower() not in TABLE_SUFFIXES:
        raise error("TRI223", "neither a folder nor a table of photos", where=source, do="Pass a folder of photos.")
    got = first_few(read_texts(source).columns, 10)
    do = "Say which column holds the paths: --map path=COLUMN."
    raise error("TRI223", "a table without a column path", where=source, got=got, do=do)


def _candidates(source: Path, reading: Reading) -> list[_Candidate]:
    if not source.is_dir():
        return _candidates_of_tables([source], reading)
    found = _candidates_of_tables(sorted(p for p in source.iterdir() if p.is_file()), reading)
    root = photo_root(source, reading)
    folders = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    known = vocabulary(reading, set(folders))
    of_classes = [name for name in folders if known.read(name).is_whole]
    if not any(c.layout == "boostcamp" for c in found):
        others = (name for name in folders if name not in of_classes)
        if example := next((name for name in others if _is_person_folder(root / name, reading)), ""):
            found.append(_Candidate("boostcamp", f"train form, folders such as {example}"))
    if of_classes:
        found.append(_Candidate("folders", f"folders such as {of_classes[0]}"))
    return found


def _candidates_of_tables(files: list[Path], reading: Reading) -> list[_Candidate]:
    found = []
    for file in files:
        if file.suffix.lower() not in TABLE_SUFFIXES or file.name.startswith("."):
            continue
        columns = header(file)
        if set(TRAIN_COLUMNS) <= set(columns) or file.name == TRAIN_CSV:
            found.append(_Candidate("boostcamp", f"train form, {file.name}", file))
        elif "ImageID" in columns or file.name == INFO_CSV:
            found.append(_Candidate("boostcamp", f"{EVAL_FORM}, {file.name}", file))
        elif (
            "path" in columns
            and "sha256" not in columns
            and {*label_keys(reading.schema), "person", *ALIASES} & {*columns}
        ):
            found.append(_Candidate("table", file.name, file))
    info = [c for c in found if c.table and c.table.name == INFO_CSV]
    # Beside info.csv other tables of ImageIDs hold truth or answers for some of its rows: they name no more photos.
    return [c for c in found if c in info or not c.why.startswith(EVAL_FORM)] if info else found


def _is_person_folder(folder: Path, reading: Reading) -> bool:
    """Whether a name is id_gender_race_age with a plain number as age, and a gender's word or the usual photos tell."""
    person = person_of_folder(folder.name)
    if person is None or not person[3].isdigit():
        return False
    words = {"male", "female", "m", "f", *(text.lower() for text in reading.values.get("gender", ()))}
    words |= {c.lower() for a in reading.schema.attributes if a.name == "gender" for c in a.classes}
    if folder.name.split("_")[-3].lower() in words:
        return True
    return any(p.stem.lower() in MASK_OF_STEM for p in folder.iterdir())


def _ambiguous(source: Path, candidates: list[_Candidate]) -> Exception:
    got = ", ".join(f"{c.layout} ({c.why})" for c in candidates)
    do = "Say --layout, or pass the table itself instead of its folder."
    return error("TRI223", "several layouts fit", where=source, got=got, do=do)


__all__ = ["JOINT", "LAYOUTS", "Labelled", "Reading", "inner_folder", "read_source"]
