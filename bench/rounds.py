"""Parts measured in turn, round after round, so that a busy moment of the machine hits all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.figures import Figure, figure

Part = Callable[[], int]  # does some photos and says how many
Clock = Callable[[], float]

WALL: Clock = time.perf_counter  # what a person waits for
PER_CORE: Clock = time.process_time  # what one core is kept busy with: another process beside it changes little


@dataclass(frozen=True)
class Ratio:
    """How many times faster `fast` is than `slow`, by round, and what it has to reach."""

    fast: str
    slow: str
    must: float | None = None


def rates_of(
    parts: Mapping[str, Part], *, rounds: int, clock: Clock = WALL, seconds: float = 0.0
) -> dict[str, list[float]]:
    """Photos per second of each part, one value a round, after one turn that does not count.

    seconds: how long a part goes on at least, in a round.
    """
    for part in parts.values():
        part()
    rates: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, part in parts.items():
            start, done = clock(), part()
            while (taken := clock() - start) < seconds:
                done += part()
            rates[name].append(done / taken)
    return rates


def figures_of(
    measure: str, rates: Mapping[str, Sequence[float]], *, ratios: Sequence[Ratio], of: str, n: int
) -> list[Figure]:
    """A figure per part in photos per second, and one per ratio, each with `of` (which photos) after its name."""
    made = [figure(measure, f"{name}, {of}", values, unit="photos/s", n=n) for name, values in rates.items()]
    for ratio in ratios:
        values = [fast / slow for fast, slow in zip(rates[ratio.fast], rates[ratio.slow], strict=True)]
        name = f"{ratio.fast} : {ratio.slow}, {of}"
        made.append(figure(measure, name, values, unit="times", n=n, must=ratio.must))
    return made
