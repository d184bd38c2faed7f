"""What copies of photos mean for a dataset: one picture under two people, two labels or in two splits."""

from __future__ import annotations

import numpy as np

from trifacet.clean.duplicates import Copies
from trifacet.core.findings import Finding
from trifacet.core.manifest import Manifest

SAME_BYTES = "same bytes"


def same_bytes(manifest: Manifest) -> Copies:
    """Pairs of rows whose files hold the same bytes, each with the first of them."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(sha256, row), row) for row, sha256 in enumerate(manifest.table["sha256"])]
    found = np.array([pair for pair in pairs if pair[0] != pair[1]], dtype=np.int64).reshape(-1, 2)
    return Copies(found[:, 0], found[:, 1], np.ones(len(found), dtype=np.float32), (SAME_BYTES,) * len(found))


def copy_findings(manifest: Manifest, copies: Copies) -> list[Finding]:
    """A finding for each way in which a pair is wrong, about both photos; `copy_of_own` where it is not.

    A copy of a person's own photo is what a set of views of one person may hold: counted, and no issue, unless it is
    the same file under two labels.
    """
    table = manifest.table
    persons, splits, ids = manifest.groups, table["split"].to_list(), manifest.photo_ids
    labels = table.select(manifest.schema.names).rows()
    found = []
    for one, two, likeness, view in zip(
        copies.first.tolist(), copies.second.tolist(), copies.likeness.tolist(), copies.views, strict=True
    ):
        kinds = []
        if persons[one] != persons[two]:
            kinds.append("copy")
        if splits[one] != splits[two] and splits[one] is not None and splits[two] is not None:
            kinds.append("copy_across_splits")
        differs = [
            n for n, a, b in zip(manifest.schema.names, labels[one], labels[two], strict=True) if a and b and a != b
        ]
        # Views of one person are alike under several labels; the same bytes cannot be.
        if differs and (persons[one] != persons[two] or view == SAME_BYTES):
            kinds.append("copy_other_label")
        detail = f"{view or 'as it is'}, alike by {likeness:.2f}" + (f"; other {', '.join(differs)}" if differs else "")
        for kind in kinds or ["copy_of_own"]:
            for photo, other in ((one, two), (two, one)):
                found.append(Finding(ids[photo], kind, 1 - likeness, bool(kinds), "", ids[other], detail))
    return found
