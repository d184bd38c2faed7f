"""Predictions: joint probabilities and the year distribution per photo, and the rule that makes classes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from trifacet.core.errors import TrifacetError, error, first_few
from trifacet.core.files import read_json, write_json
from trifacet.core.schema import MISSING, FloatArray, IntArray, LabelSchema, answer_columns, require_same_schema
from trifacet.core.tables import Provenance, TableKind, by_parts, read_block, read_parts, read_table, write_table

Float32Array = npt.NDArray[np.float32]
ImageArray = npt.NDArray[np.uint8]  # (H, W, 3) RGB, upright

KIND = TableKind(name="predictions", format=1, columns={"photo_id": pl.String(), "error": pl.String()}, migrations={})

SUM_TOLERANCE = 1e-3  # float32 sums over 18 classes or 101 years stay within 1e-5; wider means wrong mathematics


class DecisionRule(BaseModel):
    """How probabilities become classes, fitted once and stored as `decision.json`.

    Each attribute's log-probabilities are divided by its temperature; then tau times the log prior of
    its classes is subtracted (0: plain argmax, 1: as if classes were equally common) and its bias added, a number a
    class: a threshold of its own for each.
    Source: Guo et al. 2017 (temperature); Menon et al. 2021, eq. 8 (logit adjustment after training).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label_schema: LabelSchema
    temperature: dict[str, float] = {}
    tau: dict[str, float] = {}
    priors: dict[str, tuple[float, ...]] = {}
    bias: dict[str, tuple[float, ...]] = {}
    fitted_on: str = "nothing"
    n_photos: int = 0
    n_persons: int | None = None
    notes: dict[str, Any] = Field(default={}, description="scores of the candidates it was chosen from")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        known = {a.name: len(a.classes) for a in self.label_schema.attributes}
        for name in {*self.temperature, *self.tau, *self.priors, *self.bias}:
            if name not in known:
                raise ValueError(f"no attribute {name!r} in the schema")
        if any(t <= 0 for t in self.temperature.values()):
            raise ValueError("temperatures must be above 0")
        for name, prior in self.priors.items():
            if len(prior) != known[name] or any(p < 0 for p in prior):
                raise ValueError(f"prior of {name} must hold {known[name]} numbers of at least 0")
        if wrong := [name for name, bias in self.bias.items() if len(bias) != known[name]]:
            raise ValueError(f"bias must hold one number per class, not so for {wrong}")
        if lacking := [name for name, tau in self.tau.items() if tau and name not in self.priors]:
            raise ValueError(f"tau without a prior for {lacking}")
        return self


@dataclass(frozen=True, eq=False)
class FoldRules:
    """Rules by fold, each fitted on the other folds, so that no photo is decided by what its label helped to fit.

    fold_of: (N,) the fold of each photo of some predictions.
    """

    fold_of: IntArray
    rules: Mapping[int, DecisionRule]


def argmax_rule(schema: LabelSchema) -> DecisionRule:
    """The rule that changes nothing: the most probable class."""
    return DecisionRule(label_schema=schema)


def write_decision(path: Path | str, rule: DecisionRule) -> None:
    """Writes a rule as JSON, whole or not at all."""
    write_json(Path(path), rule.model_dump(mode="json"))


