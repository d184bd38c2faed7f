"""Two datasets against each other: photos that stand in both, and what differs on the whole."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.core.tiny import manifest
from trifacet.clean.against import Seen, copies_across, shift_findings
from trifacet.core.files import sha256_file
from trifacet.core.predictions import ImageArray
from trifacet.data.drawn import draw_person, draw_photo
from trifacet.pixels.looks import look

N_PEOPLE = 24
NAMES = ("train", "eval")


def seen(folder: Path, images: dict[int, ImageArray], *, mask: str = "not_worn") -> Seen:
    """Photos of one person each in a folder, looked at."""
    folder.mkdir()
    for i, image in enumerate(images.values()):
        Image.fromarray(image).save(folder / f"{i}.jpg", quality=92)
    files = [folder / f"{i}.jpg" for i in range(len(images))]
    data = manifest(
        [(mask, "male", None)] * len(images),
        root=folder,
        person_id=[f"p{key}" for key in images],
        width_px=[image.shape[1] for image in images.values()],
        height_px=[image.shape[0] for image in images.values()],
        sha256=[sha256_file(file) for file in files],
    )
    return data, look(data.paths)


@pytest.fixture(scope="module")
def photos() -> list[ImageArray]:
    return [np.asarray(draw_photo(draw_person(11, i), "normal", size_px=(192, 256))) for i in range(2 * N_PEOPLE)]


@pytest.fixture(scope="module")
def one(photos: list[ImageArray], tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return seen(tmp_path_factory.mktemp("data") / "one", dict(enumerate(photos[:N_PEOPLE])))


def test_copies_across_are_found_by_bytes_and_by_pixels_and_told_once(
    photos: list[ImageArray], one: Seen, tmp_path: Path
) -> None:
    images = {i: photos[i] for i in range(N_PEOPLE, 2 * N_PEOPLE)}
    images[90] = np.ascontiguousarray(photos[3][:, ::-1])
    images[91] = photos[8][10:250, 8:186]
    others, _ = seen(tmp_path / "other", images)
    shutil.copy(one[0].paths[5], others.paths[0])
    rows = others.table.with_columns(pl.Series("sha256", [sha256_file(path) for path in others.paths]))
    others = replace(others, table=rows)
    found = copies_across(one, (others, look(others.paths)))
    assert [(f.photo_id, f.other_id, f.kind, f.detail.partition(", alike")[0]) for f in found] == [
        ("3.jpg", f"other:{N_PEOPLE}.jpg", "copy_across_data", "mirrored"),
        ("5.jpg", "other:0.jpg", "copy_across_data", "same bytes"),
        ("8.jpg", f"other:{N_PEOPLE + 1}.jpg", "copy_across_data", "cut"),
    ]
    assert found[1].score == 0
    assert all(0 <= f.score <= 0.13 for f in found)


def test_a_spread_of_nothing_is_told_in_words(one: Seen, tmp_path: Path) -> None:
    alike = seen(tmp_path / "alike", {i: np.full((96, 96, 3), 100, np.uint8) for i in range(N_PEOPLE)})
    told = {f.detail.partition(":")[0]: f.detail for f in shift_findings(one, alike, names=NAMES)}
    assert "all alike in eval" in told["brightness"]
    assert "times the spread" not in told["brightness"]


def test_other_people_are_no_copies_and_no_shift(photos: list[ImageArray], one: Seen, tmp_path: Path) -> None:
    other = seen(tmp_path / "other", dict(enumerate(photos[N_PEOPLE:])))
    assert copies_across(one, other) == []
    assert [f.detail for f in shift_findings(one, other, names=NAMES) if f.score < 0.5] == []
    assert shift_findings(one, one, names=NAMES) == []


def test_darker_smaller_photos_of_another_class_are_told_each_by_itself(
    photos: list[ImageArray], one: Seen, tmp_path: Path
) -> None:
    images = {i: np.ascontiguousarray(image[::2, ::2] // 2) for i, image in enumerate(photos[N_PEOPLE:])}
    found = shift_findings(one, seen(tmp_path / "other", images, mask="worn"), names=NAMES)
    told = {f.detail.partition(":")[0]: f for f in found}
    assert {"shorter side, px", "brightness", "contrast", "worn", "not worn"} <= set(told)
    assert "male" not in told
    assert "height by width" not in told
    assert {f.photo_id for f in found} == {""}
    assert {f.kind for f in found} == {"shift"}
    assert told["worn"].attribute == "mask"
    assert told["shorter side, px"].detail == (
        "shorter side, px: median 96 in eval, 192 in train; -100.00 [-100.00, -100.00] standard deviations, "
        "1.00 times the spread; 24 people and 24 people"
    )
    assert told["worn"].detail.startswith("worn: 100.0 % in eval, 0.0 % in train; +100.00 ")
    assert told["shorter side, px"].score == pytest.approx(0.0025)
    few = one[0].where(pl.col("photo_id").is_in(["0.jpg", "1.jpg"]))
    assert shift_findings((few, look(few.paths)), seen(tmp_path / "third", images), names=NAMES) == []
