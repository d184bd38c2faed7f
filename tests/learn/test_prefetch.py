from __future__ import annotations

import threading
import time

import pytest

from trifacet.learn.prefetch import ahead


@pytest.mark.parametrize("depth", [1, 2, 50])
def test_everything_comes_once_and_in_order(depth: int) -> None:
    assert list(ahead(range(20), lambda i: i * i, depth=depth)) == [(i, i * i) for i in range(20)]
    assert list(ahead([], lambda i: i, depth=depth)) == []


def test_the_next_ones_are_made_while_one_is_used() -> None:
    made: list[int] = []

    def make(i: int) -> int:
        made.append(i)
        return i

    for i, _ in ahead(range(6), make, depth=2):
        until = time.monotonic() + 10
        while len(made) < min(i + 3, 6) and time.monotonic() < until:
            time.sleep(0.001)
        assert made == list(range(min(i + 3, 6)))  # two ahead, and never more


def test_what_goes_wrong_is_raised_where_it_is_used_and_leaves_no_thread() -> None:
    got, before = [], threading.active_count()

    def work() -> None:
        for _, value in ahead([2, 1, 0, 5], lambda i: 6 // i):
            got.append(value)

    with pytest.raises(ZeroDivisionError):
        work()
    assert got == [3, 6]
    assert threading.active_count() == before
