from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.flow.command import done, trifacet
from trifacet.choosing import CHECKS, open_recipe
from trifacet.core.config import read_layer, resolve
from trifacet.core.errors import ConfigError
from trifacet.core.recipe import Recipe
from trifacet.old_configs import Imported, import_config, is_old_config

BASELINE = {
    "seed": 42, "epochs": 1, "dataset": "MaskBaseDataset", "augmentation": "BaseAugmentation", "resize": [128, 96],
    "batch_size": 64, "valid_batch_size": 1000, "model": "BaseModel", "optimizer": "SGD", "lr": 0.001, "val_ratio": 0.2,
    "criterion": "cross_entropy", "lr_decay_step": 20, "log_interval": 20, "name": "exp", "data_dir": "/opt/ml/x",
    "model_dir": "./model",
}  # fmt: skip
QUEUED = {
    **BASELINE, "dataset": "MyDataset", "model": "ResNet50", "criterion": ["focal", "label_smoothing", "f1"],
    "early_stop": 10,
}  # fmt: skip
HPA = """
data: {name: DefaultDataset, dir: ./data, params: {idx_fold: 0, num_fold: 5}}
model: {name: resnet34}
train: {dir: ./out, batch_size: 16, num_epochs: 60, num_grad_acc: 4}
eval: {batch_size: 64}
optimizer: {name: adam, params: {lr: 0.0005, betas: "(0.9, 0.99)"}}
scheduler: {name: multi_step, params: {milestones: [20, 40], gamma: 0.2}}
transform: {name: policy_transform, num_preprocessor: 4, params: {size: 256, per_image_norm: true}}
loss: {name: binary_focal_loss}
"""


def imported(folder: Path, content: dict | str) -> Imported:
    path = folder / ("c.yml" if isinstance(content, str) else "c.json")
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return import_config(path, checks=CHECKS)


def recipe_of(made: Imported, folder: Path) -> Recipe:
    (folder / "r.yaml").write_text(yaml.safe_dump(made.recipe), encoding="utf-8")
    return resolve(Recipe, [read_layer(folder / "r.yaml")]).settings


def test_the_baselines_flags_are_read_as_it_meant_them(tmp_path: Path) -> None:
    made = imported(tmp_path, BASELINE)
    recipe = recipe_of(made, tmp_path)
    assert made.what == "the official baseline"
    assert recipe.data.image_size == (128, 96)
    assert (recipe.model.backbone, recipe.model.head) == ("baseline_cnn", "joint")
    assert (recipe.optim.name, recipe.optim.lr, recipe.optim.head_lr, recipe.optim.weight_decay) == (
        "sgd",
        1e-3,
        None,
        5e-4,
    )
    assert (recipe.schedule.name, recipe.schedule.step_epochs, recipe.schedule.gamma) == ("step", 20, 0.5)
    assert (recipe.train.epochs, recipe.train.head_epochs, recipe.train.seed) == (1, 0, 42)
    assert recipe.loss.terms == {"cross_entropy": 1.0}
    assert (recipe.augment.flip, recipe.augment.scale, recipe.augment.brightness) == (0, 0, 0)
    assert "val_ratio 0.2: `trifacet split MANIFEST --out SPLIT --val 0.2`" in made.notes
    assert not any("nothing to answer it" in note for note in made.notes)


def test_a_queued_file_sums_its_criteria_and_has_the_schedule_of_the_code(tmp_path: Path) -> None:
    made = imported(tmp_path, QUEUED)
    recipe = recipe_of(made, tmp_path)
    assert recipe.loss.terms == {"focal": 1.0, "cross_entropy": 1.0, "macro_f1": 1.0}
    assert (recipe.loss.label_smoothing, recipe.loss.smoothing) == (0.02, "wrong")
    assert (recipe.schedule.name, recipe.schedule.cycle_epochs, recipe.schedule.floor) == ("restarts", 20, 1e-3)
    assert recipe.optim.lr == 0.01
    assert recipe.train.patience == 10
    assert recipe.data.crop_size == (360, 360)
    assert "lr 0.001 had no effect there: its schedule is written into the code, and so it is here" in made.notes


