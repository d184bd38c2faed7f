"""What cannot be opened is refused before anything is begun, in words that say what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.tiny import manifest
from trifacet.choosing import open_recipe
from trifacet.core.errors import ConfigError, RunError
from trifacet.core.manifest import Manifest, with_schema
from trifacet.core.recipe import Recipe
from trifacet.core.schema import encode_multi_class
from trifacet.opening import ready_to_train

WORN, UNKNOWN = ("worn", "male", "under_30"), (None, None, None)
SPLIT = ["train", "train", "val", "val"]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        pytest.param(manifest([WORN, WORN, UNKNOWN, UNKNOWN], split=SPLIT), "'val' ..., got 2 photos", id="no label"),
        pytest.param(manifest([WORN] * 3, split=SPLIT[:3]), "'val' ..., got 1 photos", id="one photo only"),
        pytest.param(manifest([WORN] * 2, split=["val", "val"]), "'train' ..., got 0 photos", id="no train"),
    ],
)
def test_training_needs_labelled_photos_on_both_sides(made: Manifest, message: str) -> None:
    with pytest.raises(RunError) as told:
        ready_to_train(made, Recipe())
    assert str(told.value) == (
        f"TRI404 the split {message.replace('...', 'has no labelled photos to use')}. "
        "Run `trifacet split` first and check `trifacet ingest`'s class counts."
    )


def test_a_joint_head_needs_photos_with_every_label() -> None:
    halves = [("worn", None, "under_30"), (None, "male", "under_30")] * 2
    joint = Recipe.model_validate({"model": {"head": "joint"}})
    assert len(ready_to_train(manifest(halves, split=SPLIT), Recipe())) == 4
    with pytest.raises(RunError) as told:
        ready_to_train(manifest(halves, split=SPLIT), joint)
    assert str(told.value) == (
        "TRI404 model.head: joint: the split 'train' has no photo with every label. "
        "Use model.head: per_attribute, which learns from the labels there are."
    )


def test_an_attribute_without_any_label_to_train_on_is_left_out_and_said_so() -> None:
    data = manifest([("worn", "male", None)] * 4, split=SPLIT)
    ready = ready_to_train(data, Recipe())
    assert ready.schema.attributes == data.schema.attributes[:2]
    assert ready.stamps[-1] == "no photo to train on has a label of age: this run answers mask, gender alone"


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["train", "--data", "photos", "--out", "run"], id="train"),
        pytest.param(["predict", "run", "photos"], id="predict"),
    ],
)
def test_without_the_extra_one_is_told_how_to_get_it(words: list[str]) -> None:
    code = """
import sys
sys.modules["torch"] = sys.modules["timm"] = None  # as Python marks what is not to be found
from trifacet.cli.main import main
main()
"""
    told = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (8, "")
    assert told.stderr == (
        "TRI600 this needs the extra [train], got no torch, timm. Install it with `pip install 'trifacet[train]'`; "
        "`trifacet doctor` shows what is there.\n"
    )


@pytest.mark.parametrize("key", ["masks", "occluders"])
def test_drawing_on_faces_needs_classes_that_a_drawing_can_have(key: str) -> None:
    pytest.importorskip("openvino", reason="the extra [faces] is not installed")
    asked = Recipe.model_validate({"augment": {key: 0.2}})
    made = manifest([WORN] * 4, split=SPLIT)
    assert len(ready_to_train(made, asked)) == 4
    genders = with_schema(made, made.schema.model_copy(update={"attributes": made.schema.attributes[1:]}))
    with pytest.raises(ConfigError) as told:
        ready_to_train(genders, asked)
    assert str(told.value) == (
        f"TRI101 augment.{key}: drawing on faces needs an attribute 'mask' with the classes worn, incorrect, not_worn, "
        "got none. Leave out augment.masks and augment.occluders."
    )


def test_drawing_on_faces_without_its_extra_is_refused_before_anything_is_trained() -> None:
    code = """
import sys
sys.modules["openvino"] = None
from tests.core.tiny import manifest
from trifacet.core.errors import MissingExtraError
from trifacet.core.recipe import Recipe
from trifacet.choosing import open_recipe
from trifacet.opening import ready_to_train
made = manifest([("worn", "male", "under_30")] * 4, split=["train", "train", "val", "val"])
try:
    ready_to_train(made, Recipe.model_validate({"augment": {"masks": 0.2}}))
except MissingExtraError as told:
    print(told)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("TRI600 this needs the extra [faces], got no openvino.")


def test_an_unknown_kind_of_mask_is_a_mistake_in_the_recipe() -> None:
    with pytest.raises(ConfigError) as told:
        open_recipe("quick", ["augment.mask_kinds=[kf94, n59]"])
    assert str(told.value) == (
        "TRI101 1 mistake in the recipe:\n  augment.mask_kinds (--set): no kind of mask 'n59'. Did you mean 'n95'?\n"
        "Correct each line."
    )


def test_looking_for_faces_without_its_extra_says_how_to_get_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['openvino'] = None; from trifacet.cli.main import main; main()"
    told = subprocess.run([sys.executable, "-c", code, "faces", str(tmp_path)], capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (8, "")
    assert told.stderr == (
        "TRI600 this needs the extra [faces], got no openvino. Install it with `pip install 'trifacet[faces]'`; "
        "`trifacet doctor` shows what is there.\n"
    )


def test_the_baselines_function_takes_exactly_three_labels_in_its_order() -> None:
    assert encode_multi_class(2, 1, 0) == 15
    for labels in ((), (2, 1), (2, 1, 0, 2, 1, 0)):
        with pytest.raises(ValueError, match=r"reshape|size"):
            encode_multi_class(*labels)


OLD = ("worn", "male", "60_plus")


@pytest.mark.parametrize(
    ("key", "labels", "message"),
    [
        pytest.param(
            "cutmix",
            [OLD, ("worn", None, "under_30"), OLD, WORN],
            "augment.cutmix: CutMix shares labels by area, so every training photo needs all of them, got 1 of 2 "
            "photos that lack one. Label those photos or leave them out, or take augment.mixup or none.",
            id="a missing label",
        ),
        pytest.param(
            "old_halves",
            [WORN, WORN, OLD, OLD],
            "augment.old_halves: halves of the oldest class need photos of it, got no training photo of '60_plus'. "
            "Leave out augment.old_halves.",
            id="nobody is old",
        ),
        pytest.param(
            "old_halves",
            [("worn", "male", None)] * 4,
            "augment.old_halves: halves of the oldest class need photos of it, got the attributes mask, gender. "
            "Leave out augment.old_halves.",
            id="no age at all",
        ),
    ],
)
def test_photos_are_not_pasted_where_their_labels_are_missing(key: str, labels: list, message: str) -> None:
    recipe = Recipe.model_validate({"augment": {key: 0.5}})
    with pytest.raises(ConfigError) as told:
        ready_to_train(manifest(labels, split=SPLIT), recipe)
    assert str(told.value) == f"TRI101 {message}"
    assert len(ready_to_train(manifest([OLD] * 4, split=SPLIT), recipe)) == 4
