"""Photos that are copies of one another: the same bytes, or nearly the same pixels, also mirrored, turned or cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trifacet.clean.hamming import Pairs, joined, near_pairs, near_to
from trifacet.clean.prints import GRID, WHOLE, Small, View, prints, shown, view_hashes, views

Progress = Callable[[int, int], None]  # tables of hashes done, and all

ALIKE = 0.87  # correlation of edges from which two photos are copies; docs/log.md, "Copies of photos", has all four
WORTH_PLACING = 0.65  # correlation of greys under which no cut, placed roughly, was a copy's
WORTH_REFINING = 0.45  # correlation of edges, likewise, after the rough search
# Up to so many photos, so many bits; beyond them FAR. Of few photos copies weigh in the medians that hash them.
RADII = ((200, 18), (50_000, 10), (200_000, 8))
FAR = 6
_AT_ONCE = 512  # candidates whose cuts are placed together
# Where a cut is looked for about its place: shares of a side that it is moved by, and that its sides grow by.
_ROUGH = ((-0.0375, -0.025, -0.0125, 0.0, 0.0125, 0.025, 0.0375), (-0.025, 0.0, 0.025))
_FINE = ((-0.0094, -0.0047, 0.0, 0.0047, 0.0094), (-0.0125, -0.0062, 0.0, 0.0062, 0.0125))


@dataclass(frozen=True)
class Copies:
    """Pairs of photos that are copies: rows `first` and `second` (n,) int64, and how alike their edges are (n,).

    likeness: .87 .. 1, a correlation. views: how the second shows the first: "" as it is, or `mirrored`, `cut`,
    `turned left` and the like.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    likeness: npt.NDArray[np.float32]
    views: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.first)


def radius_for(n_photos: int) -> int:
    """The bits in which hashes of copies may differ: fewer of many photos, of which more are alike by chance."""
    return next((radius for most, radius in RADII if n_photos <= most), FAR)


def find_copies(
    small: Small,
    *,
    persons: Sequence[str] | None = None,
    which: Sequence[View] | None = None,
    radius: int | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Copies:
    """All pairs of small grey pictures (N, S, S) uint8 that are copies of each other, each pair once.

    Candidates are those whose hashes are near, as they are or in one of the views `which` (default: `views()`); of
    these the edges are compared, a cut placed exactly. Of photos with one and the same hash each is compared with the
    first of them. Photos of one tone are no copies of each other: they have nothing to compare.

    persons: who each photo shows; photos of one person are compared as they are alone, because views of one face in one
    place are what many datasets hold.
    """
    others = list(views() if which is None else which)
    radius = radius_for(len(small)) if radius is None else radius
    made = prints(small)
    plain = joined(list(near_pairs(made.hashes, radius=radius, folder=folder, progress=progress)))
    probes = np.concatenate([np.empty(0, dtype=np.uint64), *view_hashes(small, made, which=others)])
    seen = joined(list(near_to(probes, made.hashes, radius=radius, folder=folder)))
    which_view, first = np.divmod(seen.first, max(1, len(small)))
    person = np.unique(np.asarray(persons or range(len(small))), return_inverse=True)[1]
    which_view[person[first] == person[seen.second]] = -1
    found = [_alike(small, plain, view=WHOLE)]
    for i, view in enumerate(others):
        own = which_view == i
        found.append(_alike(small, Pairs(first[own], seen.second[own], seen.distance[own]), view=view))
    return _best(found)


def _alike(small: Small, pairs: Pairs, *, view: View) -> Copies:
    """Those pairs whose second photo shows `view` of the first."""
    keep = pairs.first != pairs.second
    first, second = pairs.first[keep], pairs.second[keep]
    score = np.empty(len(first), dtype=np.float32)
    for start in range(0, len(first), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        score[part] = _likeness(small[first[part]], small[second[part]], view=view)
    is_copy = score >= ALIKE
    n = int(is_copy.sum())
    return Copies(first[is_copy], second[is_copy], score[is_copy], (view.name,) * n)


def _likeness(one: Small, two: Small, *, view: View) -> npt.NDArray[np.float32]:
    """How well the second pictures show the view of the first, as correlations (n,), each cut placed at its best."""
    seen, wanted = shown(one, view), shown(two)
    edges = _edges(wanted)
    best = _correlation(_edges(seen), edges)
    if not view.is_cut:
        return best
    worth = np.flatnonzero(_correlation(_normal(seen), _normal(wanted)) >= WORTH_PLACING)
    places = _placed(view, _ROUGH) if len(worth) else []
    chosen = np.zeros(len(worth), dtype=np.intp)
    for i, near in enumerate(places):
        likeness = _correlation(_edges(shown(one[worth], near)), edges[worth])
        chosen[likeness > best[worth]] = i
        best[worth] = np.maximum(best[worth], likeness)
    for row, i in zip(worth.tolist(), chosen.tolist(), strict=True):
        if WORTH_REFINING <= best[row] < 1:
            pictures = [shown(one[row : row + 1], near) for near in _placed(places[i], _FINE)]
            best[row] = max(best[row], _correlation(_edges(np.concatenate(pictures)), edges[row : row + 1]).max())
    return best


def _edges(pictures: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Differences between neighbours (n, 2 S - 2, S - 1), down then across, of length 1; 0 for pictures of one tone.

    Faces in one framing have much the same greys, not the same edges.
    """
    down, across = np.diff(pictures, axis=1)[:, :, :-1], np.diff(pictures, axis=2)[:, :-1]
    return _unit(np.concatenate([down, across], axis=1))


def _normal(pictures: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Pictures with mean 0 and length 1; 0 for those of one tone."""
    return _unit(pictures - pictures.mean(axis=(1, 2), keepdims=True))


def _unit(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    length = np.sqrt((values**2).sum(axis=(1, 2), keepdims=True))
    flat = length < GRID / 2  # half a grey level a pixel: noise of rounding
    return np.where(flat, 0, values / np.where(flat, 1, length)).astype(np.float32)


def _correlation(one: npt.NDArray[np.float32], two: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Products (n,) of pictures of length 1; one of `two` serves all of `one`."""
    return np.asarray((one * two).sum(axis=(1, 2)), dtype=np.float32)


def _placed(view: View, moves: tuple[Sequence[float], Sequence[float]]) -> list[View]:
    """The view with its cut moved by steps and grown, in shares of the side, every way within the picture."""
    steps, growths = moves
    size = view.bottom - view.top
    found = []
    for growth in growths:
        side = min(1.0, size + growth)
        for down in steps:
            for across in steps:
                top = min(max(view.top + (size - side) / 2 + down, 0.0), 1 - side)
                left = min(max(view.left + (size - side) / 2 + across, 0.0), 1 - side)
                top, left, bottom, right = (round(v, 4) for v in (top, left, top + side, left + side))
                found.append(replace(view, top=top, left=left, bottom=bottom, right=right))
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
