"""What photos look like in numbers: light, contrast, sharpness, and a small grey picture of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from trifacet.core.files import sha256_bytes
from trifacet.core.predictions import ImageArray
from trifacet.pixels.decode import Undecodable, decode, exif_notes

SMALL_PX = 64  # sides of the small grey pictures
SHARP_PX = 192  # the longer side at which sharpness is told, so that photos of any size compare

_CHUNK = 16  # photos a task


@dataclass(frozen=True)
class Looks:
    """Numbers (N,) float32 a photo, NaN where the file is no photo any more, and small grey pictures (N, 64, 64) uint8.

    brightness: mean luma, 0 black .. 255 white. contrast: its standard deviation, 0 flat .. 127. sharpness: the
    variance of the Laplacian over that of the luma, at 192 pixels, 0 blurred .. about 4 noise. colour: mean distance of
    the channels from the luma, 0 grey .. 255. failed: why, of each photo that could not be read. exif: what metadata
    tell that a person should know, of each photo where they do.
    """

    brightness: npt.NDArray[np.float32]
    contrast: npt.NDArray[np.float32]
    sharpness: npt.NDArray[np.float32]
    colour: npt.NDArray[np.float32]
    small: npt.NDArray[np.uint8]
    failed: dict[int, str]
    exif: dict[int, tuple[str, ...]]


def look(
    paths: Sequence[Path],
    *,
    hashes: Sequence[str] | None = None,
    also: Callable[[int, ImageArray], None] | None = None,
    is_keeping_small: bool = True,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Looks:
    """How the photos look, each decoded once, upright; one that cannot be read is told, not raised.

    hashes: the sha256 that each file must have. also: is called with the row and the image (H, W, 3) uint8 of each
    photo that was read, from several threads, in any order. is_keeping_small: whether the small pictures are kept,
    which take 4 kB a photo; else there are none of them, (0, 64, 64).
    """
    numbers = np.full((4, len(paths)), np.nan, dtype=np.float32)
    small = np.zeros((len(paths) if is_keeping_small else 0, SMALL_PX, SMALL_PX), dtype=np.uint8)
    failed: dict[int, str] = {}
    exif: dict[int, tuple[str, ...]] = {}

    def fill(start: int) -> list[tuple[int, str]]:
        wrong = []
        for i in range(start, min(start + _CHUNK, len(paths))):
            try:
                content = paths[i].read_bytes()
                if hashes is not None and sha256_bytes(content) != hashes[i]:
                    wrong.append((i, "other bytes than when it was ingested"))
                    continue
                image = decode(content)
                numbers[:, i], seen = look_at(image)
                if is_keeping_small:
                    small[i] = seen
                if also:
                    also(i, image)
                if said := exif_notes(content):
                    exif[i] = said
            except OSError as problem:
                wrong.append((i, problem.strerror or "cannot be read"))
            except Undecodable as problem:
                wrong.append((i, problem.status))
        return wrong

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for done, wrong in enumerate(pool.map(fill, range(0, len(paths), _CHUNK)), start=1):
            failed.update(wrong)
            if progress:
                progress(min(done * _CHUNK, len(paths)), len(paths))
    brightness, contrast, sharpness, colour = numbers
    return Looks(brightness, contrast, sharpness, colour, small, failed, exif)


def look_at(image: ImageArray) -> tuple[tuple[float, float, float, float], npt.NDArray[np.uint8]]:
    """Brightness, contrast, sharpness and colour of an image (H, W, 3) uint8, and its small grey picture (64, 64)."""
    picture = Image.fromarray(image)
    scale = SHARP_PX / max(picture.size)
    size = (max(3, round(picture.width * scale)), max(3, round(picture.height * scale)))
    shown = picture.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    grey = shown.convert("L")
    luma = np.asarray(grey, dtype=np.float32)
    laplacian = 4 * luma[1:-1, 1:-1] - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    variance = float(luma.var())
    colour = float(np.abs(np.asarray(shown, dtype=np.float32) - luma[:, :, None]).mean())
    # A photo of one tone has no edges to be sharp: below one grey level what is left is rounding.
    sharpness = float(laplacian.var()) / variance if variance > 1 else 0.0
    small = np.asarray(picture.convert("L").resize((SMALL_PX, SMALL_PX), Image.Resampling.BOX))
    return (float(luma.mean()), variance**0.5, sharpness, colour), small
