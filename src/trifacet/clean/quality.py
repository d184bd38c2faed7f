"""Photos that are hard to read: dark, washed out, flat, blurred, tiny, or with a face that is cut, small or absent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from trifacet.core.findings import Finding
from trifacet.core.manifest import CROP_SCALE, Crop, Manifest
from trifacet.core.schema import FloatArray
from trifacet.pixels.looks import Looks

# Robust deviations from the median beyond which a photo stands out. Source: Iglewicz and Hoaglin 1993, 3.5.
FAR_OUT = 3.5
DARK, BRIGHT = 60.0, 200.0  # mean luma; a photo between them is flagged for nothing, however alike the others are
FLAT = 25.0  # standard deviation of the luma, likewise
# The shorter side under which a face has no features left. docs/log.md, "Framing and resolution changed on test"
TINY_PX = 64
SMALL_FACE = 0.15  # side of the face's box in sides of the shorter side
CUT_FACE = 0.2  # share of the face's box beyond the photo
TINY = 1e-6
# Degrees that a head is turned aside or tilted, either way, which hardly anybody is who looks at the camera; of photos
# from the street one in 8. docs/log.md, "What six points tell of a face"
TURNED_DEG = 40.0


def quality_findings(manifest: Manifest, looks: Looks) -> list[Finding]:
    """Findings about how photos look, of those that could be read."""
    ids = manifest.photo_ids
    light, contrast, sharp = (np.asarray(v, dtype=float) for v in (looks.brightness, looks.contrast, looks.sharpness))
    out = []
    for kind, values, beyond, told, words in (
        ("dark", light, DARK, light, "brightness {:.0f} of 255, where most have {:.0f}"),
        ("bright", 255 - light, 255 - BRIGHT, light, "brightness {:.0f} of 255, where most have {:.0f}"),
        ("flat", contrast, FLAT, contrast, "contrast {:.0f}, where most have {:.0f}"),
        ("blurred", sharp, np.inf, sharp, "sharpness {:.4f}, where most have {:.4f}"),
    ):
        for i, score in _far_below(values, beyond=beyond):
            out.append(Finding(ids[i], kind, score, detail=words.format(told[i], np.nanmedian(told))))
    sizes = manifest.table.select("photo_id", "width_px", "height_px").iter_rows()
    for photo, width, height in sizes:
        if min(width, height) < TINY_PX:
            score = min(width, height) / TINY_PX
            out.append(Finding(photo, "tiny", score, detail=f"{width} x {height} px"))
    return out


def _far_below(values: FloatArray, *, beyond: float) -> list[tuple[int, float]]:
    """(row, score) of the photos far below the others in ratio, and below what is ordinary in any photo.

    values: (N,) >= 0, NaN where not known. In ratios, as eyes see: in differences nothing is far below photos of very
    different light, not even a black one.
    """
    logs = np.log(np.maximum(values, TINY))
    known = np.isfinite(logs)
    if not known.any():
        return []
    middle = np.median(logs[known])
    spread = 1.4826 * np.median(np.abs(logs[known] - middle))  # the deviation of a normal distribution
    away = (middle - logs) / max(float(spread), TINY)
    return [
        (i, float(FAR_OUT / away[i])) for i in np.flatnonzero(known & (values < beyond) & (away > FAR_OUT)).tolist()
    ]


def face_findings(manifest: Manifest, *, unusable: Mapping[str, str] | None = None) -> list[Finding]:
    """Findings about the faces that were looked for; none where nobody looked.

    unusable: why a finder's answer could not be used, by photo, of those where it could not: they show no face.
    """
    found = []
    rows = manifest.table.select("photo_id", "n_faces", "width_px", "height_px").iter_rows()
    for (photo, n_faces, width, height), crop in zip(rows, manifest.crops, strict=True):
        if n_faces is None:
            continue
        if n_faces == 0:
            found.append(Finding(photo, "no_face", 0.0, detail=(unusable or {}).get(photo, "")))
        elif n_faces > 1:
            found.append(Finding(photo, "several_faces", 1 / n_faces, detail=f"{n_faces} faces"))
        if crop is not None:
            found += _framed(photo, crop, size_px=(width, height))
    return [*found, *_blurred_faces(manifest), *_turned_faces(manifest)]


def _framed(photo: str, crop: Crop, *, size_px: tuple[int, int]) -> Iterator[Finding]:
    """A face that fills little of its photo, or lies partly beyond it."""
    width, height = size_px
    box = crop.scaled(1 / CROP_SCALE)
    side = (box.x1_px - box.x0_px) / min(size_px)
    if side < SMALL_FACE:
        yield Finding(photo, "small_face", side / SMALL_FACE, detail=f"{100 * side:.0f} % of the side")
    inside = max(0.0, min(box.x1_px, width) - max(box.x0_px, 0)) * max(0.0, min(box.y1_px, height) - max(box.y0_px, 0))
    beyond = 1 - inside / ((box.x1_px - box.x0_px) * (box.y1_px - box.y0_px))
    if beyond > CUT_FACE:
        yield Finding(photo, "cut_face", 1 - beyond, detail=f"{100 * beyond:.0f} % lies beyond the photo")


def _blurred_faces(manifest: Manifest) -> Iterator[Finding]:
    """Faces far less sharp than the others, whatever their photos are."""
    sharp = _measured(manifest, "x_face_sharpness")
    for i, score in _far_below(sharp, beyond=np.inf):
        detail = f"sharpness {sharp[i]:.4f}, where most have {np.nanmedian(sharp):.4f}"
        yield Finding(manifest.photo_ids[i], "blurred_face", score, detail=detail)


def _turned_faces(manifest: Manifest) -> Iterator[Finding]:
    """Heads turned or tilted beyond what a photo taken to show a face has."""
    words = {"x_face_turn_deg": "turned aside", "x_face_tilt_deg": "tilted"}
    measured = np.stack([_measured(manifest, name) for name in words])
    for i in np.flatnonzero((measured > TURNED_DEG).any(axis=0)).tolist():
        told = [
            f"{word} by {d:.0f} degrees"
            for word, d in zip(words.values(), measured[:, i], strict=True)
            if d > TURNED_DEG
        ]
        score = TURNED_DEG / float(np.nanmax(measured[:, i]))
        yield Finding(manifest.photo_ids[i], "turned_face", score, detail=", ".join(told))


def _measured(manifest: Manifest, column: str) -> FloatArray:
    """A measure of faces (N,), NaN where it is not known or nobody looked."""
    if column not in manifest.table.columns or manifest.table["n_faces"].is_null().all():
        return np.full(len(manifest), np.nan)
    return manifest.table[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
