from __future__ import annotations

import json
from pathlib import Path

import pytest

from trifacet.choosing import open_recipes, recipe_paths
from trifacet.core.config import Layer, describe, flatten, keys_called, read_layer, resolve, set_layer
from trifacet.core.errors import ConfigError
from trifacet.core.recipe import Recipe

FORM = "Correct each line."
VALUE = "See --help."
READ = "Check the path; the message names the line where reading stopped."


def refusal(*layers: Layer, **checks) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(Recipe, layers, **checks)
    return str(caught.value)


def written(path: Path, text: str) -> Layer:
    path.write_text(text)
    return read_layer(path)


def test_without_layers_everything_is_a_default() -> None:
    made = resolve(Recipe, [])
    assert made.settings == Recipe()
    assert set(made.origins.values()) == {"default"}
    assert {"model.backbone", "optim.lr", "train.seed", "schema", "loss.weights"} <= set(made.origins)


def test_later_layers_have_the_say_and_every_value_knows_its_origin(tmp_path: Path) -> None:
    file = written(tmp_path / "r.yaml", "train: {epochs: 7, seed: 3}\noptim:\n  lr: 1e-3\nloss: {weights: {age: 2}}\n")
    made = resolve(Recipe, [file, set_layer(["train.epochs=9", "loss.weights.mask=0.5", "data.image_size=[64, 48]"])])
    assert (made.settings.train.epochs, made.settings.train.seed, made.settings.optim.lr) == (9, 3, 1e-3)
    assert made.settings.loss.weights == {"age": 2, "mask": 0.5}
    assert made.settings.data.image_size == (64, 48)
    wanted = ("train.epochs", "train.seed", "optim.lr", "loss.weights.mask", "loss.weights.age", "model.backbone")
    assert [made.origins[key] for key in wanted] == ["--set", file.origin, file.origin, "--set", file.origin, "default"]


def test_json_is_read_as_well_and_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    file = written(tmp_path / "r.json", json.dumps({"train": {"epochs": 2}, "schema": {"age_edges": [29, 58]}}))
    made = resolve(Recipe, [file, written(tmp_path / "e.yaml", "# nothing\n")])
    assert made.settings.train.epochs == 2
    assert made.settings.label_schema == {"age_edges": [29, 58]}
    assert made.origins["schema.age_edges"] == file.origin


def test_three_typos_are_all_named_with_the_nearest_name_and_their_file(tmp_path: Path) -> None:
    file = written(tmp_path / "r.yaml", "model: {bakcbone: baseline_cnn}\ntrian: {epochs: 3}\n")
    assert refusal(file, set_layer(["model.head=jiont"])) == (
        "TRI101 3 mistakes in the recipe:\n"
        "  model.head (--set): must be 'per_attribute' or 'joint', got 'jiont'. Did you mean 'joint'?\n"
        f"  model.bakcbone ({file.origin}): no such key. Did you mean 'backbone'?\n"
        f"  trian ({file.origin}): no such key. Did you mean 'train'?\n"
        f"{FORM}"
    )


def test_wrong_types_and_ranges_are_all_named(tmp_path: Path) -> None:
    file = written(
        tmp_path / "r.yaml",
        "train: {epochs: many, batch_size: 1}\nloss: 5\ndata: {image_size: [64]}\noptim: {lr: -1}\nzzzz: 1\n",
    )
    at = file.origin
    assert refusal(file) == (
        "TRI101 6 mistakes in the recipe:\n"
        f"  data.image_size.1 ({at}): Field required, got [64].\n"
        f"  loss ({at}): must be a valid dictionary or instance of LossSection, got 5.\n"
        f"  optim.lr ({at}): must be greater than 0, got -1.\n"
        f"  train.epochs ({at}): must be a valid integer, unable to parse string as an integer, got 'many'.\n"
        f"  train.batch_size ({at}): must be greater than or equal to 2, got 1.\n"
        f"  zzzz ({at}): no such key.\n"
        f"{FORM}"
    )


