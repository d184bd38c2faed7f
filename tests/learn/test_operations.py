from __future__ import annotations

import pytest
import torch

from trifacet.core import policies
from trifacet.core.errors import ConfigError
from trifacet.core.recipe_photos import AugmentSection
from trifacet.learn.operations import N_STEPS, OPERATIONS, POLICY_DRAWS, RAND_OPERATIONS, SLOT, follow_policy, operate


def grey(n: int) -> torch.Tensor:
    return torch.full((n, 3, 4, 4), 100.0)


def draws(*photos: list[tuple[float, float, float]]) -> torch.Tensor:
    """For each photo and each of its steps: which, whether, how much."""
    made = torch.zeros(len(photos), N_STEPS, 1 + SLOT)
    for i, steps in enumerate(photos):
        for j, step in enumerate(steps):
            made[i, j, :3] = torch.tensor(step)
    return made.view(-1, POLICY_DRAWS)


def which(name: str) -> float:
    return (RAND_OPERATIONS.index(name) + 0.5) / len(RAND_OPERATIONS)


def followed(drawn: torch.Tensor, **ranges: object) -> list[float]:
    photos = grey(len(drawn))
    follow_policy(photos, drawn, ranges=AugmentSection(**ranges))
    assert (photos.amax(dim=(1, 2, 3)) - photos.amin(dim=(1, 2, 3)) < 0.01).all()
    return [round(float(photo.mean()), 3) for photo in photos]


def test_every_operation_has_its_line_and_its_function() -> None:
    assert list(policies.OPERATIONS) == list(OPERATIONS)
    assert set(policies.KEYED_OPERATIONS) < set(OPERATIONS)
    assert set(policies.KEYED_OPERATIONS) < set(AugmentSection.model_fields)
    assert {name for name, _ in policies.OLD_OPERATIONS.values()} < set(OPERATIONS)
    assert len(RAND_OPERATIONS) == 14


def test_only_the_photos_that_are_hit_are_computed_and_none_leaves_its_range() -> None:
    photos, seen = grey(4), []

    def spy(photos: torch.Tensor, amount: torch.Tensor, *, random: torch.Tensor) -> torch.Tensor:
        seen.append(len(photos))
        return photos + 1000 * amount[0]

    OPERATIONS["spy"] = spy
    try:
        operate(photos, "spy", places=torch.tensor([2]), amount=torch.ones(1), random=torch.zeros(1, 4))
        operate(photos, "spy", places=torch.tensor([], dtype=torch.long), amount=torch.ones(0), random=torch.ones(0, 4))
    finally:
        del OPERATIONS["spy"]
    assert seen == [1]
    assert photos[:, 0, 0, 0].tolist() == [100, 100, 255, 100]
    with pytest.raises(ConfigError) as told:
        operate(photos, "rotat", places=torch.tensor([0]), amount=torch.ones(1), random=torch.zeros(1, 4))
    assert str(told.value) == "TRI100 no operation 'rotat'. Did you mean 'rotate'?"


def test_rand_does_so_many_operations_at_exactly_its_magnitude_in_either_direction() -> None:
    bright, twice = (which("brightness"), 0.9, 0.99), (which("brightness"), 0.9, 0.01)
    drawn = draws([bright, bright], [twice, bright], [(which("identity"), 0, 0), bright])
    assert followed(drawn, policy="rand", rand_operations=1, rand_magnitude=0.5) == [145, 55, 100]
    assert followed(drawn, policy="rand", rand_operations=2, rand_magnitude=0.5) == [210.25, 79.75, 145]


def test_trivial_does_one_operation_by_any_amount() -> None:
    drawn = draws(
        [(which("brightness"), 0.9, 0.75), (which("brightness"), 0, 1)], [(which("solarize"), 0.9, 1.0)], [(1.0, 0, 0)]
    )
    assert followed(drawn, policy="trivial") == [145, 155, 100]  # a draw of 1 is the last operation, a shift


def test_one_sub_policy_of_all_is_chosen_and_each_of_its_two_has_its_probability() -> None:
    plain, dark = ("identity", 1.0, 0.0), ("brightness", 0.5, 1.0)
    policy = [[(plain, plain), (("invert", 1.0, 0.0), dark)], [(dark, dark)]]  # three sub-policies in all
    drawn = draws(
        [(0.1, 0, 0), (0.9, 0, 0)],  # the first of three; what the second step draws does not choose
        [(0.5, 0, 0.5), (0.5, 0.4, 0.0)],  # inverted, then darker
        [(0.5, 0, 0.5), (0.5, 0.6, 0.0)],  # inverted alone
        [(0.9, 0.4, 0.75), (0, 0.4, 0.0)],  # brighter by half of the magnitude, then darker
        [(1.0, 0.9, 0.0), (0, 0.9, 0.0)],
    )
    assert followed(drawn, policy=policy) == [100, 15.5, 155, 14.5, 100]


def test_without_a_policy_nothing_is_done() -> None:
    assert followed(draws([(0.5, 0, 1)]), policy="none") == [100]
