"""Finders of faces by name: the built-in one, or the user's own `module:function`, whose answers are checked."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from trifacet.core.errors import error, pick
from trifacet.core.files import sha256_file
from trifacet.core.own import load_own
from trifacet.core.predictions import ImageArray
from trifacet.pixels.faces import Face, FaceFinder, FloatArray

BUILT_IN = "blazeface"
N_POINTS = 6
MAX_REACH = 2.0  # sides of a box or places of points, in the photo's longer side; the built-in one looks up to 1.6 wide
TRIED_ON_PX = (120, 90)  # height and width of the plain picture that a finder is tried on first


class UnusableAnswer(Exception):
    """What is wrong with a finder's answer about one photo."""


@dataclass(frozen=True, eq=False)
class Finder:
    """A finder and where it comes from: its name, and the sha256 of its weights or of the file of its code.

    `find` takes an upright image (H, W, 3) uint8 and gives its faces, the largest first; several threads may call it.
    It raises UnusableAnswer where a finder of the user's own gives nonsense.
    """

    name: str
    sha256: str
    find: Callable[[ImageArray], list[Face]]

    @property
    def is_built_in(self) -> bool:
        """Whether predictions find faces by it, too."""
        return self.name == BUILT_IN


def open_finder(name: str = BUILT_IN) -> Finder:
    """The finder of this name, tried on a plain picture where it is the user's own.

    A finder of the user's own is called as `function(image)`, a copy of an upright photo (H, W, 3) uint8 RGB at a time,
    never by two threads at once. It returns three arrays or lists: boxes (n, 4) as x0, y0, x1, y1 in the photo's
    pixels, which may reach beyond it; points (n, 6, 2), the two eyes (the left one in the photo first), nose tip,
    mouth, and the ears in the eyes' order, NaN where one is not known, or None instead of them all; scores (n,) in
    0 (none) .. 1 (sure). No face is n = 0.

    Raises:
        ConfigError: TRI100, no such name; TRI105, it cannot be imported; TRI125, its answers cannot be used.
        MissingExtraError: TRI600, the built-in one without the extra [faces].
    """
    if ":" not in name:
        return pick({BUILT_IN: _built_in}, name, what="finder of faces", where="--finder", do="Or module:function.")()
    function = load_own(name, where="--finder")
    if not callable(function):
        raise error("TRI125", f"'{name}' is no function", where="--finder", got=type(function).__name__)
    own = _Own(function)
    try:
        own.find(np.full((*TRIED_ON_PX, 3), 128, np.uint8))
    except UnusableAnswer as problem:
        what = f"'{name}' cannot tell whether a plain grey picture shows a face"
        raise error("TRI125", what, where="--finder", got=str(problem)) from None
    return Finder(name, _sha256_of(function), own.find)


def _built_in() -> Finder:
    with as_file(files("trifacet") / "weights" / "face_finder.tflite") as path:
        return Finder(BUILT_IN, sha256_file(path), FaceFinder().find)


def _sha256_of(function: Callable[..., Any]) -> str:
    """The hash of the file that holds the function; "" where there is none, as of a compiled one."""
    try:
        source = inspect.getsourcefile(function) or ""
    except TypeError:  # an object that is called, not a function
        source = inspect.getsourcefile(type(function)) or ""
    return sha256_file(Path(source)) if Path(source).is_file() else ""


@dataclass(frozen=True, eq=False)
class _Own:
    """A function of the user's own, called by one thread at a time, as nobody promises that it bears more."""

    function: Callable[[ImageArray], Any]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, image: ImageArray) -> list[Face]:
        try:
            with self.lock:
                answer = self.function(image.copy())  # what it draws on stays its own
        except Exception as problem:  # noqa: BLE001  (the user's function may raise anything)
            raise UnusableAnswer(f"{type(problem).__name__}: {problem}") from None
        return checked_faces(answer, size_px=(image.shape[0], image.shape[1]))


def checked_faces(answer: Any, *, size_px: tuple[int, int]) -> list[Face]:
    """A finder's answer about a photo of this height and width as faces, the largest first. Raises UnusableAnswer."""
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        raise UnusableAnswer(f"{type(answer).__name__} where boxes, points and scores were expected")
    scores = _numbers(answer[2], "scores", shape=(-1,))
    n = len(scores)
    boxes = _numbers(answer[0], "boxes", shape=(n, 4))
    unknown = np.full((n, N_POINTS, 2), np.nan, np.float32)
    points = unknown if answer[1] is None else _numbers(answer[1], "points", shape=(n, N_POINTS, 2))
    height, width = size_px
    reach = MAX_REACH * max(size_px)
    if not ((scores >= 0) & (scores <= 1)).all():
        raise UnusableAnswer("a score outside 0..1")
    if not np.isfinite(boxes).all():
        raise UnusableAnswer("a box that is no number")
    sides = boxes[:, 2:] - boxes[:, :2]
    if not (sides > 0).all():
        raise UnusableAnswer("a box whose sides are not above 0")
    if not ((boxes[:, :2] < (width, height)) & (boxes[:, 2:] > 0)).all():
        raise UnusableAnswer("a box outside the photo")
    if not (sides <= reach).all():
        raise UnusableAnswer(f"a box more than {MAX_REACH:g} times as large as the photo")
    if (np.abs(points) > reach).any() or np.isinf(points).any():
        raise UnusableAnswer("a point far outside the photo")
    faces = [Face(box, six, float(score)) for box, six, score in zip(boxes, points, scores, strict=True)]
    return sorted(faces, key=lambda face: face.area, reverse=True)


def _numbers(values: Any, what: str, *, shape: tuple[int, ...]) -> FloatArray:
    """Numbers of this shape, -1 any length; an empty list has any shape. Raises UnusableAnswer."""
    try:
        with np.errstate(over="ignore"):  # what is too large for a float32 becomes infinite, and is refused as that
            array = np.asarray(values, dtype=np.float64).astype(np.float32)
    except Exception as problem:  # noqa: BLE001  (whatever it is, it may raise anything when it is read)
        raise UnusableAnswer(f"{what} that are no numbers: {problem}") from None
    wanted = shape if shape[0] >= 0 else (array.size,)
    if array.size == 0 and wanted[0] == 0:
        return np.zeros(wanted, np.float32)
    if array.shape != wanted:
        raise UnusableAnswer(f"{what} of shape {array.shape} where {('n', *shape[1:]) if shape[0] < 0 else shape} fits")
    return array
