"""What faces are like, told from their boxes and six points: size, sharpness, and where the head is turned.

How far a head nods is not told: the points know it only by the heights of nose and mouth between eyes and chin, which
differ from face to face by as much as a nod moves them (docs/log.md, "What six points tell of a face").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from trifacet.core.predictions import ImageArray
from trifacet.core.schema import FloatArray
from trifacet.pixels.faces import Face

PART_PX = 64  # both sides of the small picture of a face that its sharpness is told from; docs/log.md, as above
# How far the tip of the nose stands before the line of the eyes, and of the ears, in halves of their distances.
# Measured against a mesh of 468 points in space on 6,700 faces, bare and masked: docs/log.md, as above.
NOSE_BY_EYES, NOSE_BY_EARS = 1.2, 1.4


class SeenFace(NamedTuple):
    """A face, the height and width of its photo in pixels, and its part of the photo, (64, 64) uint8, stretched."""

    face: Face
    size_px: tuple[int, int]
    part: npt.NDArray[np.uint8]


def see_face(image: ImageArray, face: Face) -> SeenFace:
    """What is kept of a face of an upright image (H, W, 3) uint8 until it is measured; of its colours the green."""
    height, width = image.shape[:2]
    left, top, right, bottom = (round(v) for v in face.box.tolist())
    x0, y0 = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    x1, y1 = max(min(right, width), x0 + 1), max(min(bottom, height), y0 + 1)
    green = np.ascontiguousarray(image[y0:y1, x0:x1, 1])
    part = Image.frombuffer("L", (x1 - x0, y1 - y0), green, "raw", "L", 0, 1)
    way = Image.Resampling.BOX if min(part.size) > PART_PX else Image.Resampling.BILINEAR
    return SeenFace(face, (height, width), np.asarray(part.resize((PART_PX, PART_PX), way)))


def measure_faces(seen: Sequence[SeenFace]) -> FloatArray:
    """What n faces are like, (n, 5) in the order of `FACE_COLUMNS`; NaN where it cannot be known.

    The longer side of the box in pixels; the share of the photo that the box fills, 0..1; the sharpness of the face,
    as of `Looks`; how far the head is turned aside, 0 to the camera .. 90 in profile, and tilted, 0 upright .. 180,
    both in degrees and either way. Many at once: by itself a face takes ten times as long.
    """
    boxes = np.array([one.face.box for one in seen], dtype=np.float64).reshape(-1, 4)
    points = np.array([one.face.points for one in seen], dtype=np.float64).reshape(-1, 6, 2)
    sizes = np.array([one.size_px[::-1] for one in seen], dtype=np.float64).reshape(-1, 2)
    inside = np.clip(boxes[:, 2:], 0, sizes) - np.clip(boxes[:, :2], 0, sizes)
    along = points[:, 1] - points[:, 0]
    return np.stack(
        [
            (boxes[:, 2:] - boxes[:, :2]).max(axis=1),
            inside.prod(axis=1) / sizes.prod(axis=1),
            _sharpness(np.array([one.part for one in seen], dtype=np.float32).reshape(-1, PART_PX, PART_PX)),
            np.abs(turns_deg(points)),
            np.abs(np.degrees(np.arctan2(along[:, 1], along[:, 0]))),
        ],
        axis=1,
    )


def turns_deg(points: FloatArray) -> FloatArray:
    """How far heads of six points each (n, 6, 2) are turned, (n,) degrees: above 0 the nose points right in the photo.

    The nose tip stands before the line of the eyes, and of the ears; by how much it leaves their middles tells the
    turn. With d half the distance of the eyes and a nose that stands k d before them, a head turned by t has d cos t in
    the photo between an eye and the middle, and its nose k d sin t from there: tan t is the one by the other, over k.
    Likewise of the ears; the mean of both, or the one that is known, NaN where neither is. Beyond some 60 degrees the
    far eye and ear are guesses of the finder, and so is this.

    Source: after Gee and Cipolla 1994, Determining the gaze of faces in images, who tell the turn from the nose's tip
    before the plane of the face; its length by eyes and ears is measured.
    """
    eyes, nose, ears = points[:, :2], points[:, 2], points[:, 4:]
    along = eyes[:, 1] - eyes[:, 0]
    tangents = []
    for pair, before in ((eyes, NOSE_BY_EYES), (ears, NOSE_BY_EARS)):
        half = ((pair[:, 1] - pair[:, 0]) * along).sum(axis=1) / 2
        away = ((nose - pair.mean(axis=1)) * along).sum(axis=1)
        # Ears that have changed sides tell of a head beyond profile, which no face finder finds: they are guesses.
        tangents.append(np.where(half > 0, away, np.nan) / np.where(half > 0, half, 1) / before)
    by_eyes, by_ears = tangents
    both = np.where(
        np.isfinite(by_eyes + by_ears), (by_eyes + by_ears) / 2, np.where(np.isfinite(by_eyes), by_eyes, by_ears)
    )
    return np.degrees(np.arctan(np.where(np.hypot(*along.T) > 0, both, np.nan)))


def _sharpness(parts: npt.NDArray[np.float32]) -> FloatArray:
    """The sharpness of pictures (n, h, w), as `looks.look_at` tells that of one."""
    laplacian = 4 * parts[:, 1:-1, 1:-1]
    for neighbour in (parts[:, :-2, 1:-1], parts[:, 2:, 1:-1], parts[:, 1:-1, :-2], parts[:, 1:-1, 2:]):
        laplacian -= neighbour
    spread, light = laplacian.var(axis=(1, 2)), parts.var(axis=(1, 2))
    return np.where(light > 1, spread / np.maximum(light, 1), 0.0).astype(np.float64)
