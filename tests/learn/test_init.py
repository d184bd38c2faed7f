"""A warm start takes the weights of another run: all of its backbone, and what of its head fits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.learn.tiny import FACES, new_run, photos
from trifacet.core.errors import RunError
from trifacet.core.run import Run
from trifacet.learn.models import build_net
from trifacet.learn.predictor import load_init
from trifacet.learn.train import train
from trifacet.learn.trunks import FaceTrunk, has_fitted_norm

INSTANT = ("model.is_frozen=true", "model.features=levels", "model.norm=false", "train.epochs=0", "train.head_epochs=1")
QUICK = ("train.epochs=1", "train.head_epochs=1")


def trained(path: Path, sets: tuple[str, ...]) -> Run:
    manifest, images = photos(side=33)
    return train(new_run(path, sets, base=FACES), manifest, images=images)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("init") / "quick", QUICK)


def test_the_whole_net_can_start_from_a_run_of_the_head_alone(tmp_path: Path) -> None:
    instant = trained(tmp_path / "instant", INSTANT)
    manifest, images = photos(side=33)
    run = train(new_run(tmp_path / "quick", QUICK, base=FACES), manifest, images=images, init=load_init(instant))
    assert run.info.best is not None
    net = build_net(manifest.schema, run.info.recipe.model)
    load_init(run)(net)
    assert isinstance(net.backbone, FaceTrunk)
    assert has_fitted_norm(net.backbone)


def test_norms_that_come_with_other_weights_are_kept(quick: Run) -> None:
    net = build_net(quick.info.label_schema, quick.info.recipe.model)
    assert isinstance(net.backbone, FaceTrunk)
    assert not has_fitted_norm(net.backbone)
    load_init(quick)(net)
    assert has_fitted_norm(net.backbone)
    head = net.head.answers["mask"]
    assert isinstance(head, torch.nn.Linear)
    fresh = build_net(quick.info.label_schema, quick.info.recipe.model).head.answers["mask"]
    assert not torch.equal(head.weight, fresh.weight)


def test_a_net_without_norms_does_not_start_from_one_with_norms(quick: Run) -> None:
    model = quick.info.recipe.model.model_copy(update={"norm": False})
    net = build_net(quick.info.label_schema, model)
    with pytest.raises(RunError, match=r"^TRI403 .*: this run has another backbone, got 55 tensors on one side only"):
        load_init(quick)(net)
