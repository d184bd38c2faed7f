"""Photos that are copies of one another: the same bytes, or nearly the same pixels, also mirrored, turned or cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trifacet.clean.hamming import Hashes, Pairs, joined, near_pairs, near_to
from trifacet.clean.prints import WHOLE, Small, View, prints, shown, view_hashes, views

Progress = Callable[[int, int], None]  # tables of hashes done, and all

ALIKE = 0.96  # correlation from which two photos are copies; docs/log.md, "Copies of photos"
WORTH_A_LOOK = 0.65  # correlation, before a cut is placed exactly, under which no copy was seen; the same entry
RADII = ((50_000, 10), (200_000, 8))  # up to so many photos, so many bits; beyond them FAR. The same entry
FAR = 6
_AT_ONCE = 512  # candidates whose cuts are placed together
_STEPS = (-0.0375, -0.025, -0.0125, 0.0, 0.0125, 0.025, 0.0375)  # shares of a side that a cut is moved by
_GROWTHS = (-0.025, 0.0, 0.025)  # and that its sides grow by


@dataclass(frozen=True)
class Copies:
    """Pairs of photos that are copies: rows `first` and `second` (n,) int64, and how alike they are (n,), .96 .. 1.

    views: how the second shows the first: "" as it is, or `mirrored`, `cut`, `turned left` and the like.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    likeness: npt.NDArray[np.float32]
    views: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.first)


def radius_for(n_photos: int) -> int:
    """The bits in which hashes of copies may differ: less of many photos, of which more are alike by chance."""
    return next((radius for most, radius in RADII if n_photos <= most), FAR)


def find_copies(
    small: Small,
    *,
    which: Sequence[View] | None = None,
    radius: int | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Copies:
    """All pairs of small grey pictures (N, S, S) uint8 that are copies of each other, each pair once.

    Candidates are those whose hashes are near, as they are or in one of the views `which` (default: `views()`); of
    these the pixels are compared, a cut placed exactly. Of photos with one and the same hash each is compared with the
    first of them. Photos of one tone are no copies of each other: they have nothing to compare.
    """
    radius = radius_for(len(small)) if radius is None else radius
    others = list(views() if which is None else which)
    made = prints(small)
    plain = joined(list(near_pairs(made.hashes, radius=radius, folder=folder, progress=progress)))
    found = [_alike(small, plain, WHOLE)]
    for view, seen in _seen_by_view(view_hashes(small, made, others), made.hashes, views=others, radius=radius):
        found.append(_alike(small, seen, view))
    return _best(found)


def _seen_by_view(
    probes: Iterator[Hashes], hashes: Hashes, *, views: Sequence[View], radius: int
) -> Iterator[tuple[View, Pairs]]:
    for view, probe in zip(views, probes, strict=True):
        yield view, joined(list(near_to(probe, hashes, radius=radius)))


def _alike(small: Small, pairs: Pairs, view: View) -> Copies:
    """Those pairs whose second photo shows `view` of the first."""
    keep = pairs.first != pairs.second
    first, second = pairs.first[keep], pairs.second[keep]
    score = np.empty(len(first), dtype=np.float32)
    for start in range(0, len(first), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        score[part] = _likeness(small[first[part]], small[second[part]], view)
    is_copy = score >= ALIKE
    n = int(is_copy.sum())
    return Copies(first[is_copy], second[is_copy], score[is_copy], (view.name,) * n)


def _likeness(one: Small, two: Small, view: View) -> npt.NDArray[np.float32]:
    """How well the second pictures show the view of the first, as correlations (n,), each cut placed at its best."""
    wanted = _normal(shown(two))
    best = _correlation(_normal(shown(one, view)), wanted)
    worth = np.flatnonzero((best >= WORTH_A_LOOK) & (best < 1)) if view.is_cut else np.empty(0, dtype=np.intp)
    for near in _placed(view) if len(worth) else ():
        best[worth] = np.maximum(best[worth], _correlation(_normal(shown(one[worth], near)), wanted[worth]))
    return best


def _normal(pictures: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Pictures with mean 0 and length 1; those of one tone are 0 and like nothing."""
    about = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt((about**2).sum(axis=(1, 2), keepdims=True))
    flat = length < pictures.shape[1]  # a deviation of less than one grey level
    return np.where(flat, 0, about / np.where(flat, 1, length)).astype(np.float32)


def _correlation(one: npt.NDArray[np.float32], two: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(np.einsum("nij,nij->n", one, two), dtype=np.float32)


def _placed(view: View) -> list[View]:
    """The view with its cut moved and grown a little every way, within the picture."""
    size = view.bottom - view.top
    found = []
    for growth in _GROWTHS:
        side = min(1.0, size + growth)
        for down in _STEPS:
            for across in _STEPS:
                top = min(max(view.top + (size - side) / 2 + down, 0.0), 1 - side)
                left = min(max(view.left + (size - side) / 2 + across, 0.0), 1 - side)
                box = (round(v, 4) for v in (top, left, top + side, left + side))
                found.append(replace(view, **dict(zip(("top", "left", "bottom", "right"), box, strict=True))))
    return list(dict.fromkeys(found))


def _best(found: Sequence[Copies]) -> Copies:
    """Each pair of photos once, in the view in which they are most alike."""
    names = [name for copies in found for name in copies.views]
    first, second, likeness = (np.concatenate([getattr(c, n) for c in found]) for n in ("first", "second", "likeness"))
    low, high = np.minimum(first, second), np.maximum(first, second)
    order = np.lexsort((-likeness, high, low))
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = (low[order][1:] != low[order][:-1]) | (high[order][1:] != high[order][:-1])
    kept = order[is_new]
    return Copies(first[kept], second[kept], likeness[kept], tuple(names[i] for i in kept))


def groups_of(copies: Copies, n_photos: int) -> list[list[int]]:
    """Rows that are copies of each other, directly or by others, each group sorted, the first photo's group first."""
    parent = list(range(n_photos))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in zip(copies.first.tolist(), copies.second.tolist(), strict=True):
        one, two = root(a), root(b)
        parent[max(one, two)] = min(one, two)
    found: dict[int, list[int]] = {}
    for i in sorted({*copies.first.tolist(), *copies.second.tolist()}):
        found.setdefault(root(i), []).append(i)
    return [found[i] for i in sorted(found)]
