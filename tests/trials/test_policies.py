"""Random policies: what they are made of, and which are kept."""

from __future__ import annotations

import json
from itertools import chain

from trifacet.core.policies import OPERATIONS, Policy, parse_policies
from trifacet.trials.policies import best_policies, draw_policy, operations_of


def test_a_policy_is_five_pairs_of_different_operations_in_their_ranges() -> None:
    policies = [draw_policy(seed=0, number=n) for n in range(200)]
    assert {len(policy) for policy in policies} == {5}
    pairs = list(chain(*policies))
    assert all(first[0] != second[0] for first, second in pairs)
    steps = list(chain(*pairs))
    assert {p for _, p, _ in steps} == {0, 0.25, 0.5, 0.75}
    assert len({name for name, _, _ in steps}) == 11
    assert {name for name, _, _ in steps} <= set(OPERATIONS)
    degrees = [45 * magnitude for name, _, magnitude in steps if name == "rotate"]
    shifts = [0.45 * magnitude for name, _, magnitude in steps if name == "shift"]
    assert 4.9 < min(degrees) < 8 < 42 < max(degrees) < 45.1
    assert 0.029 < min(shifts) < 0.035 < 0.11 < max(shifts) < 0.1205


def test_a_policy_is_a_function_of_seed_and_number() -> None:
    assert draw_policy(seed=1, number=2) == draw_policy(seed=1, number=2)
    assert draw_policy(seed=1, number=2) != draw_policy(seed=1, number=3) != draw_policy(seed=2, number=3)


def test_a_recipe_reads_what_was_drawn() -> None:
    policy = draw_policy(seed=0, number=1)
    assert parse_policies(json.loads(json.dumps([policy]))) == (policy,)


def test_the_five_best_above_the_base_are_kept_best_first() -> None:
    policies: list[Policy] = [draw_policy(seed=0, number=n) for n in range(8)]
    scored = list(zip((0.1, 0.8, 0.3, 0.7, 0.4, 0.5, 0.2, 0.6), policies, strict=True))
    assert best_policies(scored, base=0.15) == tuple(policies[i] for i in (1, 3, 7, 5, 4))
    assert best_policies(scored, base=0.65) == (policies[1], policies[3])
    assert best_policies(scored, base=0.8) == ()


def test_operations_that_never_happen_are_not_counted() -> None:
    assert operations_of(((("blur", 0.0, 0.5), ("rotate", 0.25, 0.5)),)) == {"rotate"}
