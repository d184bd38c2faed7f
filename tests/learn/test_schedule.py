from __future__ import annotations

import math

import pytest
import torch
from timm.scheduler import PolyLRScheduler, TanhLRScheduler
from torch.optim.lr_scheduler import ExponentialLR, MultiStepLR, ReduceLROnPlateau, StepLR

from trifacet.core.recipe import ScheduleSection
from trifacet.learn.schedule import has_run_out, lr_factor

HALF = math.sin(math.pi / 150) ** 2  # a cosine one step before its end, of 75


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param({"name": "one_cycle"}, {0: 0.04, 25: 1.0, 62.5: (1 + 1e-5) / 2, 99: 1e-5 + HALF}, id="one cycle"),
        pytest.param({"name": "one_cycle", "warmup": 0.5}, {0: 0.04, 25: 0.52, 50: 1.0, 75: 0.500005}, id="warm-up"),
        pytest.param({"name": "one_cycle", "warmup": 0}, {0: 1.0, 50: 0.500005}, id="no warm-up"),
        pytest.param({"name": "cosine"}, {0: 1 / 26, 24: 25 / 26, 25: 1.0, 62.5: 0.5, 99: HALF}, id="cosine"),
        pytest.param(
            {"name": "step", "step_epochs": 2, "gamma": 0.1}, {0: 1, 19: 1, 20: 0.1, 39: 0.1, 40: 0.01}, id="step"
        ),
        pytest.param({"name": "constant"}, {0: 1, 99: 1}, id="constant"),
    ],
)
def test_the_learning_rate_at_start_peak_and_end(schedule: dict, expected: dict[float, float]) -> None:
    shape = ScheduleSection(**schedule)
    for step, factor in expected.items():
        assert lr_factor(step, 100, schedule=shape, steps_per_epoch=10) == pytest.approx(factor, abs=1e-5), step


