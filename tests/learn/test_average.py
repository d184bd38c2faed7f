from __future__ import annotations

import pytest
import torch

from trifacet.learn.average import greedy_soup, mean_of


def test_tensors_are_averaged_and_counters_are_the_last() -> None:
    one = {"weight": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)}
    two = {"weight": torch.tensor([3.0, 6.0]), "n": torch.tensor(5)}
    mean = mean_of([one, two])
    assert mean["weight"].tolist() == [2.0, 4.0]
    assert int(mean["n"]) == 5
    assert one["weight"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("worth", "expected"),
    [
        pytest.param({(1, 0): 0.7, (1, 0, 2): 0.6}, (1, 0), id="the third does harm"),
        pytest.param({(1, 0): 0.5, (1, 2): 0.6}, (1, 2), id="no worse is enough"),
        pytest.param({(1, 0): 0.5, (1, 2): 0.5}, (1,), id="the best alone"),
    ],
)
def test_a_soup_takes_the_best_first_and_what_does_no_harm(worth: dict, expected: tuple[int, ...]) -> None:
    assert greedy_soup([0.5, 0.6, 0.4], lambda chosen: worth[tuple(chosen)]) == expected