def test_a_rooms_own_check_joins_the_mistakes_but_not_twice() -> None:
    checks = {"model.backbone": lambda name: f"no backbone '{name}'." if name.startswith("x") else None}
    assert refusal(set_layer(["model.backbone=x1", "train.epochs=x"]), checks=checks) == (
        "TRI101 2 mistakes in the recipe:\n"
        "  train.epochs (--set): must be a valid integer, unable to parse string as an integer, got 'x'.\n"
        "  model.backbone (--set): no backbone 'x1'.\n"
        f"{FORM}"
    )
    assert refusal(set_layer(["model.backbone=5"]), checks=checks) == (
        f"TRI101 1 mistake in the recipe:\n  model.backbone (--set): must be a valid string, got 5.\n{FORM}"
    )
    assert resolve(Recipe, [set_layer(["model.backbone=y"])], checks=checks).settings.model.backbone == "y"


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        pytest.param(
            ["train.epochs=0", "train.head_epochs=0"],
            "train.epochs and train.head_epochs are both 0: nothing would be trained.",
            id="nothing to train",
        ),
        pytest.param(
            ["model.is_frozen=true"],
            "model.is_frozen trains the head alone: set train.epochs to 0.",
            id="frozen",
        ),
        pytest.param(
            ["train.epochs=0", "model.is_frozen=true", "augment.masks=0.2"],
            "augment.masks changes what the whole net sees: the head alone never sees it.",
            id="masks for a head alone",
        ),
        pytest.param(
            ["train.epochs=0", "model.is_frozen=true", "augment.old_halves=0.2"],
            "augment.old_halves changes what the whole net sees: the head alone never sees it.",
            id="halves for a head alone",
        ),
        pytest.param(
            ["augment.half_cutmix=0.6", "augment.old_halves=0.6"],
            "augment.half_cutmix and augment.old_halves share all batches: together 1 at most.",
            id="more than all batches",
        ),
        pytest.param(["data.crop=centre"], "data.crop: centre and data.crop_size need each other.", id="no size"),
        pytest.param(
            ["data.crop_size=[0.5, 0.5]"], "data.crop: centre and data.crop_size need each other.", id="no centre"
        ),
        pytest.param(
            ["data.crop=centre", "data.crop_size=[0.5, 300]"],
            "data.crop_size must be two shares up to 1, or two numbers of pixels.",
            id="shares and pixels",
        ),
        pytest.param(
            ["data.random_crop=[300, 200]"],
            "data.random_crop in pixels needs data.crop: centre and data.crop_size in pixels.",
            id="pixels of nothing",
        ),
        pytest.param(
            ["data.crop=centre", "data.crop_size=[300, 300]", "data.random_crop=[350, 300]"],
            "data.random_crop is larger than data.crop_size, of which it is a part.",
            id="a part larger than the whole",
        ),
        pytest.param(["train.epochs=0"], "train.epochs is 0: set model.is_frozen to train the head alone.", id="head"),
        *(
            pytest.param(
                ["model.head=joint", f"loss.{key}={value}"],
                f"loss.{key} is about attributes, and model.head: joint has one answer, whose loss is loss.terms: "
                "leave it out, or set model.head to per_attribute.",
                id=f"joint and {key}",
            )
            for key, value in {"balance": "uncertainty", "weights": "{age: 5}", "age_terms": "{focal: 3}"}.items()
        ),
        *(
            pytest.param(
                ["loss.reweight_from=0.8", f"loss.class_weights={told}"],
                "loss.reweight_from puts class_weights off, and there are none: set loss.class_weights.",
                id=f"put off {told}",
            )
            for told in ("none", "{}", "{age: none}")
        ),
        *(
            pytest.param(
                ["data.label_map.age_edges=[30, 58]", *sets],
                "data.label_map.age_edges: this network learns years, which have no cut: set model.age to bands or "
                "model.head to joint, or leave it out.",
                id=f"a cut of years {i}",
            )
            for i, sets in enumerate(([], ["model.age=corn"], ["loss.age_terms={years: 1, mean: 1, variance: 1}"]))
        ),
    ],
)
def test_settings_that_contradict_each_other(sets: list[str], message: str) -> None:
    assert refusal(set_layer(sets)) == f"TRI101 1 mistake in the recipe:\n  {message}\n{FORM}"


