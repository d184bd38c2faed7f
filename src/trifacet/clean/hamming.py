"""All pairs of 64-bit hashes within a Hamming radius: exact, in bounded memory, on disk where there are many.

Two hashes that differ in at most r of 64 bits, cut into r + m blocks, are the same in at least m of the blocks. So for
every choice of m blocks the hashes are sorted by these, and only those that are the same there are compared.

Source: Norouzi, Punjani and Fleet 2014, Fast exact search in Hamming space with multi-index hashing (there m = 1).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import comb, log2
from pathlib import Path

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

N_BITS = 64
DEFAULT_MEMORY = 512_000_000
_BYTES_A_ROW = 80  # of a part that is worked on: hash, row, key, order and what comparing makes
_BLOCK = 1 << 20  # rows read, or pairs compared, at once
_SORT_COST = 25  # comparisons that sorting one row costs: docs/log.md, "Hamming pairs"
Progress = Callable[[int, int], None]  # tables done, tables in all

_RECORD = np.dtype([("hash", np.uint64), ("row", np.int64)])


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows `first` and `second` (n,) int64, and the bits in which their hashes differ (n,) uint8."""

    first: Rows
    second: Rows
    distance: npt.NDArray[np.uint8]


def near_pairs(
    hashes: Hashes,
    *,
    radius: int,
    memory_bytes: int = DEFAULT_MEMORY,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Pairs]:
    """Every pair of hashes (N,) uint64 that differ in at most `radius` bits, each once (`first` < `second`).

    Of equal hashes only the first row is paired with others: each further row is paired with the first alone, so a
    million blank photos make a million pairs.

    hashes: an array or a memmap, which is never held whole. memory_bytes: about what is used beside it; hashes that
    need more are sorted in parts in a folder of their own below `folder` (default: the system's temporary one).
    progress: called with the tables done and all.
    """
    for table, n_parts in _each_table(len(hashes), radius, memory_bytes=memory_bytes, progress=progress):
        for part in _parts(hashes, table.mask, n_parts=n_parts, folder=folder):
            yield from _pairs_within(part, table, radius=radius)


def near_to(
    probes: Hashes,
    hashes: Hashes,
    *,
    radius: int,
    memory_bytes: int = DEFAULT_MEMORY,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Pairs]:
    """Every probe (M,) and hash (N,) uint64 that differ in at most `radius` bits, as `near_pairs` tells pairs.

    `first` is the row of the probe, `second` that of the hash: of equal hashes the first.
    """
    for table, n_parts in _each_table(len(hashes), radius, memory_bytes=memory_bytes, progress=progress):
        asked = _parts(probes, table.mask, n_parts=n_parts, folder=folder)
        for part, ours in zip(_parts(hashes, table.mask, n_parts=n_parts, folder=folder), asked, strict=True):
            yield from _pairs_between(ours, part, table=table, radius=radius)


def _each_table(
    n_hashes: int, radius: int, *, memory_bytes: int, progress: Progress | None
) -> Iterator[tuple[_Table, int]]:
    """Each table, and in how many parts (a power of 2) the hashes are looked at."""
    if not 0 <= radius < N_BITS:
        raise ValueError(f"radius must be within 0..{N_BITS - 1} bits, got {radius}")
    tables, n_parts = _tables(n_hashes, radius), 1
    while n_hashes * _BYTES_A_ROW > n_parts * memory_bytes:
        n_parts *= 2
    for done, table in enumerate(tables):
        if progress:
            progress(done, len(tables))
        yield table, n_parts
    if progress:
        progress(len(tables), len(tables))


@dataclass(frozen=True)
class _Table:
    """A choice of blocks: the bits that must be the same, and blocks of which each must differ.

    A pair is the same in several choices. It is told by the first of them: there all blocks before the last chosen one
    that were not chosen differ.
    """

    mask: np.uint64
    others: tuple[np.uint64, ...]
    is_first: bool


def _tables(n_hashes: int, radius: int) -> list[_Table]:
    """The choices of blocks that cost least: few blocks make few tables, many make tables with few to compare."""

    def cost(m: int) -> float:
        alike = 2.0 ** (N_BITS * m / (radius + m))
        return float(comb(radius + m, m) * n_hashes * (_SORT_COST + n_hashes / 2 / alike))

    n_same = min(range(1, max(2, min(8, N_BITS - radius + 1))), key=cost)
    edges = np.linspace(0, N_BITS, radius + n_same + 1).round().astype(int)
    blocks = [((1 << int(b)) - 1) ^ ((1 << int(a)) - 1) for a, b in pairwise(edges)]
    return [
        _Table(
            np.uint64(sum(blocks[i] for i in chosen)),
            tuple(np.uint64(blocks[i]) for i in range(chosen[-1]) if i not in chosen),
            is_first=chosen == tuple(range(n_same)),
        )
        for chosen in combinations(range(len(blocks)), n_same)
    ]


