from __future__ import annotations

import math
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.core.tiny import FOUR_BANDS
from tests.learn import tiny
from trifacet.core.errors import ConfigError, RunError
from trifacet.core.files import read_jsonl
from trifacet.core.manifest import joint_labels
from trifacet.core.run import open_run
from trifacet.learn.checkpoint import read_checkpoint
from trifacet.learn.clock import PARTS
from trifacet.learn.predictor import load_run_net, open_model
from trifacet.learn.train import Tick, train
from trifacet.measure.classification import macro_f1

FIGURES = [
    "phase",
    "epoch",
    "step",
    "train_loss",
    "val_loss",
    "val_macro_f1",
    "val_accuracy",
    "val_mask_accuracy",
    "val_gender_accuracy",
    "val_age_accuracy",
    "val_age_mae_years",
    "val_score",
    "lr",
    "images_per_second",
    "seconds",
    *(f"seconds_{part}" for part in PARTS),
]
LOWER = "Lower optim.lr, or set optim.clip_norm; check the labels of the newest photos."


def trained(folder: Path, *sets: str, on_tick=lambda _: None, **data):
    manifest, images = data.get("photos") or tiny.photos()
    run = tiny.new_run(folder / "run", sets, schema=manifest.schema)
    return train(run, manifest, images=images, on_tick=on_tick)


def test_a_run_trains_the_head_and_then_the_whole_net(tmp_path: Path) -> None:
    ticks: list[Tick] = []
    run = trained(tmp_path, on_tick=ticks.append)
    records = read_jsonl(run.metrics_path)
    assert [list(r) for r in records] == [FIGURES] * 5
    assert [(r["phase"], r["epoch"]) for r in records] == [("head", 1), ("head", 2), ("all", 3), ("all", 4), ("all", 5)]
    assert [r["step"] for r in records] == [3, 6, 8, 10, 12]  # 81 views in threes of 27, 27 photos in twos
    assert sorted(p.name for p in (run.path / "weights").iterdir() if p.is_file()) == [
        "best.safetensors",
        "last.safetensors",
    ]
    assert len(list(run.checkpoints_dir.iterdir())) == 2  # the ends of the phases: nothing took a minute
    assert open_run(run.path) == run
    assert run.info.status == "running"  # its decision rule is still to come
    assert run.info.machine["device"] == "cpu"
    assert run.info.seconds > 0
    seen = [t.phase for t in ticks]
    assert [p for i, p in enumerate(seen) if i == 0 or seen[i - 1] != p] == ["features", "head", "all"]
    assert [t.n_done for t in ticks if t.phase == "features"][-1] == 27 * 3 + 13
    ends = [t for t in ticks if not math.isnan(t.val_macro_f1)]
    assert [(t.phase, t.epoch, t.n_epochs, t.n_done) for t in ends] == [
        ("head", 1, 2, 81),
        ("head", 2, 2, 81),
        ("all", 1, 3, 27),
        ("all", 2, 3, 27),
        ("all", 3, 3, 27),
    ]


def test_the_best_epoch_is_the_first_with_the_highest_macro_f1_on_val(tmp_path: Path) -> None:
    photos = tiny.photos()
    run = trained(tmp_path, "train.epochs=6", "optim.lr=0.003", photos=photos)
    scores = {r["epoch"]: r["val_macro_f1"] for r in read_jsonl(run.metrics_path) if r["phase"] == "all"}
    assert run.info.best is not None
    assert len(set(scores.values())) > 1, "every epoch scored alike: this test would prove nothing"
    assert run.info.best.epoch == max(scores, key=scores.__getitem__)
    assert run.info.best.macro_f1 == max(scores.values())
    val = photos[0].table["split"].to_numpy() == "val"
    probs, _ = open_model(run, device="cpu", tta="none").probs(photos[1][val])
    found = macro_f1(joint_labels(photos[0])[val], probs.argmax(axis=1), n_classes=18)
    assert found == pytest.approx(run.info.best.macro_f1)


