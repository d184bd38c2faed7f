"""Photos that are hard to read are told from ordinary ones, in any set of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.core.tiny import manifest
from trifacet.clean.quality import FAR_OUT, face_findings, quality_findings
from trifacet.core.findings import Finding
from trifacet.core.manifest import CROP_SCALE, Manifest
from trifacet.pixels.looks import Looks

N = 60


def photos(n: int = N, **columns: list[Any]) -> Manifest:
    sizes = {"width_px": [180] * n, "height_px": [240] * n} | columns
    return manifest([("worn", "male", "under_30")] * n, **sizes)


def looks(**changed: dict[int, float]) -> Looks:
    """Ordinary photos in varying light, but for the numbers changed: by name, by row."""
    draw = np.random.default_rng(4)
    numbers = {
        "brightness": draw.normal(125, 45, N).clip(62, 198),
        "contrast": draw.normal(55, 12, N).clip(25, 90),
        "sharpness": 10 ** draw.normal(-1.0, 0.2, N),
        "colour": np.full(N, 9.0),
    }
    for name, values in changed.items():
        for row, value in values.items():
            numbers[name][row] = value
    told = {name: values.astype(np.float32) for name, values in numbers.items()}
    return Looks(**told, small=np.zeros((N, 64, 64), dtype=np.uint8), failed={}, exif={})


def test_ordinary_photos_in_any_light_are_flagged_for_nothing() -> None:
    assert quality_findings(photos(), looks()) == []


@pytest.mark.parametrize(
    ("name", "value", "kind", "detail"),
    [
        pytest.param("brightness", 3.0, "dark", "brightness 3 of 255, where most have 11", id="black"),
        pytest.param("brightness", 253.0, "bright", "brightness 253 of 255, where most have 11", id="white"),
        pytest.param("contrast", 1.0, "flat", "contrast 1, where most have 5", id="one tone"),
        pytest.param("sharpness", 0.001, "blurred", "sharpness 0.0010, where most have 0.", id="blurred"),
    ],
)
def test_a_photo_that_shows_nothing_stands_out(name: str, value: float, kind: str, detail: str) -> None:
    (found,) = quality_findings(photos(), looks(**{name: {7: value}}))
    assert (found.photo_id, found.kind, found.is_issue) == ("7.jpg", kind, True)
    assert found.detail.startswith(detail)
    assert 0 < found.score < 1


def test_the_worse_a_photo_the_lower_its_score() -> None:
    found = quality_findings(photos(), looks(sharpness={1: 0.004, 2: 0.001, 3: 0.0001}))
    score = {f.photo_id: f.score for f in found}
    assert score["3.jpg"] < score["2.jpg"] < score["1.jpg"] < 1


def test_of_photos_that_are_nearly_the_same_none_is_flagged_for_its_light() -> None:
    same = looks(brightness={i: 120 + i / N for i in range(N)} | {5: 75.0, 6: 190.0})
    assert quality_findings(photos(), same) == []  # the robust deviation is tiny, the photos ordinary


def test_photos_that_could_not_be_read_are_judged_by_nobody() -> None:
    unread = looks(**{name: {3: float("nan")} for name in ("brightness", "contrast", "sharpness")})
    assert quality_findings(photos(), unread) == []
    none = looks(**{n: dict.fromkeys(range(N), float("nan")) for n in ("brightness", "contrast", "sharpness")})
    assert quality_findings(photos(), none) == []


def test_photos_without_enough_pixels_are_tiny() -> None:
    found = quality_findings(photos(width_px=[180] * (N - 2) + [63, 16]), looks())
    assert [(f.photo_id, f.kind, f.score, f.detail) for f in found] == [
        ("58.jpg", "tiny", 63 / 64, "63 x 240 px"),
        ("59.jpg", "tiny", 0.25, "16 x 240 px"),
    ]


def test_the_bounds_are_those_that_are_said() -> None:
    """The robust deviation of logs that are -1, 0, 1 in equal parts is 1.4826, so the bound lies at 5.19."""
    logs = np.tile([-1.0, 0.0, 1.0], N // 3)
    for beyond, n_found in ((1.01, 1), (0.99, 0)):
        logs[0] = -beyond * FAR_OUT * 1.4826
        found = quality_findings(photos(), looks(sharpness=dict(enumerate(np.exp(logs)))))
        assert len(found) == n_found


def with_faces(rows: list[tuple[int | None, tuple[float, float, float] | None]]) -> Manifest:
    """One photo of 200 x 200 px a row: how many faces, and the largest one's centre and side in px."""
    made = photos(len(rows), width_px=[200] * len(rows), height_px=[200] * len(rows), n_faces=[n for n, _ in rows])
    corners: list[tuple[float | None, ...]] = []
    for _, face in rows:
        if face is None:
            corners.append((None,) * 5)
            continue
        x, y, half = face[0], face[1], face[2] * CROP_SCALE / 2
        corners.append((x - half, y - half, x + half, y + half, 0.0))
    names = ("crop_x0_px", "crop_y0_px", "crop_x1_px", "crop_y1_px", "crop_angle_deg")
    columns = [pl.Series(name, [c[i] for c in corners], dtype=made.table[name].dtype) for i, name in enumerate(names)]
    return replace(made, table=made.table.with_columns(columns))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param((None, None), [], id="nobody looked"),
        pytest.param((1, (100, 100, 80)), [], id="a face"),
        pytest.param((0, None), [("no_face", 0.0, "")], id="none"),
        pytest.param((3, (100, 100, 80)), [("several_faces", 1 / 3, "3 faces")], id="three"),
        pytest.param((1, (100, 100, 12)), [("small_face", 0.4, "6 % of the side")], id="small"),
        pytest.param((1, (0, 100, 80)), [("cut_face", 0.5, "50 % lies beyond the photo")], id="half beyond"),
        pytest.param((1, (0, 0, 80)), [("cut_face", 0.25, "75 % lies beyond the photo")], id="in a corner"),
        pytest.param((1, (35, 100, 80)), [], id="a little beyond"),
    ],
)
def test_faces_are_judged_by_their_number_size_and_place(
    row: tuple[int | None, tuple[float, float, float] | None], told: list[tuple[str, float, str]]
) -> None:
    found: list[Finding] = face_findings(with_faces([row]))
    assert [(f.kind, f.detail) for f in found] == [(kind, detail) for kind, _, detail in told]
    assert [f.score for f in found] == pytest.approx([score for _, score, _ in told])
