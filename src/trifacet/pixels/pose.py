"""What a face is like, told from its box and its six points: size, sharpness, and where the head is turned.

How far a head nods is not told: the points know it only by the heights of nose and mouth between eyes and chin, which
differ from face to face by as much as a nod moves them (docs/log.md, "What six points tell of a face").
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from trifacet.core.predictions import ImageArray
from trifacet.pixels.faces import Face, FloatArray
from trifacet.pixels.looks import sharpness_of

SHARP_FACE_PX = 64  # the longer side at which a face's sharpness is told; docs/log.md, as above
# How far the tip of the nose stands before the line of the eyes, and of the ears, in halves of their distances.
# Measured against a mesh of 468 points in space on 6,700 faces, bare and masked: docs/log.md, as above.
NOSE_BY_EYES, NOSE_BY_EARS = 1.2, 1.4


class FaceLook(NamedTuple):
    """A face in numbers, in the order of `FACE_COLUMNS`; NaN where it cannot be known.

    side_px: the longer side of its box. share: of the photo that its box fills, 0..1. sharpness: as of `Looks`, of the
    face alone. turn_deg: how far the head is turned aside, 0 to the camera .. 90 in profile. tilt_deg: how far the line
    of the eyes is from level, 0..180. Both tell no side.
    """

    side_px: float
    share: float
    sharpness: float
    turn_deg: float
    tilt_deg: float


def look_at_face(image: ImageArray, face: Face) -> FaceLook:
    """What a face of an upright image (H, W, 3) uint8 is like."""
    height, width = image.shape[:2]
    low, high = np.clip(face.box[:2], 0, (width, height)), np.clip(face.box[2:], 0, (width, height))
    inside = float(np.prod(high - low))
    return FaceLook(
        side_px=float((face.box[2:] - face.box[:2]).max()),
        share=inside / (width * height),
        sharpness=_sharpness(image, low=low, high=high),
        turn_deg=abs(turn_deg(face.points)),
        tilt_deg=abs(face.angle_deg),
    )


def turn_deg(points: FloatArray) -> float:
    """How far the head of six points (6, 2) is turned aside, in degrees: above 0 the nose points right in the photo.

    The nose tip stands before the line of the eyes, and of the ears; by how much it leaves their middles tells the
    turn. With d half the distance of the eyes and a nose that stands k d before them, a head turned by t has d cos t in
    the photo between an eye and the middle, and its nose k d sin t from there: tan t is the one by the other, over k.
    Likewise of the ears; the mean of both, or the one that is known, NaN where neither is. Beyond some 60 degrees the
    far eye and ear are guesses of the finder, and so is this.

    Source: after Gee and Cipolla 1994, Determining the gaze of faces in images, who tell the turn from the nose's tip
    before the plane of the face; its length by eyes and ears is measured.
    """
    eyes, nose, ears = points[:2], points[2], points[4:]
    along = eyes[1] - eyes[0]
    length = float(np.hypot(*along))
    if not length > 0:
        return float("nan")
    along = along / length
    tangents = []
    for pair, by in ((eyes, NOSE_BY_EYES), (ears, NOSE_BY_EARS)):
        half = float((pair[1] - pair[0]) @ along) / 2
        away = float((nose - pair.mean(axis=0)) @ along)
        # Ears that have changed sides tell of a head beyond profile, which no face finder finds: they are guesses.
        tangents += [away / half / by] if half > 0 else []
    return float(np.degrees(np.arctan(np.mean(tangents)))) if tangents else float("nan")


def _sharpness(image: ImageArray, *, low: FloatArray, high: FloatArray) -> float:
    """The sharpness of the part between two corners (x, y)."""
    x0, y0 = (min(int(v), side - 1) for v, side in zip(low, (image.shape[1], image.shape[0]), strict=True))
    x1, y1 = (max(int(np.ceil(v)), first + 1) for v, first in zip(high, (x0, y0), strict=True))
    part = Image.fromarray(image[y0:y1, x0:x1]).convert("L")
    scale = SHARP_FACE_PX / max(part.size)
    size = (max(3, round(part.width * scale)), max(3, round(part.height * scale)))
    way = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    return sharpness_of(np.asarray(part.resize(size, way), dtype=np.float32))
