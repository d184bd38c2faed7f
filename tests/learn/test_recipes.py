"""Every recipe in the package trains: two steps of two photos, from scratch where its weights are no file here."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.learn import tiny
from trifacet.core.config import read_layer
from trifacet.core.files import read_jsonl
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run
from trifacet.learn.start import check_training
from trifacet.learn.train import train
from trifacet.opening import open_recipe, ready_to_train, recipe_paths

N_PHOTOS, N_TRAIN = 12, 9  # every class of every attribute in train


def trained(folder: Path, name: str) -> tuple[Run, Recipe]:
    """What two steps of a recipe come to, and the recipe."""
    asked = open_recipe(name).settings
    phase = "head" if asked.model.is_frozen else "all"
    n_examples = N_TRAIN * ((1 + bool(asked.augment.flip) + asked.train.head_copies) if phase == "head" else 1)
    sets = [
        f"sampler.share={4 / n_examples}",
        f"train.epochs={int(phase == 'all')}",
        f"train.head_epochs={int(phase == 'head')}",
        "train.batch_size=2",
        "train.head_batch_size=2",
        "train.device=cpu",
        "track.tensorboard=false",
    ]
    if asked.model.backbone.startswith("timm/"):
        sets.append("model.pretrained=false")  # its weights are on a hub
    resolved = open_recipe(name, sets)
    manifest, _ = tiny.photos(N_PHOTOS)
    manifest = ready_to_train(manifest, resolved.settings)
    check_training(manifest, resolved.settings)
    height, width = resolved.settings.data.stored_size
    images = np.random.default_rng(0).integers(0, 256, (len(manifest), height, width, 3), dtype=np.uint8)
    run = tiny.new_run(folder / "run", schema=manifest.schema)
    run = Run(run.path, run.info.model_copy(update={"recipe": resolved.settings}))
    return train(run, manifest, images=images), asked


@pytest.mark.parametrize("name", recipe_paths())
def test_two_steps_of_a_recipe_change_what_it_trains(tmp_path: Path, name: str) -> None:
    torch.set_num_threads(1)
    run, asked = trained(tmp_path, name)
    (record,) = read_jsonl(run.metrics_path)
    assert record["step"] == 2
    assert math.isfinite(record["train_loss"])
    assert run.weights_path("best").is_file()
    tasks = asked.model.tasks or ("mask", "gender", "age")
    assert {name for name in ("mask", "gender", "age") if f"val_{name}_accuracy" in record} == set(tasks)


@pytest.mark.parametrize("path", recipe_paths().values(), ids=list(recipe_paths()))
def test_a_recipe_says_what_it_is_and_how_it_is_trained(path: Path) -> None:
    about = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
    assert about[0].startswith(f"# {path.stem}: ")
    assert about[1].startswith("# train: trifacet train ")
    assert read_layer(path) is not None
