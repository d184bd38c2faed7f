"""Backbones side by side."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.learn import tiny
from trifacet.core.errors import ConfigError
from trifacet.core.recipe import ModelSection
from trifacet.core.run import save_run
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.learn.backbones import build_backbone, check_backbone
from trifacet.learn.joined import trunks_of
from trifacet.learn.models import build_net
from trifacet.learn.norms import adapt_norm, put_norm_back
from trifacet.learn.phases import make_data
from trifacet.learn.predictor import open_model
from trifacet.learn.stages import n_parts, parts_of
from trifacet.learn.train import train

BOTH = "face_resnet10+timm/resnet10t"
SETS = (f"model.backbone={BOTH}", "model.pretrained=false", "data.image_size=[48,48]")


def both(**changes) -> nn.Module:
    torch.manual_seed(0)
    return build_backbone(ModelSection(backbone=BOTH, pretrained=False, norm=False, **changes)).eval()


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]


def test_features_stand_side_by_side_in_the_order_of_the_names() -> None:
    backbone = both()
    face, other = trunks_of(backbone)
    photos = torch.rand(2, 3, 48, 48) * 255
    with torch.inference_mode():
        seen = backbone(photos)
        assert seen.shape == (2, backbone.n_features)
        assert torch.equal(seen, torch.cat([face(photos), other(photos)], dim=1))
        levels = backbone.level_features(photos)  # type: ignore[operator]
        assert torch.equal(levels, torch.cat([face.level_features(photos), other(photos)], dim=1))  # type: ignore[operator]
    assert levels.shape[1] == backbone.n_level_features
    assert backbone.min_size == face.min_size
    assert not hasattr(build_backbone(ModelSection(backbone="baseline_cnn+baseline_cnn")), "n_level_features")


def test_every_name_is_checked() -> None:
    assert check_backbone(BOTH) is None
    assert "Did you mean 'face_resnet29'?" in str(check_backbone("face_resnet28+timm/resnet10t"))
    assert "no backbone ''" in str(check_backbone("face_resnet29+"))
    two = "timm/vit_tiny_patch16_224+timm/vit_tiny_patch16_384"
    with pytest.raises(ConfigError, match=r"TRI101 model\.backbone: these backbones take photos of different sizes"):
        build_backbone(ModelSection(backbone=two, pretrained=False))
    with pytest.raises(ConfigError, match=r"TRI101 model\.weights: one file cannot be for several backbones"):
        both(weights="some.safetensors")


def test_their_last_stages_are_trained_together() -> None:
    backbone = both()
    face, other = trunks_of(backbone)
    assert n_parts(backbone) == max(n_parts(face), n_parts(other)) == 5
    numbers = parts_of(backbone)
    assert set(numbers) == {name for name, _ in backbone.named_parameters()}
    for i, trunk in enumerate((face, other)):
        assert max(n for name, n in numbers.items() if name.startswith(f"trunks.{i}.")) == 4, trunk
    net = build_net(DEFAULT_SCHEMA, tiny.recipe((*SETS, "model.trained_stages=1")).model)
    trained = {name for name, p in net.backbone.named_parameters() if p.requires_grad}
    assert {name.partition(".layer")[0][:8] for name in trained} == {"trunks.0", "trunks.1"}
    assert all(parts_of(net.backbone)[name] == 4 for name in trained)


def test_the_face_networks_norms_are_put_back_and_the_others_fitted() -> None:
    recipe = tiny.recipe(("train.head_epochs=1", *SETS, "model.norm=true"))
    manifest, images = tiny.photos(side=48)
    torch.manual_seed(0)
    net = build_net(DEFAULT_SCHEMA, recipe.model.model_copy(update={"norm": False}))
    data = make_data(manifest, images, device=torch.device("cpu"), recipe=recipe)
    other = trunks_of(net.backbone)[1]
    fresh = [norm.running_mean.clone() for norm in norms(other)]  # type: ignore[union-attr]
    adapt_norm(net, data, recipe=recipe, seed=0)
    assert all(not torch.equal(norm.running_mean, f) for norm, f in zip(norms(other), fresh, strict=True))  # type: ignore[arg-type]
    photos = data.inputs(data.val_rows).float()
    with torch.no_grad():
        before = net.eval().features(photos)
        put_norm_back(net, data, recipe=recipe, seed=0)
        after = net.eval().features(photos)
    assert len(norms(trunks_of(net.backbone)[0])) == 11
    assert torch.allclose(before, after, rtol=1e-3, atol=1e-4 * float(before.abs().max()))


def test_a_run_of_two_trains_and_answers(tmp_path) -> None:
    manifest, images = tiny.photos(side=48)
    run = tiny.new_run(tmp_path / "run", [*SETS, "train.head_epochs=1", "train.epochs=1", "optim.layer_decay=0.5"])
    run = save_run(train(run, manifest, images=images), status="finished")
    model = open_model(run, device="cpu")
    probs, _ = model.probs(np.stack([model.prepare(image) for image in images[:3]]))
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-5)
