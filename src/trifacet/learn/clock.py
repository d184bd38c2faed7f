"""Where the time and the memory of training go."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

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


def peak_memory(device: torch.device) -> dict[str, int]:
    """The most bytes that this process has held so far: `peak_host_bytes`, and `peak_device_bytes` on a GPU."""
    unit = 1 if sys.platform == "darwin" else 1024  # what getrusage counts in
    peaks = {"peak_host_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if device.type == "cuda":
        peaks["peak_device_bytes"] = torch.cuda.max_memory_allocated(device)
    return peaks


def bytes_kept_for_backward(module: nn.Module, inputs: Tensor) -> int:
    """How many bytes a forward pass of these inputs keeps for the backward pass, weights left out."""
    own = {tensor.untyped_storage().data_ptr() for tensor in module.state_dict(keep_vars=True).values()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        answers = module(inputs)  # alive until the bytes are counted, so that no storage is counted twice
    total = sum(kept.values())
    del answers
    return total
