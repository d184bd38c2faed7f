"""How the learning rate moves, and when training has run out: functions of the step and of val's scores alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from trifacet.core.recipe import ScheduleSection


def lr_schedule(
    schedule: ScheduleSection, n_steps: int, *, steps_per_epoch: int
) -> Callable[[int, Sequence[float]], float]:
    """A step's (from 0) share of the peak learning rate, after these scores on val."""
    return lambda step, scores: lr_factor(
        step, n_steps, schedule=schedule, steps_per_epoch=steps_per_epoch, scores=scores
    )


def lr_factor(
    step: int, n_steps: int, *, schedule: ScheduleSection, steps_per_epoch: int, scores: Sequence[float] = ()
) -> float:
    """The share of the peak learning rate at `step` (from 0) of `n_steps`, in [0, 1]; scores: val's, an epoch each.

    one_cycle: a cosine up from 1/25 over the warm-up, a cosine down to 1e-5; cosine, poly, tanh: a line up from near 0,
    that curve down to the floor; wsd: a line up, flat, a line down; step, multi_step, exponential, plateau: torch's.

    Source: Smith and Topin 2018 (one cycle); Hu et al. 2024, MiniCPM (warm-up, stable, decay); timm (poly, tanh).
    """
    if schedule.by_epoch:
        step -= step % steps_per_epoch
    epochs = step / steps_per_epoch
    if schedule.name == "constant":
        return 1.0
    if schedule.name in DROPS:
        factor: float = schedule.gamma ** DROPS[schedule.name](schedule, epochs, scores)
        return max(schedule.floor, factor)
    if schedule.name == "restarts":
        return _restarts(schedule, epochs)
    warmup = round(schedule.warmup * n_steps)
    through = (step - warmup) / max(1, n_steps - warmup)
    if schedule.name == "one_cycle":
        return _cosine(1 / 25, 1.0, through=step / warmup) if step < warmup else _cosine(1.0, 1e-5, through=through)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule.name == "wsd":
        left = (n_steps - step) / max(1, round(schedule.decay * n_steps))
        return schedule.floor + (1 - schedule.floor) * min(1.0, left)
    return schedule.floor + (1 - schedule.floor) * FALLS[schedule.name](schedule, through)


def _n_plateaus(schedule: ScheduleSection, scores: Sequence[float]) -> int:
    """How often the best score was not bettered by 1e-4 of itself in more than `patience` epochs."""
    best, waited, n = -math.inf, 0, 0
    for score in scores:
        is_better = score > best + abs(best) * 1e-4 if math.isfinite(best) else True
        best, waited = (score, 0) if is_better else (best, waited + 1)
        if waited > schedule.patience:
            n, waited = n + 1, 0
    return n


DROPS: dict[str, Callable[[ScheduleSection, float, Sequence[float]], float]] = {
    "step": lambda schedule, epochs, _: epochs // schedule.step_epochs,
    "multi_step": lambda schedule, epochs, _: sum(epochs >= milestone for milestone in schedule.milestones),
    "exponential": lambda _, epochs, __: epochs,
    "plateau": lambda schedule, _, scores: _n_plateaus(schedule, scores),
}


FALLS: dict[str, Callable[[ScheduleSection, float], float]] = {  # from 1 to 0 while `through` goes from 0 to 1
    "cosine": lambda _, through: _cosine(1.0, 0.0, through=through),
    "poly": lambda schedule, through: float((1 - through) ** schedule.power),
    "tanh": lambda _, through: (1 - math.tanh(-7 * (1 - through) + 3 * through)) / 2,
}


def _restarts(schedule: ScheduleSection, epochs: float) -> float:
    """Cycles of a line up from the floor and a cosine down to it, the peak `gamma` times that of the one before."""
    length, cycle, warmup = schedule.cycle_epochs, 0, schedule.cycle_warmup
    while epochs >= length:
        epochs, cycle = epochs - length, cycle + 1
        length = int((length - warmup) * schedule.cycle_mult) + warmup
    peak = float(schedule.gamma**cycle)
    if epochs < warmup:
        return schedule.floor + (peak - schedule.floor) * epochs / warmup
    return _cosine(peak, schedule.floor, through=(epochs - warmup) / (length - warmup))


def has_run_out(scores: Sequence[float], *, patience: int) -> bool:
    """Whether the last `patience` scores were none better than the best before; never for 0."""
    if not patience or len(scores) <= patience:
        return False
    return max(scores[-patience:]) <= max(scores[:-patience])


def _cosine(start: float, end: float, *, through: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * through)) / 2
