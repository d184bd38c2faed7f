"""Fits the decision rule: temperatures, then tau; argmax stays unless another rule is better by more than noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from trifacet.core.errors import error
from trifacet.core.predictions import DecisionRule, FoldRules, Predictions, argmax_rule, calibrated_probs
from trifacet.core.schema import MISSING, FloatArray, IntArray, LabelSchema, require_same_schema
from trifacet.core.truth import Truth, joined
from trifacet.measure.bootstrap import class_terms, group_sums, macro_f1_of, paired_draws
from trifacet.measure.calibration import fit_temperature
from trifacet.measure.classification import class_table, macro_f1

MIN_PEOPLE = 20  # four a fold; with fewer nothing is fitted
N_FOLDS = 5
N_DRAWS = 200  # enough for a standard error: Efron & Tibshirani 1993, section 6.4
COMMON_TAUS = tuple(float(t) for t in np.round(np.arange(0, 1.001, 0.05), 2))
OWN_TAUS = tuple(float(t) for t in np.round(np.arange(0, 1.001, 0.1), 2))
SWEEPS = 2
N_SWEEPS = 100  # of the classes, at most: a few do

Taus = tuple[float, ...]  # one per attribute
Fit = Literal["auto", "argmax", "rates"]


def training_priors(classes: IntArray, schema: LabelSchema) -> dict[str, tuple[float, ...]]:
    """Class shares per attribute from class ids (N, attributes), MISSING left out.

    One photo is added to each class (Laplace), so that a class absent from training is rare, not impossible.
    """
    priors = {}
    for column, attribute in zip(classes.T, schema.attributes, strict=True):
        counts = np.bincount(column[column != MISSING], minlength=len(attribute.classes)) + 1
        priors[attribute.name] = tuple(float(share) for share in counts / counts.sum())
    return priors


def fit_decision(
    predictions: Predictions,
    truth: Truth,
    *,
    priors: Mapping[str, Sequence[float]],
    fitted_on: str = "val",
    seed: int = 0,
) -> DecisionRule:
    """The rule to decide new photos by, fitted on photos that the model was not trained on.

    One temperature per attribute has the least mean -log p of the true class. On the probabilities so calibrated
    three rules compete by macro F1 over the joint classes: argmax, one tau for all attributes, one tau per attribute;
    tau in 0..1 times the log of `priors` (the training data's class shares) is subtracted. Each is fitted on four
    fifths of the people and scored on the other fifth, five times; a rule of more freedom is taken only when it is
    better than the simpler one by more than one standard error of their difference, resampled by person. The score
    that decides is thus never one that a rule was fitted on. The rule taken is then fitted on everybody.

    Unread photos and unknown labels are left out. With under 20 people labelled, or none of the joint class, what
    cannot be fitted stays plain (temperature 1, argmax), and `notes` says so.

    Raises:
        PredictionsError: TRI301 another schema, TRI302 other photos, TRI328 not one photo read and labelled.
    Source: Guo et al. 2017 (temperature); Menon et al. 2021, eq. 8 (tau); Breiman et al. 1984, section 3.4.3 (the rule
    of one standard error).
    """
    require_same_schema(predictions.schema, truth.schema, where="truth")
    truth, places = joined(truth, predictions.ids, where="decide", subset=True)
    usable = predictions.is_read[places] & (truth.classes != MISSING).any(axis=1)
    if not usable.any():
        raise error("TRI328", "no photo is both read and labelled", where="decide")
    truth, rows = truth.rows(usable), places[usable]
    schema, notes = predictions.schema, dict[str, object]()
    temperature = _temperatures(predictions.probs[rows], truth, notes=notes)
    rule = DecisionRule(
        label_schema=schema,
        temperature=temperature,
        priors={name: tuple(float(p) for p in prior) for name, prior in priors.items()},
        fitted_on=fitted_on,
        n_photos=len(truth),
        n_persons=truth.n_persons,
    )
    complete = truth.joint != MISSING
    n_people = len(np.unique(truth.groups[complete]))
    if n_people < MIN_PEOPLE or not priors:
        why = "no priors given" if not priors else f"{n_people} people with all labels, fewer than {MIN_PEOPLE}"
        notes |= {"chosen": "argmax", "why": why}
        return rule.model_copy(update={"notes": notes})
    probs = calibrated_probs(predictions, rule)[rows[complete]]
    tau = _Contest(probs, truth.rows(complete), rule=rule, seed=seed).winner(notes)
    return rule.model_copy(update={"tau": tau, "notes": notes})


def fit_asked(
    predictions: Predictions,
    truth: Truth,
    *,
    fit: Fit,
    priors: Mapping[str, Sequence[float]],
    fitted_on: str = "val",
    seed: int = 0,
) -> DecisionRule:
    """The rule that a recipe's `decide.fit` asks for: fitted, none but the most probable class, or by class rates."""
    if fit == "auto":
        return fit_decision(predictions, truth, priors=priors, fitted_on=fitted_on, seed=seed)
    if fit == "rates":
        return fit_rates(predictions, truth, rates={}, priors=priors, fitted_on=fitted_on)
    return argmax_rule(predictions.schema).model_copy(update={"priors": {k: tuple(v) for k, v in priors.items()}})


def fit_fold_rules(
    predictions: Predictions,
    truth: Truth,
    *,
    fold_of: IntArray,
    priors: Mapping[int, Mapping[str, Sequence[float]]],
    fit: Fit = "auto",
) -> FoldRules:
    """A rule for each fold of out-of-fold predictions, fitted on all other folds.

    fold_of: (N,) folds of the predictions' photos. priors: class shares of what each fold's model was trained on.
    """
    rules = {}
    for fold, own in priors.items():
        others: IntArray = np.flatnonzero(fold_of != fold)
        part = predictions.rows(others)
        known, name = truth.of(part.ids), f"folds other than {fold}"
        rules[fold] = fit_asked(part, known, fit=fit, priors=own, fitted_on=name, seed=fold)
    return FoldRules(fold_of, rules)


def fit_rates(
    predictions: Predictions,
    truth: Truth | None,
    *,
    rates: Mapping[str, Sequence[float]],
    priors: Mapping[str, Sequence[float]],
    fitted_on: str = "val",
) -> DecisionRule:
    """The rule under which the classes are answered as often as they are known to occur.

    rates: shares of an attribute's classes among these very photos, where they are known; for other attributes the
    labels of the truth tell, and without a truth they stay with their most probable class. Each class gets a threshold
    of its own, found so that the answers' shares meet the known ones; temperatures are fitted where there is a truth.

    Raises:
        ConfigError: TRI100, TRI104, rates of no attribute, or not one share of at least 0 a class. PredictionsError:
            TRI301, TRI302, TRI328 no photo read (and labelled).
    """
    schema, notes, temperature = predictions.schema, dict[str, object](), dict[str, float]()
    known = {name: _shares(schema, name, rates=rates[name]) for name in rates}
    rows: IntArray = np.flatnonzero(predictions.is_read)
    if truth is not None:
        require_same_schema(schema, truth.schema, where="truth")
        truth, places = joined(truth, predictions.ids, where="decide", subset=True)
        usable = predictions.is_read[places] & (truth.classes != MISSING).any(axis=1)
        truth, rows = truth.rows(usable), places[usable]
    if not len(rows):
        raise error("TRI328", "no photo is both read and labelled" if truth else "no photo is read", where="decide")
    if truth is not None:
        temperature = _temperatures(predictions.probs[rows], truth, notes=notes)
    rule = DecisionRule(
        label_schema=schema,
        temperature=temperature,
        priors={name: tuple(float(p) for p in prior) for name, prior in priors.items()},
        fitted_on=fitted_on,
        n_photos=len(rows),
        n_persons=truth.n_persons if truth else None,
    )
    on = {name: np.ones(len(rows), dtype=bool) for name in known}  # the photos whose answers are counted
    for i, name in enumerate(schema.names):
        if name not in known and truth is not None and (labelled := truth.classes[:, i] != MISSING).any():
            shares = np.bincount(truth.classes[labelled, i], minlength=schema.sizes[i]) / labelled.sum()
            known[name], on[name] = shares, labelled
    logs = np.log(np.maximum(calibrated_probs(predictions, rule)[rows], 1e-12))
    bias = _matching(logs, schema, rates=known, on=on)
    answers = schema.decode(_biased(logs, schema, bias=bias).argmax(axis=1))
    for name, shares in known.items():
        column = answers[on[name], schema.names.index(name)]
        met = np.bincount(column, minlength=len(shares)) / len(column)
        notes[name] = {"rates": shares.round(4).tolist(), "answered": met.round(4).tolist()}
    told = {name: tuple(float(b) for b in values) for name, values in bias.items()}
    return rule.model_copy(update={"bias": told, "notes": {"chosen": "rates", **notes}})


def _shares(schema: LabelSchema, name: str, *, rates: Sequence[float]) -> FloatArray:
    n, values = len(schema.attribute(name).classes), np.asarray(rates, dtype=np.float64)
    if len(values) != n or not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        got = ", ".join(f"{value:g}" for value in values)
        raise error("TRI104", f"needs {n} shares of at least 0, not all 0", where=f"rates of {name}", got=got)
    return np.asarray(values / values.sum())


def _biased(logs: FloatArray, schema: LabelSchema, *, bias: Mapping[str, FloatArray]) -> FloatArray:
    return np.asarray(logs + sum(schema.spread(name, values[None, :]) for name, values in bias.items()))


def _matching(
    logs: FloatArray, schema: LabelSchema, *, rates: Mapping[str, FloatArray], on: Mapping[str, npt.NDArray[np.bool_]]
) -> dict[str, FloatArray]:
    """For each attribute one number per class to add to logs (N, K), under which classes win as `rates` say.

    One attribute after the other, as what is added for one may move the answers about another where they hang together.
    """
    bias: dict[str, FloatArray] = {name: np.zeros(len(rates[name])) for name in schema.names if name in rates}
    for _ in range(SWEEPS * len(bias) if len(bias) > 1 else 1):
        for name in bias:
            others = {other: values for other, values in bias.items() if other != name}
            scores = _biased(logs, schema, bias=others)[on[name]].reshape(-1, *schema.sizes)
            apart = tuple(i + 1 for i, other in enumerate(schema.names) if other != name)
            bias[name] = _thresholds(scores.max(axis=apart), rates[name])
    return bias


def _thresholds(logs: FloatArray, rates: FloatArray) -> FloatArray:
    """One number per class (C) to add to logs (N, C), under which classes win as often as `rates` (C) say.

    Each class in turn is given the number under which it wins as often as it should, until all do or nothing gets
    better: with two classes that is one threshold.
    """
    wanted = np.round(rates * len(logs)).astype(int)
    bias, best, least = np.zeros(logs.shape[1]), np.zeros(logs.shape[1]), np.inf
    for _ in range(N_SWEEPS):
        for c, n_wins in enumerate(wanted):
            margin = np.sort(np.delete(logs + bias, c, axis=1).max(axis=1) - logs[:, c])
            edges = np.concatenate([[margin[0] - 1], margin, [margin[-1] + 1]])
            bias[c] = edges[n_wins : n_wins + 2].mean()
        far = np.abs(np.bincount((logs + bias).argmax(axis=1), minlength=len(bias)) - wanted).sum()
        if far < least:
            best, least = bias - bias[0], far
        if far <= 1:
            break
    return np.asarray(best)


def _temperatures(probs: FloatArray, truth: Truth, *, notes: dict[str, object]) -> dict[str, float]:
    fitted, left = dict[str, float](), list[str]()
    for true, name in zip(truth.classes.T, truth.schema.names, strict=True):
        known = true != MISSING
        if len(np.unique(truth.groups[known])) < MIN_PEOPLE:
            left.append(name)
        else:
            fitted[name] = fit_temperature(truth.schema.marginal(probs[known], name), true[known])
    if left:
        notes["temperature_1"] = f"fewer than {MIN_PEOPLE} people labelled: {', '.join(left)}"
    return fitted


class _Contest:
    """The three rules on N photos whose joint class is known: fitted, cross-fitted and compared.

    Cross-fitted: each person is answered by a rule that was fitted on others.
    """

    def __init__(self, probs: FloatArray, truth: Truth, *, rule: DecisionRule, seed: int) -> None:
        schema, people = truth.schema, np.unique(truth.groups)
        order = np.random.default_rng(seed).permutation(len(people))
        self.true, self.groups, self.k, self.seed = truth.joint, truth.groups, schema.n_joint, seed
        self.fold = (order % N_FOLDS)[np.searchsorted(people, truth.groups)]
        self.logs = np.log(np.maximum(probs, 1e-12)).astype(np.float32)
        self.names = tuple(name for name in schema.names if name in rule.priors)
        classes = schema.decode(np.arange(self.k))
        self.costs = np.stack(
            [np.log(np.maximum(rule.priors[n], 1e-12))[classes[:, schema.names.index(n)]] for n in self.names]
        ).astype(np.float32)
        self.answers = cache(self._answers)
        self.counts = cache(self._counts)

    def _answers(self, taus: Taus) -> IntArray:
        scores: FloatArray = self.logs - np.asarray(taus, dtype=np.float32) @ self.costs
        return np.asarray(scores.argmax(axis=1).astype(np.int16))

    def _counts(self, taus: Taus) -> IntArray:
        """Confusion counts (folds, K, K)."""
        cells = (self.fold * self.k + self.true) * self.k + self.answers(taus)
        return np.bincount(cells, minlength=N_FOLDS * self.k**2).reshape(N_FOLDS, self.k, self.k)

    def _score(self, taus: Taus, held_out: int | None) -> float:
        """Macro F1 outside the fold `held_out`."""
        counts = self.counts(taus)
        kept = counts.sum(axis=0) - (0 if held_out is None else counts[held_out])
        return float(class_table(np.diag(kept), n_true=kept.sum(axis=1), n_predicted=kept.sum(axis=0)).f1.mean())

    def _common(self, held_out: int | None) -> Taus:
        return max(((tau,) * len(self.names) for tau in COMMON_TAUS), key=lambda taus: self._score(taus, held_out))

    def _own(self, held_out: int | None) -> Taus:
        best = self._common(held_out)
        for _ in range(SWEEPS):
            for i in range(len(self.names)):
                tried = [best, *((*best[:i], tau, *best[i + 1 :]) for tau in OWN_TAUS)]
                best = max(tried, key=lambda taus: self._score(taus, held_out))
        return best

    def _cross_fitted(self, fit: Callable[[int | None], Taus]) -> IntArray:
        answers = np.empty(len(self.true), dtype=np.int64)
        for fold in range(N_FOLDS):
            answers[self.fold == fold] = self.answers(fit(fold))[self.fold == fold]
        return answers

    def _gain(self, one: IntArray, other: IntArray) -> tuple[float, float]:
        """By how much `other` has the higher macro F1 than `one`, and the standard error of that."""
        before, after = (group_sums(class_terms(self.true, a, n_classes=self.k), self.groups) for a in (one, other))
        totals = [sums.sum(axis=0) for sums in (before, after)]
        of_one, of_other = (partial(macro_f1_of, whole=total) for total in totals)
        draws = paired_draws(before, after, figures=(of_one, of_other), n_draws=N_DRAWS, seed=self.seed)
        return float(of_other(totals[1]) - of_one(totals[0])), float(np.nanstd(draws))

    def winner(self, notes: dict[str, object]) -> dict[str, float]:
        """The winning tau per attribute, empty for argmax; the scores are written into `notes`."""
        chosen, best = (0.0,) * len(self.names), self.answers((0.0,) * len(self.names))
        notes |= {"chosen": "argmax", "argmax": {"macro_f1": round(macro_f1(self.true, best, n_classes=self.k), 4)}}
        for name, fit in {"one_tau": self._common, "tau_per_attribute": self._own}.items():
            answers = self._cross_fitted(fit)
            gain, noise = self._gain(best, answers)
            notes[name] = {
                "macro_f1": round(macro_f1(self.true, answers, n_classes=self.k), 4),
                "gain_over": notes["chosen"],
                "gain": round(gain, 4),
                "standard_error": round(noise, 4),
            }
            if gain > noise:
                chosen, best = fit(None), answers
                notes["chosen"] = name
        return {name: tau for name, tau in zip(self.names, chosen, strict=True) if tau}
