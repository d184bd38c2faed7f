from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.learn import tiny
from trifacet.core.config import resolve, set_layer
from trifacet.core.errors import ConfigError
from trifacet.core.recipe import ModelSection, OptimSection, Recipe
from trifacet.core.run import Run
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.learn.average import average_weights
from trifacet.learn.backbones import build_backbone
from trifacet.learn.models import Net, build_net
from trifacet.learn.norms import adapt_norm, put_norm_back
from trifacet.learn.optimizers import make_optimizer
from trifacet.learn.phases import all_phase, make_data
from trifacet.learn.stages import n_parts, parts_of, unfreezing, with_rates
from trifacet.learn.train import train


def backbone_of(name: str) -> nn.Module:
    return build_backbone(ModelSection(backbone=name, pretrained=False))


def summary(name: str, *, is_fine: bool) -> list[list[str]]:
    """The first two words of the parameters' names in each part."""
    numbers = parts_of(backbone_of(name), is_fine=is_fine)
    found: list[dict[str, None]] = [{} for _ in range(1 + max(numbers.values()))]
    for parameter, number in numbers.items():
        words = parameter.removeprefix("trunk.").split(".")
        found[number][".".join(words[: 1 + "".join(words[1:2]).isdigit()])] = None
    return [list(part) for part in found]


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        pytest.param("baseline_cnn", [["layers.0"], ["layers.2"], ["layers.6"]], id="three convolutions"),
        pytest.param(
            "face_resnet10",
            [["stem"], ["blocks.0"], ["blocks.1", "blocks.2"], ["blocks.3", "blocks.4"]],
            id="face_resnet10, a stage a size of map",
        ),
        pytest.param(
            "face_resnet29",
            [["stem"], [f"blocks.{i}" for i in range(3)], [f"blocks.{i}" for i in range(3, 7)],
             [f"blocks.{i}" for i in range(7, 10)], [f"blocks.{i}" for i in range(10, 13)], ["blocks.13"]],
            id="face_resnet29",
        ),
        pytest.param(
            "timm/resnet10t",
            [["conv1.0", "conv1.1", "conv1.3", "conv1.4", "conv1.6", "bn1"],
             ["layer1.0"], ["layer2.0"], ["layer3.0"], ["layer4.0"]],
            id="a ResNet, four stages behind its stem",
        ),
        pytest.param(
            "timm/test_convnext",
            [["stem.0", "stem.1"], ["stages.0"], ["stages.1"], ["stages.2"], ["stages.3", "head"]],
            id="a norm in the head belongs to the last stage",
        ),
        pytest.param(
            "timm/test_vit",
            [["cls_token", "pos_embed", "patch_embed"], ["blocks.0"], ["blocks.1"], ["blocks.2"], ["blocks.3"],
             ["blocks.4"], ["blocks.5", "norm"]],
            id="a transformer, a stage a block",
        ),
    ],
)  # fmt: skip
def test_the_stages_of_a_backbone_go_from_its_input_to_its_output(name: str, stages: list[list[str]]) -> None:
    found = summary(name, is_fine=False)
    if name == "timm/resnet10t":
        assert found[1:] == stages[1:]
        assert all(word.startswith(("conv1", "bn1")) for word in found[0])
    else:
        assert found == stages


@pytest.mark.parametrize(
    ("name", "n_stages", "n_layers"),
    [
        ("baseline_cnn", 3, 3), ("face_resnet10", 4, 6), ("face_resnet29", 6, 15), ("timm/resnet50", 5, 17),
        ("timm/efficientnet_b0", 8, 17), ("timm/test_vit", 7, 7), ("timm/poolformer_s12", 5, 5),
    ],
)  # fmt: skip
def test_layers_are_finer_than_stages(name: str, n_stages: int, n_layers: int) -> None:
    backbone = backbone_of(name)
    assert n_parts(backbone) == n_stages
    fine = parts_of(backbone, is_fine=True)
    assert sorted(set(fine.values())) == list(range(n_layers))
    assert fine.keys() == parts_of(backbone).keys() == dict(backbone.named_parameters()).keys()


