"""Policies of augmentation drawn at random, and the best of them together.

A policy is five sub-policies, each two different operations with a probability and a magnitude; a photo meets one of
all sub-policies. Source: kaggle-hpa's search, after Cubuk et al. 2018, AutoAugment (its space, searched at random).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trifacet.core.policies import OLD_OPERATIONS, Policy, Step, SubPolicy

N_SUB_POLICIES = 5
N_KEPT = 5
PROBABILITIES = (0.0, 0.25, 0.5, 0.75)
OPERATIONS = tuple(name for name, _ in OLD_OPERATIONS.values())  # the eleven of kaggle-hpa
MAGNITUDES: Mapping[str, tuple[float, float]] = {"rotate": (5 / 45, 1.0), "shift": (0.03 / 0.45, 0.12 / 0.45)}
MAGNITUDE = (0.1, 1.0)  # of all others


def draw_policy(*, seed: int, number: int) -> Policy:
    """The policy of trial `number`, a function of both numbers alone."""
    random = np.random.default_rng([seed, number])
    return tuple(_sub_policy(random) for _ in range(N_SUB_POLICIES))


def _sub_policy(random: np.random.Generator) -> SubPolicy:
    first, second = random.choice(len(OPERATIONS), size=2, replace=False)
    return _step(OPERATIONS[first], random), _step(OPERATIONS[second], random)


def _step(name: str, random: np.random.Generator) -> Step:
    low, high = MAGNITUDES.get(name, MAGNITUDE)
    return name, float(random.choice(PROBABILITIES)), round(float(random.uniform(low, high)), 3)


def best_policies(scored: Sequence[tuple[float, Policy]], *, base: float) -> tuple[Policy, ...]:
    """The best policies, five at most, of those that scored above the run without any."""
    above = [(score, policy) for score, policy in scored if score > base]
    return tuple(policy for _, policy in sorted(above, key=lambda pair: -pair[0])[:N_KEPT])


def operations_of(policy: Policy) -> frozenset[str]:
    """The operations that a policy may apply: those with a probability above 0."""
    return frozenset(name for pair in policy for name, probability, _ in pair if probability)
