"""Predictions and their truth, drawn from a small known world of seven photos a person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trifacet.core.predictions import DecisionRule, Predictions
from trifacet.core.schema import DEFAULT_SCHEMA, LabelSchema
from trifacet.core.truth import Truth

AGE_SHARES = (0.474, 0.455, 0.071)
MIDDLES = np.array([22, 45, 70])  # years of the three default age classes


def people(n: int, *, seed: int = 0, believed: Sequence[float] = AGE_SHARES, sharpness: float = 1.6):
    """Predictions and truth of `n` people; the net believes that ages are as common as `believed`."""
    rng, schema = np.random.default_rng(seed), DEFAULT_SCHEMA
    person = np.repeat(np.arange(n), 7)
    mask = np.tile([0, 0, 0, 0, 0, 1, 2], n)
    gender, age = rng.integers(0, 2, n)[person], rng.choice(3, p=AGE_SHARES, size=n)[person]

    def posterior(true: np.ndarray, prior: Sequence[float], clear: float) -> np.ndarray:
        evidence = np.eye(len(prior))[true] * clear + rng.normal(size=(len(true), len(prior)))
        logs = evidence * clear + np.log(prior)
        probs = np.exp(logs - logs.max(axis=1, keepdims=True))
        return probs / probs.sum(axis=1, keepdims=True)

    marginals = {
        "mask": posterior(mask, (5 / 7, 1 / 7, 1 / 7), 3.5),
        "gender": posterior(gender, (0.5, 0.5), 2.5),
        "age": posterior(age, believed, sharpness),
    }
    years = np.zeros((len(person), len(schema.year_grid)), dtype=np.float32)
    years[:, MIDDLES] = marginals["age"]
    ids = [f"images/{i:05d}.jpg" for i in range(len(person))]
    predictions = Predictions(ids, schema.joint(marginals).astype(np.float32), years, [None] * len(ids), schema)
    truth = Truth(
        schema=schema,
        ids=ids,
        classes=np.stack([mask, gender, age], axis=1),
        ages=MIDDLES[age].astype(float),
        persons=[f"p{p}" for p in person],
        splits=[None] * len(ids),
    )
    return predictions, truth


def certain(
    joint: Sequence[int], schema: LabelSchema = DEFAULT_SCHEMA, *, errors: Sequence[str | None] | None = None
) -> Predictions:
    """Predictions that name these joint classes with probability 0.9; ids are `0.jpg`, `1.jpg`, ..."""
    n, k = len(joint), schema.n_joint
    probs = np.full((n, k), 0.1 / (k - 1), dtype=np.float32)
    probs[np.arange(n), list(joint)] = 0.9
    said = list(errors or [None] * n)
    probs[[e is not None for e in said]] = np.nan
    return Predictions([f"{i}.jpg" for i in range(n)], probs, None, said, schema)


def known(joint: Sequence[int], schema: LabelSchema = DEFAULT_SCHEMA, *, persons: Sequence[str] | None = None) -> Truth:
    """The truth that photos `0.jpg`, `1.jpg`, ... have these joint classes; persons unknown unless given."""
    n = len(joint)
    return Truth(
        schema=schema,
        ids=[f"{i}.jpg" for i in range(n)],
        classes=schema.decode(list(joint)),
        ages=np.full(n, np.nan),
        persons=list(persons or [""] * n),
        splits=[None] * n,
    )


def rule_with_priors(schema: LabelSchema = DEFAULT_SCHEMA) -> DecisionRule:
    """Argmax that carries the class shares of the original task."""
    priors = {"mask": (5 / 7, 1 / 7, 1 / 7), "gender": (0.386, 0.614), "age": AGE_SHARES}
    return DecisionRule(label_schema=schema, priors=priors)