@pytest.mark.parametrize("name", ["one_cycle", "cosine", "poly", "tanh", "step", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("n_steps", [1, 2, 7])
def test_the_learning_rate_stays_above_0_and_at_most_the_peak(name: str, warmup: float, n_steps: int) -> None:
    shape = ScheduleSection(name=name, warmup=warmup)
    factors = [lr_factor(step, n_steps, schedule=shape, steps_per_epoch=1) for step in range(n_steps)]
    assert all(0 < factor <= 1 for factor in factors)


# epoch: learning rate of system 1's schedule, (20, 1, .01, 1e-5, 5, .5)
RESTARTS = {
    0: 1.0e-5, 1: 2.008e-3, 4: 8.002e-3, 5: 1.0e-2, 6: 9.891e-3, 10: 7.503e-3, 15: 2.508e-3, 19: 1.192e-4,
    20: 1.0e-5, 25: 5.0e-3, 39: 6.452e-5, 40: 1.0e-5, 44: 2.002e-3,
}  # fmt: skip


def test_restarts_are_those_of_the_decaying_cosine_warm_up_schedule() -> None:
    shape = ScheduleSection(
        name="restarts", by_epoch=True, cycle_epochs=20, cycle_warmup=5, cycle_mult=1, gamma=0.5, floor=1e-3
    )
    for epoch, rate in RESTARTS.items():
        for step in (0, 6):  # at every step of an epoch
            factor = lr_factor(7 * epoch + step, 700, schedule=shape, steps_per_epoch=7)
            assert 0.01 * factor == pytest.approx(rate, rel=1e-3), epoch


def test_cycles_may_grow_as_the_original_counts_them() -> None:
    shape = ScheduleSection(name="restarts", cycle_epochs=10, cycle_warmup=2, cycle_mult=1.5, gamma=1)
    tops = [step for step in range(60) if lr_factor(step, 60, schedule=shape, steps_per_epoch=1) == 1]
    assert tops == [2, 12, 26, 46]  # cycles of 10, int(8 x 1.5) + 2 = 14, int(12 x 1.5) + 2 = 20


def of_torch(scheduler: torch.optim.lr_scheduler.LRScheduler, scores: list[float] | None = None) -> list[float]:
    rates = []
    for epoch in range(12):
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step(*([scores[epoch]] if scores else []))
    return rates


def sgd() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


@pytest.mark.parametrize(
    ("sets", "torchs"),
    [
        pytest.param({"name": "step", "step_epochs": 3}, lambda: StepLR(sgd(), 3, 0.5), id="step"),
        pytest.param(
            {"name": "multi_step", "milestones": [2, 7]}, lambda: MultiStepLR(sgd(), [2, 7], 0.5), id="multi step"
        ),
        pytest.param({"name": "exponential", "gamma": 0.9}, lambda: ExponentialLR(sgd(), 0.9), id="exponential"),
    ],
)
def test_drops_are_torchs(sets: dict, torchs) -> None:
    shape = ScheduleSection(by_epoch=True, **sets)
    ours = [lr_factor(4 * epoch + 3, 48, schedule=shape, steps_per_epoch=4) for epoch in range(12)]
    assert ours == pytest.approx(of_torch(torchs()))


@pytest.mark.parametrize(
    ("sets", "timms"),
    [
        pytest.param({"name": "poly", "power": 0.5}, PolyLRScheduler, id="poly"),
        pytest.param({"name": "tanh"}, TanhLRScheduler, id="tanh"),
    ],
)
def test_curves_down_are_timms(sets: dict, timms: type[PolyLRScheduler] | type[TanhLRScheduler]) -> None:
    shape = ScheduleSection(warmup=0, floor=0.1, **sets)
    optimizer = sgd()
    theirs = timms(optimizer, t_initial=12, lr_min=0.1)
    for step in range(12):
        theirs.step(step)
        rate = optimizer.param_groups[0]["lr"]
        assert lr_factor(step, 12, schedule=shape, steps_per_epoch=3) == pytest.approx(rate), step


def test_a_plateau_is_torchs() -> None:
    scores = [0.3, 0.4, 0.39, 0.38, 0.4, 0.41, 0.40, 0.40, 0.40, 0.40, 0.40, 0.5]
    shape = ScheduleSection(name="plateau", patience=2, gamma=0.1, floor=1e-3)
    ours = [lr_factor(e, 12, schedule=shape, steps_per_epoch=1, scores=scores[:e]) for e in range(12)]
    torchs = ReduceLROnPlateau(sgd(), mode="max", factor=0.1, patience=2, min_lr=1e-3)
    assert ours == pytest.approx(of_torch(torchs, scores))
    assert len(set(ours)) == 3


def test_warm_up_stable_decay_is_a_line_up_a_flat_and_a_line_down() -> None:
    shape = ScheduleSection(name="wsd", warmup=0.1, decay=0.2, floor=0.1)
    factors = [lr_factor(step, 100, schedule=shape, steps_per_epoch=10) for step in range(100)]
    assert factors[4] == pytest.approx(5 / 11)
    assert factors[10:81] == [1.0] * 71
    assert factors[90] == pytest.approx(0.55)
    assert factors[99] == pytest.approx(0.1 + 0.9 / 20)


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        pytest.param({"name": "restarts", "cycle_warmup": 20}, "must be shorter than schedule.cycle_", id="warm-up"),
        pytest.param({"name": "multi_step"}, "schedule.milestones are needed for multi_step", id="milestones"),
        pytest.param(
            {"name": "multi_step", "milestones": [5, 3]}, "schedule.milestones must rise", id="falling milestones"
        ),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(sets: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ScheduleSection(**sets)


def test_training_has_run_out_when_the_last_scores_are_none_better() -> None:
    scores = [0.5, 0.6, 0.55, 0.6]
    assert [has_run_out(scores[:n], patience=2) for n in range(5)] == [False, False, False, False, True]
    assert not has_run_out(scores, patience=0)
    assert not has_run_out(scores, patience=3)
