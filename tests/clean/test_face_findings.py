"""Findings about faces: what a manifest tells of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tests.clean.faced import MIDDLE, PLAIN, faces
from tests.core.tiny import FOUR_BANDS, manifest
from trifacet.clean.quality import TURNED_DEG, face_findings
from trifacet.core.manifest import FACE_COLUMNS, Manifest


def told(given: Manifest) -> list[tuple[str, str, float, str]]:
    return [(f.photo_id, f.kind, round(f.score, 2), f.detail) for f in face_findings(given)]


def test_an_ordinary_face_is_no_finding() -> None:
    assert told(faces([MIDDLE] * 5)) == []


def test_no_face_and_several_are_found() -> None:
    assert told(faces([None, MIDDLE, MIDDLE, MIDDLE], n_faces=[0, 1, 2, 5])) == [
        ("0.jpg", "no_face", 0.0, ""),
        ("2.jpg", "several_faces", 0.5, "2 faces"),
        ("3.jpg", "several_faces", 0.2, "5 faces"),
    ]


def test_a_finders_nonsense_is_why_there_is_no_face() -> None:
    (one,) = face_findings(faces([None]), unusable={"0.jpg": "a box outside the photo"})
    assert (one.kind, one.detail) == ("no_face", "a box outside the photo")


@pytest.mark.parametrize(
    ("box", "found"),
    [
        pytest.param((40.0, 40.0, 14.0), [("small_face", 0.93, "14 % of the side")], id="small"),
        pytest.param((40.0, 40.0, 16.0), [], id="small enough to be seen"),
        pytest.param((-15.0, 20.0, 60.0), [("cut_face", 0.75, "25 % lies beyond the photo")], id="cut on the left"),
        pytest.param((50.0, 50.0, 60.0), [("cut_face", 0.69, "31 % lies beyond the photo")], id="cut at a corner"),
        pytest.param((-5.0, 20.0, 60.0), [], id="a little over the edge"),
    ],
)
def test_a_face_is_looked_at_in_its_frame(box: tuple[float, float, float], found: list[tuple[str, float, str]]) -> None:
    assert [rest for _, *rest in told(faces([box]))] == [[*one] for one in found]


@pytest.mark.parametrize(
    ("turn", "tilt", "detail", "score"),
    [
        pytest.param(60.0, 3.0, "turned aside by 60 degrees", TURNED_DEG / 60, id="turned"),
        pytest.param(3.0, 90.0, "tilted by 90 degrees", TURNED_DEG / 90, id="tilted"),
        pytest.param(50.0, 80.0, "turned aside by 50 degrees, tilted by 80 degrees", TURNED_DEG / 80, id="both"),
        pytest.param(None, 45.0, "tilted by 45 degrees", TURNED_DEG / 45, id="the turn is not known"),
    ],
)
def test_a_head_turned_or_tilted_far_is_found(turn: float | None, tilt: float, detail: str, score: float) -> None:
    (one,) = face_findings(faces([MIDDLE], looks=[(*PLAIN[:3], turn, tilt)]))
    assert (one.kind, one.detail, one.score) == ("turned_face", detail, pytest.approx(score))


def test_up_to_the_threshold_a_head_may_turn() -> None:
    assert face_findings(faces([MIDDLE], looks=[(*PLAIN[:3], TURNED_DEG, TURNED_DEG)])) == []


def test_a_face_far_less_sharp_than_the_others_is_found() -> None:
    sharp = np.random.default_rng(0).lognormal(-1, 0.3, 60)
    sharp[7] = 0.004
    looks: list[tuple[float | None, ...]] = [(50.0, 0.25, float(value), 5.0, 2.0) for value in sharp]
    looks.append((50.0, 0.25, None, None, None))
    found = face_findings(faces([MIDDLE] * 61, looks=looks))
    assert [(f.photo_id, f.kind) for f in found] == [("7.jpg", "blurred_face")]
    assert 0 < found[0].score < 1


def test_where_nobody_looked_nothing_is_found() -> None:
    asked = manifest([("on", "0_to_12")], schema=FOUR_BANDS)
    assert face_findings(asked) == []
    theirs = replace(asked, table=asked.table.with_columns(x_face_turn_deg=pl.lit("far")))  # a column of the source
    assert face_findings(theirs) == []


def test_a_manifest_without_the_measures_tells_the_rest() -> None:
    given = faces([None, (40.0, 40.0, 14.0)])
    old = replace(given, table=given.table.drop(FACE_COLUMNS))
    assert [f.kind for f in face_findings(old)] == ["no_face", "small_face"]
