"""The drawn faces are a fair exam: hard enough to tell networks apart, and not solved by colours in fixed places."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

import trifacet
from trifacet.core.manifest import Manifest
from trifacet.data.drawn import draw_dataset

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


@pytest.mark.prove
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_drawn_faces_are_a_fair_exam(tmp_path: Path, seed: int) -> None:
    drawn = draw_dataset(tmp_path / "faces", n_train_people=2 * N_PEOPLE, n_eval_people=0, seed=seed)
    data = trifacet.split(trifacet.ingest([drawn.train_dir]).manifest, val=0.5, seed=seed)
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
        f"{n_epochs} epochs, {spent:.0f} CPU s; age {[(c.name, round(c.f1, 3)) for c in age.per_class]}"
    )
