"""Speed of the parts on this machine, side by side in one run: what a photo costs on its way into the network.

Rounds go through all parts in turn, so that a busy moment hits every part, and the best round counts. Use the ratios;
the absolute figures are this machine's. `--json FILE` keeps them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torchvision.transforms import v2

from trifacet.core.files import sha256_bytes
from trifacet.core.recipe import AugmentSection, ModelSection
from trifacet.data.drawn.person import draw_person
from trifacet.data.drawn.scene import PHOTO_NAMES, draw_photo
from trifacet.learn.augment import augment, draw
from trifacet.learn.backbones import BACKBONES, build_backbone
from trifacet.pixels.cache import open_cache
from trifacet.pixels.decode import decode
from trifacet.pixels.preprocess import Geometry, fit

N, BATCH = 64, 32
GEOMETRY = Geometry(150, 150, "middle_square")

# The chain of the official baseline: Pillow and tensors, photo by photo.
BASELINE = v2.Compose([
    v2.CenterCrop((320, 256)), v2.Resize((128, 96)), v2.ColorJitter(0.1, 0.1, 0.1, 0.1), v2.ToImage(),
    v2.ToDtype(torch.float32, scale=True), v2.Normalize((0.548, 0.504, 0.479), (0.237, 0.247, 0.246)),
])  # fmt: skip

Part = Callable[[], int]  # does some photos and says how many


def photos(folder: Path) -> list[Path]:
    """Drawn photos of 384x512 as JPEG files, in the size of the original data."""
    paths = [folder / f"{i}.jpg" for i in range(N)]
    for i, path in enumerate(paths):
        pixels = draw_photo(draw_person(0, i), PHOTO_NAMES[i % len(PHOTO_NAMES)], size_px=(384, 512))
        Image.fromarray(pixels).save(path, quality=90)
    return paths


def pixel_parts(paths: list[Path], folder: Path) -> dict[str, Part]:
    """From bytes on disk to the network's input."""
    contents = [path.read_bytes() for path in paths]
    hashes = [sha256_bytes(content) for content in contents]
    cache = open_cache(paths, hashes, geometry=GEOMETRY, folder=folder)
    batch = torch.from_numpy(np.array(cache[:BATCH])).permute(0, 3, 1, 2)

    def baseline() -> int:
        return len([BASELINE(Image.open(io.BytesIO(content)).convert("RGB")) for content in contents[:BATCH]])

    def trifacet() -> int:
        return len([fit(decode(content), GEOMETRY) for content in contents[:BATCH]])

    def cached() -> int:
        return len(np.array(cache[np.random.default_rng(0).permutation(N)]))

    def augmented() -> int:
        return len(augment(batch, torch.from_numpy(draw(0, 0, n_photos=BATCH)), ranges=AugmentSection()))

    return {
        "the official baseline's chain, one photo at a time": baseline,
        "decode and fit to 150x150": trifacet,
        "the same from the pixel cache": cached,
        "augment a uint8 batch": augmented,
    }


def network_parts() -> dict[str, Part]:
    """Forward of each backbone that is shipped, and a training step of the default one, at its own input size."""
    parts: dict[str, Part] = {}
    for name, entry in BACKBONES.items():
        module = build_backbone(ModelSection(backbone=name, norm=False)).eval()
        images = torch.rand(BATCH, 3, *entry.image_size) * 255

        def forward(module: torch.nn.Module = module, images: torch.Tensor = images) -> int:
            with torch.inference_mode():
                return len(module(images))

        def step(module: torch.nn.Module = module, images: torch.Tensor = images) -> int:
            module(images).square().mean().backward()
            return len(images)

        size = "x".join(map(str, entry.image_size))
        parts[f"{name} forward at {size}"] = forward
        parts[f"{name} forward and backward at {size}"] = step
    return parts


def photos_per_second(part: Part, seconds: float) -> float:
    """How many photos `part` does in a second, over at least `seconds`."""
    start, done = time.perf_counter(), 0
    while (taken := time.perf_counter() - start) < seconds:
        done += part()
    return done / taken


def help_seconds() -> float:
    """How long `trifacet --help` takes, the best of five."""
    command = [str(Path(sys.executable).parent / "trifacet"), "--help"]
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Measures, prints a table, writes the figures where asked."""
    parser = argparse.ArgumentParser(description="Speed of the parts on this machine.")
    parser.add_argument("--seconds", type=float, default=1.0, help="per part and round (default: 1)")
    parser.add_argument("--rounds", type=int, default=3, help="the best one counts (default: 3)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    asked = parser.parse_args()
    help_taken = help_seconds()
    with tempfile.TemporaryDirectory() as temp:
        parts = {**pixel_parts(photos(Path(temp)), Path(temp) / "cache"), **network_parts()}
        best = dict.fromkeys(parts, 0.0)
        for _ in range(asked.rounds):
            best = {name: max(best[name], photos_per_second(part, asked.seconds)) for name, part in parts.items()}
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
    table = Table("part", "photos/s", title=machine)
    for name, rate in best.items():
        table.add_row(name, f"{rate:,.0f}")
    Console().print(table, f"trifacet --help: {help_taken:.2f} s")
    if asked.json:
        figures = {"machine": machine, "photos_per_second": best, "help_seconds": help_taken}
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