def test_a_backbone_of_the_users_own_has_a_stage_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_stages.py").write_text(
        "import torch\n"
        "def net():\n"
        "    made = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3))\n"
        "    made.n_features = 4\n"
        "    return made\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert parts_of(backbone_of("own_stages:net")) == {"0.weight": 0, "0.bias": 0, "2.weight": 1, "2.bias": 1}


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        pytest.param("baseline_cnn", {"layers.0": 0.25, "layers.2": 0.5, "layers.6": 1.0}, id="three convolutions"),
        pytest.param(
            "face_resnet10",
            {"stem": 0.5**5, "blocks.0": 0.5**4, "blocks.1": 0.5**3, "blocks.2": 0.25, "blocks.3": 0.5, "blocks.4": 1},
            id="a layer a block",
        ),
        pytest.param(
            "timm/test_vit",
            {"patch_embed": 0.5**6, "pos_embed": 0.5**6, "blocks.0": 0.5**5, "blocks.4": 0.5, "blocks.5": 1, "norm": 1},
            id="a transformer",
        ),
    ],
)
def test_each_layer_has_its_share_of_the_learning_rate(name: str, rates: dict[str, float]) -> None:
    backbone = backbone_of(name)
    parts = with_rates(backbone, lr=2.0, decay=0.5)
    optimizer, peaks = make_optimizer([*parts, (nn.Linear(2, 2), 7.0)], OptimSection(layer_decay=0.5))
    rate = {id(p): g["lr"] for g in optimizer.param_groups for p in g["params"]}
    assert peaks == [group["lr"] for group in optimizer.param_groups]
    assert peaks[-1] == 7
    made = {n.removeprefix("trunk."): rate[id(p)] for n, p in backbone.named_parameters()}
    assert len(rate) == len(made) + 2
    found = {start: {r for n, r in made.items() if n.startswith(start)} for start in rates}
    assert found == {start: {2 * share} for start, share in rates.items()}


def test_without_a_decay_the_backbone_is_one_part() -> None:
    backbone = backbone_of("baseline_cnn")
    assert with_rates(backbone, lr=0.1, decay=1.0) == ((backbone, 0.1),)


def test_the_rates_of_a_phase_are_the_recipes(tmp_path: Path) -> None:
    manifest, images = tiny.photos()
    recipe = tiny.recipe(("optim.layer_decay=0.5", "optim.lr=1", "optim.head_lr=3", "model.pooling=gem"))
    net = build_net(DEFAULT_SCHEMA, recipe.model)
    data = make_data(manifest, images, device=torch.device("cpu"))
    phase = all_phase(net, data, schema=DEFAULT_SCHEMA, recipe=recipe, seed=0, on_photos=lambda _: None)
    assert [lr for _, lr in phase.parts] == [0.25, 0.5, 1, 3, 3]
    assert [module for module, _ in phase.parts[-2:]] == [net.pool, net.head]


def moved(run: Run) -> list[set[str]]:
    """The tensors that each kept epoch changed, against the one before it; counters left out."""
    states = [load_file(path) for path in sorted(run.epochs_dir.iterdir())]
    return [
        {name for name in now if "num_batches" not in name and not torch.equal(before[name], now[name])}
        for before, now in pairwise(states)
    ]


def of_stages(net: Net, chosen: set[int]) -> set[str]:
    """The names of the backbone's tensors in these stages, running statistics with the norms they belong to."""
    stages = parts_of(net.backbone)
    buffers = {
        f"{name}.{kind}": stages[f"{name}.weight"]
        for name, module in net.backbone.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for kind in ("running_mean", "running_var")
    }
    return {f"backbone.{name}" for name, stage in (stages | buffers).items() if stage in chosen}


