"""Training: a head on frozen features, then the whole net, by one loop; killed and resumed at whole epochs."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from trifacet.core.errors import TrifacetError, error
from trifacet.core.manifest import Manifest
from trifacet.core.recipe import Recipe
from trifacet.core.run import Best, Run, save_run
from trifacet.core.schema import LabelSchema
from trifacet.learn.checkpoint import (
    Checkpoint,
    EpochSoFar,
    Keeper,
    Progress,
    keep_epoch,
    read_checkpoint,
    save_weights,
    weights_about,
)
from trifacet.learn.clock import Clock, bytes_kept_for_backward, peak_memory
from trifacet.learn.device import choose_device, describe_device, memory_guard
from trifacet.learn.ema import Ema
from trifacet.learn.features import batches
from trifacet.learn.losses import Loss
from trifacet.learn.mixing import draw_mix, mixed
from trifacet.learn.models import Net
from trifacet.learn.norms import adapt_norm, put_norm_back
from trifacet.learn.optimizers import make_optimizer
from trifacet.learn.pace import Pace, choose_pace, compile_backbone, paced
from trifacet.learn.phases import (
    Data,
    Phase,
    all_phase,
    head_phase,
    make_data,
)
from trifacet.learn.prefetch import ahead
from trifacet.learn.schedule import has_run_out, lr_schedule
from trifacet.learn.second import SecondStage, second_phase
from trifacet.learn.start import starting_loss, starting_net
from trifacet.learn.step import Batch, backward, gradient
from trifacet.learn.stop import Stop
from trifacet.learn.track import Tracker, cut_metrics, open_trackers
from trifacet.learn.validate import validate


@dataclass(frozen=True)
class Tick:
    """What a live display shows: `n_done` of `n_photos` of this epoch (from 1); `loss` is NaN between steps.

    of: which of several trainings, "" of one.
    """

    phase: str
    epoch: int
    n_epochs: int
    n_done: int
    n_photos: int
    loss: float = math.nan
    images_per_second: float = math.nan
    val_macro_f1: float = math.nan
    of: str = ""


OnTick = Callable[[Tick], None]
PHASES = ("head", "all", "second")  # in their order, which their randomness follows from
FRESH = Progress(phase="head", next_epoch=0, step=0, n_records=0, best=None, seconds=0.0)


def train(
    run: Run,
    manifest: Manifest,
    *,
    images: npt.NDArray[np.uint8],
    init: Callable[[Net], None] | None = None,
    soft: Mapping[str, npt.NDArray[np.float32]] | None = None,
    on_tick: OnTick = lambda _: None,
    is_profiled: bool = False,
) -> Run:
    """The run with weights/best and weights/last: trained from the start, or from its newest checkpoint.

    images: (N, h, w, 3) uint8, the manifest's photos in row order. init: puts other starting weights into the net.
    soft: what teachers answer, by attribute. is_profiled: times each part of a step exactly, on a GPU too, and measures
    what a step keeps in memory. The status stays `running`: a run is finished when its predictions and rule are there.

    Raises:
        RunError: TRI403, TRI404, TRI405 the loss is no number, TRI406. MachineError: TRI900, TRI902.
        KeyboardInterrupt: asked to stop; everything up to the last step is saved.
    """
    recipe, seed = run.info.recipe, run.info.seed
    device = choose_device(recipe.train.device)
    torch.manual_seed(seed)
    net = starting_net(manifest.schema, recipe, init=init, device=device)
    data = make_data(manifest, images, device=device, recipe=recipe, soft=soft)
    sample = data.inputs(data.train_rows[: recipe.train.batch_size]).float()
    pace = choose_pace(net, sample, recipe=recipe.train, recorded=run.info.machine)
    run = _begun(run, device=device, pace=pace, pixels=net.inputs.measure(images, data.train_rows))
    checkpoint = read_checkpoint(run.checkpoints_dir, run=run.info.fingerprint)
    progress, run = checkpoint.progress if checkpoint else FRESH, _told_passed_over(run, checkpoint)
    cut_metrics(run.metrics_path, progress.n_records)
    loss = starting_loss(manifest.schema, data, recipe=recipe)
    clock = Clock(device, before=progress.seconds, is_exact=is_profiled)
    tracking, guard = open_trackers(run, recipe.track, step=progress.step), memory_guard(recipe.train.batch_size)
    with tracking as trackers, Stop() as stop, guard, paced(net, pace):
        course = _Course(run, data, loss, trackers, on_tick, clock, stop)
        if progress.phase == "head":
            adapt_norm(net, data, recipe=recipe, seed=seed)
        if progress.phase == "head" and progress.next_epoch < recipe.train.head_epochs:
            count = _counter(on_tick, "features", n_photos=_n_feature_photos(data, recipe))
            phase = head_phase(net, data, schema=manifest.schema, recipe=recipe, seed=seed, on_photos=count)
            progress = _fit(net, phase, progress=progress, checkpoint=checkpoint, course=course)
        elif checkpoint and progress.phase == "head":
            net.head.load_state_dict(checkpoint.module | checkpoint.average)  # its phase is over: no features again
        if recipe.train.epochs and progress.phase != "second":
            resumed = _of_phase(checkpoint, "all")
            if progress.phase == "head":
                put_norm_back(net, data, recipe=recipe, seed=seed)
                progress = progress.in_phase("all")
            if recipe.train.compile:
                compile_backbone(net, net.inputs(sample))
            if is_profiled:
                run = _with_kept_for_backward(run, net, data=data)
            count = _counter(on_tick, "faces", n_photos=len(data.train_rows))
            phase = all_phase(net, data, schema=manifest.schema, recipe=recipe, seed=seed, on_photos=count)
            progress = _fit(net, phase, progress=progress, checkpoint=resumed, course=course)
        if recipe.train.second_stage != "none":
            progress = _second_stage(net, course, schema=manifest.schema, checkpoint=checkpoint, progress=progress)
    save_weights(run.weights_path("last"), net, about=weights_about(run))
    return save_run(run, best=progress.best, seconds=clock.seconds, machine=run.info.machine | peak_memory(device))


@dataclass(frozen=True)
class _Course:
    """What every phase of one run shares."""

    run: Run
    data: Data
    loss: Loss
    trackers: Sequence[Tracker]
    on_tick: OnTick
    clock: Clock
    stop: Stop


def _second_stage(
    net: Net, course: _Course, *, schema: LabelSchema, checkpoint: Checkpoint | None, progress: Progress
) -> Progress:
    """Trains the second stage, whose factors then stand in the net's weights."""
    recipe, seed = course.run.info.recipe, course.run.info.seed
    resumed = _of_phase(checkpoint, "second")
    torch.manual_seed(int(_random(seed, "second", at=0).integers(2**63)))  # whatever was drawn before
    stage = SecondStage(net, scales=recipe.train.second_stage == "lws")
    if resumed:
        stage.load_state_dict(resumed.module)  # the trained network, whose features are next
    count = _counter(course.on_tick, "features", n_photos=_n_feature_photos(course.data, recipe))
    phase = second_phase(stage, course.data, schema=schema, recipe=recipe, seed=seed, on_photos=count)
    progress = progress if resumed else progress.in_phase("second")
    progress = _fit(net, phase, progress=progress, checkpoint=resumed, course=course)
    stage.fold()
    return progress


