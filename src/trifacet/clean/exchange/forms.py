"""The forms that rulings come in and go out in, by name, and which of them a file has."""

from __future__ import annotations

import csv
from pathlib import Path

from trifacet.clean.exchange.cvat import read_images
from trifacet.clean.exchange.fiftyone import looks_like_samples, read_samples
from trifacet.clean.exchange.label_studio import looks_like_tasks, read_tasks
from trifacet.clean.exchange.said import Names, Told, read_document
from trifacet.clean.exchange.tables import read_classes
from trifacet.core.errors import error, pick

AUTO, CSV, CLASSES, LABEL_STUDIO, FIFTYONE, CVAT = "auto", "csv", "classes", "label-studio", "fiftyone", "cvat"
FORMS = {
    CSV: "decisions, a column a field: people may edit it",
    CLASSES: "a table of paths and classes; numbers are the schema's joint ids",
    LABEL_STUDIO: "tasks of Label Studio, JSON",
    FIFTYONE: "a dataset folder of FiftyOne (its samples.json), or labels.json",
    CVAT: "annotations.xml of CVAT for images 1.1",
}


def file_of(path: Path) -> Path:
    """The file to read: samples.json of a folder, else the path itself. Raises StoreError TRI708."""
    inside = path / "samples.json" if path.is_dir() else path
    if not inside.is_file():
        raise error("TRI708", "no such file", where=inside, do="Check the path.")
    return inside


def form_of(path: Path, form: str) -> str:
    """The form that was asked for, or that the file has.

    Raises:
        ConfigError: TRI100, no such form. StoreError: TRI708, a file of no form.
    """
    if form != AUTO:
        pick({AUTO: "", **FORMS}, form, what="form")
        return form
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return CSV if {"subject", "attribute"} <= {*_header(path)} else CLASSES
    if suffix == ".xml":
        return CVAT
    if suffix == ".json":
        content = read_document(path)
        if looks_like_tasks(content):
            return LABEL_STUDIO
        if looks_like_samples(content):
            return FIFTYONE
    raise error("TRI708", "a file of no known form", where=path, do=f"Forms: {', '.join(FORMS)}; say which: --form.")


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as content:
            return next(csv.reader(content), [])
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise error("TRI708", "cannot be read as a table", where=path, got=str(problem)) from problem


def read_form(path: Path, form: str, *, names: Names) -> Told:
    """What a file of this form, but a CSV of decisions, says. Raises StoreError TRI708, TRI710."""
    if form == CLASSES:
        return read_classes(path, names)
    if form == CVAT:
        return read_images(path, names)
    content = read_document(path)
    return (
        read_tasks(path, names, content=content) if form == LABEL_STUDIO else read_samples(path, names, content=content)
    )
