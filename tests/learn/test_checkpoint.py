from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from tests.learn import tiny
from trifacet.core.errors import RunError
from trifacet.core.run import Best
from trifacet.learn.checkpoint import Keeper, Progress, load_optimizer, read_checkpoint, save_checkpoint, save_weights
from trifacet.learn.ema import Ema


def module(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def progress(step: int) -> Progress:
    best = Best(epoch=1, macro_f1=0.25)
    return Progress(phase="head", next_epoch=step, step=step, n_records=step, best=best, seconds=1.5)


def trained(steps: int = 2) -> tuple[nn.Module, torch.optim.Optimizer]:
    net = module()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(8, 4, generator=torch.Generator().manual_seed(1))).square().mean().backward()
        optimizer.step()
    return net, optimizer


def saved(folder: Path, *steps: int) -> list[Path]:
    net, optimizer = trained()
    return [save_checkpoint(folder, net, optimizer=optimizer, progress=progress(step)) for step in steps]


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def test_the_same_tensors_are_the_same_bytes(tmp_path: Path) -> None:
    about = {"label_schema": "ab", "backbone": "cd", "manifest": "ef"}
    for i in range(12):
        save_weights(tmp_path / f"{i}", module(), about=about)
        save_weights(tmp_path / "turned", module(), about=dict(reversed(about.items())))
        assert (tmp_path / f"{i}").read_bytes() == (tmp_path / "0").read_bytes() == (tmp_path / "turned").read_bytes()
    save_weights(tmp_path / "other", module(seed=1), about=about)
    assert (tmp_path / "other").read_bytes() != (tmp_path / "0").read_bytes()


def test_weights_say_what_they_belong_to(tmp_path: Path) -> None:
    save_weights(tmp_path / "w", module(), about={"backbone": "b"})
    with safe_open(tmp_path / "w", framework="pt") as stored:
        assert stored.metadata() == {"trifacet": '{"backbone": "b", "format": 1}'}
        assert sorted(stored.keys()) == sorted(module().state_dict())


def test_tied_weights_can_be_saved(tmp_path: Path) -> None:
    net = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)})
    net["b"].weight = net["a"].weight
    save_weights(tmp_path / "w", net, about={})
    with safe_open(tmp_path / "w", framework="pt") as stored:
        assert torch.equal(stored.get_tensor("a.weight"), stored.get_tensor("b.weight"))


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(tmp_path: Path, kind: str) -> None:
    def optimizer(net: nn.Module) -> torch.optim.Optimizer:
        if kind == "sgd":
            return torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        return torch.optim.AdamW(net.parameters(), lr=0.1)

    def step(net: nn.Module, by: torch.optim.Optimizer) -> None:
        by.zero_grad()
        net(torch.randn(8, 4, generator=torch.Generator().manual_seed(1))).square().mean().backward()
        by.step()

    whole = module()
    by = optimizer(whole)
    step(whole, by)
    save_checkpoint(tmp_path, whole, optimizer=by, progress=progress(1))
    step(whole, by)

    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found.progress == progress(1)
    resumed = module(seed=5)
    resumed.load_state_dict(found.module)
    by = optimizer(resumed)
    load_optimizer(by, found.optimizer)
    step(resumed, by)
    assert all(torch.equal(a, whole.state_dict()[name]) for name, a in resumed.state_dict().items())


def test_an_optimiser_that_has_no_state_yet_can_be_saved(tmp_path: Path) -> None:
    net = module()
    optimizer = torch.optim.AdamW(net.parameters())
    save_checkpoint(tmp_path, net, optimizer=optimizer, progress=progress(1))
    found = read_checkpoint(tmp_path)
    assert found is not None
    load_optimizer(optimizer, found.optimizer)
    assert found.optimizer == {}


def test_the_modules_own_tensors_are_kept_even_while_it_shows_their_average(tmp_path: Path) -> None:
    run = tiny.new_run(tmp_path / "run")
    net, optimizer = trained()
    average = Ema(net, 0.5)
    with torch.no_grad():
        net[0].weight += 1
    own, mean = net[0].weight.detach().clone(), average.state()["0.weight"].clone()
    average.show()  # as while val is answered, when somebody asks to stop
    Keeper(run, net, loss=torch.nn.Identity(), optimizer=optimizer, average=average).save(progress(1))
    found = read_checkpoint(run.checkpoints_dir, run=run.info.fingerprint)
    assert found is not None
    assert torch.equal(found.module["0.weight"], own)
    assert torch.equal(found.average["0.weight"], mean)


def test_without_checkpoints_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "none") is None
    (tmp_path / ".step_000000001-00000-0123456789abcdef.safetensors.x.safetensors").write_bytes(b"a killed writer's")
    assert read_checkpoint(tmp_path) is None
    assert list(tmp_path.iterdir()) == []  # cleared away


def test_only_the_three_newest_are_kept(tmp_path: Path) -> None:
    paths = saved(tmp_path, 1, 2, 9, 10, 1_000)
    assert sorted(tmp_path.iterdir()) == sorted(paths[-3:])
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found.progress.step == 1_000


def test_a_damaged_newest_is_set_aside_and_the_one_before_is_used(tmp_path: Path) -> None:
    first, second, third = saved(tmp_path, 1, 2, 3)
    flip_a_byte(third)
    second.write_bytes(second.read_bytes()[:-100])
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found.progress.step == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [first.name, f"{second.name}.damaged", f"{third.name}.damaged"]
    )


def test_when_all_are_damaged_nothing_is_started_over_in_silence(tmp_path: Path) -> None:
    paths = saved(tmp_path, 1, 2)
    for path in paths:
        flip_a_byte(path)
    for _ in range(2):  # the second time they are set aside already
        with pytest.raises(RunError) as caught:
            read_checkpoint(tmp_path)
        code, _, names = str(caught.value).partition(", got ")
        assert code == f"TRI406 {tmp_path}: every checkpoint is damaged or of another run"
        assert sorted(names.split(". Check the disk")[0].split(", ")) == [f"{p.name}.damaged" for p in paths]
        assert str(caught.value).endswith("Check the disk, then train again into another folder.")