def test_training_ends_when_val_gets_no_better_and_resumes_into_the_same_end(tmp_path: Path) -> None:
    sets = ("train.epochs=40", "train.patience=2", "optim.lr=1e-8", "optim.head_lr=1e-8")  # nothing is learned
    run = trained(tmp_path, *sets)
    epochs = [record for record in read_jsonl(run.metrics_path) if record["phase"] == "all"]
    assert len(epochs) == 3
    manifest, images = tiny.photos()
    weights = run.weights_path("last").read_bytes()
    again = train(open_run(run.path), manifest, images=images)
    assert again.weights_path("last").read_bytes() == weights
    assert len(read_jsonl(run.metrics_path)) == 2 + 3


def test_the_head_alone_can_be_trained_and_leaves_the_backbone_as_it_was(tmp_path: Path) -> None:
    run = trained(tmp_path, "train.epochs=0", "model.is_frozen=true", "train.head_epochs=3")
    records = read_jsonl(run.metrics_path)
    assert [r["phase"] for r in records] == ["head"] * 3
    assert run.info.best is not None
    assert run.info.best.macro_f1 == max(r["val_macro_f1"] for r in records)
    other = trained(tmp_path / "other", "train.epochs=0", "model.is_frozen=true", "train.head_epochs=1")
    one, two = (load_run_net(r, "last").state_dict() for r in (run, other))
    same = {name for name, tensor in one.items() if (tensor == two[name]).all()}
    assert {name for name in one if name.startswith("backbone.")} <= same
    assert not {name for name in one if name.startswith("head.answers.")} & same


def test_the_whole_net_can_be_trained_without_the_head_before(tmp_path: Path) -> None:
    run = trained(tmp_path, "train.head_epochs=0", "train.epochs=1")
    assert [r["phase"] for r in read_jsonl(run.metrics_path)] == ["all"]


def test_a_joint_head_trains_without_years(tmp_path: Path) -> None:
    run = trained(tmp_path, "model.head=joint", "train.epochs=1")
    assert "val_age_mae_years" not in read_jsonl(run.metrics_path)[0]
    probs, years = open_model(run, device="cpu").probs(tiny.photos(3)[1])
    assert probs.shape == (3, 18)
    assert years is None


def test_four_bands_and_two_mask_classes_train(tmp_path: Path) -> None:
    run = trained(tmp_path, "train.epochs=1", photos=tiny.photos(schema=FOUR_BANDS))
    probs, years = open_model(run, device="cpu").probs(tiny.photos(3)[1])
    assert probs.shape == (3, 8)
    assert years is not None
    assert years.shape == (3, 91)


def test_labels_may_be_missing_for_every_attribute_but_one(tmp_path: Path) -> None:
    manifest, images = tiny.photos()
    nothing = {name: pl.lit(None, pl.String()) for name in ("gender", "age")}
    masks = replace(manifest, table=manifest.table.with_columns(**nothing, age_years=pl.lit(None, pl.Float32())))
    run = trained(tmp_path, "train.epochs=4", "optim.lr=0.003", photos=(masks, images))
    records = read_jsonl(run.metrics_path)
    last = records[-1]
    assert last["val_mask_accuracy"] > 6 / 13  # the share of the commonest
    assert [last[k] for k in ("val_macro_f1", "val_gender_accuracy", "val_age_mae_years")] == [None] * 3
    assert run.info.best is not None
    assert run.info.best.macro_f1 == max(r["val_score"] for r in records if r["phase"] == "all")


def test_some_labels_may_be_missing_on_some_photos(tmp_path: Path) -> None:
    manifest, images = tiny.photos()
    holes = {
        name: pl.when(pl.int_range(pl.len()) % 3 == i).then(None).otherwise(pl.col(name)).alias(name)
        for i, name in enumerate(manifest.schema.names)
    }
    years = pl.when(pl.col("age").is_null()).then(None).otherwise(pl.col("age_years")).alias("age_years")
    holed = replace(manifest, table=manifest.table.with_columns(**holes).with_columns(years))
    run = trained(tmp_path, "train.epochs=1", photos=(holed, images))
    assert all(math.isfinite(r["train_loss"]) for r in read_jsonl(run.metrics_path))


