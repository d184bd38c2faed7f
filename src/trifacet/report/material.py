"""What a report is made from: the evaluations, the run's history and facts, the pictures that may be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from trifacet.core.errors import count_text
from trifacet.core.evaluation import Evaluation, LabelScore
from trifacet.core.schema import FloatArray, IntArray

N_SHOWN = 24  # photos of a section: four rows on a desktop


@dataclass(frozen=True)
class Look:
    """Where the network looks in one photo: a picture of it as a data URI, for which attribute, the deepest fall."""

    uri: str
    attribute: str
    deepest: float


@dataclass(frozen=True, eq=False)
class Attention:
    """By how much covering a place lowers the probability of what is answered.

    drops: (n, P, A) per photo, place and attribute. places: (n, P), cells of a `grid` x `grid`, row by row.
    persons: n texts, "" unknown. aspect: the pictures' height by their width. looks: photo id -> that photo by itself.
    backdrop: a data URI of the mean of the photos, "" for none.
    """

    drops: FloatArray
    places: IntArray
    grid: int
    persons: Sequence[str]
    aspect: float = 1.0
    looks: Mapping[str, Look] = field(default_factory=dict)
    backdrop: str = ""


@dataclass(frozen=True)
class Material:
    """What a report is made from.

    evaluations: by what they were measured on (`val`, `test`, a file's name); the last one is looked at in detail.
    history: the records of metrics.jsonl. run_info: facts on the run, groups of facts where a value is a mapping.
    thumbnails: photo id -> data URI; empty for a report without pictures. attention: where the network looks.
    """

    evaluations: Mapping[str, Evaluation]
    history: Sequence[Mapping[str, Any]] = ()
    run_info: Mapping[str, Any] = field(default_factory=dict)
    thumbnails: Mapping[str, str] = field(default_factory=dict)
    attention: Attention | None = None

    @property
    def measured_on(self) -> str:
        """What the evaluation looked at in detail was measured on."""
        return list(self.evaluations)[-1]

    @property
    def main(self) -> Evaluation:
        """The evaluation looked at in detail."""
        return self.evaluations[self.measured_on]

    @property
    def scores(self) -> dict[str, LabelScore]:
        """The scores there are: of all labels together ("all labels"), then of each attribute."""
        return scores_of(self.main)


def scores_of(evaluation: Evaluation) -> dict[str, LabelScore]:
    """The scores there are of an evaluation: of all labels together ("all labels"), then of each attribute."""
    all_scores = {"all labels": evaluation.joint, **evaluation.attributes}
    return {name: score for name, score in all_scores.items() if score is not None}


def sure_mistakes(evaluation: Evaluation) -> pl.DataFrame:
    """The photos answered wrongly, the most confident first."""
    wrong = evaluation.photos.filter(pl.col("is_correct").eq(False) & pl.col("error").is_null())
    return wrong.sort("confidence", "photo_id", descending=[True, False], nulls_last=True)


def least_certain(evaluation: Evaluation) -> pl.DataFrame:
    """The photos read whose answer has the lowest probability, right or wrong; that one first."""
    read = evaluation.photos.filter(pl.col("confidence").is_not_null() & pl.col("error").is_null())
    return read.sort("confidence", "photo_id")


def photos_to_show(evaluation: Evaluation) -> pl.DataFrame:
    """The photos that a report shows as pictures, each once: the first of each section, then the second of each, ..."""
    chosen = [rows(evaluation).head(N_SHOWN).with_row_index() for rows in (sure_mistakes, least_certain)]
    return pl.concat(chosen).sort("index", maintain_order=True).drop("index").unique("photo_id", maintain_order=True)


def size_text(evaluation: Evaluation) -> str:
    """How much an evaluation rests on: `2,508 photos of 612 people`."""
    photos = count_text(evaluation.n_photos, "photo")
    if evaluation.n_people is None:
        return f"{photos}, people unknown"
    return f"{photos} of {count_text(evaluation.n_people, 'person', many='people')}"
