"""Scores predictions against truth: joined by id, with intervals by person, and honest about what is not known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from trifacet.core.answers import Answers, read_answers
from trifacet.core.errors import error
from trifacet.core.evaluation import BY_ROW, AgeScore, Calibration, ClassScore, Evaluation, Interval, LabelScore
from trifacet.core.manifest import merged_stamps
from trifacet.core.predictions import (
    DecisionRule,
    FoldRules,
    Predictions,
    calibrated_probs,
    chosen_rule,
    decide,
    read_predictions,
)
from trifacet.core.schema import DEFAULT_SCHEMA, MISSING, FloatArray, IntArray, LabelSchema, require_same_schema
from trifacet.core.truth import Truth, joined, read_truth
from trifacet.measure.bootstrap import (
    N_DRAWS,
    Figure,
    Terms,
    accuracy_of,
    class_terms,
    group_sums,
    interval,
    macro_f1_of,
    ratio_of,
    resampled_sums,
)
from trifacet.measure.calibration import calibration_error, log_losses, reliability
from trifacet.measure.classification import confusion_matrix, table_of

Summed = tuple[Terms, dict[str, Figure]]  # terms (N, S), and the figures made of their sums, by name

Rule = DecisionRule | FoldRules | Literal["argmax"] | None

JOINT = ""  # the joint class among the attributes; no attribute can be called so


def read_scored(path: Path, schema: LabelSchema | None = None) -> Predictions | Answers:
    """What is to be scored: predictions (`.parquet`) or a submission CSV, read with `schema` (default: 3 x 2 x 3).

    Raises:
        ManifestError: TRI202. PredictionsError: TRI300, TRI320 to TRI323.
    """
    if path.suffix.lower() == ".parquet":
        return read_predictions(path, keeps_years=False)
    return read_answers(path, schema or DEFAULT_SCHEMA)


def read_pair(
    predictions: Path, truth: Path, *, schema: LabelSchema | None = None
) -> tuple[Predictions | Answers, Truth]:
    """Both sides of an evaluation under one schema: the given one, or the one that either file carries."""
    if predictions.suffix.lower() == ".parquet":
        scored = read_scored(predictions)
        if schema is not None:
            require_same_schema(schema, scored.schema, where=str(predictions))
        return scored, read_truth(truth, scored.schema)
    known = read_truth(truth, schema or (None if truth.suffix.lower() == ".parquet" else DEFAULT_SCHEMA))
    return read_scored(predictions, known.schema), known


@dataclass(frozen=True, eq=False)
class _Claim:
    """What was answered for each of N photos: joint ids (MISSING unread), probabilities (N, K), years (N,).

    raw: the probabilities before the rule's temperatures, None where it has none.
    """

    answers: IntArray
    probs: FloatArray | None
    years: FloatArray
    errors: list[str | None]
    raw: FloatArray | None = None

    def rows(self, which: IntArray) -> _Claim:
        if np.array_equal(which, np.arange(len(self.answers))):  # nothing is copied where nothing changes
            return self
        probs, raw = (None if p is None else p[which] for p in (self.probs, self.raw))
        return _Claim(self.answers[which], probs, self.years[which], [self.errors[i] for i in which], raw)


def evaluate(
    scored: Predictions | Answers,
    truth: Truth,
    *,
    rule: Rule = None,
    by_row: bool = False,
    subset: bool = False,
    n_boot: int = N_DRAWS,
    seed: int = 0,
) -> Evaluation:
    """The scores of predictions, or of a submission's answers, on photos whose labels are known.

    rule: None takes the rule that the predictions carry, "argmax" the most probable class. Of rules by fold each
    decides and calibrates its own fold's photos. by_row: a truth without
    ids is joined by row, which is stamped. subset: predictions of photos that the truth does not name are left out
    (else refused). Splits of a manifest in which nothing was predicted are left out.
    A photo that could not be read counts as a wrong answer in accuracy and F1: unanswered is not right. Figures of
    probabilities and of age are over the photos that were read. A label that is not known is left out.

    Raises:
        PredictionsError: TRI301 two schemas, TRI302 other photos, TRI326 no way to join, TRI327 nothing to score.
    """
    require_same_schema(scored.schema, truth.schema, where="truth")
    decision, claim = _claim(scored, rule)
    truth, places = joined(truth, scored.ids, by_row=by_row, subset=subset, where="evaluate")
    labelled = np.flatnonzero((truth.classes != MISSING).any(axis=1) | ~np.isnan(truth.ages))
    if not len(labelled):
        raise error("TRI327", "no photo has both an answer and a known label", where="evaluate")
    truth, claim = truth.rows(labelled), claim.rows(places[labelled])
    ids = [scored.ids[i] for i in places[labelled]]
    joint, attributes, age = _scores(truth, claim, n_boot=n_boot, seed=seed)
    stamps = merged_stamps(getattr(scored, "stamps", ()), truth.stamps, (BY_ROW,) if truth.ids is None else ())
    return Evaluation(
        schema=truth.schema,
        source="answers" if claim.probs is None else "probabilities",
        n_photos=len(truth),
        n_people=truth.n_persons,
        n_unread=int((claim.answers == MISSING).sum()),
        interval_by="person" if any(truth.persons) else "photo",
        joint=joint,
        attributes=attributes,
        age=age,
        photos=_photo_table(truth, claim, ids=ids),
        decision=decision,
        n_boot=n_boot,
        seed=seed,
        stamps=stamps,
        made_by=dict(getattr(scored, "made_by", {})),
    )


def _claim(scored: Predictions | Answers, rule: Rule) -> tuple[DecisionRule | None, _Claim]:
    if isinstance(scored, Answers):
        if isinstance(rule, DecisionRule | FoldRules):
            raise error("TRI104", "a submission's answers cannot be decided anew", where="--decision")
        return None, _Claim(scored.classes, None, np.full(len(scored), np.nan), [None] * len(scored))
    if isinstance(rule, FoldRules):
        answers, probs = np.full(len(scored), MISSING), np.full(scored.probs.shape, np.nan, dtype=np.float32)
        for fold, own in rule.rules.items():
            rows = np.flatnonzero(rule.fold_of == fold)
            part = scored.rows(rows)
            answers[rows], probs[rows] = decide(part, own), calibrated_probs(part, own)
        return scored.decision, _Claim(answers, probs, scored.age_years, list(scored.errors), scored.probs)
    decision = chosen_rule(scored, rule)
    answers, probs = decide(scored, decision), calibrated_probs(scored, decision)
    raw = scored.probs if decision is not None and decision.temperature else None
    return decision, _Claim(answers, probs, scored.age_years, list(scored.errors), raw)


@dataclass(frozen=True, eq=False)
class _Label:
    """Truth and answer (N,) of one attribute or the joint class, its class names, its probabilities (N, C) or None.

    raw: those before the rule's temperatures.
    """

    true: IntArray
    answer: IntArray
    probs: FloatArray | None
    raw: FloatArray | None
    classes: tuple[str, ...]


def _scores(
    truth: Truth, claim: _Claim, *, n_boot: int, seed: int
) -> tuple[LabelScore | None, dict[str, LabelScore | None], AgeScore | None]:
    """Every score, all intervals from the same draws of people."""
    schema, answers = truth.schema, truth.schema.decode(claim.answers)
    labels = {JOINT: _Label(truth.joint, claim.answers, claim.probs, claim.raw, schema.joint_names)}
    for i, a in enumerate(schema.attributes):
        probs, raw = (None if p is None else schema.marginal(p, a.name) for p in (claim.probs, claim.raw))
        labels[a.name] = _Label(truth.classes[:, i], answers[:, i], probs, raw, a.classes)
    terms = _terms(labels, claim.years - truth.ages)
    figures = _intervals(terms, truth.groups, n_boot=n_boot, seed=seed)
    scores = {name: _label_score(name, label, figures=figures) for name, label in labels.items()}
    return scores.pop(JOINT), scores, _age_score(truth, claim, figures=figures)


def _terms(labels: Mapping[str, _Label], errors: FloatArray) -> Iterator[Summed]:
    """What every figure sums, made when it is asked for: of a million photos the terms of all take 500 MB."""
    yield _mean_terms(".mae_years", np.abs(errors))
    yield _mean_terms(".bias_years", errors)
    for name, label in labels.items():
        yield from _label_terms(name, label)


def _label_terms(name: str, label: _Label) -> Iterator[Summed]:
    counts = class_terms(label.true, label.answer, n_classes=len(label.classes))
    made: dict[str, Figure] = {
        f"{name}.accuracy": accuracy_of,
        f"{name}.macro_f1": partial(macro_f1_of, whole=counts.sum(axis=0)),
    }
    yield counts, made
    for what, probs in {"nll": label.probs, "raw_nll": label.raw}.items():
        if probs is not None:
            losses = log_losses(probs, np.maximum(label.true, 0))
            yield _mean_terms(f"{name}.{what}", np.where(_is_answered(label), losses, np.nan))


def _is_answered(label: _Label) -> npt.NDArray[np.bool_]:
    return np.asarray((label.true != MISSING) & (label.answer != MISSING))


def _mean_terms(name: str, values: FloatArray) -> Summed:
    """Terms (N, 2) of a mean over the values (N,) that are not NaN: their sum and their number."""
    known = ~np.isnan(values)
    return np.stack([np.where(known, values, 0.0), known], axis=1), {name: ratio_of}


def _intervals(terms: Iterable[Summed], groups: IntArray, *, n_boot: int, seed: int) -> dict[str, Interval]:
    """The interval of each figure that can be known."""
    parts = [(group_sums(values, groups), made) for values, made in terms]
    sums = np.concatenate([part for part, _ in parts], axis=1)
    draws, whole = resampled_sums(sums, n_draws=n_boot, seed=seed), sums.sum(axis=0)
    intervals, start = dict[str, Interval](), 0
    for part, made in parts:
        own = slice(start, start := start + part.shape[1])
        for name, figure in made.items():
            value = float(figure(whole[own]))
            if not np.isnan(value):
                intervals[name] = interval(value, figure(draws[:, own]))
    return intervals


def _label_score(name: str, label: _Label, *, figures: dict[str, Interval]) -> LabelScore | None:
    confusion = confusion_matrix(label.true, label.answer, n_classes=len(label.classes))
    if not confusion.sum():
        return None
    table = table_of(confusion)
    bins, before = (() if p is None else reliability(*_confidence(label, p)) for p in (label.probs, label.raw))
    columns = (table.precision, table.recall, table.f1, table.n_true, table.n_predicted)
    return LabelScore(
        name=name or "joint",
        classes=label.classes,
        n_photos=int(confusion.sum()),
        accuracy=figures[f"{name}.accuracy"],
        macro_f1=figures[f"{name}.macro_f1"],
        per_class=tuple(
            ClassScore(c, float(p), float(r), float(f), int(t), int(n))
            for c, p, r, f, t, n in zip(label.classes, *columns, strict=True)
        ),
        confusion=confusion[:, :-1],
        unanswered=confusion[:, -1],
        n_absent=int((table.n_true == 0).sum()),
        n_never_predicted=int(((table.n_true > 0) & (table.n_predicted == 0)).sum()),
        nll=figures.get(f"{name}.nll"),
        ece=calibration_error(bins) if bins else None,
        reliability=bins,
        raw=Calibration(figures[f"{name}.raw_nll"], calibration_error(before), before) if before else None,
    )


def _confidence(label: _Label, probs: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Probability of the answer and whether it is right, over the photos read whose label is known."""
    kept = _is_answered(label)
    answer = label.answer[kept]
    return np.take_along_axis(probs[kept], answer[:, None], axis=1)[:, 0], label.true[kept] == answer


