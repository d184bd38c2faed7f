"""Evaluation: what one set of predictions is worth on photos whose labels are known. A report draws from it alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import polars as pl

from trifacet.core.predictions import DecisionRule
from trifacet.core.schema import FloatArray, IntArray, LabelSchema

BY_ROW = "joined by row: the truth has no ids, so a shifted row would go unnoticed"


class Interval(NamedTuple):
    """A figure and its 95 % bootstrap interval, in the figure's own unit; low <= value <= high."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self:.3f}"

    def __format__(self, spec: str) -> str:
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]" if spec else str(self)


class ClassScore(NamedTuple):
    """One class: shares in 0..1 (0 where nothing can be divided), numbers of photos with this truth and this answer."""

    name: str
    precision: float
    recall: float
    f1: float
    n_true: int
    n_predicted: int


class ReliabilityBin(NamedTuple):
    """Photos of similar confidence: mean confidence and share of right answers, both 0..1; equal when calibrated."""

    low: float
    high: float
    confidence: float
    accuracy: float
    n_photos: int


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities can be believed: mean -log p of the true class, calibration error 0..1, and its bins."""

    nll: Interval
    ece: float
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, eq=False)
class LabelScore:
    """How well one attribute, or the joint class, is answered, over the `n_photos` whose label is known.

    name: the attribute's name, or "joint". classes: C names in id order. confusion: (C, C) photos, rows truth, columns
    answer. unanswered: (C,) photos that could not be read, by truth; they count as wrong.
    accuracy, macro_f1: higher is better, 0..1; macro F1 is the mean over all C classes, one without photos counting 0.
    n_absent: classes without a photo in the truth. n_never_predicted: classes in the truth that no answer names.
    nll (mean -log p of the true class, >= 0, lower is better), ece (0 calibrated .. 1) and reliability tell of
    photos that were read; None and () where there are no probabilities. raw: the same answers with the probabilities as
    they were before the rule's temperatures; None where the rule has none.
    """

    name: str
    classes: tuple[str, ...]
    n_photos: int
    accuracy: Interval
    macro_f1: Interval
    per_class: tuple[ClassScore, ...]
    confusion: IntArray
    unanswered: IntArray
    n_absent: int
    n_never_predicted: int
    nll: Interval | None = None
    ece: float | None = None
    reliability: tuple[ReliabilityBin, ...] = ()
    raw: Calibration | None = None


@dataclass(frozen=True, eq=False)
class AgeScore:
    """How far predicted ages lie from true ones, in years, over the photos read whose age in years is known.

    bias_years is predicted minus true: above 0 means too old. true_years, predicted_years: (n_photos,).
    """

    n_photos: int
    mae_years: Interval
    bias_years: Interval
    true_years: FloatArray
    predicted_years: FloatArray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of predictions against truth, with everything a report shows.

    joint is None when no photo has all labels; an attribute is None when no photo has its label; age is None without
    true ages in years or predicted ones. Intervals resample people (`interval_by` "person"; a photo whose person is
    unknown is its own person) or, where no person is known, photos. n_people is None when any person is unknown.
    n_unread photos had no prediction because they could not be read: they count as wrong answers.
    photos: one row per photo scored: photo_id, person_id ("" unknown), error (null when read), true_joint,
    predicted_joint, is_correct (null where the label is not known), confidence (0..1, of the predicted joint class),
    then true_NAME and predicted_NAME (class ids, null where not known) per attribute, true_years, predicted_years,
    and what else the truth tells of a photo as x_NAME.
    decision: the rule the classes were decided by (None: argmax, or a submission's own answers).
    source: "probabilities" or "answers" (a submission: no nll, ece, confidence or years).
    """

    schema: LabelSchema
    source: Literal["probabilities", "answers"]
    n_photos: int
    n_people: int | None
    n_unread: int
    interval_by: Literal["person", "photo"]
    joint: LabelScore | None
    attributes: dict[str, LabelScore | None]
    age: AgeScore | None
    photos: pl.DataFrame
    decision: DecisionRule | None
    n_boot: int
    seed: int
    stamps: tuple[str, ...] = ()
    made_by: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        people = "people unknown" if self.n_people is None else f"{self.n_people:,} people"
        score = f", macro F1 {self.joint.macro_f1}" if self.joint else ""
        return f"Evaluation({self.n_photos:,} photos, {people}{score})"

    def as_json(self) -> dict[str, Any]:
        """The scores as one JSON object, ready for `--json`: every figure {"value", "low", "high"}, null when unknown.

        Top level: macro_f1, accuracy, nll (of the joint class), n_photos, ..., and one object per attribute.
        """
        joint = self.joint
        attributes: dict[str, Any] = {name: _label_json(score) for name, score in self.attributes.items()}
        if (age := self.schema.age) is not None:
            attributes[age.name]["mae_years"] = _figure(self.age.mae_years if self.age else None)
            attributes[age.name]["bias_years"] = _figure(self.age.bias_years if self.age else None)
        return {
            **_label_json(joint),
            "n_absent_classes": joint.n_absent if joint else None,
            "n_photos": self.n_photos,
            "n_people": self.n_people,
            "n_unread": self.n_unread,
            "interval_by": self.interval_by,
            **attributes,
            "per_class": [score._asdict() for score in joint.per_class] if joint else None,
            "decision": self.decision.model_dump(mode="json", exclude={"label_schema"}) if self.decision else None,
            "source": self.source,
            "label_schema": self.schema.fingerprint,
            "bootstrap": {"draws": self.n_boot, "seed": self.seed, "level": 0.95},
            "stamps": list(self.stamps),
        }


def _figure(interval: Interval | None) -> dict[str, float] | None:
    return interval._asdict() if interval else None


def _label_json(score: LabelScore | None) -> dict[str, Any]:
    return {
        "macro_f1": _figure(score.macro_f1 if score else None),
        "accuracy": _figure(score.accuracy if score else None),
        "nll": _figure(score.nll if score else None),
        "ece": score.ece if score else None,
        "raw_nll": _figure(score.raw.nll if score and score.raw else None),
        "raw_ece": score.raw.ece if score and score.raw else None,
    }
