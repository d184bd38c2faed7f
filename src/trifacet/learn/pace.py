"""How long a step takes in each memory layout and with each number of threads: tried before training, and recorded."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
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
N_PHOTOS, N_TRIES = 16, 4


@dataclass(frozen=True)
class Pace:
    """What training runs with, and the best time in ms of a step of `N_PHOTOS` photos in each way that was tried."""

    n_threads: int
    memory_format: Layout
    tried_ms: dict[str, float] = field(default_factory=dict, hash=False)

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
    ways = [pace]
    if recipe.memory_format == "auto":
        ways += [Pace(threads, layout) for layout in LAYOUTS if layout != DEFAULT]
    if recipe.threads == "auto" and photos.device.type == "cpu" and most >= MANY_THREADS:
        ways += [Pace(most // 2, way.memory_format) for way in tuple(ways)]
    if len(ways) == 1 or not recipe.epochs:  # a head alone learns from features that are computed once
        return pace
    seconds = _try(net, photos[:N_PHOTOS], ways=ways)
    tried = {f"{way.memory_format}, {way.n_threads} threads": round(1000 * s, 1) for way, s in seconds.items()}
    best = min(seconds, key=lambda way: seconds[way])
    chosen = best if seconds[best] * MIN_GAIN < seconds[pace] else pace
    return Pace(chosen.n_threads, chosen.memory_format, tried)


def _try(net: nn.Module, photos: Tensor, *, ways: Sequence[Pace]) -> dict[Pace, float]:
    """The best seconds of a training step, the optimiser left out, each way; a quick first way is tried alone.

    The ways take turns, so that a busy moment hits them all; the first turn, which prepares kernels, does not count.
    """
    with torch.random.fork_rng(devices=[]):
        copies = {way: copy.deepcopy(net).train().to(memory_format=LAYOUTS[way.memory_format]) for way in ways}

        def step(way: Pace) -> float:
            with _threads(way.n_threads):
                return _one_step(copies[way], photos)

        first = [step(ways[0]) for _ in range(3)]
        if min(first[1:]) < SHORTEST_SECONDS:
            return {ways[0]: min(first[1:])}
        turns = [{way: step(way) for way in ways} for _ in range(1 + N_TRIES)]
    return {way: min(turn[way] for turn in turns[1:]) for way in ways}


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
