"""Near pairs of hashes: seconds and memory by their number, and whether each planted pair, and no other, is found."""

from __future__ import annotations

import numpy as np

from bench.asked import Asked
from bench.figures import Figure, figure
from bench.memory import FOUND_NAME, HASHES_NAME, do
from trifacet.clean.duplicates import radius_for
from trifacet.clean.hamming import Hashes

NUMBERS = (10_000, 100_000, 1_000_000, 10_000_000)
RADIUS = 6  # bits, at which numbers of hashes compare
PEAK_MB = 1000  # what a process may hold in all, however many hashes there are
# Rows that are compared with all others one by one: every row where that is at most so many comparisons.
COMPARED, MOST_COMPARISONS = 1000, 10_000_000_000

_AT_ONCE = 1 << 24  # comparisons


def hamming(asked: Asked) -> list[Figure]:
    """Seconds, peak memory and recall of the pairs within one radius, and within the one that copies are looked for."""
    made = []
    for n in (number for number in NUMBERS if number <= asked.n_hashes):
        for radius in dict.fromkeys((RADIUS, radius_for(n))):
            folder = asked.temp / f"hamming-{n}-{radius}"
            folder.mkdir(parents=True)
            hashes, planted = hashes_with_pairs(n, radius=radius, seed=n)
            np.save(folder / HASHES_NAME, hashes)
            told = do("near_pairs", folder, radius)
            words, found = f"{n:,} hashes, {radius} bits", np.load(folder / FOUND_NAME)
            made += [
                figure("hamming", f"near pairs of {words}", [told["seconds"]], unit="s", n=n),
                figure("hamming", f"near pairs of {words}, of a processor", [told["cpu_seconds"]], unit="s", n=n),
                figure(
                    "hamming", f"near pairs of {words}, all memory", [told["peak_mb"]], unit="MB", n=n, must=PEAK_MB
                ),
                figure(
                    "hamming", f"planted pairs found of {words}", [share(planted, found)], unit="share", n=n, must=1
                ),
            ]
            rows, all_pairs = by_comparing(hashes, radius=radius)
            own = found[np.isin(found, rows).any(axis=1)]
            agreed = float(set(map(tuple, own.tolist())) == set(map(tuple, all_pairs.tolist())))
            every = "each" if len(rows) == n else f"{len(rows)} of them"
            name = f"same pairs as by comparing {every} with all, {words}"
            made.append(figure("hamming", name, [agreed], unit="share", n=len(rows), must=1))
    return made


def hashes_with_pairs(n: int, *, radius: int, seed: int) -> tuple[Hashes, np.ndarray]:
    """Random hashes (n,), and rows (k, 2) of pairs planted in them, one a hundred hashes, 0 to `radius` bits apart.

    Random hashes are near by chance too, seldom: those pairs are in nobody's list, and are right where they are told.
    """
    draw = np.random.default_rng(seed)
    hashes = draw.integers(0, 2**64, n, dtype=np.uint64)
    pairs = draw.permutation(n)[: 2 * (n // 100)].reshape(-1, 2)
    bits = np.argsort(draw.random((len(pairs), 64)), axis=1)[:, :radius]
    is_changed = np.arange(radius) < draw.integers(0, radius + 1, len(pairs))[:, None]
    changes = np.where(is_changed, np.uint64(1) << bits.astype(np.uint64), np.uint64(0))
    hashes[pairs[:, 1]] = hashes[pairs[:, 0]] ^ np.bitwise_or.reduce(changes, axis=1)
    return hashes, np.sort(pairs, axis=1)


def share(wanted: np.ndarray, found: np.ndarray) -> float:
    """The share 0..1 of the wanted pairs (k, 2) that were found (n, 2), each row once."""
    told = set(map(tuple, found.tolist()))
    return sum(tuple(pair) in told for pair in wanted.tolist()) / max(1, len(wanted))


def by_comparing(hashes: Hashes, *, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and the pairs (n, 2) that comparing these with every other row finds.

    All rows where that can be done, else COMPARED of them, drawn. Every hash must stand at most twice.
    """
    n = len(hashes)
    is_all = n * n // 2 <= MOST_COMPARISONS
    rows = np.arange(n) if is_all else np.sort(np.random.default_rng(0).choice(n, COMPARED, replace=False))
    found, at_once = [np.empty((0, 2), dtype=np.int64)], max(1, _AT_ONCE // n)
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        first = int(some[0]) if is_all else 0  # earlier rows were compared with these already
        near = np.bitwise_count(hashes[some, None] ^ hashes[first:]) <= radius
        one, two = np.nonzero(near)
        pairs = np.stack([some[one], two + first], axis=1)
        found.append(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1))
    return rows, np.unique(np.concatenate(found), axis=0)
