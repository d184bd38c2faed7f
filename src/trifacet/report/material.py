"""What a report is made from: the evaluations, the run's history and facts, the pictures that may be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trifacet.core.evaluation import Evaluation, LabelScore
from trifacet.pages import html


@dataclass(frozen=True)
class Material:
    """What a report is made from.

    evaluations: by what they were measured on (`val`, `test`, a file's name); the last one is looked at in detail.
    history: the records of metrics.jsonl. run_info: facts on the run, groups of facts where a value is a mapping.
    thumbnails: photo id -> data URI; empty for a report without pictures.
    """

    evaluations: Mapping[str, Evaluation]
    history: Sequence[Mapping[str, Any]] = ()
    run_info: Mapping[str, Any] = field(default_factory=dict)
    thumbnails: Mapping[str, str] = field(default_factory=dict)

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


def size_text(evaluation: Evaluation) -> str:
    """How much an evaluation rests on: `2,508 photos of 612 people`."""
    photos = html.count_text(evaluation.n_photos, "photo")
    if evaluation.n_people is None:
        return f"{photos}, people unknown"
    return f"{photos} of {html.count_text(evaluation.n_people, 'person', many='people')}"