@pytest.mark.parametrize("base", [pytest.param(tiny.SMALL, id="plain"), pytest.param(tiny.FACES, id="with norms")])
def test_one_stage_more_is_trained_each_so_many_epochs(tmp_path: Path, base: tuple[str, ...]) -> None:
    side = 33 if base is tiny.FACES else 24
    manifest, images = tiny.photos(side=side)
    sets = ["train.unfreeze_epochs=2", "train.epochs=6", "train.keep_epochs=9", "schedule.name=constant"]
    run = train(tiny.new_run(tmp_path / "r", sets, base=base), manifest, images=images)
    net = build_net(DEFAULT_SCHEMA, run.info.recipe.model)
    last = n_parts(net.backbone) - 1
    learned = {name for name, _ in net.named_parameters()}
    for i, names in enumerate(moved(run)):
        free = {last - j for j in range(1 + (i + 1) // 2)}  # the first difference is what epoch 1 (of 0) did
        trained = of_stages(net, free)
        assert {name for name in names if name.startswith("backbone.")} == trained, f"epoch {i + 1}"
        assert {name for name in names if name.startswith("head.")} == {n for n in learned if n.startswith("head.")}


def test_the_first_epoch_trains_the_last_stage_alone() -> None:
    net = backbone_of("face_resnet10")
    begin = unfreezing(net, every=3)

    def free() -> set[int]:
        stages = parts_of(net)
        return {stages[name] for name, p in net.named_parameters() if p.requires_grad}

    found = []
    for epoch in range(12):
        begin(epoch)
        found.append(min(free()))
        assert free() == set(range(found[-1], 4))
    assert found == [3, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0]
    begin(4)  # an epoch is enough to know
    assert free() == {2, 3}


def test_what_stands_still_for_good_is_not_let_go() -> None:
    net = build_net(DEFAULT_SCHEMA, tiny.recipe(("model.trained_stages=2",), base=tiny.FACES).model)
    begin = unfreezing(net.backbone, every=1)
    stages = parts_of(net.backbone)
    for epoch, expected in enumerate([{3}, {2, 3}, {2, 3}, {2, 3}]):
        begin(epoch)
        assert {stages[name] for name, p in net.backbone.named_parameters() if p.requires_grad} == expected


@pytest.mark.parametrize("n", [1, 2])
def test_only_the_last_stages_move_where_that_is_asked_for(tmp_path: Path, n: int) -> None:
    manifest, images = tiny.photos(side=33)
    sets = [f"model.trained_stages={n}", "train.epochs=2", "train.keep_epochs=2", "optim.weight_decay=0.5"]
    sets += ["optim.sam=0.05", "optim.ema=0.9"]
    run = train(tiny.new_run(tmp_path / "r", sets, base=tiny.FACES), manifest, images=images)
    net = build_net(DEFAULT_SCHEMA, run.info.recipe.model)
    (names,) = moved(run)
    assert {name for name in names if name.startswith("backbone.")} == of_stages(net, {4 - i - 1 for i in range(n)})


def test_norms_of_stages_that_stand_still_keep_their_statistics_whoever_estimates_them_anew() -> None:
    sets = ("model.backbone=timm/resnet10t", "model.pretrained=false", "model.trained_stages=2")
    recipe = tiny.recipe(sets)
    manifest, images = tiny.photos(side=48)
    torch.manual_seed(0)
    net = build_net(DEFAULT_SCHEMA, recipe.model)
    data = make_data(manifest, images, device=torch.device("cpu"))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    adapt_norm(net, data, recipe=recipe, seed=0)
    changed = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name for name in changed if "num_batches" not in name} == {
        name for name in of_stages(net, {3, 4}) if "running" in name
    }


def test_an_average_leaves_the_norms_of_stages_that_stand_still_alone(tmp_path: Path) -> None:
    manifest, images = tiny.photos(side=33)
    sets = ["model.trained_stages=1", "train.epochs=3", "train.keep_epochs=3"]
    run = train(tiny.new_run(tmp_path / "r", sets, base=tiny.FACES), manifest, images=images)
    out = tiny.new_run(tmp_path / "mean", sets, base=tiny.FACES)
    kept = sorted(run.epochs_dir.iterdir())
    average_weights(out, manifest, source=run, images=images, members=kept, is_greedy=False, told=lambda *_: None)
    made, first = load_file(out.weights_path()), load_file(kept[0])
    still = of_stages(build_net(DEFAULT_SCHEMA, run.info.recipe.model), {0, 1, 2})
    assert len([name for name in still if "running" in name]) == 2 * 7
    assert all(torch.allclose(made[name], first[name], rtol=1e-5) for name in still)


def test_norms_put_back_into_stages_that_stand_still_stand_still_too() -> None:
    recipe = tiny.recipe(("model.trained_stages=1",), base=tiny.FACES)
    manifest, images = tiny.photos(side=33)
    torch.manual_seed(0)
    net = build_net(DEFAULT_SCHEMA, recipe.model).eval()
    data = make_data(manifest, images, device=torch.device("cpu"))
    put_norm_back(net, data, recipe=recipe, seed=0)
    net.train()
    stages = parts_of(net.backbone)
    norms = {n: m for n, m in net.backbone.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert {n: (m.weight.requires_grad, m.training) for n, m in norms.items()} == {
        n: (stages[f"{n}.weight"] == 3,) * 2 for n in norms
    }


def test_what_is_trained_whole_is_in_training_mode_whole() -> None:
    net = build_net(DEFAULT_SCHEMA, tiny.recipe(base=tiny.FACES).model).eval()
    assert all(module.training for module in net.train().modules())


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        pytest.param(
            ["model.is_frozen=true", "train.epochs=0", "model.trained_stages=1"],
            "model (--set): model.is_frozen trains no stage: leave out model.trained_stages, or model.is_frozen, "
            "got {'is_frozen': True, 'trained_stages': 1}.",
            id="frozen, and partly",
        ),
        pytest.param(
            ["model.is_frozen=true", "train.epochs=0", "train.unfreeze_epochs=1"],
            "train.unfreeze_epochs is about training the backbone, which model.is_frozen never does.",
            id="frozen, and let go",
        ),
        pytest.param(
            ["model.is_frozen=true", "train.epochs=0", "optim.layer_decay=0.8"],
            "optim.layer_decay is about training the backbone, which model.is_frozen never does.",
            id="frozen, with rates",
        ),
    ],
)
def test_settings_about_training_what_is_frozen_are_refused(sets: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as told:
        resolve(Recipe, [set_layer(sets)])
    assert str(told.value) == f"TRI101 1 mistake in the recipe:\n  {message}\nCorrect each line."


def test_more_stages_than_there_are_is_refused_before_training() -> None:
    with pytest.raises(ConfigError) as told:
        build_net(DEFAULT_SCHEMA, ModelSection(backbone="face_resnet10", pretrained=False, trained_stages=5))
    assert str(told.value).startswith("TRI101 model.trained_stages: 'face_resnet10' has 4 stages, got 5.")
