from __future__ import annotations

import pytest

from trifacet.choosing import open_recipe
from trifacet.core.errors import ConfigError
from trifacet.core.tta import TTA, check_tta, tta_warning


@pytest.mark.parametrize("text", ["none", "flip", "crops", "random:1", "random:64", "flips4", "d4"])
def test_each_way_to_average_is_a_setting(text: str) -> None:
    assert open_recipe("quick", [f"decide.tta={text}"]).settings.decide.tta == text
    assert text.partition(":")[0] in {name.partition(":")[0] for name in TTA}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("flop", " Did you mean 'flip'?", id="a typo"),
        pytest.param("random:0", "", id="no pass"),
        pytest.param("random:65", "", id="too many"),
        pytest.param("random:K", "", id="the letter"),
        pytest.param("zzz", "", id="nothing like it"),
    ],
)
def test_what_is_no_way_to_average_is_told_the_ways(text: str, hint: str) -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011  (asserted whole)
        check_tta(text)
    assert str(told.value) == (f"must be none, flip, crops, random:K, flips4 or d4 (K 1 to 64), got '{text}'.{hint}")


def test_faces_upside_down_are_said_to_be_senseless() -> None:
    assert [text for text in ("none", "flip", "crops", "random:3", "flips4", "d4") if tta_warning(text)] == [
        "flips4",
        "d4",
    ]
    assert tta_warning("d4") == (
        "tta d4 shows faces upside down and on their side, which training never did: it was made for pictures without "
        "an up, and makes answers about faces worse"
    )


def test_a_recipe_cannot_lay_on_its_side_what_is_no_square() -> None:
    with pytest.raises(
        ConfigError, match=r"decide\.tta: d4 lays photos on their side: data\.image_size must be a square"
    ):
        open_recipe("quick", ["decide.tta=d4", "data.image_size=[128,96]"])