def _parts(hashes: Hashes, mask: np.uint64, *, n_parts: int, folder: Path | None) -> Iterator[npt.NDArray[np.void]]:
    """Records of the hashes in parts: those that are the same under the mask lie in one part."""
    if n_parts == 1:
        yield _records(hashes, range(len(hashes)))
        return
    shift = np.uint64(N_BITS - int(log2(n_parts)))
    with tempfile.TemporaryDirectory(prefix="trifacet-pairs-", dir=folder) as home:
        files = [Path(home) / f"{i}.records" for i in range(n_parts)]
        with ExitStack() as stack:
            written = [stack.enter_context(file.open("wb")) for file in files]
            for start in range(0, len(hashes), _BLOCK):
                records = _records(hashes, range(start, min(start + _BLOCK, len(hashes))))
                # Fibonacci hashing (Knuth, TAOCP 3, 6.4): the high bits of the product depend on all bits of the key.
                where = ((records["hash"] & mask) * np.uint64(0x9E3779B97F4A7C15)) >> shift
                order = np.argsort(where, kind="stable")
                ends = np.searchsorted(where[order], np.arange(n_parts, dtype=np.uint64), side="right")
                for file, part in zip(written, np.split(records[order], ends[:-1]), strict=True):
                    part.tofile(file)
        for path in files:
            yield np.fromfile(path, dtype=_RECORD)
            path.unlink()


def _records(hashes: Hashes, rows: range) -> npt.NDArray[np.void]:
    records = np.empty(len(rows), dtype=_RECORD)
    records["hash"] = hashes[rows.start : rows.stop]
    records["row"] = rows
    return records


def _distinct(part: npt.NDArray[np.void]) -> tuple[Hashes, Rows, Rows]:
    """The distinct hashes of a part, the first row of each, and for each record that first row."""
    hashes, inverse = np.unique(part["hash"], return_inverse=True)
    rows = np.full(len(hashes), np.iinfo(np.int64).max)
    np.minimum.at(rows, inverse, part["row"])
    return hashes, rows, rows[inverse]


def _pairs_within(part: npt.NDArray[np.void], table: _Table, *, radius: int) -> Iterator[Pairs]:
    """The pairs that this table tells among the records of one part."""
    hashes, rows, firsts = _distinct(part)
    if table.is_first and len(hashes) < len(part):
        is_copy = firsts != part["row"]
        yield Pairs(firsts[is_copy], part["row"][is_copy], np.zeros(int(is_copy.sum()), dtype=np.uint8))
    order = np.argsort(hashes & table.mask)
    hashes, rows = hashes[order], rows[order]
    keys = hashes & table.mask
    for start in range(0, len(keys), _BLOCK):
        left, step = np.arange(start, min(start + _BLOCK, len(keys))), 1
        while len(left := left[left + step < len(keys)]) and len(left := left[keys[left] == keys[left + step]]):
            near, distance = _near(hashes[left], hashes[left + step], table=table, radius=radius)
            one, two = rows[left[near]], rows[left[near] + step]
            if len(near):
                yield Pairs(np.minimum(one, two), np.maximum(one, two), distance)
            step += 1


def _pairs_between(
    probes: npt.NDArray[np.void], part: npt.NDArray[np.void], *, table: _Table, radius: int
) -> Iterator[Pairs]:
    """The pairs that this table tells of a probe and a record of one part."""
    hashes, rows, _ = _distinct(part)
    order = np.argsort(hashes & table.mask)
    hashes, rows = hashes[order], rows[order]
    keys, asked = hashes & table.mask, probes[np.argsort(probes["hash"] & table.mask)]
    wanted = asked["hash"] & table.mask
    starts, stops = np.searchsorted(keys, wanted, side="left"), np.searchsorted(keys, wanted, side="right")
    counts = stops - starts
    ends = np.cumsum(counts)
    at = 0
    while at < len(asked):  # as many probes at once as have about a block of hashes to be compared with
        stop = max(at + 1, int(np.searchsorted(ends, (ends[at - 1] if at else 0) + _BLOCK)))
        n = counts[at:stop]
        probe = np.repeat(np.arange(at, stop), n)
        place = np.arange(len(probe)) - np.repeat(np.cumsum(n) - n, n) + np.repeat(starts[at:stop], n)
        near, distance = _near(asked["hash"][probe], hashes[place], table=table, radius=radius)
        if len(near):
            yield Pairs(asked["row"][probe[near]], rows[place[near]], distance)
        at = stop


def _near(one: Hashes, two: Hashes, *, table: _Table, radius: int) -> tuple[Rows, npt.NDArray[np.uint8]]:
    """Places of the pairs that are near and that no earlier table tells, and the bits in which they differ."""
    differs = one ^ two
    distance = np.bitwise_count(differs)
    near = np.flatnonzero(distance <= radius)
    for other in table.others:
        near = near[differs[near] & other != 0]
    return near, distance[near]


def joined(pairs: Sequence[Pairs]) -> Pairs:
    """Several as one, sorted by row."""
    if not pairs:
        empty = np.empty(0, dtype=np.int64)
        return Pairs(empty, empty, np.empty(0, dtype=np.uint8))
    first, second = (np.concatenate([getattr(p, name) for p in pairs]) for name in ("first", "second"))
    order = np.lexsort((second, first))
    return Pairs(first[order], second[order], np.concatenate([p.distance for p in pairs])[order])
