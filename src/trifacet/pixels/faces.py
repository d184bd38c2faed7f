"""Faces in a photo: where they are, six points of each, and the upright square that a network is shown.

The finder is BlazeFace (short range, Apache-2.0), which finds masked faces too; it runs on OpenVINO, the extra [faces].

Source: Bazarevsky et al. 2019, BlazeFace: sub-millisecond neural face detection on mobile GPUs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from trifacet.core.errors import error
from trifacet.core.manifest import CROP_SCALE, Crop
from trifacet.core.predictions import ImageArray

FloatArray = npt.NDArray[np.float32]

INPUT_PX = 128  # side of the finder's input
CELLS = ((16, 2), (8, 6))  # cells a side of the finder's two grids, and anchors a cell
MIN_SCORE = 0.5  # where a candidate begins, as in MediaPipe
LAST_MIN_SCORE = 0.4  # accepted when no padding gave better: 99.0 % of real photos; field figures in docs/log.md
LAST_MIN_LOGIT = float(np.log(LAST_MIN_SCORE / (1 - LAST_MIN_SCORE)))
PADDINGS = (0.0, 0.15, 0.30)  # of the longer side, tried in turn: faces that fill the frame are found when it is wider
MIN_OVERLAP = 0.3  # candidates that overlap by more are one face, their mean by score; as in MediaPipe
SEVERAL_SHARE = 0.25  # a second face counts when its box has this share of the first one's area


@dataclass(frozen=True, eq=False)
class Face:
    """A face: box (x0, y0, x1, y1) and points (6, 2) in pixels of the upright photo, score 0 (none) .. 1 (sure).

    The points: the two eyes (the left one in the photo first), nose tip, mouth, the two ears in the eyes' order; NaN
    where a finder of the user's own does not know one.
    """

    box: FloatArray
    points: FloatArray
    score: float

    @property
    def area(self) -> float:
        """Square pixels of the box."""
        return float(np.prod(np.maximum(self.box[2:] - self.box[:2], 0)))

    @property
    def angle_deg(self) -> float:
        """How far the line of the eyes is turned from level, in degrees clockwise as seen in the photo; NaN unknown."""
        x, y = self.points[1] - self.points[0]
        return float(np.degrees(np.arctan2(y, x)))

    def crop(self) -> Crop:
        """The square around the box, turned so that the eyes are level; in eighths, which a manifest keeps exactly.

        Where the eyes are not known it stays as it is.
        """
        centre, half = (self.box[:2] + self.box[2:]) / 2, CROP_SCALE * float((self.box[2:] - self.box[:2]).max()) / 2
        angle = self.angle_deg if np.isfinite(self.angle_deg) else 0.0
        return Crop(*(round(float(v) * 8) / 8 for v in (*(centre - half), *(centre + half), angle)))


def require_faces() -> None:
    """Refuses to look for faces where the extra [faces] is absent. Raises MissingExtraError TRI600."""
    if find_spec("openvino") is None:
        do = "Install it with `pip install 'trifacet[faces]'`; `trifacet doctor` shows what is there."
        raise error("TRI600", "this needs the extra [faces]", got="no openvino", do=do)


class FaceFinder:
    """Finds the faces of a photo. Several threads may call one finder; each gets a request of its own."""

    def __init__(self) -> None:
        require_faces()
        self._own = threading.local()
        self._compiled = _compile()
        with _FIRST_CALL:  # two first calls at once wait for each other for ever: OpenVINO's binding holds two locks
            self._infer(np.zeros((INPUT_PX, INPUT_PX, 3), np.float32))

    def find(self, image: ImageArray) -> list[Face]:
        """The faces of an upright RGB image (H, W, 3) uint8, the largest first; empty when there is none."""
        best: list[Face] = []
        for padding in PADDINGS:
            faces = self._look(image, padding=padding)
            if faces and (not best or faces[0].score > best[0].score):
                best = faces
            if best and best[0].score >= MIN_SCORE:
                break
        return sorted(best, key=lambda face: face.area, reverse=True)

    def _look(self, image: ImageArray, *, padding: float) -> list[Face]:
        """The faces at one padding, the surest first."""
        height, width = image.shape[:2]
        side = max(height, width) * (1 + 2 * padding)
        scale = INPUT_PX / side
        left, top = (side - width) / 2, (side - height) / 2
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
        square = np.zeros((INPUT_PX, INPUT_PX, 3), np.float32)
        x, y = round(left * scale), round(top * scale)
        inside = square[y : y + size[1], x : x + size[0]]
        np.divide(small, np.float32(127.5), out=inside)
        inside -= 1
        numbers, scores = self._infer(square)
        faces = _merged(numbers, scores)
        offset = np.array([left, top], np.float32)
        return [
            Face((f.box.reshape(2, 2) * side - offset).reshape(4), f.points * side - offset, f.score) for f in faces
        ]

    def _infer(self, square: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Candidates (n, 16) as shares of the padded square, and their scores (n,)."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        request.infer({0: square[None]})
        numbers, logits = (request.get_output_tensor(i).data for i in (0, 1))
        kept = np.flatnonzero(logits[0, :, 0] >= LAST_MIN_LOGIT)  # a few of 896: the others are worth no exponential
        candidates = numbers[0, kept] / INPUT_PX
        anchors = ANCHORS[kept]
        candidates[:, :2] += anchors
        candidates[:, 4:] += np.tile(anchors, 6)
        return candidates, 1 / (1 + np.exp(-logits[0, kept, 0].clip(-80, 80)))


_FIRST_CALL = threading.Lock()


def _compile() -> Any:
    import openvino  # its telemetry belongs to its converter, which is not used: nobody is told of anything

    core = openvino.Core()
    with as_file(files("trifacet") / "weights" / "face_finder.tflite") as path:
        model = core.read_model(path)
    return core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": os.cpu_count() or 1})


def _anchors() -> FloatArray:
    """Centres (896, 2) of the finder's anchors, as shares of its input."""
    grids = []
    for n, repeats in CELLS:
        centres = (np.arange(n, dtype=np.float32) + 0.5) / n
        y, x = np.meshgrid(centres, centres, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeats, axis=0))
    return np.concatenate(grids)


