"""Perceptual hashes of photos and of what copies make of them: turned, mirrored, cut at the edges.

A photo's hash says of 64 low frequencies of its small grey picture whether each is above the median of all photos: of
faces in one framing the plain sign of most frequencies is the same. A cut, resized and then transformed, is one matrix
product; a mirrored or turned picture changes signs and order of the frequencies.

Source: Zauner 2010, Implementation and benchmarking of perceptual image hash functions (the DCT hash).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Small = npt.NDArray[np.uint8]  # (N, S, S) grey
Frequencies = npt.NDArray[np.float32]  # (N, 9, 9), rows are vertical
Hashes = npt.NDArray[np.uint64]

N_FREQUENCIES = 9  # a side; the mean and the highest are left out of 81
GRID = 32  # sides of the picture that is transformed


@dataclass(frozen=True)
class View:
    """What a copy may show: the part between two corners (shares of the sides), mirrored, and turned by quarters.

    quarters: anticlockwise, after mirroring.
    """

    top: float = 0.0
    left: float = 0.0
    bottom: float = 1.0
    right: float = 1.0
    is_mirrored: bool = False
    quarters: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether it shows less than the whole."""
        return (self.top, self.left, self.bottom, self.right) != (0, 0, 1, 1)

    @property
    def name(self) -> str:
        """In words: `cut, mirrored`; "" for the photo as it is."""
        turned = {0: "", 1: "turned left", 2: "upside down", 3: "turned right"}[self.quarters]
        return ", ".join(w for w in ("cut" if self.is_cut else "", "mirrored" if self.is_mirrored else "", turned) if w)


WHOLE = View()


def views() -> list[View]:
    """The views that copies are looked for in: all turns of the whole, cuts of 5 and 10 % upright and mirrored."""
    turned = [View(is_mirrored=m, quarters=q) for m in (False, True) for q in range(4) if (m, q) != (False, 0)]
    corners = [(0.0, 0.0), (0.0, 0.05), (0.05, 0.0), (0.05, 0.05), (0.025, 0.025)]
    small_cuts = [(t, le, t + 0.95, le + 0.95) for t, le in corners]
    large_cuts = [(t, le, t + 0.9, le + 0.9) for t in (0.0, 0.05, 0.1) for le in (0.0, 0.05, 0.1)]
    cuts = [View(*box, is_mirrored=m) for box in (*small_cuts, *large_cuts) for m in (False, True)]
    return [*turned, *cuts]


@dataclass(frozen=True)
class Prints:
    """Hashes of photos as they are (N,), and the medians (9, 9) that made them, by which views are hashed too."""

    hashes: Hashes
    medians: npt.NDArray[np.float32]


def prints(small: Small) -> Prints:
    """The photos' hashes."""
    found = frequencies(small)
    medians = np.median(found, axis=0) if len(found) else np.zeros((N_FREQUENCIES, N_FREQUENCIES), dtype=np.float32)
    return Prints(_bits(found, medians), medians)


def view_hashes(small: Small, made: Prints, *, which: Sequence[View]) -> Iterator[Hashes]:
    """The hashes (N,) of each view of the photos."""
    for view in which:
        yield _bits(_turned(frequencies(small, view), view), made.medians)


def frequencies(small: Small, view: View = WHOLE) -> Frequencies:
    """The low frequencies of the part of each picture that the view shows, neither mirrored nor turned."""
    down = _transform(small.shape[1], (view.top, view.bottom))
    across = _transform(small.shape[2], (view.left, view.right))
    return np.asarray(down @ small.astype(np.float32) @ across.T, dtype=np.float32)


def shown(small: Small, view: View = WHOLE, *, side_px: int = GRID) -> npt.NDArray[np.float32]:
    """What the view shows of each picture, (N, side_px, side_px) float32 grey 0..255."""
    down = _resize(small.shape[1], (view.top, view.bottom), wanted=side_px)
    across = _resize(small.shape[2], (view.left, view.right), wanted=side_px)
    cut = down @ small.astype(np.float32) @ across.T
    return np.rot90(cut[:, :, ::-1] if view.is_mirrored else cut, view.quarters, axes=(1, 2))


def _turned(found: Frequencies, view: View) -> Frequencies:
    """The frequencies of the mirrored and turned picture: a flip changes the sign of every other one."""
    sign = (1.0 - 2.0 * (np.arange(N_FREQUENCIES) % 2)).astype(np.float32)
    if view.is_mirrored:
        found = found * sign
    for _ in range(view.quarters):  # a quarter to the left: transposed, then flipped upside down
        found = found.transpose(0, 2, 1) * sign[:, None]
    return found


@cache
def _kept() -> npt.NDArray[np.intp]:
    """The places of the 64 frequencies that are hashed: the lowest after the mean, row by row within one sum."""
    rows, columns = np.divmod(np.arange(N_FREQUENCIES**2), N_FREQUENCIES)
    return np.argsort((rows + columns) * N_FREQUENCIES**2 + np.arange(N_FREQUENCIES**2))[1:65]


def _bits(found: Frequencies, medians: npt.NDArray[np.float32]) -> Hashes:
    above = (found > medians).reshape(len(found), N_FREQUENCIES**2)[:, _kept()]
    return np.packbits(above.ravel()).view(np.uint64)


@cache
def _transform(size: int, part: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Matrix (9, size): a side's pixels between two shares of it -> the low frequencies of what they show (DCT-II)."""
    place = (np.arange(GRID) + 0.5) / GRID
    cosines = np.cos(np.pi * np.arange(N_FREQUENCIES)[:, None] * place)
    return np.asarray(cosines @ _resize(size, part, wanted=GRID), dtype=np.float32)


@cache
def _resize(size: int, part: tuple[float, float], *, wanted: int) -> npt.NDArray[np.float32]:
    """Matrix (wanted, size): means of a side's pixels over `wanted` equal stretches between two shares of the side."""
    edges = np.linspace(part[0] * size, part[1] * size, wanted + 1)
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.clip(overlap, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
