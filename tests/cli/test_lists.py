"""What there is, as the commands list it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.flow.command import done
from trifacet.choosing import recipe_paths
from trifacet.core.policies import OPERATIONS
from trifacet.core.recipe_photos import AugmentSection
from trifacet.learn.backbones import BACKBONES
from trifacet.learn.terms import CLASS_TERMS, YEAR_TERMS


@pytest.mark.parametrize(
    ("words", "names"),
    [
        pytest.param(["recipes"], ["instant", "quick", "the default"], id="recipes"),
        pytest.param(["backbones"], [*BACKBONES, "timm/NAME", "module:function", "A+B"], id="backbones"),
        pytest.param(
            ["losses"], [*CLASS_TERMS, *YEAR_TERMS, "module:function", "loss.class_weights", "model.age"], id="losses"
        ),
        pytest.param(
            ["augmentations"], [*(f"augment.{name}" for name in AugmentSection.model_fields), *OPERATIONS], id="augment"
        ),
        pytest.param(["backbones", "--timm", "resnet18"], ["timm/resnet18"], id="timm"),
    ],
)
def test_lists_name_each_thing(words: list[str], names: list[str]) -> None:
    said = done(*words).out
    assert [name for name in names if name not in said] == []


def test_every_augmentation_has_its_line_and_its_default() -> None:
    told = {cells[0]: cells[1:] for line in done("augmentations").out.splitlines() if (cells := line.split())}
    assert told["augment.flip"] == ["0.5", "probability", "of", "mirroring"]
    assert told["augment.policy"][0] == "none"
    assert told["invert"] == ["a", "negative"]


def test_every_recipe_has_its_line() -> None:
    said = done("recipes").out.splitlines()
    for name in recipe_paths():
        (line,) = [line for line in said if line.strip().startswith(name)]
        assert re.search(r"\.\d\d \[", line) is not None
        assert len(line.split()) > 3


def test_config_show_tells_where_each_value_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("optim: {lr: 0.002}\n")
    said = done("config", "show", str(file), "--set", "train.epochs=9").out.splitlines()
    told = {cells[0]: cells[1:3] for line in said if (cells := line.split())}
    assert told["optim.lr"] == ["0.002", "mine.yaml"]
    assert told["train.epochs"] == ["9", "--set"]
    assert told["optim.momentum"][1] == "default"
