"""Tables of counts whose cells are the darker the more they hold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from markupsafe import Markup

from trifacet.core.schema import IntArray
from trifacet.pages.html import number_text, part, readable


def counts_html(
    counts: IntArray,
    rows: Sequence[str],
    *,
    columns: Sequence[Sequence[str]],
    caption: str,
    corner: str = "",
    totals: Sequence[int | None] | None = None,
    note: str = "",
) -> Markup:
    """Counts (R, C) with heads, a level for each of `columns`, first slowest, whose sizes multiply to C.

    totals: what stands at the end of each row; by default its sum. Where that is more than its cells tell (people of
    several classes), it is given; None shows a dash.
    """
    sizes = [len(names) for names in columns]
    values = np.asarray(counts)
    if values.shape != (len(rows), int(np.prod(sizes))):
        raise ValueError(f"expected counts {(len(rows), int(np.prod(sizes)))}, got {values.shape}")
    spans = [int(np.prod(sizes[level + 1 :])) for level in range(len(sizes))]
    most = max(int(values.max(initial=0)), 1)

    def is_edge(column: int) -> bool:
        return len(sizes) > 1 and column > 0 and column % spans[0] == 0

    heads = [
        [
            {"name": readable(combination[-1]), "span": spans[level], "is_edge": is_edge(i * spans[level])}
            for i, combination in enumerate(product(*columns[: level + 1]))
        ]
        for level in range(len(sizes))
    ]
    sums = values.sum(axis=1).tolist() if totals is None else totals
    shown = [
        {
            "name": readable(name),
            "cells": [
                {
                    "text": number_text(count),
                    "shade": round(100 * float(np.sqrt(count / most))),
                    "is_edge": is_edge(column),
                }
                for column, count in enumerate(line)
            ],
            "total": number_text(total),
        }
        for name, line, total in zip(rows, values.tolist(), sums, strict=True)
    ]
    return part("counts", heads=heads, rows=shown, caption=caption, corner=corner, note=note)
