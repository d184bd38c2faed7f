"""Every recipe in the package trains: two steps of two photos, from scratch where its weights are no file here."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.learn import tiny
from trifacet.choosing import open_recipe, open_recipes, recipe_head, recipe_paths
from trifacet.core.config import read_layer
from trifacet.core.files import read_jsonl
from trifacet.core.recipe import Recipe
from trifacet.core.recipe_photos import AugmentSection
from trifacet.core.run import Run
from trifacet.learn.augment import augment, draw
from trifacet.learn.start import check_training
from trifacet.learn.train import train
from trifacet.opening import ready_to_train

DRAWN = (
    r"\.\d\d \[\.\d\d, \.\d\d\] in \d+\.\d minutes(, \d+ of \d+ passes)?; "
    r"macro F1 on 300 new people, one core(, on face_resnet29)?"
)
N_PHOTOS, N_TRAIN = 12, 9  # every class of every attribute in train
NETWORKS = [
    pytest.param(name, network, id="-".join(filter(None, (name, network))))
    for name in recipe_paths()
    for network in open_recipes(name)
]


def trained(folder: Path, name: str, network: str) -> tuple[Run, Recipe]:
    """What two steps of a recipe's network come to, and its settings."""
    asked = open_recipes(name)[network].settings
    phase = "head" if asked.model.is_frozen else "all"
    n_examples = N_TRAIN * ((1 + bool(asked.augment.flip) + asked.train.head_copies) if phase == "head" else 1)
    sets = [
        f"sampler.share={4 / n_examples}",
        f"train.epochs={int(phase == 'all')}",
        f"train.head_epochs={int(phase == 'head')}",
        "train.batch_size=2",
        "train.head_batch_size=2",
        "train.device=cpu",
        "train.threads=1",
        "train.memory_format=channels_last",
        "track.tensorboard=false",
    ]
    if asked.model.backbone.startswith("timm/"):
        sets.append("model.pretrained=false")  # its weights are on a hub
    own = [f"{network}.{one}" if network else one for one in sets]
    resolved = open_recipes(name, own)[network]
    manifest, _ = tiny.photos(N_PHOTOS)
    manifest = ready_to_train(manifest, resolved.settings)
    check_training(manifest, resolved.settings)
    height, width = resolved.settings.data.stored_size
    images = np.random.default_rng(0).integers(0, 256, (len(manifest), height, width, 3), dtype=np.uint8)
    run = tiny.new_run(folder / "run", schema=manifest.schema)
    run = Run(run.path, run.info.model_copy(update={"recipe": resolved.settings}))
    return train(run, manifest, images=images), asked


@pytest.mark.parametrize(("name", "network"), NETWORKS)
def test_two_steps_of_a_recipe_change_what_it_trains(tmp_path: Path, name: str, network: str) -> None:
    torch.set_num_threads(1)
    run, asked = trained(tmp_path, name, network)
    (record,) = read_jsonl(run.metrics_path)
    assert record["step"] == 2
    assert math.isfinite(record["train_loss"])
    assert run.weights_path("best").is_file()
    tasks = asked.model.tasks or ("mask", "gender", "age")
    assert {name for name in ("mask", "gender", "age") if f"val_{name}_accuracy" in record} == set(tasks)


@pytest.mark.parametrize("path", recipe_paths().values(), ids=list(recipe_paths()))
def test_a_recipe_says_what_it_is_and_how_it_is_trained(path: Path) -> None:
    head = recipe_head(path)
    assert list(head)[:3] == [path.stem, "train", "drawn"]
    assert head["train"].startswith("trifacet train ")
    assert re.fullmatch(DRAWN, head["drawn"])
    assert read_layer(path) is not None


@pytest.mark.parametrize(
    ("name", "sigma"), [pytest.param("system3", 0.3, id="system3"), pytest.param("system4", 1.0, id="system4")]
)
def test_noise_has_on_average_the_deviation_that_was_added_to_normalised_photos(name: str, sigma: float) -> None:
    unit = 255 * np.mean([0.237, 0.247, 0.246])  # what the baseline's Normalize divides by
    asked = open_recipe(name).settings.augment.noise
    still = dict.fromkeys(("flip", "scale", "shift", "rotate_deg", "brightness", "contrast", "saturation"), 0)
    tenth = AugmentSection(**still, channel_gain=0, noise=asked / 10)  # so that nothing is cut off at 0 and 255
    photos = torch.full((1500, 3, 16, 16), 128, dtype=torch.uint8)
    noisy = augment(photos, torch.from_numpy(draw(0, 0, n_photos=len(photos))), ranges=tenth)
    deviation = 10 * noisy.std(dim=(1, 2, 3)).mean().item()
    assert deviation == pytest.approx(sigma * unit, rel=0.05)


@pytest.mark.parametrize("path", recipe_paths().values(), ids=list(recipe_paths()))
def test_a_recipe_trained_in_folds_is_not_stopped_by_the_people_who_score_it(path: Path) -> None:
    about = path.read_text(encoding="utf-8").split("\n")
    head = " ".join(line.removeprefix("# ") for line in about if line.startswith("# "))
    own = [one.settings for one in open_recipes(path.stem).values()]
    looks = any(r.train.patience or r.train.choose == "best" or r.schedule.name == "plateau" for r in own)
    assert not ("--folds" in head and looks)
    assert ("early stop" in head) == (path.stem in ("winner1", "winner2", "system3"))


def test_system_3_ends_as_it_did_ten_epochs_after_its_best() -> None:
    assert open_recipe("system3").settings.train.patience == 10


def test_kaggle_hpa_says_that_it_answers_otherwise_than_it_was_trained() -> None:
    fixed = recipe_paths()["kaggle-hpa"].read_text(encoding="utf-8").partition("# Fixed: ")[2]
    assert "sigmoid a class" in fixed
    assert "a softmax of the same numbers answers" in fixed.replace("\n# ", " ")
