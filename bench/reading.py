"""Photos on their way to the network: the pixel cache beside reading and decoding them, plain and augmented."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bench.asked import Asked
from bench.figures import Figure
from bench.peers import official, timm_loader
from bench.photos import Photos
from bench.rounds import PER_CORE, Part, Ratio, figures_of, rates_of
from trifacet.core.recipe_photos import AugmentSection
from trifacet.learn.augment import augment, draw
from trifacet.learn.features import to_tensor
from trifacet.pixels.cache import open_cache
from trifacet.pixels.decode import decode
from trifacet.pixels.preprocess import Geometry, fit

BATCH = 64


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cache(asked: Asked) -> list[Figure]:
    """Photos per second of one core, on their way to the network at the baseline's size: read, and augmented."""
    made = []
    for photos in asked.photos:
        few = photos.first(min(len(photos.paths), 8 * BATCH))
        with _one_thread():
            rates = rates_of(_ways_in(few, asked.temp), rounds=asked.rounds, clock=PER_CORE, seconds=asked.seconds)
        ratios = [
            Ratio("cache read", "official chain", 100),
            Ratio("cache read", "official chain without its crop", 100),
            Ratio("cache read", "official DataLoader"),
            Ratio("cache read", "timm loader"),
            Ratio("cache read, normalised float32", "official chain"),
            Ratio("cache read, augmented as `quick`", "official chain, augmented as `quick`", 3),
            Ratio("cache read, augmented as the official one", "official chain, its own augmentation", 3),
            Ratio("cache read, augmented as `quick`", "timm loader, its own augmentation"),
        ]
        made += figures_of("cache", rates, ratios=ratios, of=f"one core, {photos.name}", n=len(few.paths))
    return made


def _ways_in(photos: Photos, temp: Path) -> dict[str, Part]:
    paths, (height, width) = photos.paths, official.TRAIN_SIZE
    geometry = Geometry(height, width)
    inputs = open_cache(paths, photos.hashes, geometry=geometry, folder=temp / "cache")
    loader = torch.utils.data.DataLoader(official.Photos(paths, official.plain()), batch_size=BATCH)
    quick, like_official = AugmentSection(), AugmentSection(
        flip=0, scale=0, shift=0, rotate_deg=0, brightness=0.1, contrast=0.1, saturation=0.1, channel_gain=0.1, noise=1
    )  # fmt: skip
    few = paths[:BATCH]

    def one_by_one(transform: official.Transform) -> Part:
        return lambda: len([transform(Image.open(path).convert("RGB")) for path in few])

    def read(use: Callable[[np.ndarray], object] = len) -> Part:
        rng = np.random.default_rng(0)

        def part() -> int:
            rows = rng.permutation(len(inputs))
            for start in range(0, len(rows), BATCH):
                use(np.array(inputs[rows[start : start + BATCH]]))
            return len(rows)

        return part

    def changed(ranges: AugmentSection) -> Part:
        draws = torch.from_numpy(draw(0, 0, n_photos=BATCH))
        cpu = torch.device("cpu")
        return read(lambda batch: augment(to_tensor(batch, cpu), draws[: len(batch)], ranges=ranges))

    def normalised(batch: np.ndarray) -> torch.Tensor:
        mean, std = (255 * torch.tensor(v).view(1, 3, 1, 1) for v in (official.MEAN, official.STD))
        return to_tensor(batch, torch.device("cpu")).float().sub_(mean).div_(std)

    return {
        "official chain": one_by_one(official.plain()),
        "official chain without its crop": one_by_one(official.whole()),
        "official DataLoader": lambda: sum(len(batch) for batch in loader),
        "timm loader": timm_loader.loading(photos.folder, official.TRAIN_SIZE),
        "decode and fit": lambda: len([fit(decode(path.read_bytes()), geometry) for path in few]),
        "cache read": read(),
        "cache read, normalised float32": read(normalised),
        "official chain, its own augmentation": one_by_one(official.custom()),
        "official chain, augmented as `quick`": one_by_one(official.augmented_as(quick)),
        "timm loader, its own augmentation": timm_loader.loading(photos.folder, official.TRAIN_SIZE, is_training=True),
        "cache read, augmented as `quick`": changed(quick),
        "cache read, augmented as the official one": changed(like_official),
    }