def test_the_same_seed_is_the_same_run_and_another_is_not(tmp_path: Path) -> None:
    def weights(name: str, *sets: str) -> bytes:
        return trained(tmp_path / name, "train.epochs=1", *sets).weights_path("last").read_bytes()

    first = weights("a")
    assert weights("b") == first
    assert weights("c", "train.seed=1") != first
    mixed = {key: weights(key, f"augment.{key}") for key in ("mixup=0.4", "cutmix=1", "half_cutmix=1", "old_halves=1")}
    assert len({first, *mixed.values()}) == 5
    assert all(weights(f"again/{key}", f"augment.{key}") == made for key, made in mixed.items())


@pytest.mark.parametrize(
    ("batch_size", "what"),
    [
        pytest.param(
            8, r"at step \d the loss is (nan|inf), got photos \d+.jpg, .*in all\)", id="in the middle of an epoch"
        ),
        pytest.param(64, r"the loss on val after step 1 is (nan|inf)", id="at its last step"),
    ],
)
def test_a_loss_that_is_no_number_stops_the_run_and_ruined_weights_are_not_kept(
    tmp_path: Path, batch_size: int, what: str
) -> None:
    blow_up = (
        "optim.name=sgd",
        "optim.lr=1e30",
        "optim.head_lr=null",
        "optim.clip_norm=null",
        "schedule.name=constant",
    )
    with pytest.raises(RunError, match=rf"^TRI405 {tmp_path}/run: {what}. {LOWER}$"):
        trained(tmp_path, *blow_up, "train.head_epochs=0", f"train.batch_size={batch_size}")
    assert not (tmp_path / "run" / "weights" / "best.safetensors").exists()
    assert read_jsonl(tmp_path / "run" / "metrics.jsonl") == []


