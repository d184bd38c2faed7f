"""Where the time of training goes, part by part."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")

PARTS = ("wait", "augment", "forward", "backward", "step", "validate", "save")


class Clock:
    """Seconds since it was made, `before` included, and how many of them each part took since the last `take`."""

    def __init__(self, device: torch.device, *, before: float = 0.0, is_exact: bool = False) -> None:
        self._started = time.perf_counter() - before
        self._device, self._is_exact = device, is_exact
        self._parts = dict.fromkeys(PARTS, 0.0)

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return time.perf_counter() - self._started

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Adds the block's seconds to a part; `is_exact` waits for a GPU, which computes behind its caller's back."""
        started = time.perf_counter()
        try:
            yield
        finally:
            if self._is_exact and self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
            self._parts[name] += time.perf_counter() - started

    def waiting(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """The items; the time until each is there is added to a part."""
        source = iter(items)
        while True:
            with self.part(name):
                try:
                    item = next(source)
                except StopIteration:
                    return
            yield item

    def take(self) -> dict[str, float]:
        """Seconds per part, as `seconds_forward` and so on; the parts begin anew."""
        taken = {f"seconds_{name}": seconds for name, seconds in self._parts.items()}
        self._parts = dict.fromkeys(PARTS, 0.0)
        return taken
