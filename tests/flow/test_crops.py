"""Crops by commands: training, its scores and later predictions are shown the same part of each photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.flow.command import TINY, done
from trifacet import load_model
from trifacet.core.manifest import read_manifest
from trifacet.core.predictions import read_predictions
from trifacet.core.run import open_run
from trifacet.data.drawn import draw_dataset


def test_random_crops_of_a_centre_crop_are_answered_on_their_middle(tmp_path: Path) -> None:
    draw_dataset(tmp_path / "photos", n_train_people=8, n_eval_people=1, seed=0)
    sets = (
        "data.crop=centre", "data.crop_size=[384, 288]", "data.random_crop=[320, 240]", "data.normalize=dataset",
        "augment.policy=trivial", "augment.half_cutmix=0.5",
    )  # fmt: skip
    words = [word for one in sets for word in ("--set", one)]
    done("train", "--data", tmp_path / "photos" / "train", "--out", tmp_path / "run", *TINY, *words)
    run = open_run(tmp_path / "run")
    val = read_manifest(run.manifest_path).split("val")
    told = read_predictions(run.predictions_path("val"))
    model = load_model(run.path, device="cpu")
    again = model.predict(list(val.paths))
    assert np.allclose(again.probs, told.probs, atol=1e-5)
    photo = np.array(Image.open(val.paths[0]).convert("RGB"))
    assert photo.shape == (512, 384, 3)
    around = np.zeros_like(photo)  # outside the middle 320 x 240, with 20 pixels more: two of those that it becomes
    around[76:436, 52:332] = photo[76:436, 52:332]
    assert np.allclose(model.predict([around]).probs, model.predict([photo]).probs, atol=1e-5)
    assert not np.allclose(model.predict([np.roll(photo, 40, axis=0)]).probs, model.predict([photo]).probs, atol=1e-5)