@pytest.mark.parametrize(
    "sets",
    [
        ["data.label_map.age_edges=[30, 58]", "model.age=bands"],
        ["data.label_map.age_edges=[30, 58]", "model.head=joint"],
        ["data.label_map.age_edges=[30, 58]", "loss.age_terms={years: 1, cross_entropy: 1}"],
        ["loss.reweight_from=0.8", "loss.class_weights={age: balanced, mask: none}"],
        ["model.head=joint", "loss.weights={age: 1}"],
    ],
)
def test_settings_that_change_something_are_taken(sets: list[str]) -> None:
    assert set(resolve(Recipe, [set_layer(sets)]).origins.values()) == {"default", "--set"}


@pytest.mark.parametrize(
    ("assignment", "line"),
    [
        pytest.param(
            "loss.class_weights=balancd",
            "loss.class_weights (--set): must be 'none', 'balanced', 'square_root' or 'effective', or a valid "
            "dictionary, got 'balancd'. Did you mean 'balanced'?",
            id="a word or a mapping",
        ),
        pytest.param(
            "loss.class_weights={mask: balancd}",
            "loss.class_weights.mask (--set): must be 'none', 'balanced', 'square_root' or 'effective', or a list, "
            "got 'balancd'. Did you mean 'balanced'?",
            id="a word within a mapping",
        ),
        pytest.param(
            "loss.class_weights={mask: [1, .inf, 1]}",
            "loss.class_weights.mask.1 (--set): must be a finite number, got inf.",
            id="a number within a list",
        ),
        pytest.param(
            "train.seed=-1",
            "train.seed (--set): must be greater than or equal to 0, or 'random', got -1.",
            id="a number or a word",
        ),
        pytest.param(
            "decide.tta=flipp",
            "decide.tta (--set): must be none, flip, crops, random:K, flips4 or d4 (K 1 to 64), got 'flipp'. "
            "Did you mean 'flip'?",
            id="views",
        ),
        pytest.param(
            "sampler.age_factors={60x: 2}",
            "sampler.age_factors.60x (--set): years are written 30-49, 58 or 60+, got '60x'.",
            id="a key of years",
        ),
        pytest.param(
            "schedule.name=CosineAnnealingLR",
            "schedule.name (--set): must be 'one_cycle', 'cosine', 'poly', 'tanh', 'restarts', 'wsd', 'step', "
            "'multi_step', 'exponential', 'plateau' or 'constant', got 'CosineAnnealingLR'. Did you mean 'cosine'?",
            id="torch's name of a schedule",
        ),
        pytest.param(
            "schedule.first_cycle=10",
            "schedule.first_cycle (--set): no such key. Did you mean 'schedule.cycle_epochs'?",
            id="another system's key",
        ),
        pytest.param(
            "schedule.max_lr=0.1",
            "schedule.max_lr (--set): no such key. Did you mean 'optim.lr'?",
            id="another section's key",
        ),
        pytest.param("optim.lr=.inf", "optim.lr (--set): must be a finite number, got inf.", id="infinite"),
        pytest.param(
            "loss.prior_tau=.nan", "loss.prior_tau (--set): must be a finite number, got nan.", id="no number"
        ),
    ],
)
def test_a_mistake_is_one_line_with_the_nearest_name(assignment: str, line: str) -> None:
    assert refusal(set_layer([assignment])) == f"TRI101 1 mistake in the recipe:\n  {line}\n{FORM}"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    {
        "StepLR": "step",
        "MultiStepLR": "multi_step",
        "ExponentialLR": "exponential",
        "ReduceLROnPlateau": "plateau",
        "CosineAnnealingWarmRestarts": "restarts",
        "OneCycleLR": "one_cycle",
        "ConstantLR": "constant",
    }.items(),
)
def test_torchs_schedules_are_answered_with_ours(theirs: str, ours: str) -> None:
    assert f"got '{theirs}'. Did you mean '{ours}'?" in refusal(set_layer([f"schedule.name={theirs}"]))


