"""How long a step takes in each memory layout and with each number of threads: tried before training, and recorded."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from trifacet.core.errors import error
from trifacet.core.recipe import TrainSection

Layout = Literal["channels_last", "contiguous"]
LAYOUTS: dict[Layout, torch.memory_format] = {
    "channels_last": torch.channels_last,
    "contiguous": torch.contiguous_format,
}
DEFAULT: Layout = "channels_last"  # the faster one of most networks: median 1.12x over 834 of timm's
MIN_GAIN = 1.25  # a smaller one is within what the same step differs by from try to try on a machine that is shared
MANY_THREADS = 8  # from here on half of them may be faster: two may share a core
SHORTEST_SECONDS = 0.02  # a step that is quicker has nothing to gain, and its timing is noise
N_PHOTOS, N_TRIES = 16, 3


@dataclass(frozen=True)
class Pace:
    """What training runs with, and the best time in ms of a step of `N_PHOTOS` photos in each way that was tried."""

    n_threads: int
    memory_format: Layout
    tried_ms: dict[str, float] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """As plain values, for run.json."""
        return asdict(self)


def choose_pace(net: nn.Module, photos: Tensor, *, recipe: TrainSection, recorded: dict[str, Any]) -> Pace:
    """The layout and the number of threads for a network on photos (B, 3, H, W) like these.

    recorded: what a run already trained with; it is kept, because either changes the last bits of every result.
    Otherwise what the recipe leaves open is tried; the default is left only for something clearly faster. Two runs that
    must agree to the last bit say train.threads and train.memory_format.
    """
    if "memory_format" in recorded:
        return Pace(recorded["n_threads"], recorded["memory_format"], recorded.get("tried_ms", {}))
    most = torch.get_num_threads()
    threads = recipe.threads if recipe.threads != "auto" else most
    pace = Pace(threads, DEFAULT if recipe.memory_format == "auto" else recipe.memory_format)
    tried: dict[str, float] = {}

    def seconds(n_threads: int, layout: Layout) -> float:
        taken = _seconds(net, photos[:N_PHOTOS], n_threads=n_threads, layout=layout)
        tried[f"{layout}, {n_threads} threads"] = round(1000 * taken, 1)
        return taken

    layouts = [layout for layout in LAYOUTS if recipe.memory_format == "auto" and layout != pace.memory_format]
    is_open = recipe.threads == "auto" and photos.device.type == "cpu"
    fewer = [most // 2] if is_open and most >= MANY_THREADS else []
    if not layouts and not fewer:
        return pace
    best = seconds(pace.n_threads, pace.memory_format)
    if best >= SHORTEST_SECONDS:
        for layout in layouts:
            if (taken := seconds(threads, layout)) * MIN_GAIN < best:
                pace, best = Pace(threads, layout), taken
        for n in fewer:
            if (taken := seconds(n, pace.memory_format)) * MIN_GAIN < best:
                pace, best = Pace(n, pace.memory_format), taken
    return Pace(pace.n_threads, pace.memory_format, tried)


def _seconds(net: nn.Module, photos: Tensor, *, n_threads: int, layout: Layout) -> float:
    """The best of a few training steps, the optimiser left out, of a copy of the network; the first does not count."""
    with _threads(n_threads), torch.random.fork_rng(devices=[]):
        copied = copy.deepcopy(net).train().to(memory_format=LAYOUTS[layout])
        taken = [_one_step(copied, photos) for _ in range(1 + N_TRIES)]
    return min(taken[1:])


def _one_step(net: nn.Module, photos: Tensor) -> float:
    wait: Callable[[], None] = torch.cuda.synchronize if photos.device.type == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    answers = net(photos)
    sum(answer.float().square().mean() for answer in answers.values()).backward()
    net.zero_grad(set_to_none=True)
    wait()
    return time.perf_counter() - started


@contextmanager
def paced(net: nn.Module, pace: Pace) -> Iterator[None]:
    """The network in this layout, and within the block computing with this number of threads."""
    net.to(memory_format=LAYOUTS[pace.memory_format])
    with _threads(pace.n_threads):
        yield


@contextmanager
def _threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def compile_backbone(net: nn.Module, photos: Tensor) -> None:
    """Has torch compile the backbone in place, for every later pass. Raises ConfigError TRI101 where it cannot be."""
    backbone: Any = net.backbone
    backbone.compile(dynamic=False)
    try:
        with torch.no_grad():
            backbone(photos)
    except Exception as problem:  # the compilers behind it raise whatever they like
        got = (str(problem) or type(problem).__name__).splitlines()[0][:200]
        what, do = "torch cannot compile this network here", "Set train.compile: false."
        raise error("TRI101", what, where="train.compile", got=got, do=do) from problem