def _fit(net: Net, phase: Phase, *, progress: Progress, checkpoint: Checkpoint | None, course: _Course) -> Progress:
    """Trains one phase, step by step, from `progress` on. This is the training loop, all of it.

    checkpoint: the tensors of this phase to go on from. An epoch ends with val, the best weights where they are better,
    and a record. A checkpoint is written every `train.checkpoint_seconds`, at the phase's end, and when training is
    asked to stop; what follows is a function of its content alone, so a kill repeats some steps to the same bytes.
    """
    run, recipe, seed, clock = course.run, course.run.info.recipe, course.run.info.seed, course.clock
    data = course.data
    loss = copy.deepcopy(course.loss).to(data.device)  # what it learns and counts is of one phase
    optimizer, peaks = make_optimizer((*phase.parts, (loss, phase.parts[-1][1])), recipe.optim)
    average = Ema(phase.module, recipe.optim.ema) if recipe.optim.ema else None
    keeper = Keeper(run, phase.module, loss=loss, optimizer=optimizer, average=average)
    if checkpoint:
        keeper.restore(checkpoint)
    steps_per_epoch = -(-phase.n_examples // phase.batch_size)
    rate = lr_schedule(recipe.schedule, steps_per_epoch * phase.n_epochs, steps_per_epoch=steps_per_epoch)
    try:
        for epoch in range(progress.next_epoch, phase.n_epochs):
            if phase.selects and has_run_out(progress.scores, patience=recipe.train.patience):
                break
            so_far, started = progress.so_far, time.perf_counter() - progress.so_far.seconds
            load, change = phase.begun(epoch)
            order = phase.order(epoch, _random(seed, phase.name, at=epoch))
            rest = list(batches(order, phase.batch_size))[so_far.n_steps :]
            net.train(phase.name == "all")
            phase.module.train()
            for examples, (inputs, labels) in clock.waiting("wait", ahead(rest, load)):
                with course.stop.held():
                    step = epoch * steps_per_epoch + so_far.n_steps
                    random = _random(seed, phase.name, at=epoch, step=step)
                    noise = int(random.integers(2**63))
                    mix = draw_mix(random, phase.mixing, n_photos=len(examples))
                    for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                        group["lr"] = peak * rate(step, progress.scores)
                    with clock.part("augment"):
                        seen = change(inputs, examples)
                        seen, others, share = mixed(seen, labels, mix=mix, load=load, change=change)
                    whole = step / (steps_per_epoch * phase.n_epochs)
                    batch = Batch(seen, labels, others, share)
                    descent = partial(
                        backward, phase.module, loss, batch=batch, through=whole, clock=clock, noise=noise
                    )
                    number, wrong = gradient(
                        phase.module,
                        loss,
                        optimizer=optimizer,
                        descent=partial(descent, n_parts=recipe.train.accumulate),
                        optim=recipe.optim,
                        clock=clock,
                    )
                    if wrong:
                        raise _lost(f"at step {progress.step} {wrong}", run, got=data.named(examples))
                    with clock.part("step"):
                        optimizer.step()
                        if average:
                            average.update(step)
                    so_far = so_far.plus(len(examples), loss=number, seconds=time.perf_counter() - started)
                    progress = progress.model_copy(update={"step": progress.step + 1, "so_far": so_far})
                course.on_tick(_tick(phase, epoch, so_far=so_far, loss=number))
                if keeper.is_due():
                    with clock.part("save"):
                        keeper.save(progress.at(clock.seconds), after=data.named(examples))
            with _shown(average, course.stop), phase.shown(), clock.part("validate"):
                figures = validate(net, phase, data=data, loss=loss, schema=run.info.label_schema)
                if not math.isfinite(figures["val_loss"]):
                    raise _lost(f"the loss on val after step {progress.step} is {figures['val_loss']}", run)
                best, score = progress.best, figures["val_score"]
                if phase.selects and (best is None or score > best.macro_f1 or recipe.train.choose == "last"):
                    best = Best(epoch=progress.n_records + 1, macro_f1=score)
                    save_weights(run.weights_path("best"), net, about=weights_about(run))
            if phase.selects and phase.name != "second" and (n_kept := recipe.train.keep_epochs):
                keep_epoch(run.epochs_dir, net, epoch=progress.n_records + 1, n_kept=n_kept, about=weights_about(run))
            record = {
                "phase": phase.name,
                "epoch": progress.n_records + 1,
                "step": progress.step,
                "train_loss": so_far.loss_sum / so_far.n_done,
                **figures,
                "lr": max(peaks) * rate((epoch + 1) * steps_per_epoch - 1, progress.scores),
                "images_per_second": so_far.n_done / so_far.seconds,
                "seconds": time.perf_counter() - started,
                **clock.take(),
            }
            for tracker in course.trackers:
                tracker.record({k: None if v != v else v for k, v in record.items()})
            progress = progress.after_epoch(best, score=score)
            if keeper.is_due():
                with clock.part("save"):
                    keeper.save(progress.at(clock.seconds))
            course.on_tick(_tick(phase, epoch, so_far=so_far, score=score))
        keeper.save(progress.at(clock.seconds))
    except KeyboardInterrupt:
        keeper.save(progress.at(clock.seconds))
        raise
    if average:
        average.show()
    return progress


@contextmanager
def _shown(average: Ema | None, stop: Stop) -> Iterator[None]:
    """The averaged weights stand in the network within the block, where there is an average."""
    if average is None:
        yield
        return
    try:
        with stop.held():
            average.show()
        yield
    finally:
        with stop.held():
            average.put_back()


def _tick(phase: Phase, epoch: int, *, so_far: EpochSoFar, loss: float = math.nan, score: float = math.nan) -> Tick:
    speed = so_far.n_done / max(so_far.seconds, 1e-9)
    return Tick(phase.name, epoch + 1, phase.n_epochs, so_far.n_done, phase.n_examples, loss, speed, score)


def _lost(what: str, run: Run, *, got: str = "") -> TrifacetError:
    """What is raised where training has diverged, after which nothing is saved: what was saved before is kept."""
    return error("TRI405", what, where=str(run.path), got=got)


def _begun(run: Run, *, device: torch.device, pace: Pace, pixels: dict[str, Any]) -> Run:
    """The run as it is being trained, with what it is trained on and by which pixels it normalises."""
    machine = describe_device(device, run.info.recipe.train.amp) | pace.describe() | pixels
    return save_run(run, status="running", machine={**run.info.machine, **machine})


def _with_kept_for_backward(run: Run, net: Net, *, data: Data) -> Run:
    """The run with the bytes that a step keeps for its backward pass, by precision, as far as there are two."""
    photos, kept = data.inputs(data.train_rows[: run.info.recipe.train.batch_size]).float(), {}
    for amp in ("auto", "off"):
        copied = copy.deepcopy(net).train()  # batch norms take in what they see
        copied.amp = amp
        kept[describe_device(data.device, amp)["precision"]] = bytes_kept_for_backward(copied, photos)
    return save_run(run, machine={**run.info.machine, "kept_for_backward": kept})


def _told_passed_over(run: Run, checkpoint: Checkpoint | None) -> Run:
    """The run with a note of the damaged checkpoints that were passed over, where there were any."""
    if checkpoint is None or not checkpoint.set_aside:
        return run
    names = ", ".join(checkpoint.set_aside)
    told = f"damaged checkpoints were set aside ({names}); training went on from step {checkpoint.progress.step}"
    return save_run(run, notes=(*run.info.notes, told))


def _of_phase(checkpoint: Checkpoint | None, name: str) -> Checkpoint | None:
    return checkpoint if checkpoint and checkpoint.progress.phase == name else None


def _random(seed: int, phase: str, *, at: int, step: int = -1) -> np.random.Generator:
    """The randomness of an epoch's order, or of one of its steps (dropout, mixup): a function of these alone."""
    return np.random.default_rng([seed, PHASES.index(phase), at, step + 1])


def _n_feature_photos(data: Data, recipe: Recipe) -> int:
    """How often a photo is seen when features are computed."""
    return len(data.train_rows) * (1 + bool(recipe.augment.flip) + recipe.train.head_copies) + len(data.val_rows)


def _counter(on_tick: OnTick, name: str, *, n_photos: int) -> Callable[[int], None]:
    started, done = time.perf_counter(), 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        on_tick(Tick(name, 1, 1, done, n_photos, images_per_second=done / (time.perf_counter() - started)))

    return count
