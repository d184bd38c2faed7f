"""Finders of the user's own: what they return is checked, and nonsense is told, never raised through."""

from __future__ import annotations

import math
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifacet.core.errors import ConfigError
from trifacet.core.files import sha256_file
from trifacet.core.manifest import CROP_SCALE
from trifacet.pixels.finders import UnusableAnswer, checked_faces, open_finder

BOX = [10.0, 20.0, 50.0, 70.0]
SIX = [[20.0, 30.0], [40.0, 30.0], [30.0, 40.0], [30.0, 55.0], [12.0, 35.0], [48.0, 35.0]]
SIZE_PX = (90, 60)


def written(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch, *, name: str = "my_finder") -> str:
    """A module of the user's own in the folder they stand in, and the name of its function `find`."""
    module = f"{name}_{abs(hash(folder.as_posix()))}"
    (folder / f"{module}.py").write_text(body, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    return f"{module}:find"


def test_an_answer_becomes_faces_the_largest_first() -> None:
    small = [30.0, 30.0, 40.0, 40.0]
    faces = checked_faces(([small, BOX], [SIX, SIX], [1, 0.25]), size_px=SIZE_PX)
    assert [face.box.tolist() for face in faces] == [BOX, small]
    assert [face.score for face in faces] == [0.25, 1.0]
    assert faces[0].points.tolist() == SIX


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param(([], None, []), id="lists"),
        pytest.param((np.zeros((0, 4)), np.zeros((0, 6, 2)), np.zeros(0)), id="arrays"),
        pytest.param([(), (), ()], id="tuples in a list"),
    ],
)
def test_no_face_is_an_answer(nothing: Any) -> None:
    assert checked_faces(nothing, size_px=SIZE_PX) == []


def test_points_may_be_unknown_and_the_square_then_stays_level() -> None:
    for points in (None, np.full((1, 6, 2), np.nan)):
        (face,) = checked_faces(([BOX], points, [0.9]), size_px=SIZE_PX)
        assert np.isnan(face.points).all()
        assert math.isnan(face.angle_deg)
        crop = face.crop()
        assert crop.angle_deg == 0
        assert crop.x1_px - crop.x0_px == pytest.approx(CROP_SCALE * 50, abs=0.2)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(None, "NoneType where boxes, points and scores were expected", id="nothing at all"),
        pytest.param(([BOX], [SIX]), "tuple where boxes, points and scores were expected", id="two of three"),
        pytest.param("abc", "str where boxes, points and scores were expected", id="three letters"),
        pytest.param(([BOX[:3]], None, [1]), "boxes of shape (1, 3) where (1, 4) fits", id="boxes of three"),
        pytest.param(([BOX], [SIX[:5]], [1]), "points of shape (1, 5, 2) where (1, 6, 2) fits", id="five points"),
        pytest.param(([BOX, BOX], None, [1]), "boxes of shape (2, 4) where (1, 4) fits", id="more boxes than scores"),
        pytest.param((BOX, None, 0.9), "scores of shape () where ('n',) fits", id="one face, not in a list"),
        pytest.param(
            ([["a"] * 4], None, [1]), "boxes that are no numbers: could not convert string to float: 'a'", id="texts"
        ),
        pytest.param(([BOX], None, [float("nan")]), "a score outside 0..1", id="a score of NaN"),
        pytest.param(([BOX], None, [97.0]), "a score outside 0..1", id="a score in percent"),
        pytest.param(([[10, 20, 50, float("nan")]], None, [1]), "a box that is no number", id="NaN"),
        pytest.param(([[10, 20, float("inf"), 70]], None, [1]), "a box that is no number", id="infinite"),
        pytest.param(([[50, 20, 10, 70]], None, [1]), "a box whose sides are not above 0", id="corners swapped"),
        pytest.param(([[10, 20, 10, 70]], None, [1]), "a box whose sides are not above 0", id="no width"),
        pytest.param(([[60, 20, 80, 70]], None, [1]), "a box outside the photo", id="right of the photo"),
        pytest.param(([[10, -20, 50, 0]], None, [1]), "a box outside the photo", id="above the photo"),
        pytest.param(
            ([[-99, 20, 99, 70]], None, [1]), "a box more than 2 times as large as the photo", id="far too large"
        ),
        pytest.param(([BOX], [[[1e9, 0]] * 6], [1]), "a point far outside the photo", id="a point far off"),
        pytest.param(([BOX], [[[float("inf"), 0]] * 6], [1]), "a point far outside the photo", id="an endless point"),
    ],
)
def test_nonsense_is_told(answer: Any, why: str) -> None:
    with pytest.raises(UnusableAnswer) as told:
        checked_faces(answer, size_px=SIZE_PX)
    assert str(told.value) == why


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner, inner),
    max_leaves=12,
)


