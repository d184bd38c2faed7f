"""Channel statistics of a set of photos."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trifacet.pixels.decode import decode

Channels = npt.NDArray[np.float64]  # (3,) red, green, blue, in 0..1


def calc_statistics(paths: Iterable[Path | str]) -> tuple[Channels, Channels]:
    """Mean and standard deviation (3,) of red, green and blue in 0..1 over all pixels of the photos at `paths`.

    The baseline's function of this name averages each photo's deviation, which leaves out how photos differ.

    Raises:
        ValueError: no photos. Undecodable: a photo that cannot be read.
    """

    def sums(path: Path | str) -> npt.NDArray[np.float64]:
        pixels = decode(Path(path).read_bytes()).reshape(-1, 3) / 255
        return np.stack([np.full(3, len(pixels)), pixels.sum(axis=0), (pixels**2).sum(axis=0)])

    with ThreadPoolExecutor() as pool:
        total = sum(pool.map(sums, paths), start=np.zeros((3, 3)))
    if not total[0, 0]:
        raise ValueError("expected at least one photo, got none")
    mean = total[1] / total[0]
    return mean, np.sqrt(np.maximum(total[2] / total[0] - mean**2, 0))


def channel_statistics(images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> tuple[Channels, Channels]:
    """Mean and standard deviation (3,) of red, green and blue in 0..255 over `images[rows]`, (N, h, w, 3) uint8.

    Counted by level, so that the result is the same on every machine.
    """
    counts = np.zeros((3, 256), dtype=np.int64)
    for part in np.array_split(rows, -(-len(rows) // 256)):
        photos = images[part]
        counts += [np.bincount(photos[..., channel].ravel(), minlength=256) for channel in range(3)]
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ np.arange(256)
    return mean, np.sqrt((shares * (np.arange(256) - mean[:, None]) ** 2).sum(axis=1))
