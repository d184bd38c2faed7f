"""Other data beside these: photos that stand in both, and in what the others differ on the whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trifacet.clean.duplicates import find_copies
from trifacet.core.findings import Finding
from trifacet.core.manifest import Manifest
from trifacet.measure.shift import MOST, Shift, label_columns, shift
from trifacet.pages.html import readable
from trifacet.pixels.looks import Looks
from trifacet.pixels.quantities import comparable, quantities

OTHER = "other:"  # what the id of a photo of the other data begins with: both may have a photo of one name

Seen = tuple[Manifest, Looks]


def copies_across(one: Seen, other: Seen, *, progress: Callable[[int, int], None] | None = None) -> list[Finding]:
    """A finding for each photo of one that is a copy of a photo of the other, by bytes or by pixels."""
    (manifest, looks), (others, their_looks) = one, other
    theirs: dict[str, int] = {}
    for row, sha256 in enumerate(others.table["sha256"]):
        theirs.setdefault(sha256, row)
    same = [(row, theirs[sha]) for row, sha in enumerate(manifest.table["sha256"]) if sha in theirs]
    found = dict.fromkeys(same, (1.0, "same bytes"))
    rows = [np.array([i for i in range(len(m)) if i not in seen.failed], dtype=np.int64) for m, seen in (one, other)]
    small = np.concatenate([looks.small[rows[0]], their_looks.small[rows[1]]])
    n = len(rows[0])
    sides = ["one"] * n + ["other"] * len(rows[1])  # as if two people: views are compared across alone
    copies = find_copies(small, persons=sides, progress=progress)
    for a, b, likeness, view in zip(
        copies.first.tolist(), copies.second.tolist(), copies.likeness.tolist(), copies.views, strict=True
    ):
        if (a < n) != (b < n):
            mine, their = min(a, b), max(a, b) - n
            found.setdefault((int(rows[0][mine]), int(rows[1][their])), (likeness, view or "as it is"))
    ids, other_ids = manifest.photo_ids, others.photo_ids
    return [
        Finding(
            ids[mine],
            "copy_across_data",
            1 - likeness,
            other_id=f"{OTHER}{other_ids[their]}",
            detail=f"{how}, alike by {likeness:.2f}",
        )
        for (mine, their), (likeness, how) in sorted(found.items())
    ]


def shift_findings(one: Seen, other: Seen, *, names: tuple[str, str]) -> list[Finding]:
    """A finding for each quantity, and each class, in which the other data differ by more than chance and a little.

    names: what the two are called.
    """
    (manifest, looks), (others, their_looks) = one, other
    groups = (manifest.groups, others.groups)
    mine, theirs = quantities(manifest, looks), quantities(others, their_looks)
    found = []
    for name in (name for name in mine if name in theirs):
        told = shift(comparable(name, mine[name]), comparable(name, theirs[name]), groups=groups)
        if told is not None and told.is_far:
            here, there = (float(np.nanmedian(side[name])) for side in (mine, theirs))
            detail = f"{name}: median {there:.4g} in {names[1]}, {here:.4g} in {names[0]}; "
            detail += _words(told, (manifest, others), names=names)
            found.append(Finding("", "shift", told.score, detail=detail))
    columns, their_columns = label_columns(manifest, others)
    for key in columns:
        told = shift(columns[key], their_columns[key], groups=groups)
        if told is not None and told.is_apart:
            here, there = (100 * float(np.nanmean(side[key])) for side in (columns, their_columns))
            detail = f"{readable(key[1])}: {there:.1f} % in {names[1]}, {here:.1f} % in {names[0]}; "
            detail += _words(told, (manifest, others), names=names)
            found.append(Finding("", "shift", told.score, attribute=key[0], detail=detail))
    return found


def _words(told: Shift, sides: tuple[Manifest, Manifest], *, names: tuple[str, str]) -> str:
    """By how much, and of how many, such as `+0.61 [+0.50, +0.72] standard deviations of 1,790 and 501 people`."""
    counts = [
        f"{n:,} {'people' if side.n_persons is not None else 'photos of people unknown'}"
        for n, side in zip(told.n_groups, sides, strict=True)
    ]
    spread = told.spread.value
    still = names[0] if spread >= MOST else names[1] if spread <= 1 / MOST else ""
    varies = f"all alike in {still}" if still else f"{spread:.2f} times the spread"
    return f"{told.effect:+.2f} standard deviations, {varies}; {' and '.join(counts)}"