def read_decision(path: Path | str) -> DecisionRule:
    """The rule stored at `path`. Raises PredictionsError TRI300."""
    path, do = Path(path), "Make one with `trifacet decide`, or say argmax."
    try:
        return DecisionRule.model_validate(read_json(path, code="TRI300"))
    except TrifacetError as problem:
        raise error("TRI300", problem.what, where=str(path), got=problem.got, do=do) from None
    except ValueError as problem:
        got = " ".join(str(problem).split())
        raise error("TRI300", "not a decision rule", where=str(path), got=got, do=do) from None


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of photos, each exactly once, in the asked order.

    ids: N photo ids. probs: (N, K) float32, joint, rows sum to 1. age_probs: (N, A) float32 over `schema.year_grid`,
    or None without an age attribute. A photo that could not be read has its status in `errors` and NaN in its rows.
    mean_years: (N,) years, where `read_predictions` kept no more of the distribution.
    """

    ids: Sequence[str]
    probs: Float32Array
    age_probs: Float32Array | None
    errors: Sequence[str | None]
    schema: LabelSchema
    made_by: dict[str, str] = field(default_factory=dict)
    decision: DecisionRule | None = None
    stamps: tuple[str, ...] = ()
    mean_years: FloatArray | None = None

    def __post_init__(self) -> None:
        n, k, a = len(self.ids), self.schema.n_joint, len(self.schema.year_grid)
        if self.probs.shape != (n, k) or len(self.errors) != n:
            raise ValueError(f"expected probs {(n, k)} and {n} errors, got {self.probs.shape} and {len(self.errors)}")
        if self.age_probs is not None and self.age_probs.shape != (n, a):
            raise ValueError(f"expected age_probs {(n, a)}, got {self.age_probs.shape}")
        if len(set(self.ids)) != n:
            raise ValueError("ids must be distinct")

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        rule, n = self.decision or argmax_rule(self.schema), len(self) - int(self.is_read.sum())
        is_plain = {*rule.tau.values()} <= {0.0} and {*rule.temperature.values()} <= {1.0}
        told = "argmax" if is_plain else f"rule fitted on {rule.fitted_on}"
        parts = [f"{len(self):,} photos", *[f"{n:,} of them not read"] * bool(n), f"{self.schema.n_joint} classes"]
        parts += ["no years" if self.age_probs is None else "years", told]
        return f"Predictions({', '.join(parts)})"

    @property
    def is_read(self) -> npt.NDArray[np.bool_]:
        """(N,) True where the photo could be read and so was predicted."""
        return np.array([e is None for e in self.errors], dtype=bool)

    @property
    def marginals(self) -> dict[str, FloatArray]:
        """Probabilities (N, C) per attribute."""
        return {name: self.schema.marginal(self.probs, name) for name in self.schema.names}

    @property
    def age_years(self) -> FloatArray:
        """Expected age (N,) in completed years: the mean of the year distribution; NaN where there is none."""
        if self.age_probs is None:
            return np.full(len(self), np.nan) if self.mean_years is None else self.mean_years
        return by_parts(self.age_probs, lambda part: np.asarray(part @ self.schema.year_grid))

    def rows(self, which: IntArray) -> Predictions:
        """The predictions at these places, in their order."""
        age, mean = (None if part is None else part[which] for part in (self.age_probs, self.mean_years))
        ids, errors = ([column[i] for i in which.tolist()] for column in (self.ids, self.errors))
        return replace(self, ids=ids, probs=self.probs[which], age_probs=age, errors=errors, mean_years=mean)

    def part(self, names: Sequence[str]) -> Predictions:
        """What they say of these attributes alone, in the order of the schema; without a rule where that is less."""
        schema, own = self.schema.part(names), self.schema.names
        if schema == self.schema:
            return self
        others = tuple(i + 1 for i, name in enumerate(own) if name not in schema.names)
        probs = self.probs.reshape(len(self), *self.schema.sizes).sum(axis=others).reshape(len(self), -1)
        age, mean = (self.age_probs, self.mean_years) if schema.age else (None, None)
        return replace(self, probs=probs, age_probs=age, mean_years=mean, schema=schema, decision=None)

    def with_decision(self, rule: DecisionRule) -> Predictions:
        """The same predictions under another rule."""
        return replace(self, decision=rule)

    @property
    def classes(self) -> IntArray:
        """Joint class ids (N,) under the rule it carries (argmax when none); MISSING where unread."""
        return decide(self, self.decision)

    @property
    def confidence(self) -> FloatArray:
        """Probability (N,) of the predicted class, after temperature; NaN where unread."""
        calibrated = calibrated_probs(self, self.decision)
        return np.take_along_axis(calibrated, np.maximum(self.classes, 0)[:, None], axis=1)[:, 0]

    def answers(self) -> pl.DataFrame:
        """A table to read, a row a photo: photo_id, ans (joint class id), a class name per attribute, age_years,
        confidence (0..1, of ans), error. What is not known, and all but the error of a photo not read, is null.

        The expected age may lie outside the most probable age class.
        """
        ids, columns = self.classes, {"photo_id": pl.Series(list(self.ids), dtype=pl.String())}
        columns["ans"] = pl.Series(ids, dtype=pl.Int32()).replace(MISSING, None)
        for attribute, of in zip(self.schema.attributes, self.schema.decode(ids).T, strict=True):
            names = [None if c == MISSING else attribute.classes[c] for c in of]
            columns[attribute.name] = pl.Series(names, dtype=pl.String())
        for name, values, digits in (("age_years", self.age_years, 1), ("confidence", self.confidence, 3)):
            columns[name] = pl.Series(values.astype(np.float64), dtype=pl.Float64(), nan_to_null=True).round(digits)
        return pl.DataFrame({**columns, "error": pl.Series(list(self.errors), dtype=pl.String())})


def _log(probs: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(probs, 1e-12)))


def calibrated_probs(predictions: Predictions, rule: DecisionRule | None) -> FloatArray:
    """Joint probabilities (N, K) after the rule's temperatures; the rows sum to 1.

    With p = p(joint) and m_a its marginals, each attribute's share of log p is divided by its temperature and what
    ties the attributes together stays: log q = log(p / prod_a m_a) + sum_a log m_a / T_a. The floor under both parts
    of the ratio is the same, so that a class too rare for a float does not come back by its marginals.
    """
    if rule is None or not rule.temperature:
        return predictions.probs
    require_same_schema(predictions.schema, rule.label_schema, where="decision rule")
    return by_parts(predictions.probs, lambda probs: _calibrated(probs, rule))


def _calibrated(probs: FloatArray, rule: DecisionRule) -> FloatArray:
    schema = rule.label_schema
    marginals = {name: schema.marginal(probs, name) for name in schema.names}
    logs = _log(probs) - _log(schema.joint(marginals))
    for name, marginal in marginals.items():
        logs = logs + schema.spread(name, _log(marginal) / rule.temperature.get(name, 1.0))
    scaled: FloatArray = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def decide(predictions: Predictions, rule: DecisionRule | None) -> IntArray:
    """Joint class ids (N,) int64 under `rule` (None: argmax); MISSING where the photo was not read.

    Raises:
        PredictionsError: TRI301, the rule belongs to another schema.
    """
    if rule is not None:
        require_same_schema(predictions.schema, rule.label_schema, where="decision rule")
    chosen = by_parts(calibrated_probs(predictions, rule), lambda probs: _chosen(probs, rule))
    return np.where(predictions.is_read, chosen, -1).astype(np.int64)


def margins(probs: FloatArray, rule: DecisionRule | None) -> FloatArray:
    """How far the best class of joint probabilities (N, K) is ahead of the second, (N,), in log scores under `rule`."""
    best = np.partition(_scores(_calibrated(probs, rule) if rule and rule.temperature else probs, rule), -2, axis=1)
    return np.asarray(best[:, -1] - best[:, -2])


def _chosen(probs: FloatArray, rule: DecisionRule | None) -> IntArray:
    return np.asarray(_scores(np.nan_to_num(probs), rule).argmax(axis=1))


def _scores(probs: FloatArray, rule: DecisionRule | None) -> FloatArray:
    scores = _log(probs)
    if rule is not None:
        for name, tau in rule.tau.items():
            if tau:
                scores = scores - tau * rule.label_schema.spread(name, _log(np.array(rule.priors[name])[None, :]))
        for name, bias in rule.bias.items():
            scores = scores + rule.label_schema.spread(name, np.array(bias)[None, :])
    return scores


def chosen_rule(predictions: Predictions, rule: DecisionRule | Literal["argmax"] | None) -> DecisionRule | None:
    """The rule to decide by: the given one, none for "argmax", or the one that the predictions carry for None."""
    if rule is None:
        return predictions.decision
    return None if rule == "argmax" else rule


def check_predictions(predictions: Predictions, *, where: str) -> None:
    """Refuses probabilities that are not. Raises PredictionsError TRI300."""
    for what, values in (("p", predictions.probs), ("age", predictions.age_probs)):
        if values is not None:
            _refuse(what, by_parts(values, _is_wrong) & predictions.is_read, ids=predictions.ids, where=where)


def _is_wrong(rows: FloatArray) -> npt.NDArray[np.bool_]:
    """(N,) True where a row is no probabilities that sum to 1; a row of NaN is none."""
    return np.asarray(~(np.abs(rows.sum(axis=1) - 1) <= SUM_TOLERANCE) | (rows < 0).any(axis=1))


def _refuse(what: str, wrong: npt.NDArray[np.bool_], *, ids: Sequence[str], where: str) -> None:
    if wrong.any():
        got = first_few([ids[i] for i in np.flatnonzero(wrong).tolist()])
        raise error("TRI300", f"{what} must be probabilities that sum to 1", where=where, got=got)


def write_predictions(path: Path | str, predictions: Predictions) -> None:
    """Checks and writes predictions. Raises PredictionsError TRI300; MachineError TRI900, TRI901."""
    if predictions.mean_years is not None:
        raise ValueError("predictions whose year distributions were not kept cannot be written")
    check_predictions(predictions, where=str(path))
    joint, marginals, years = answer_columns(predictions.schema)
    columns: dict[str, pl.Series] = {"photo_id": pl.Series(list(predictions.ids), dtype=pl.String())}
    blocks: list[tuple[list[str], FloatArray]] = [(joint, predictions.probs)]
    blocks += [(marginals[name], values) for name, values in predictions.marginals.items()]
    if predictions.age_probs is not None:
        blocks.append((years, predictions.age_probs))
    for names, values in blocks:
        for name, column in zip(names, values.T, strict=True):
            columns[name] = pl.Series(column, dtype=pl.Float32(), nan_to_null=True)
    columns["error"] = pl.Series(list(predictions.errors), dtype=pl.String())
    decision = predictions.decision.model_dump(mode="json") if predictions.decision else None
    write_table(
        path,
        pl.DataFrame(columns),
        provenance=Provenance(
            kind=KIND.name,
            format=KIND.format,
            stage="predict",
            label_schema=predictions.schema,
            inputs=predictions.made_by,
            stamps=predictions.stamps,
            extra={"decision": decision},
        ),
    )


def read_predictions(path: Path | str, *, keeps_years: bool = True) -> Predictions:
    """The predictions stored at `path`, checked. Raises ManifestError TRI202; PredictionsError TRI300.

    keeps_years: False keeps of each year distribution its mean, which is all that scores need: a fifth of the memory.
    """
    table, made = read_table(path, KIND, only=tuple(KIND.columns))
    columns, schema, stored = pl.read_parquet_schema(path), made.label_schema, made.extra.get("decision")
    joint, _, years = answer_columns(schema)
    has_years = bool(years) and years[0] in columns
    if lacking := [c for c in (*joint, *(years if has_years else ())) if c not in columns]:
        raise error("TRI300", "predictions lack columns", where=str(path), got=first_few(lacking))
    if table["photo_id"].is_duplicated().any():
        twice = table.filter(pl.col("photo_id").is_duplicated())["photo_id"].unique().sort().to_list()
        raise error("TRI300", "a photo stands twice", where=str(path), got=first_few(twice))
    mean_years = None
    if has_years and not keeps_years:
        means = [(_is_wrong(part), part @ schema.year_grid) for part in read_parts(path, years)]
        wrong, mean_years = (np.concatenate(column) for column in zip(*means, strict=True))
        _refuse("age", wrong & table["error"].is_null().to_numpy(), ids=table["photo_id"].to_list(), where=str(path))
    predictions = Predictions(
        ids=table["photo_id"].to_list(),
        probs=read_block(path, joint),
        age_probs=read_block(path, years) if has_years and keeps_years else None,
        errors=table["error"].to_list(),
        schema=schema,
        made_by=made.inputs,
        decision=DecisionRule.model_validate(stored) if stored else None,
        stamps=made.stamps,
        mean_years=mean_years,
    )
    check_predictions(predictions, where=str(path))
    return predictions
