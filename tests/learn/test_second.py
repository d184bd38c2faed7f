from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from tests.learn import tiny
from trifacet.core.files import read_jsonl
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run, open_run
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.learn.models import build_net
from trifacet.learn.phases import make_data
from trifacet.learn.second import SecondStage, second_phase
from trifacet.learn.train import Tick, train

CPU = torch.device("cpu")
STAGES = ("crt", "lws")


def trained(path: Path, *sets: str, stop: tuple[str, int] | None = None) -> Run:
    def interrupt(tick: Tick) -> None:
        if (tick.phase, tick.epoch) == stop and 0 < tick.n_done < tick.n_photos:
            raise KeyboardInterrupt

    manifest, images = tiny.photos()
    run = open_run(path) if path.exists() else tiny.new_run(path, sets)
    return train(run, manifest, images=images, on_tick=interrupt)


def stage_of(kind: str) -> tuple[SecondStage, torch.Tensor]:
    torch.manual_seed(0)
    net = build_net(DEFAULT_SCHEMA, tiny.recipe().model).eval()
    return SecondStage(net, scales=kind == "lws").eval(), torch.randn(5, net.backbone.n_features)


@pytest.mark.parametrize("kind", STAGES)
def test_what_is_seen_stays_and_the_last_layers_change(tmp_path: Path, kind: str) -> None:
    first = load_file(trained(tmp_path / "a").weights_path("last"))
    run = trained(tmp_path / "b", f"train.second_stage={kind}", "train.second_epochs=2")
    second = load_file(run.weights_path("last"))
    assert second.keys() == first.keys()
    changed = {name for name in first if not torch.equal(first[name], second[name])}
    assert {name for name in changed if name.startswith("head.answers.")} == changed
    weights = {f"head.answers.{name}.weight" for name in ("mask", "gender", "age")}
    assert changed >= weights
    if kind == "lws":
        assert changed == weights
        for name in weights:
            ratios = second[name] / first[name]
            assert torch.allclose(ratios, ratios[:, :1].expand_as(ratios), rtol=1e-4)  # one factor a class
    records = read_jsonl(run.metrics_path)
    assert [r["phase"] for r in records] == ["head"] * 2 + ["all"] * 3 + ["second"] * 2


@pytest.mark.parametrize("kind", STAGES)
@pytest.mark.parametrize("stop", [("all", 2), ("second", 1), ("second", 2)])
def test_a_stopped_second_stage_ends_in_the_same_bytes(tmp_path: Path, kind: str, stop: tuple[str, int]) -> None:
    sets = (f"train.second_stage={kind}", "train.second_epochs=3", "optim.ema=0.5", "train.head_batch_size=16")
    whole = trained(tmp_path / "whole", *sets)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "stopped", *sets, stop=stop)
    stopped = trained(tmp_path / "stopped")
    for which in ("best", "last"):
        assert stopped.weights_path(which).read_bytes() == whole.weights_path(which).read_bytes()


def test_factors_begin_at_one_and_are_folded_for_a_while_or_for_good() -> None:
    stage, features = stage_of("lws")
    plain = {name: logits.clone() for name, logits in stage.net.head(features).items()}
    assert all(torch.equal(logits, plain[name]) for name, logits in stage(features).items())
    with torch.no_grad():
        stage.factors["mask"].copy_(torch.tensor([2.0, 0.5, 1.0]))
    layer = stage.layers["mask"]
    expected = plain["mask"] + (plain["mask"] - layer.bias) * torch.tensor([1.0, -0.5, 0.0])
    assert torch.allclose(stage(features)["mask"], expected, atol=1e-5)
    with stage.folded():
        assert torch.allclose(stage.net.head(features)["mask"], expected, atol=1e-5)
        assert torch.allclose(stage(features)["mask"], expected, atol=1e-5)
    assert torch.equal(stage.net.head(features)["mask"], plain["mask"])
    assert stage.factors["mask"].tolist() == [2.0, 0.5, 1.0]
    stage.fold()
    assert torch.allclose(stage.net.head(features)["mask"], expected, atol=1e-5)
    assert stage.factors["mask"].tolist() == [1.0] * 3


def test_classes_are_drawn_alike_and_only_the_last_layers_learn() -> None:
    manifest, images = tiny.photos(80)
    recipe = tiny.recipe(("train.second_stage=crt", "train.second_epochs=4"))
    data = make_data(manifest, images, device=CPU, recipe=recipe)
    first = manifest.schema.encode(manifest.classes)[data.train_rows[0]]
    often = data.train_rows[manifest.schema.encode(manifest.classes)[data.train_rows] == first]
    data = replace(data, train_rows=np.concatenate([data.train_rows, np.repeat(often, 20)]))
    stage, _ = stage_of("crt")
    phase = second_phase(stage, data, schema=manifest.schema, recipe=recipe, seed=0, on_photos=lambda _: None)
    assert phase.n_epochs == 4
    assert {p for part, _ in phase.parts for p in part.parameters()} == set(stage.net.head.answers.parameters())
    assert {name for name, p in stage.named_parameters() if p.requires_grad} == {
        f"net.head.answers.{name}.{part}" for name in ("mask", "gender", "age") for part in ("weight", "bias")
    }
    joint = manifest.schema.encode(manifest.classes)[data.train_rows]
    drawn = np.concatenate([phase.order(i, np.random.default_rng(i)) for i in range(200)]) % len(joint)
    shares = np.bincount(joint[drawn], minlength=18) / len(drawn)
    assert np.abs(shares - 1 / 18).max() < 0.01


def test_scales_and_cosines_do_not_go_together() -> None:
    with pytest.raises(ValidationError, match="a cosine classifier does not feel it: take crt"):
        Recipe.model_validate({"model": {"classifier": "cosine"}, "train": {"second_stage": "lws"}})
