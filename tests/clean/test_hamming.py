"""Pairs of near hashes are those that comparing every hash with every other finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trifacet.clean.hamming import Hashes, Pairs, joined, near_pairs, near_to

Told = set[tuple[int, int, int]]


def hashes_with_neighbours(n: int, *, seed: int = 0) -> Hashes:
    """Random hashes, a third of them others with up to eleven bits changed, some the same as others."""
    draw = np.random.default_rng(seed)
    made = draw.integers(0, 2**63, n, dtype=np.uint64)
    for target in draw.integers(0, n, n // 3):
        made[target] = changed(made[draw.integers(0, n)], draw)
    return made


def changed(one: np.uint64, draw: np.random.Generator) -> np.uint64:
    bits = draw.permutation(64)[: draw.integers(0, 12)]
    return np.uint64(int(one) ^ sum(1 << int(bit) for bit in bits))


def told(pairs: Pairs) -> Told:
    found = list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.distance.tolist(), strict=True))
    assert len(set(found)) == len(found), "a pair was told twice"
    return set(found)


def first_rows(hashes: Hashes) -> dict[int, int]:
    return {int(h): i for i, h in reversed(list(enumerate(hashes)))}


@pytest.mark.parametrize("memory_bytes", [512_000_000, 20_000], ids=["in memory", "on disk"])
@pytest.mark.parametrize("radius", [0, 1, 3, 6, 10])
@pytest.mark.parametrize("n", [2, 90, 1500])
def test_near_pairs_are_all_pairs_within_the_radius(n: int, radius: int, memory_bytes: int) -> None:
    hashes = hashes_with_neighbours(n, seed=radius)
    first, expected = first_rows(hashes), set()
    distance = np.bitwise_count(hashes[:, None] ^ hashes)
    for i, j in zip(*np.nonzero(np.triu(distance <= radius, 1)), strict=True):
        one, two = first[int(hashes[i])], first[int(hashes[j])]
        near = int(distance[i, j])
        expected.add((one, int(j), 0) if near == 0 else (min(one, two), max(one, two), near))
    assert told(joined(list(near_pairs(hashes, radius=radius, memory_bytes=memory_bytes)))) == expected


@pytest.mark.parametrize("memory_bytes", [512_000_000, 20_000], ids=["in memory", "on disk"])
@pytest.mark.parametrize(("n", "n_probes"), [(1500, 300), (40, 2000), (0, 5), (5, 0)])
def test_near_to_finds_every_hash_near_a_probe(n: int, n_probes: int, memory_bytes: int) -> None:
    draw = np.random.default_rng(n)
    hashes = hashes_with_neighbours(n) if n else np.empty(0, dtype=np.uint64)
    source = hashes if n else draw.integers(0, 2**63, 9, dtype=np.uint64)
    probes = np.array([changed(source[i], draw) for i in draw.integers(0, len(source), n_probes)], dtype=np.uint64)
    first = first_rows(hashes)
    distance = np.bitwise_count(probes[:, None] ^ hashes)
    near = zip(*np.nonzero(distance <= 8), strict=True)
    expected = {(int(i), first[int(hashes[j])], int(distance[i, j])) for i, j in near}
    assert told(joined(list(near_to(probes, hashes, radius=8, memory_bytes=memory_bytes)))) == expected


def test_a_thousand_blank_photos_make_a_thousand_pairs() -> None:
    hashes = np.zeros(1001, dtype=np.uint64)
    assert told(joined(list(near_pairs(hashes, radius=8)))) == {(0, i, 0) for i in range(1, 1001)}


def test_what_is_sorted_on_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    list(near_pairs(hashes_with_neighbours(500), radius=3, memory_bytes=10_000, folder=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_progress_ends_with_all_tables() -> None:
    seen: list[tuple[int, int]] = []
    list(near_pairs(hashes_with_neighbours(50), radius=2, progress=lambda done, of: seen.append((done, of))))
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1] == len(seen) - 1


def test_a_radius_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"radius must be within 0\.\.63 bits, got 64"):
        list(near_pairs(np.zeros(2, dtype=np.uint64), radius=64))