def _age_score(truth: Truth, claim: _Claim, *, figures: dict[str, Interval]) -> AgeScore | None:
    kept = ~np.isnan(truth.ages) & ~np.isnan(claim.years)
    if not kept.any():
        return None
    return AgeScore(
        n_photos=int(kept.sum()),
        mae_years=figures[".mae_years"],
        bias_years=figures[".bias_years"],
        true_years=truth.ages[kept],
        predicted_years=claim.years[kept],
    )


def _photo_table(truth: Truth, claim: _Claim, *, ids: list[str]) -> pl.DataFrame:
    joint, schema = truth.joint, truth.schema
    known = joint != MISSING
    confidence = np.full(len(truth), np.nan)
    if claim.probs is not None:
        confidence = np.take_along_axis(claim.probs, np.maximum(claim.answers, 0)[:, None], axis=1)[:, 0]
    columns: dict[str, pl.Series] = {
        "photo_id": pl.Series(ids, dtype=pl.String()),
        "person_id": pl.Series(list(truth.persons), dtype=pl.String()),
        "error": pl.Series(claim.errors, dtype=pl.String()),
        "true_joint": _nullable(joint),
        "predicted_joint": _nullable(claim.answers),
        "is_correct": pl.Series([bool(r) if k else None for r, k in zip(joint == claim.answers, known, strict=True)]),
        "confidence": pl.Series(confidence, dtype=pl.Float64(), nan_to_null=True),
    }
    for i, (name, answer) in enumerate(zip(schema.names, schema.decode(claim.answers).T, strict=True)):
        columns[f"true_{name}"] = _nullable(truth.classes[:, i])
        columns[f"predicted_{name}"] = _nullable(answer)
    columns["true_years"] = pl.Series(truth.ages, dtype=pl.Float64(), nan_to_null=True)
    columns["predicted_years"] = pl.Series(claim.years, dtype=pl.Float64(), nan_to_null=True)
    return pl.DataFrame(columns).hstack(truth.extras.fill_nan(None).get_columns())


def _nullable(ids: IntArray) -> pl.Series:
    return pl.Series(ids, dtype=pl.Int32()).replace(MISSING, None)
