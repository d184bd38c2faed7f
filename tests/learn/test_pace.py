from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn

from tests.learn import tiny
from trifacet.core.errors import ConfigError
from trifacet.core.recipe import TrainSection
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.learn.models import build_net
from trifacet.learn.pace import Pace, choose_pace, compile_backbone, paced

PHOTOS = torch.rand(16, 3, 24, 24) * 255
MOST = torch.get_num_threads()


class Sleepy(nn.Module):
    """A network that is quick in one layout, or with one number of threads, and slow in every other."""

    def __init__(self, *, layout: str = "", n_threads: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.layout, self.n_threads = layout, n_threads

    def forward(self, photos: Tensor) -> dict[str, Tensor]:
        is_last = self.conv.weight.is_contiguous(memory_format=torch.channels_last)
        at_home = (
            is_last == (self.layout == "channels_last") if self.layout else torch.get_num_threads() == self.n_threads
        )
        time.sleep(0.001 if at_home else 0.3)
        return {"mask": self.conv(photos).mean((2, 3))}


@pytest.fixture
def eight_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


def test_a_quick_network_keeps_the_default_after_one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifacet.learn.pace.SHORTEST_SECONDS", 1e9)  # so that it is quick on a busy machine too
    net = build_net(DEFAULT_SCHEMA, tiny.recipe().model)
    pace = choose_pace(net, PHOTOS, recipe=TrainSection(), recorded={})
    assert (pace.n_threads, pace.memory_format) == (MOST, "channels_last")
    assert list(pace.tried_ms) == [f"channels_last, {MOST} threads"]


@pytest.mark.parametrize("layout", ["channels_last", "contiguous"])
def test_the_layout_that_is_clearly_faster_is_taken(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifacet.learn.pace.SHORTEST_SECONDS", 0.0)
    pace = choose_pace(Sleepy(layout=layout), PHOTOS, recipe=TrainSection(threads=1), recorded={})
    assert (pace.n_threads, pace.memory_format) == (1, layout)
    assert set(pace.tried_ms) == {"channels_last, 1 threads", "contiguous, 1 threads"}


def test_fewer_threads_are_taken_where_they_are_faster(eight_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifacet.learn.pace.SHORTEST_SECONDS", 0.0)
    asked = TrainSection(memory_format="channels_last")
    assert choose_pace(Sleepy(n_threads=4), PHOTOS, recipe=asked, recorded={}).n_threads == 4
    assert choose_pace(Sleepy(n_threads=8), PHOTOS, recipe=asked, recorded={}).n_threads == 8
    assert torch.get_num_threads() == 8


def test_what_is_asked_for_or_recorded_is_not_tried() -> None:
    net = Sleepy(n_threads=1)
    asked = TrainSection(threads=3, memory_format="contiguous")
    assert choose_pace(net, PHOTOS, recipe=asked, recorded={}) == Pace(3, "contiguous")
    recorded = {"n_threads": 5, "memory_format": "contiguous", "tried_ms": {"x": 1.0}, "device": "cpu"}
    assert choose_pace(net, PHOTOS, recipe=TrainSection(), recorded=recorded) == Pace(5, "contiguous", {"x": 1.0})


def test_for_a_head_alone_nothing_is_tried() -> None:
    pace = choose_pace(Sleepy(n_threads=1), PHOTOS, recipe=TrainSection(epochs=0), recorded={})
    assert pace == Pace(MOST, "channels_last")


def test_trying_changes_neither_the_network_nor_the_randomness() -> None:
    net = build_net(DEFAULT_SCHEMA, tiny.recipe(base=tiny.FACES).model)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    photos = torch.rand(4, 3, 33, 33)
    torch.manual_seed(5)
    choose_pace(net, photos, recipe=TrainSection(threads=1), recorded={})
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_the_pace_holds_within_its_block(eight_threads: None) -> None:
    net = Sleepy()
    with paced(net, Pace(1, "channels_last")):
        assert torch.get_num_threads() == 1
        assert net.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.get_num_threads() == 8


class Uncompilable(nn.Module):
    def forward(self, _: Tensor) -> Tensor:
        raise RuntimeError("no such luck\nand more")


def test_a_network_that_cannot_be_compiled_is_refused_in_words() -> None:
    net = nn.Module()
    net.backbone = Uncompilable()
    with pytest.raises(ConfigError) as told:
        compile_backbone(net, PHOTOS)
    assert str(told.value).startswith("TRI101 train.compile: torch cannot compile this network here, got ")
    assert str(told.value).endswith(". Set train.compile: false.")


@pytest.mark.prove
def test_a_compiled_network_is_trained_to_weights_that_load_without_the_compiler(tmp_path) -> None:
    from trifacet.learn.predictor import load_run_net
    from trifacet.learn.train import train

    manifest, images = tiny.photos()
    run = tiny.new_run(tmp_path / "run", ("train.compile=true",))
    trained = train(run, manifest, images=images)
    assert (
        load_run_net(trained, "last").state_dict().keys()
        == build_net(DEFAULT_SCHEMA, tiny.recipe().model).state_dict().keys()
    )