def test_kaggle_hpa_is_read_without_eval(tmp_path: Path) -> None:
    made = imported(tmp_path, HPA)
    recipe = recipe_of(made, tmp_path)
    assert recipe.model.backbone == "timm/resnet34"
    assert (recipe.train.batch_size, recipe.train.accumulate, recipe.train.epochs) == (64, 4, 60)
    assert recipe.optim.args == {"betas": (0.9, 0.99)}
    assert (recipe.schedule.name, recipe.schedule.milestones, recipe.schedule.gamma) == ("multi_step", (20, 40), 0.2)
    assert (recipe.data.image_size, recipe.data.normalize) == ((256, 256), "per_image")
    assert recipe.loss.terms == {"binary_focal": 1.0}
    assert "data.params.idx_fold: 0 has nothing to answer it here" in made.notes
    assert "each class is trained by itself; one class a photo is answered: a softmax of the same numbers" in made.notes
    with pytest.raises(ConfigError, match="TRI106"):
        imported(tmp_path, HPA.replace('"(0.9, 0.99)"', "\"__import__('os')\""))


SECTIONS = ("model", "loss", "augment", "optim", "decide")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(BASELINE, "baseline", id="baseline"),
        pytest.param(QUEUED, "system1", id="queue"),
        pytest.param(
            "transform: {name: policy_transform}\nscheduler: {name: none}\ntrain: {num_epochs: 60}\n"
            "model: {name: resnet34}\nloss: {name: binary_focal_loss}\noptimizer: {name: adam, params: {lr: 0.0005}}\n",
            "kaggle-hpa",
            id="kaggle-hpa",
        ),
    ],
)
def test_an_imported_file_trains_what_the_recipe_of_its_system_does(
    tmp_path: Path, content: dict | str, name: str
) -> None:
    recipe, shipped = recipe_of(imported(tmp_path, content), tmp_path), open_recipe(name).settings
    for section in SECTIONS:
        assert getattr(recipe, section) == getattr(shipped, section), section
    assert (recipe.model.hidden, recipe.model.dropout) == (0, (0, 0))
    assert recipe.schedule.name == shipped.schedule.name
    assert (recipe.train.amp, recipe.train.keep_epochs) == (shipped.train.amp, shipped.train.keep_epochs)


def test_the_baselines_noise_is_that_of_system_4(tmp_path: Path) -> None:
    made = imported(tmp_path, {**BASELINE, "augmentation": "CustomAugmentation"})
    recipe, shipped = recipe_of(made, tmp_path), open_recipe("system4").settings
    assert recipe.augment == shipped.augment
    assert (recipe.data.crop_size, recipe.augment.noise) == ((320, 256), 124)
    told = "noise of CustomAugmentation, deviation 1 of the normalised photo, 62 of 255, was on val too: "
    assert told + "here in training alone, from 0 to 124" in made.notes


def test_label_smoothing_is_as_large_as_the_class_of_each_system_has_it(tmp_path: Path) -> None:
    made = imported(tmp_path, {**BASELINE, "criterion": "label_smoothing"})
    recipe = recipe_of(made, tmp_path)
    assert (recipe.loss.terms, recipe.loss.label_smoothing) == ({"cross_entropy": 1.0}, 0.0)
    told = "label_smoothing smooths by 0 unless its code was changed: set loss.label_smoothing to yours"
    assert told in made.notes
    assert recipe_of(imported(tmp_path, QUEUED), tmp_path).loss.label_smoothing == 0.02


def test_arc_face_gets_the_cosine_classifier_that_it_needs(tmp_path: Path) -> None:
    recipe = recipe_of(imported(tmp_path, {**QUEUED, "criterion": ["arc_face", "f1"]}), tmp_path)
    assert recipe.loss.terms == {"arc_face": 1.0, "macro_f1": 1.0}
    assert recipe.model.classifier == "cosine"


def test_a_file_without_a_criterion_has_those_of_its_systems_defaults(tmp_path: Path) -> None:
    bare = {"model": "ResNet50", "resize": [128, 96], "dataset": "MyDataset", "augmentation": "BaseAugmentation"}
    made = imported(tmp_path, bare)
    recipe = recipe_of(made, tmp_path)
    assert made.what == "a config queue"
    assert recipe.loss.terms == {"cross_entropy": 1.0}
    assert (recipe.train.patience, recipe.train.seed, recipe.train.batch_size) == (10, 42, 64)
    flags = imported(tmp_path, {key: value for key, value in BASELINE.items() if key != "criterion"})
    assert flags.what == "the official baseline"
    assert recipe_of(flags, tmp_path).loss.terms == {"cross_entropy": 1.0}
    one = imported(tmp_path, {**QUEUED, "criterion": "focal"})
    assert (one.what, recipe_of(one, tmp_path).loss.terms) == ("a config queue", {"focal": 1.0})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"model": {"backbone": "face_resnet10"}, "train": {"epochs": 1}}, id="recipe"),
        pytest.param({"epochs": 3, "lr": 0.1, "batch_size": 8, "resize": [64, 48]}, id="recipe with misplaced keys"),
        pytest.param({}, id="empty"),
    ],
)
def test_a_recipe_is_no_old_file(content: dict) -> None:
    assert not is_old_config(content)