CONTRASTS = """
import torch
class Contrasts(torch.nn.Module):
    n_features = 3
    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(()))
    def forward(self, images):
        return ((images - images[:, :, :1, :1]) * self.gain).square().mean(dim=(2, 3)).sqrt()
"""


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        pytest.param("optim.clip_norm=null", "the gradient's length", id="unclipped"),
        pytest.param("optim.clip_norm=5", "the gradient's length", id="clipped"),
        pytest.param("optim.sam=0.05", r"the loss uphill \(optim.sam\)", id="sharpness-aware"),
    ],
)
def test_a_gradient_that_is_no_number_names_its_batch_and_leaves_the_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, what: str
) -> None:
    (tmp_path / "nets_of_contrast.py").write_text(CONTRASTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    manifest, images = tiny.photos()
    images[5] = 128  # of one colour: a finite loss, whose slope is 0 / 0
    still = [f"augment.{key}=0" for key in ("scale", "shift", "rotate_deg")]
    sets = ("model.backbone=nets_of_contrast:Contrasts", "train.head_epochs=0", "train.batch_size=4", *still, asked)
    with pytest.raises(RunError) as caught:
        trained(tmp_path, *sets, "train.checkpoint_seconds=0", photos=(manifest, images))
    told = re.match(
        rf"TRI405 {tmp_path}/run: at step (\d+) {what} is nan, got photos (.*)\. {LOWER}$", str(caught.value)
    )
    assert told
    assert manifest.photo_ids[5] in told[2].split(", ")
    kept = read_checkpoint(tmp_path / "run" / "checkpoints", run=open_run(tmp_path / "run").info.fingerprint)
    assert kept is not None
    assert kept.progress.step == int(told[1]) > 0
    assert all(tensor.isfinite().all() for tensor in (*kept.module.values(), *kept.optimizer.values()))


def test_weights_that_are_too_large_to_compute_with_are_not_kept(tmp_path: Path) -> None:
    steep = (*STEP, "optim.lr=1e30", "optim.clip_norm=null", "train.batch_size=4", "train.checkpoint_seconds=0")
    what = "the weights after step 1 have a length of inf, got photos (.*.jpg, ){3}.*.jpg"
    with pytest.raises(RunError, match=rf"^TRI405 {tmp_path}/run: {what}\. {LOWER}$"):
        trained(tmp_path, *steep)
    assert list((tmp_path / "run" / "checkpoints").glob("step_*")) == []


def test_sharpness_and_parts_change_the_run_and_leave_it_reproducible(tmp_path: Path) -> None:
    def weights(name: str, *sets: str) -> bytes:
        return trained(tmp_path / name, "train.epochs=1", *sets).weights_path("last").read_bytes()

    sharp = weights("sharp", "optim.sam=0.05", "train.accumulate=2")
    assert sharp == weights("again", "optim.sam=0.05", "train.accumulate=2")
    assert len({sharp, weights("plain"), weights("parts", "train.accumulate=2")}) == 3


STEP = (
    "optim.name=sgd", "optim.momentum=0", "optim.weight_decay=0", "optim.lr=1", "optim.head_lr=1", "train.epochs=1",
    "schedule.name=constant", "train.head_epochs=0", "train.batch_size=64",
)  # fmt: skip


@pytest.mark.parametrize(("clip", "length"), [("0.01", 0.01), ("0.05", 0.05), ("null", None)])
def test_a_step_is_no_longer_than_gradients_are_clipped_to(tmp_path: Path, clip: str, length: float | None) -> None:
    start: dict[str, torch.Tensor] = {}

    def remember(net: nn.Module) -> None:
        start.update({name: p.detach().clone() for name, p in net.named_parameters()})

    manifest, images = tiny.photos()
    run = tiny.new_run(tmp_path / "run", (*STEP, f"optim.clip_norm={clip}"))
    end = load_file(train(run, manifest, images=images, init=remember).weights_path("last"))
    moved = math.sqrt(sum(float((end[name] - p).square().sum()) for name, p in start.items()))
    assert moved == pytest.approx(length, rel=1e-3) if length else moved > 0.2


def test_the_average_answers_val_and_is_what_is_kept(tmp_path: Path) -> None:
    plain, average = (trained(tmp_path / name, *STEP[:-1], f"optim.ema={name}") for name in ("0", "0.9"))
    best, last = (load_file(average.weights_path(which)) for which in ("best", "last"))
    assert all(torch.equal(best[name], last[name]) for name in last)
    raw = load_file(plain.weights_path("best"))
    assert any(not torch.equal(best[name], raw[name]) for name in last)
    losses = [read_jsonl(run.metrics_path)[-1] for run in (plain, average)]
    assert losses[0]["train_loss"] == losses[1]["train_loss"]
    assert losses[0]["val_loss"] != losses[1]["val_loss"]


def test_photos_too_small_for_a_backbone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        trained(tmp_path, "model.backbone=face_resnet29", "data.image_size=[200, 24]", "model.pretrained=false")
    assert str(caught.value) == (
        "TRI101 data.image_size: 'face_resnet29' needs at least 103 pixels a side, got [200, 24]. "
        "Raise it, or take another backbone."
    )


def test_starting_weights_can_be_put_in(tmp_path: Path) -> None:

    def zeroes(net: nn.Module) -> None:
        for parameter in net.backbone.parameters():
            parameter.data.zero_()

    manifest, images = tiny.photos()
    run = tiny.new_run(tmp_path / "run", ["train.epochs=0", "model.is_frozen=true"])
    run = train(run, manifest, images=images, init=zeroes)
    assert all(not p.any() for p in load_run_net(run, "last").backbone.parameters())


def test_an_own_module_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nets_for_training.py").write_text(
        "import torch\n"
        "class Mean(torch.nn.Module):\n"
        "    n_features = 3\n"
        "    def forward(self, images):\n"
        "        return images.mean(dim=(2, 3))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    run = trained(tmp_path, "model.backbone=nets_for_training:Mean", "train.head_epochs=8", "train.head_lr=0.05")
    first, *_, last = read_jsonl(run.metrics_path)
    assert last["val_mask_accuracy"] > 6 / 13  # the share of the commonest: the colour that says it was learned
    assert last["train_loss"] < first["train_loss"]


def test_tensorboard_is_told_of_every_epoch(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = trained(tmp_path, "train.epochs=1", "track.tensorboard=true")
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    records = read_jsonl(run.metrics_path)
    assert [e.step for e in events.Scalars("val/macro_f1")] == [r["step"] for r in records]
    assert [e.value for e in events.Scalars("train/loss")] == pytest.approx([r["train_loss"] for r in records])
    assert np.isfinite([e.value for e in events.Scalars("run/images_per_second")]).all()
