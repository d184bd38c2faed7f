"""Tables that name photos by their paths and give classes: what people's relabelling scripts leave behind.

Source: the columns of public scripts for the original task: `img_path,class,age_class,mask_class,gender_class`,
`Full Path,NewClass,...`, `ImageID,ans`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trifacet.clean.exchange.said import CERTAINTY, CLASS, PATH, REASON, WHO, Names, Problem, Said, Told, label_keys
from trifacet.core.errors import error, first_few

PATHS = ("path", "photo_id", "img_path", "Full Path", "filepath", "ImageID")
CLASSES = ("class", "NewClass", "ans")


def read_classes(path: Path, names: Names) -> Told:
    """What a CSV or TSV says, a photo a row.

    The column of paths and that of classes are found by the names that public tables give them, or mapped. Attributes
    are read where they are mapped, or where there is no column of classes and theirs are named so.

    Raises:
        StoreError: TRI708, not a table, or without a column of paths or of labels.
    """
    rows, columns = _rows(path)
    place = _column(PATH, PATHS, columns=columns, names=names)
    if not place:
        do = f"Say which it is: --map path={columns[0] if columns else 'COLUMN'}."
        raise error("TRI708", "no column of paths", where=path, got=first_few(columns, 10), do=do)
    joint = _column(CLASS, CLASSES, columns=columns, names=names)
    keys = [k for k in label_keys(names.schema) if k != CLASS and names.of(k) in columns and names.of(k) != place]
    keys = [k for k in keys if k in names.called] if joint else keys
    if missing := [name for name in names.called.values() if name not in columns]:
        raise error("TRI710", "no such column", where=path, got=first_few(missing), do=f"It has {first_few(columns)}.")
    if not joint and not keys:
        do = f"Say which it is: --map class=COLUMN, or --map {names.schema.names[0]}=COLUMN."
        raise error("TRI708", "no column of labels", where=path, got=first_few(columns, 10), do=do)
    labels = {key: names.of(key) for key in keys} | ({CLASS: joint} if joint else {})
    about = [names.of(key) if names.of(key) in columns else "" for key in (WHO, REASON, CERTAINTY)]
    said, problems = [], []
    for line, row in rows:
        if None in row or None in row.values():
            problems.append(Problem(f"line {line}", "", f"has not {len(columns)} cells, as the header has"))
            continue
        if not row[place].strip():
            problems.append(Problem(f"line {line}", "", "names no photo"))
            continue
        who, reason, certainty = (row[column].strip() if column else "" for column in about)
        blank = Said(f"line {line}", row[place], "", "", who=who, reason=reason, certainty=certainty)
        said += [replace(blank, key=key, text=row[column]) for key, column in labels.items()]
    return Told(tuple(said), tuple(problems))


def _rows(path: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    """The rows with the numbers of their last lines, and the columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as content:
            reader = csv.DictReader(content, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
            columns = list(reader.fieldnames or [])
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise error("TRI708", "cannot be read as a table", where=path, got=str(problem)) from problem
    return rows, columns


def _column(key: str, known: Sequence[str], *, columns: Sequence[str], names: Names) -> str:
    """The column of a key: as mapped, else the first known name that is there; "" for none."""
    if key in names.called:
        return names.called[key]
    return next((name for name in known if name in columns), "")