@given(
    answer=ANYTHING
    | st.tuples(st.lists(st.lists(st.floats(width=32), min_size=4, max_size=4), max_size=3), ANYTHING, ANYTHING)
)
def test_whatever_is_returned_is_faces_in_the_photo_or_told(answer: Any) -> None:
    try:
        faces = checked_faces(answer, size_px=SIZE_PX)
    except UnusableAnswer:
        return
    for face in faces:
        assert np.isfinite(face.box).all()
        assert (face.box[:2] < (60, 90)).all()
        assert (face.box[2:] > 0).all()
        assert 0 <= face.score <= 1


GOOD = f"""
import numpy as np

def find(image):
    image[:] = 0  # it may draw on what it is given
    return [{BOX}], [{SIX}], [0.5]
"""


def test_a_finder_is_known_by_its_name_and_the_hash_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = written(tmp_path, GOOD, monkeypatch)
    finder = open_finder(name)
    assert finder.name == name
    assert finder.sha256 == sha256_file(tmp_path / f"{name.partition(':')[0]}.py")
    assert not finder.is_built_in
    image = np.full((*SIZE_PX, 3), 200, np.uint8)
    assert finder.find(image)[0].points.tolist() == SIX
    assert (image == 200).all()  # the copy alone was drawn on


def test_a_finder_of_ones_own_is_never_called_twice_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = """
import time

inside, most = [], []

def find(image):
    inside.append(1)
    most.append(len(inside))
    time.sleep(0.002)
    inside.pop()
    return [], None, []
"""
    name = written(tmp_path, body, monkeypatch)
    finder = open_finder(name)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(finder.find, [np.zeros((8, 8, 3), np.uint8)] * 24))
    assert max(sys.modules[name.partition(":")[0]].most) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            "find = 3\n",
            "TRI125 --finder: 'NAME' is no function, got int. ",
            id="a number",
        ),
        pytest.param(
            "def find(image):\n    raise KeyError('weights')\n",
            "TRI125 --finder: 'NAME' cannot tell whether a plain grey picture shows a face, got KeyError: 'weights'. ",
            id="it raises",
        ),
        pytest.param(
            "def find(image):\n    return 3\n",
            "TRI125 --finder: 'NAME' cannot tell whether a plain grey picture shows a face, got int where boxes, "
            "points and scores were expected. ",
            id="it returns a number",
        ),
        pytest.param(
            "def found(image):\n    return [], None, []\n",
            "TRI105 --finder: cannot import 'NAME', got AttributeError: module 'MODULE' has no attribute 'find'. ",
            id="another name",
        ),
    ],
)
def test_a_finder_that_cannot_be_used_is_refused_at_once(
    body: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = written(tmp_path, body, monkeypatch)
    with pytest.raises(ConfigError) as told:
        open_finder(name)
    remedies = {
        "TRI125": "It takes an image (H, W, 3) uint8 and returns boxes (n, 4), points (n, 6, 2) or None, and scores "
        "(n,): see docs/how-to/faces.md.",
        "TRI105": "Check that Python finds the module from the folder you stand in and that the name is spelled right.",
    }
    whole = message.replace("NAME", name).replace("MODULE", name.partition(":")[0]) + remedies[message[:6]]
    assert str(told.value) == whole


def test_a_name_that_is_not_known_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as told:
        open_finder("blazefaec")
    assert str(told.value) == (
        "TRI100 --finder: no finder of faces 'blazefaec'. Did you mean 'blazeface'? Or module:function."
    )
