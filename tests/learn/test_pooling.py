from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.learn import tiny
from trifacet.core.config import resolve, set_layer
from trifacet.core.errors import ConfigError
from trifacet.core.recipe import ModelSection, Recipe
from trifacet.core.recipe_photos import DataSection
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.learn.average import mean_of
from trifacet.learn.models import build_net
from trifacet.learn.pooling import POOLS, SMALLEST, AttentionPool, GeM, make_pool
from trifacet.learn.predictor import load_run_net
from trifacet.learn.start import starting_net
from trifacet.learn.train import train

MAPS = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [0.0, 5.0, 0.0, 5.0]]])  # one photo, two channels, four places


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        pytest.param(1.0, [2.5, 2.5], id="the mean"),
        pytest.param(2.0, [7.5**0.5, 12.5**0.5], id="root mean square: (1 + 4 + 9 + 16) / 4, (25 + 25) / 4"),
        pytest.param(3.0, [25 ** (1 / 3), 62.5 ** (1 / 3)], id="(1 + 8 + 27 + 64) / 4, (125 + 125) / 4"),
        pytest.param(0.2, [2.5, 2.5], id="under 1 counts as 1"),
    ],
)
def test_gem_is_its_formula(p: float, expected: list[float]) -> None:
    assert GeM(p)(MAPS)[0].tolist() == pytest.approx(expected, rel=1e-4)


def test_gem_with_a_large_power_is_nearly_the_largest_and_negative_places_count_as_none() -> None:
    assert GeM(60.0)(MAPS)[0].tolist() == pytest.approx([4, 5], rel=0.05)
    assert GeM(90.0)(1e4 * MAPS)[0].tolist() == pytest.approx([4e4, 5e4], rel=0.05)  # no power overflows
    assert GeM(2.0)(torch.full((1, 1, 3), -7.0)).item() == pytest.approx(SMALLEST)


