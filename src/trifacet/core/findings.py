"""Findings: what looks wrong with a photo, how badly, and beside which other photo. They change nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from trifacet.core.errors import error, first_few
from trifacet.core.schema import LabelSchema
from trifacet.core.tables import Provenance, TableKind, read_table, write_table

KIND = TableKind(
    name="findings",
    format=1,
    columns={
        "photo_id": pl.String(),
        "kind": pl.String(),
        "attribute": pl.String(),
        "score": pl.Float32(),
        "is_issue": pl.Boolean(),
        "other_id": pl.String(),
        "detail": pl.String(),
        "proposed": pl.String(),
        "confidence": pl.Float32(),
    },
    migrations={},
)

KINDS = {
    "unusable": "a file that is no photo, with its status of ingest",
    "changed": "a photo whose file is gone or holds other bytes than when it was ingested",
    "copy": "a photo that shows the same picture as another person's",
    "copy_other_label": "a photo that shows the same picture as another one with another label",
    "copy_across_splits": "a photo that shows the same picture as one of another split",
    "copy_across_data": "a photo that shows the same picture as one of the data it was compared with",
    "copy_of_own": "a photo that shows the same picture as another one of the same person; counted, not flagged",
    "divided": "a person with photos in several splits",
    "mixed": "a person with more than one gender or age",
    "dark": "darker than nearly all photos",
    "bright": "brighter than nearly all photos",
    "flat": "with less contrast than nearly all photos",
    "blurred": "less sharp than nearly all photos",
    "tiny": "with too few pixels to show a face",
    "no_face": "no face was found",
    "several_faces": "several faces were found",
    "cut_face": "a face that reaches beyond the photo",
    "small_face": "a face that fills little of the photo",
    "blurred_face": "a face less sharp than nearly all faces",
    "turned_face": "a head turned far aside, or tilted far over",
    "exif": "metadata that turn the photo, or say where it was taken",
    "label": "a label that a model which never saw the person does not believe",
    "age": "years far from what a model which never saw the person expects",
    "swap": "two photos of one person that seem to have each other's labels",
    "shift": "in what the data it was compared with differ from these on the whole; about no single photo",
}


@dataclass(frozen=True)
class Finding:
    """One finding: score is 0 worst .. 1 fine, `attribute` and `other_id` "" where there are none.

    photo_id is "" where it is about the data as a whole; other_id begins with `other:` where it is of other data.
    proposed: what a model would say of the attribute instead, "" where none does. confidence: the probability that it
    gives to that, 0..1; None where it gives none.
    """

    photo_id: str
    kind: str
    score: float
    is_issue: bool = True
    attribute: str = ""
    other_id: str = ""
    detail: str = ""
    proposed: str = ""
    confidence: float | None = None


@dataclass(frozen=True)
class Findings:
    """A table of findings, worst first within a kind, and the schema of the data that they are about."""

    table: pl.DataFrame
    schema: LabelSchema
    inputs: dict[str, str] | None = None
    stamps: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.table.height

    @property
    def issues(self) -> pl.DataFrame:
        """The findings that somebody should look at."""
        return self.table.filter("is_issue")


def findings_table(found: Iterable[Finding]) -> pl.DataFrame:
    """The findings as a table, kinds in the order of KINDS, each worst first."""
    rows = list(found)
    if foreign := sorted({f.kind for f in rows} - {*KINDS}):
        raise ValueError(f"kinds must be among {', '.join(KINDS)}, got {first_few(foreign)}")
    table = pl.DataFrame(
        {name: pl.Series(name, [getattr(f, name) for f in rows], dtype=kind) for name, kind in KIND.columns.items()}
    )
    order = pl.col("kind").replace_strict(list(KINDS), list(range(len(KINDS))), return_dtype=pl.Int64)
    return table.sort(order, ~pl.col("is_issue"), "score", "attribute", "photo_id", "other_id")


def write_findings(path: Path | str, findings: Findings, *, stage: str = "audit") -> None:
    """Writes findings, whole or not at all. stage: what found them."""
    made = Provenance(
        kind=KIND.name,
        format=KIND.format,
        stage=stage,
        label_schema=findings.schema,
        inputs=findings.inputs or {},
        stamps=findings.stamps,
    )
    write_table(path, findings.table, provenance=made)


def read_findings(path: Path | str, *, photo_ids: Sequence[str] | None = None) -> Findings:
    """The findings stored at `path`; with photo_ids, refused where they are about none of these photos.

    Raises:
        ManifestError: TRI202, not a findings file. StoreError: TRI700, about other photos.
    """
    table, made = read_table(path, KIND)
    about = table.filter(pl.col("photo_id") != "")["photo_id"]
    if photo_ids is not None and len(about) and not about.is_in(list(photo_ids)).any():
        raise error("TRI700", "these findings are about other photos", where=path, got=about[0])
    return Findings(table, made.label_schema, inputs=made.inputs, stamps=made.stamps)
