"""Speed of single parts on this machine: the networks, a batch of augmentation, and how long `--help` takes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import torch

from bench.asked import Asked
from bench.figures import Figure, figure
from bench.rounds import Part, figures_of, rates_of
from trifacet.core.recipe import ModelSection
from trifacet.core.recipe_photos import AugmentSection
from trifacet.learn.augment import augment, draw
from trifacet.learn.backbones import BACKBONES, build_backbone

BATCH = 32
HELP_SECONDS = 0.7


def parts(asked: Asked) -> list[Figure]:
    """Forward and a training step of each backbone that is shipped, at its own size; augmentation; `--help`."""
    images = torch.randint(0, 256, (BATCH, 3, 150, 150), dtype=torch.uint8)
    draws = torch.from_numpy(draw(0, 0, n_photos=BATCH))
    todo: dict[str, Part] = {"augment at 150x150": lambda: len(augment(images, draws, ranges=AugmentSection()))}
    for name, entry in BACKBONES.items():
        module = build_backbone(ModelSection(backbone=name, norm=False)).eval()
        inputs = torch.rand(BATCH, 3, *entry.image_size) * 255
        size = "x".join(map(str, entry.image_size))
        todo[f"{name} forward at {size}"] = _forward(module, inputs)
        todo[f"{name} forward and backward at {size}"] = _step(module, inputs)
    rates = rates_of(todo, rounds=asked.rounds, seconds=asked.seconds)
    made = figures_of("parts", rates, ratios=[], of=f"{torch.get_num_threads()} threads", n=BATCH)
    seconds = [_help_seconds() for _ in range(asked.rounds)]
    return [*made, figure("parts", "trifacet --help", seconds, unit="s", n=1, must=HELP_SECONDS)]


def _forward(module: torch.nn.Module, inputs: torch.Tensor) -> Part:
    def part() -> int:
        with torch.inference_mode():
            return len(module(inputs))

    return part


def _step(module: torch.nn.Module, inputs: torch.Tensor) -> Part:
    def part() -> int:
        module(inputs).square().mean().backward()
        return len(inputs)

    return part


def _help_seconds() -> float:
    command = [str(Path(sys.executable).parent / "trifacet"), "--help"]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start
