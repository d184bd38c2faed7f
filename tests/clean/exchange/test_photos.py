"""A foreign path finds the one photo that shares its longest ending, or none."""

from __future__ import annotations

import pytest

from trifacet.clean.exchange.photos import Photos, UnmatchedError

IDS = ("000001_f/normal.jpg", "000001_f/mask1.jpg", "000002_m/normal.jpg", "eval.jpg", "deep/a/x.png", "deep/b/x.png")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("000001_f/normal.jpg", "000001_f/normal.jpg", id="the id itself"),
        pytest.param("/opt/ml/input/data/train/images/000002_m/normal.jpg", "000002_m/normal.jpg", id="absolute"),
        pytest.param(r"C:\Users\me\images\000002_m\normal.jpg", "000002_m/normal.jpg", id="of Windows"),
        pytest.param("000001_f/normal", "000001_f/normal.jpg", id="without its extension"),
        pytest.param("mask1.jpg", "000001_f/mask1.jpg", id="a file name that only one photo has"),
        pytest.param("/elsewhere/eval.jpg", "eval.jpg", id="a photo on top"),
        pytest.param("/mnt/other/a/x.png", "deep/a/x.png", id="another root that shares two components"),
        pytest.param(" eval.jpg ", "eval.jpg", id="spaces"),
    ],
)
def test_a_path_finds_its_photo(path: str, expected: str) -> None:
    assert Photos(IDS).find(path) == expected


@pytest.mark.parametrize(
    ("path", "why"),
    [
        pytest.param(
            "/x/000009_m/normal.jpg", "2 photos end in normal.jpg: 000001_f/normal.jpg, 000002_m/normal.jpg", id="n"
        ),
        pytest.param("x.png", "2 photos end in x.png: deep/a/x.png, deep/b/x.png", id="several"),
        pytest.param(
            "/x/000009_m/mask1.jpg", "no such photo", id="the name of one photo in the folder of another person"
        ),
        pytest.param("0001_f/mask1.jpg", "no such photo", id="half a component"),
        pytest.param("nothing.jpg", "no such photo", id="none"),
        pytest.param("", "no such photo", id="empty"),
    ],
)
def test_a_path_that_is_not_sure_finds_nothing(path: str, why: str) -> None:
    with pytest.raises(UnmatchedError) as caught:
        Photos(IDS).find(path)
    assert str(caught.value) == why


def test_letters_composed_or_not_are_one() -> None:
    assert Photos(["caf\u00e9/a.jpg"]).find("/x/cafe\u0301/a.jpg") == "caf\u00e9/a.jpg"