def test_every_other_name_of_a_key_is_answered_with_a_key() -> None:
    assert set(Recipe.other_names.values()) <= set(describe(Recipe))
    assert not any(keys_called(name, list(describe(Recipe))) for name in Recipe.other_names)


def test_a_strength_of_no_operation_is_answered_with_the_nearest() -> None:
    assert refusal(set_layer(["augment.strength={blurr: 1}"])) == (
        "TRI101 1 mistake in the recipe:\n  augment.strength (--set): no operation 'blurr' (did you mean 'blur'?), "
        f"got {{'blurr': 1}}.\n{FORM}"
    )


def test_a_file_that_is_not_yaml_says_where_reading_stopped(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    with pytest.raises(ConfigError) as caught:
        written(path, "train: {epochs: 3\noptim: 1\n")
    assert str(caught.value) == (
        f"TRI102 {path}: cannot be read, got line 2: expected ',' or '}}', but got ':'. {READ}"
    )


def test_a_key_said_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        written(tmp_path / "r.yaml", "train:\n  epochs: 3\n  seed: 1\n  epochs: 30\n")
    where = tmp_path / "r.yaml"
    assert str(caught.value) == f"TRI102 {where}: cannot be read, got line 4: found key 'epochs' twice. {READ}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"- a\n- b\n", "must hold keys and values, got list", id="a list"),
        pytest.param(b"\xff\xfe", "cannot be read, got 'utf-8' codec can't decode byte 0xff", id="not text"),
        pytest.param(None, "no such file", id="missing"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "r.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_layer(path)
    assert str(caught.value).startswith(f"TRI102 {path}: {message}")
    assert str(caught.value).endswith(f". {READ}")


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        pytest.param(["train.epochs"], "must look like key.subkey=value, got 'train.epochs'", id="no value"),
        pytest.param(["=3"], "must look like key.subkey=value, got '=3'", id="no key"),
        pytest.param(["a=[1"], "the value is not valid YAML, got 'a=[1'", id="not yaml"),
        pytest.param(["a=1", "a.b=2"], "'a' is set twice, got 'a.b=2'", id="a value and its key"),
    ],
)
def test_a_set_option_that_cannot_be(sets: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_layer(sets)
    assert str(caught.value) == f"TRI104 --set: {message}. {VALUE}"


def test_set_values_are_yaml() -> None:
    content = set_layer(["a.b=null", "a.c=true", "d=[1, x]", "e=a=b", "f="]).content
    assert content == {"a": {"b": None, "c": True}, "d": [1, "x"], "e": "a=b", "f": None}


def test_off_is_a_word_where_one_is_meant_and_false_where_that_is(tmp_path: Path) -> None:
    file = written(tmp_path / "r.yaml", "train: {amp: off}\ntrack: {tensorboard: off}\n")
    for layer in (file, set_layer(["train.amp=off", "track.tensorboard=no"])):
        made = resolve(Recipe, [layer]).settings
        assert made.train.amp == "off"
        assert made.track.tensorboard is False


def test_nested_settings_are_flattened_to_dotted_keys() -> None:
    assert flatten({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}


@pytest.mark.parametrize("path", recipe_paths().values(), ids=list(recipe_paths()))
def test_the_packages_recipes_are_without_mistakes(path: Path) -> None:
    for name, made in open_recipes(path.stem).items():
        assert (made.settings == Recipe()) == (path.stem == "quick" or name == "face")
        assert made.settings.model.is_frozen == (path.stem in ("instant", "system3") or name == "frozen")