def test_gem_has_the_gradient_of_its_formula() -> None:
    def gradients(pool: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
        maps, p = (MAPS + 0.5).requires_grad_(), torch.tensor([2.5], requires_grad=True)
        pool(maps, p)[0].dot(torch.tensor([1.0, 3.0])).backward()
        return [maps.grad, p.grad]

    def made(maps: Tensor, p: Tensor) -> Tensor:
        pool = GeM(1.0)
        del pool.p
        pool.p = p
        return pool(maps)

    plain = gradients(lambda maps, p: maps.pow(p).mean(dim=2).pow(1 / p))
    for expected, found in zip(plain, gradients(made), strict=True):
        assert torch.allclose(found, expected, rtol=1e-4)


def test_the_power_of_gem_is_learned() -> None:
    pool = GeM(3.0)
    pool(MAPS).sum().backward()
    assert pool.p.grad is not None
    assert pool.p.grad.item() > 0  # a larger power, a larger mean


def test_attention_begins_as_the_mean_and_then_weighs_places_as_its_formula_says() -> None:
    torch.manual_seed(0)
    pool = AttentionPool(3).eval()
    maps = torch.randn(2, 3, 5)
    assert torch.allclose(pool(maps), maps.mean(dim=2), atol=1e-6)
    nn.init.normal_(pool.score.weight)
    places = maps.transpose(1, 2)
    scaled = (places - places.mean(2, keepdim=True)) / (places.var(2, keepdim=True, correction=0) + 1e-5).sqrt()
    scores = torch.tanh(scaled @ pool.hidden.weight.T + pool.hidden.bias) @ pool.score.weight[0]
    shares = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
    assert torch.allclose(pool(maps), (shares[:, :, None] * places).sum(dim=1), atol=1e-5)
    assert not torch.allclose(pool(maps), maps.mean(dim=2), atol=1e-2)
    assert torch.allclose(pool(maps), pool(maps.flip(2)), atol=1e-5)  # where a place lies is nothing to it


def net_of(backbone: str, pooling: str, **more: object) -> nn.Module:
    torch.manual_seed(0)
    model = ModelSection(backbone=backbone, pretrained=False, norm=False, pooling=pooling, **more)
    return build_net(DEFAULT_SCHEMA, model).eval()


@pytest.mark.parametrize(
    ("backbone", "side"),
    [
        ("baseline_cnn", 24), ("face_resnet10", 40), ("timm/test_resnet", 64), ("timm/test_efficientnet", 64),
        ("timm/test_convnext", 64), ("timm/mobilenetv3_small_050", 64), ("timm/test_mambaout", 64),
        ("timm/swin_tiny_patch4_window7_224", 224),
    ],
)  # fmt: skip
def test_the_mean_of_a_convolutional_networks_map_is_what_it_pools_itself(backbone: str, side: int) -> None:
    plain, mean = net_of(backbone, "backbone"), net_of(backbone, "avg")
    photos = 255 * torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, made = plain.features(photos), mean.features(photos)
    assert torch.allclose(made, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_of_a_transformer_the_places_are_pooled_and_not_its_class_token() -> None:
    net = net_of("timm/test_vit", "avg")
    photos = 255 * torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        trunk = net.backbone.trunk
        tokens = trunk.forward_features((photos - net.backbone.means) / net.backbone.stds)
        assert tokens.shape[1] == 1 + 10 * 10
        assert torch.allclose(net.features(photos), tokens[:, 1:].mean(dim=1), atol=1e-5)
        own = net_of("timm/test_vit", "backbone").features(photos)
        assert torch.allclose(own, tokens[:, 0], atol=1e-5)


@pytest.mark.parametrize("pooling", sorted(POOLS))
@pytest.mark.parametrize(("backbone", "side"), [("baseline_cnn", 24), ("face_resnet10", 40), ("timm/test_vit", 160)])
def test_every_pooling_goes_with_every_kind_of_backbone_and_is_learned(backbone: str, side: int, pooling: str) -> None:
    net = net_of(backbone, pooling).train()
    photos = 255 * torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    assert net.features(photos).shape == (2, net.backbone.n_features)
    sum(answer.square().sum() for answer in net(photos).values()).backward()
    learned = dict(net.pool.named_parameters())
    assert (
        set(learned)
        == {
            "avg": set(),
            "gem": {"p"},
            "attention": {"norm.weight", "norm.bias", "hidden.weight", "hidden.bias", "score.weight"},
        }[pooling]
    )
    assert all(p.grad is not None for p in learned.values())


def test_a_power_that_is_asked_for_is_where_gem_begins() -> None:
    made = make_pool(ModelSection(pooling="gem", gem_p=5.0), 4)
    assert isinstance(made, GeM)
    assert made.p.item() == 5


@pytest.mark.parametrize("pooling", ["gem", "attention"])
def test_a_pooling_is_trained_kept_read_back_and_averaged(tmp_path: Path, pooling: str) -> None:
    manifest, images = tiny.photos()
    sets = [f"model.pooling={pooling}", "train.epochs=2", "train.keep_epochs=2", "optim.head_lr=0.05", "optim.ema=0.5"]
    run = train(tiny.new_run(tmp_path / "r", sets), manifest, images=images)
    net = load_run_net(run, "last")
    name = {"gem": "p", "attention": "score.weight"}[pooling]
    began, ended = make_pool(run.info.recipe.model, 128).state_dict()[name], net.pool.state_dict()[name]
    assert (ended - began).abs().max() > 1e-3
    mean = mean_of([net.state_dict(), load_run_net(run, "best").state_dict()])
    net.load_state_dict(mean)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        pytest.param(
            ["model.pooling=gem", "model.features=levels"],
            "model (--set): model.pooling is of the last map alone: set model.features to last, "
            "got {'pooling': 'gem', 'features': 'levels'}.",
            id="of levels",
        ),
        pytest.param(
            ["model.pooling=attention", "model.is_frozen=true", "train.epochs=0"],
            "model (--set): model.pooling: attention is learned with the backbone, which model.is_frozen never trains, "
            "got {'pooling': 'attention', 'is_frozen': True}.",
            id="attention that nothing trains",
        ),
        pytest.param(
            ["model.pooling=gemm"],
            "model.pooling (--set): must be 'backbone', 'avg', 'gem' or 'attention', got 'gemm'. Did you mean 'gem'?",
            id="a typo",
        ),
        pytest.param(
            ["model.dropout_samples=4", "model.dropout=[0, 0]"],
            "model (--set): model.dropout_samples: without dropout all of them are alike, "
            "got {'dropout_samples': 4, 'dropout': [0, 0]}.",
            id="masks without dropout",
        ),
        pytest.param(
            ["model.hidden=0", "model.hidden_layers=2"],
            "model (--set): model.hidden_layers: without a width in model.hidden there are none, "
            "got {'hidden': 0, 'hidden_layers': 2}.",
            id="layers without a width",
        ),
    ],
)
def test_a_pooling_or_a_head_that_cannot_be_is_refused(sets: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as told:
        resolve(Recipe, [set_layer(sets)])
    assert str(told.value) == f"TRI101 1 mistake in the recipe:\n  {message}\nCorrect each line."


def test_gem_on_a_frozen_backbone_keeps_its_power() -> None:
    sets = ["model.pooling=gem", "model.is_frozen=true", "train.epochs=0"]
    assert resolve(Recipe, [set_layer(sets)]).settings.model.pooling == "gem"


def test_a_backbone_of_the_users_own_may_take_a_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_maps.py").write_text(
        "import torch\n"
        "class Plain(torch.nn.Module):\n"
        "    n_features = 3\n"
        "    def forward(self, images): return images.mean(dim=(2, 3))\n"
        "class Maps(Plain):\n"
        "    n_channels = 3\n"
        "    def forward(self, images, pool=None):\n"
        "        return pool(images.flatten(2)) if pool else super().forward(images)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    photos = torch.rand(2, 3, 4, 4)
    net = net_of("own_maps:Maps", "gem", gem_p=2.0)
    assert torch.allclose(net.features(photos), photos.square().mean(dim=(2, 3)).sqrt(), atol=1e-5)
    with pytest.raises(ConfigError) as told:
        net_of("own_maps:Plain", "gem")
    assert str(told.value) == (
        "TRI101 model.pooling: 'own_maps:Plain' has no attribute n_channels, so its maps cannot be pooled. Use "
        "model.pooling: backbone, or let its forward(images, pool) give pool maps (B, n_channels, places)."
    )


def test_photos_of_another_size_than_a_backbone_was_made_for_are_refused_before_training() -> None:
    model = ModelSection(backbone="timm/deit_tiny_patch16_224", pretrained=False)
    start = partial(starting_net, DEFAULT_SCHEMA, init=None, device=torch.device("cpu"))
    with pytest.raises(ConfigError) as told:
        start(Recipe(model=model))
    what = "TRI101 data.image_size: 'timm/deit_tiny_patch16_224' takes photos of [224, 224] alone, got [150, 150]."
    assert str(told.value).startswith(what)
    start(Recipe(model=model, data=DataSection(image_size=(224, 224))))
