"""The drawn faces are a fair exam: hard enough to tell networks apart, and not solved by colours in fixed places."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifierCV

import trifacet
from trifacet.core.manifest import Manifest, joint_labels
from trifacet.data.drawn import draw_dataset
from trifacet.measure.classification import macro_f1

N_PEOPLE = 300  # a side
BASELINE = [
    "model.backbone=baseline_cnn",
    "model.head=joint",
    "model.hidden=0",
    "model.dropout=[0,0]",
    "data.image_size=[128,96]",
    "data.crop=none",
    "optim.lr=0.001",
    "optim.head_lr=null",
    "optim.weight_decay=0.0005",
    "schedule.name=step",
    "train.head_epochs=0",
]


def scored(data: Manifest, out: Path, recipe: str, sets: list[str]) -> tuple[trifacet.Evaluation, float]:
    """The scores on val of a recipe trained on `data`, and the CPU seconds it took."""
    started = time.process_time()
    run = trifacet.train(recipe, data=data, out=out, sets=sets)
    seconds = time.process_time() - started
    return trifacet.evaluate(run.predictions_path("val"), run.manifest_path), seconds


def linear_probe(data: Manifest) -> dict[str, float]:
    """Macro F1 on val of linear classifiers on 24 x 32 pixels: one of the joint class, or three of the attributes."""
    classes, joint, is_val = data.classes, joint_labels(data), (data.table["split"] == "val").to_numpy()
    pixels = np.stack([pixels_of(path) for path in data.paths])
    probes = {
        "ridge": RidgeClassifierCV(alphas=np.logspace(-1, 5, 13)),
        "balanced ridge": RidgeClassifierCV(alphas=np.logspace(-1, 5, 13), class_weight="balanced"),
        "discriminant": LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    }
    scores = {}
    for name, probe in probes.items():
        apart = [probe.fit(pixels[~is_val], classes[~is_val, k]).predict(pixels[is_val]) for k in range(3)]
        at_once = probe.fit(pixels[~is_val], joint[~is_val]).predict(pixels[is_val])
        for form, answers in (("apart", data.schema.encode(np.stack(apart, axis=1))), ("at once", at_once)):
            scores[f"{name}, {form}"] = macro_f1(joint[is_val], answers, n_classes=data.schema.n_joint)
    return scores


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.resize((24, 32), Image.Resampling.BOX), dtype=np.float64).ravel() / 255


@pytest.mark.prove
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_drawn_faces_are_a_fair_exam(tmp_path: Path, seed: int) -> None:
    drawn = draw_dataset(tmp_path / "faces", n_train_people=2 * N_PEOPLE, n_eval_people=0, seed=seed)
    data = trifacet.split(trifacet.ingest([drawn.train_dir]).manifest, val=0.5, seed=seed)
    probe = linear_probe(data)
    assert max(probe.values()) < 0.5
    exam, seconds = scored(data, tmp_path / "quick", "quick", [])
    assert exam.joint is not None
    assert 0.80 <= exam.joint.macro_f1.value <= 0.95
    age = exam.attributes["age"]
    assert age is not None
    assert min(age.per_class, key=lambda c: c.f1).name == "60_plus"

    _, one_epoch = scored(data, tmp_path / "one", "quick", [*BASELINE, "train.epochs=1"])
    n_epochs = math.ceil(seconds / one_epoch)
    small, spent = scored(data, tmp_path / "baseline", "quick", [*BASELINE, f"train.epochs={n_epochs}"])
    assert spent >= 0.9 * seconds, "it was given less time"
    assert small.joint is not None
    assert small.joint.macro_f1.value <= exam.joint.macro_f1.value - 0.10
    print(
        f"seed {seed}: quick {exam.joint.macro_f1:.3f}, {seconds:.0f} CPU s; baseline {small.joint.macro_f1:.3f}, "
        f"{n_epochs} epochs, {spent:.0f} CPU s; linear probe {max(probe.values()):.3f}; "
        f"age {[(c.name, round(c.f1, 3)) for c in age.per_class]}"
    )