def test_a_network_of_ones_own_may_stand_for_the_template(tmp_path: Path) -> None:
    made = imported(tmp_path, {**QUEUED, "model": "mine:network"})
    assert made.recipe["model"]["backbone"] == "mine:network"


def test_flags_of_system_3_are_told_of(tmp_path: Path) -> None:
    made = imported(tmp_path, {**BASELINE, "smote": 1, "freeze": 1})
    assert "freeze, smote: flags of system 3, most of which is in its code: `trifacet train system3`" in made.notes


TEMPLATE = (
    "model 'MyModel', the template whose network is in code alone; "
    "write here what it held, as ResNet50, or module:function of yours that returns it"
)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param({**QUEUED, "model": "ResNet51"}, "model 'ResNet51', did you mean resnet50?", id="model"),
        pytest.param({**QUEUED, "model": "MyModel"}, TEMPLATE, id="template"),
        pytest.param({key: value for key, value in QUEUED.items() if key != "model"}, TEMPLATE, id="default"),
        pytest.param({**QUEUED, "criterion": ["focl"]}, "criterion 'focl', did you mean focal?", id="criterion"),
        pytest.param(
            {**BASELINE, "augmentation": "BaseAugmentatio"},
            "augmentation 'BaseAugmentatio', did you mean BaseAugmentation?",
            id="augmentation",
        ),
        pytest.param({**QUEUED, "epochs": "many"}, "invalid literal for int() with base 10: 'many'", id="number"),
        pytest.param(
            "scheduler: {name: cosin}\ntrain: {}\n", "scheduler 'cosin', did you mean cosine?", id="scheduler"
        ),
        pytest.param(
            "scheduler: {name: none}\ntrain: {}\nloss: {name: focal}\n",
            "loss 'focal', known: binary_focal_loss, cross_entropy",
            id="loss",
        ),
    ],
)
def test_what_there_is_no_counterpart_of_is_named(tmp_path: Path, content: dict | str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        imported(tmp_path, content)
    file = tmp_path / ("c.yml" if isinstance(content, str) else "c.json")
    what = f"TRI106 {file}: this settings file holds something unexpected, got {told}"
    assert str(caught.value).startswith(what)


def test_a_name_that_only_a_room_knows_is_told_at_import(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        imported(tmp_path, {**BASELINE, "optimizer": "Admm"})
    assert str(caught.value) == (
        f"TRI101 1 mistake in the recipe:\n  optim.name ({tmp_path}/c.json): no optimiser 'admm'. "
        "Did you mean 'adam'?\nCorrect each line."
    )
    (tmp_path / "exp.json").write_text(json.dumps({**BASELINE, "optimizer": "Admm"}), encoding="utf-8")
    said = trifacet("import-config", tmp_path / "exp.json")
    assert "no optimiser 'admm'" in said.err
    assert not (tmp_path / "exp.recipe.yaml").exists()


def test_the_command_writes_a_recipe_that_trains_and_says_what_was_fixed(tmp_path: Path) -> None:
    (tmp_path / "exp.json").write_text(json.dumps(BASELINE), encoding="utf-8")
    said = done("import-config", tmp_path / "exp.json")
    written = (tmp_path / "exp.recipe.yaml").read_text(encoding="utf-8")
    assert written.startswith("# exp: from exp.json of the official baseline.\n# - val_ratio 0.2: ")
    assert "its split went by photo" in said.err
    assert "next: trifacet train" in said.out
    done("config", "show", tmp_path / "exp.recipe.yaml")
    again = trifacet("import-config", tmp_path / "exp.json")
    assert again.err.startswith("TRI104 --out: this file exists already")
    other = trifacet("import-config", tmp_path / "exp.recipe.yaml", "--out", tmp_path / "x.yaml")
    assert other.err.startswith(f"TRI106 {tmp_path}/exp.recipe.yaml: not a settings file that is known")