ANCHORS = _anchors()


def _merged(candidates: FloatArray, scores: FloatArray) -> list[Face]:
    """Candidates (centre, size, six points) that overlap as one face each, their mean weighted by score."""
    order = np.argsort(-scores, kind="stable")
    candidates, scores = candidates[order], scores[order]
    boxes = np.concatenate([candidates[:, :2] - candidates[:, 2:4] / 2, candidates[:, :2] + candidates[:, 2:4] / 2], 1)
    faces, left = [], np.ones(len(scores), dtype=bool)
    for i in range(len(scores)):
        if not left[i]:
            continue
        same = left & (_overlaps(boxes[i], boxes) > MIN_OVERLAP)
        same[i] = True
        left &= ~same
        weights = (scores[same] / scores[same].sum()).astype(np.float32)
        mean = weights @ np.concatenate([boxes[same], candidates[same, 4:]], axis=1)
        faces.append(Face(mean[:4], mean[4:].reshape(6, 2), float(scores[i])))
    return faces


def _overlaps(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Intersection over union of one box (4,) with boxes (n, 4)."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(shared / np.maximum(areas + np.prod(box[2:] - box[:2]) - shared, 1e-9), dtype=np.float32)


def n_faces(faces: Sequence[Face]) -> int:
    """How many faces count: those at least a quarter as large as the largest."""
    return sum(face.area >= SEVERAL_SHARE * faces[0].area for face in faces)


def no_face_stamp(n_faceless: int, n_photos: int) -> tuple[str, ...]:
    """What is said with every score when faces are cut and some photos show none; else nothing."""
    told = f"no face was found in {n_faceless:,} of {n_photos:,} photos: the middle square was shown instead"
    return (told,) if n_faceless else ()
