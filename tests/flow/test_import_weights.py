"""`trifacet import-weights`: an old model answers as it did, or training starts from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import transforms

from tests.flow.command import TINY, done, trifacet
from tests.flow.photos import World, write_world
from tests.learn.test_old_weights import BaseModel, small_resnet
from trifacet.core.run import open_run
from trifacet.learn.predictor import load_model

CONFIG = {
    "seed": 42, "epochs": 1, "dataset": "MaskBaseDataset", "augmentation": "BaseAugmentation", "resize": [64, 48],
    "batch_size": 64, "model": "BaseModel", "optimizer": "SGD", "lr": 1e-3, "val_ratio": 0.2,
    "criterion": "cross_entropy", "lr_decay_step": 20, "name": "exp",
}  # fmt: skip
MEAN, STD = (0.548, 0.504, 0.479), (0.237, 0.247, 0.246)


class Old(BaseModel):
    """The official baseline's network, as its script computes it."""

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 18) of normalised images."""
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        x = F.max_pool2d(F.relu(self.conv3(x)), 2)
        out: Tensor = self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return out


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("old") / "photos", n_train=8, n_eval=0)


def write_old(folder: Path, net: nn.Module, **changes: object) -> Path:
    folder.mkdir(parents=True)
    torch.save(net.state_dict(), folder / "best.pth")
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))
    return folder / "best.pth"


@pytest.mark.parametrize(
    ("model", "name"),
    [pytest.param(Old(), "BaseModel", id="baseline"), pytest.param(small_resnet(), "resnet18", id="resnet")],
)
def test_an_imported_run_answers_as_the_old_model_did(model: nn.Module, name: str, tmp_path: Path) -> None:
    path = write_old(tmp_path / "exp", model, model=name)
    said = done("import-weights", path, "--out", tmp_path / "run")
    assert f"trifacet predict {tmp_path / 'run'} PHOTOS" in said.out.replace("\n", "")
    photos = np.random.default_rng(0).integers(0, 256, (4, 130, 101, 3), dtype=np.uint8)
    steps = transforms.Compose(
        [transforms.Resize((64, 48)), transforms.ToTensor(), transforms.Normalize(mean=MEAN, std=STD)]
    )
    inputs = torch.stack([steps(Image.fromarray(photo)) for photo in photos])
    with torch.inference_mode():
        old = model.eval()(inputs).softmax(dim=1).numpy()
    answers = load_model(tmp_path / "run").predict(list(photos))
    assert np.allclose(answers.probs, old, atol=1e-5)
    assert any("trained elsewhere" in stamp for stamp in answers.stamps)


def test_an_imported_run_predicts_and_another_starts_from_it(world: World, tmp_path: Path) -> None:
    done("import-weights", write_old(tmp_path / "exp", Old()), "--out", tmp_path / "run")
    said = done("predict", tmp_path / "run", world.train_dir, "--out", tmp_path / "p.parquet")
    assert "a score over photos that they were trained on flatters" in said.err.replace("\n", " ")
    sets = ("--set", "optim.lr=1e-12", "--set", "optim.head_lr=1e-12")
    done("train", "--data", world.train_dir, "--init", tmp_path / "run", "--out", tmp_path / "next", *TINY, *sets)
    began, ended = (load_file(open_run(tmp_path / name).weights_path("best")) for name in ("run", "next"))
    assert torch.allclose(began["backbone.layers.0.weight"], ended["backbone.layers.0.weight"], atol=1e-6)


def test_what_nobody_knows_of_an_imported_run_is_said(world: World, tmp_path: Path) -> None:
    for name in ("a", "b"):
        done("import-weights", write_old(tmp_path / f"exp_{name}", Old()), "--out", tmp_path / name)
    said = trifacet("average", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "mean")
    assert said.err.startswith(f"TRI423 {tmp_path / 'a'}: nobody knows what this run was trained on")
    done("ingest", world.train_dir, "--out", tmp_path / "all.parquet", "--workers", 1)
    done("split", tmp_path / "all.parquet", "--out", tmp_path / "split.parquet")
    taught = ("--set", f"loss.teachers=[{tmp_path / 'a'}]")
    said = trifacet("train", "--data", tmp_path / "split.parquet", "--out", tmp_path / "run", *TINY, *taught)
    assert said.err.startswith(f"TRI409 {tmp_path / 'a'}: nobody knows what these weights were trained on, photos of")


def test_training_starts_from_an_imported_file(world: World, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = BaseModel(n_classes=28)
    torch.save({"state_dict": model.state_dict(), "epoch": 40}, tmp_path / "epoch_0040.pth")
    said = done("import-weights", tmp_path / "epoch_0040.pth", "--out", tmp_path / "w.safetensors")
    assert "recognised as baseline_cnn" in said.out
    assert "left out, the last layer of 28 classes" in said.err
    assert "beside the weights, left out: epoch" in said.err
    start = ("--set", f"model.weights={tmp_path / 'w.safetensors'}", "--set", "optim.lr=1e-12")
    done("train", "--data", world.train_dir, "--out", tmp_path / "run", *TINY, *start)
    ended = load_file(open_run(tmp_path / "run").weights_path("best"))
    assert torch.allclose(ended["backbone.layers.0.weight"], model.conv1.weight, atol=1e-6)


def test_a_timm_network_goes_into_its_trunk(tmp_path: Path) -> None:
    model = small_resnet()
    torch.save(model.state_dict(), tmp_path / "best.pth")
    done("import-weights", tmp_path / "best.pth", "--out", tmp_path / "w.safetensors")
    assert torch.equal(load_file(tmp_path / "w.safetensors")["layer1.0.conv1.weight"], model.layer1[0].conv1.weight)


def test_settings_that_name_another_network_are_told_so(tmp_path: Path) -> None:
    said = done("import-weights", write_old(tmp_path / "exp", Old(), model="resnet152"), "--out", tmp_path / "run")
    assert "config.json names timm/resnet152, but the weights are those of baseline_cnn" in said.err.replace("\n", " ")


def test_a_model_trained_by_angles_answers_by_its_plain_last_layer(tmp_path: Path) -> None:
    done("import-weights", write_old(tmp_path / "exp", Old(), criterion=["arc_face"]), "--out", tmp_path / "run")
    recipe = open_run(tmp_path / "run").info.recipe
    assert (recipe.model.classifier, recipe.loss.terms) == ("linear", {"cross_entropy": 1.0})


def test_what_is_no_run_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    torch.save(BaseModel(n_classes=3).state_dict(), tmp_path / "best.pth")
    said = trifacet("import-weights", tmp_path / "best.pth", "--out", tmp_path / "run")
    assert said.status == 3
    assert said.err == (
        "TRI104 --config: a run needs the old settings file, which tells how photos were prepared, got no "
        f"{tmp_path / 'config.json'}. Name it with --config, or write the backbone alone: --out weights.safetensors.\n"
    )
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    said = trifacet("import-weights", tmp_path / "best.pth", "--out", tmp_path / "run")
    assert said.status == 6
    assert said.err == (
        f"TRI451 {tmp_path / 'best.pth'}: a run that answers needs a last layer of 18 classes, got 3 classes. Write "
        "the backbone alone: --out weights.safetensors; it is trained on from there.\n"
    )
    assert not (tmp_path / "run").exists()
