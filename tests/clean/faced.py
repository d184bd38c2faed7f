"""Manifests of photos whose faces were looked for: what findings and pages about faces are tried on."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from tests.core.tiny import manifest
from trifacet.core.manifest import CROP_COLUMNS, CROP_SCALE, FACE_COLUMNS, Manifest

MIDDLE = (25.0, 25.0, 50.0)  # a face that fills the middle of a photo of 100 x 100 px
PLAIN = (50.0, 0.25, 0.3, 5.0, 2.0)  # side in px, share, sharpness, degrees turned and tilted


def faces(
    boxes: list[tuple[float, float, float] | None],
    *,
    n_faces: list[int] | None = None,
    looks: list[tuple[float | None, ...]] | None = None,
) -> Manifest:
    """Photos of 100 x 100 px with a face in a square of x0, y0 and side, or none; looks as in FACE_COLUMNS."""
    n = len(boxes)
    crops = []
    for box in boxes:
        x, y, side = box or (0.0, 0.0, 0.0)
        grow = side * (CROP_SCALE - 1) / 2
        crops.append((x - grow, y - grow, x + side + grow, y + side + grow, 0.0) if box else (None,) * 5)
    given = manifest(
        [("worn", "male", "under_30")] * n,
        width_px=[100] * n,
        height_px=[100] * n,
        n_faces=n_faces or [int(box is not None) for box in boxes],
        **{name: [crop[i] for crop in crops] for i, name in enumerate(CROP_COLUMNS)},
    )
    rows = looks or [PLAIN if box else (None,) * 5 for box in boxes]
    columns = [pl.Series(name, [row[i] for row in rows], dtype=pl.Float32()) for i, name in enumerate(FACE_COLUMNS)]
    return replace(given, table=given.table.with_columns(columns))
