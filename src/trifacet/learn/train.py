"""Training: a head on frozen features, then the whole net, by one loop; killed and resumed at whole epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trifacet.core.errors import error
from trifacet.core.manifest import Manifest
from trifacet.core.recipe import Recipe
from trifacet.core.run import Best, Run, save_run
from trifacet.core.schema import LabelSchema
from trifacet.learn.checkpoint import Progress, load_optimizer, read_checkpoint, save_checkpoint, save_weights
from trifacet.learn.device import choose_device, describe_device, memory_guard
from trifacet.learn.features import batches
from trifacet.learn.losses import Labels, Loss, make_loss
from trifacet.learn.models import Net, answer_probs, build_net
from trifacet.learn.optim import lr_factor, make_optimizer
from trifacet.learn.phases import Data, Logits, Phase, all_phase, head_phase, make_data, put_norm_back
from trifacet.learn.track import Tracker, cut_metrics, open_trackers
from trifacet.measure.classification import accuracy, macro_f1


@dataclass(frozen=True)
class Tick:
    """What a live display shows: `n_done` of `n_photos` of this epoch (from 1); `loss` is NaN between steps."""

    phase: str
    epoch: int
    n_epochs: int
    n_done: int
    n_photos: int
    loss: float = math.nan
    images_per_second: float = math.nan
    val_macro_f1: float = math.nan


OnTick = Callable[[Tick], None]
FRESH = Progress(phase="head", next_epoch=0, step=0, n_records=0, best=None, seconds=0.0)


def train(
    run: Run,
    manifest: Manifest,
    *,
    images: npt.NDArray[np.uint8],
    init: Callable[[Net], None] | None = None,
    on_tick: OnTick = lambda _: None,
) -> Run:
    """The run with weights/best and weights/last: trained from the start, or from its newest checkpoint.

    images: (N, h, w, 3) uint8, the manifest's photos in row order. init: puts other starting weights into the net.
    The status stays `running`: a run is finished when its predictions and its decision rule are there too.

    Raises:
        RunError: TRI403, TRI404, TRI405 the loss is no number, TRI406. MachineError: TRI900, TRI902.
        KeyboardInterrupt: asked to stop; everything up to the last whole epoch is saved.
    """
    started, recipe, seed = time.perf_counter(), run.info.recipe, run.info.seed
    device = choose_device(recipe.train.device)
    run = save_run(run, status="running", machine={**run.info.machine, **describe_device(device, recipe.train.amp)})
    torch.manual_seed(seed)
    net = build_net(manifest.schema, recipe.model)
    _check_size(net, recipe)
    if init:
        init(net)
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.amp = recipe.train.amp
    data = make_data(manifest, images, device=device)
    checkpoint = read_checkpoint(run.checkpoints_dir)
    progress = checkpoint.progress if checkpoint else FRESH
    cut_metrics(run.metrics_path, progress.n_records)
    loss = make_loss(manifest.schema, recipe.loss, classes=manifest.classes[data.train_rows])
    before, tracking = progress.seconds, open_trackers(run, recipe.track, step=progress.step)
    with tracking as trackers, memory_guard(recipe.train.batch_size):
        course = _Course(run, data, loss, trackers, on_tick, lambda: before + time.perf_counter() - started)
        if progress.phase == "head" and progress.next_epoch < recipe.train.head_epochs:
            n_views = 1 + bool(recipe.augment.flip) + recipe.train.head_copies
            count = _counter(on_tick, "features", n_photos=len(data.train_rows) * n_views + len(data.val_rows))
            phase = head_phase(net, data, recipe=recipe, seed=seed, on_photos=count)
            state = (checkpoint.module, checkpoint.optimizer) if checkpoint else None
            progress = _fit(net, phase, progress=progress, state=state, course=course)
        elif checkpoint and progress.phase == "head":
            net.head.load_state_dict(checkpoint.module)  # its phase is over: no features to compute again
        if recipe.train.epochs:
            resumed = checkpoint if checkpoint and checkpoint.progress.phase == "all" else None
            if not resumed:
                put_norm_back(net, data, recipe=recipe, seed=seed)
            if progress.phase == "head":
                progress = progress.model_copy(update={"phase": "all", "next_epoch": 0})
            phase = all_phase(net, data, recipe=recipe, seed=seed)
            state = (resumed.module, resumed.optimizer) if resumed else None
            progress = _fit(net, phase, progress=progress, state=state, course=course)
    save_weights(run.weights_path("last"), net, about=weights_about(run))
    return save_run(run, best=progress.best, seconds=course.clock())


@dataclass(frozen=True)
class _Course:
    """What every phase of one run shares."""

    run: Run
    data: Data
    loss: Loss
    trackers: Sequence[Tracker]
    on_tick: OnTick
    clock: Callable[[], float]  # seconds of training so far, those before a resume included


def _fit(
    net: Net,
    phase: Phase,
    *,
    progress: Progress,
    state: tuple[Mapping[str, Tensor], Mapping[str, Tensor]] | None,
    course: _Course,
) -> Progress:
    """Trains one phase, epoch by epoch, from `progress` on. This is the training loop, all of it.

    state: tensors of the module and of the optimiser to go on from. An epoch ends with val, the best weights where they
    are better, a record and a checkpoint, in this order: a kill in between repeats the epoch to the same bytes.
    """
    run, recipe, seed = course.run, course.run.info.recipe, course.run.info.seed
    optimizer, peaks = make_optimizer(phase.parts, recipe.optim)
    if state:
        phase.module.load_state_dict(state[0])
        load_optimizer(optimizer, state[1])
    steps_per_epoch = -(-phase.n_examples // phase.batch_size)
    n_steps = steps_per_epoch * phase.n_epochs
    for epoch in range(progress.next_epoch, phase.n_epochs):
        started = time.perf_counter()
        mixed = _mixed(seed, phase.name, epoch=epoch)
        torch.manual_seed(mixed)
        order = np.random.Generator(np.random.Philox(mixed)).permutation(phase.n_examples)
        total, n_done, step = 0.0, 0, progress.step
        net.train(phase.name == "all")
        phase.module.train()
        for i, examples in enumerate(batches(order, phase.batch_size), start=epoch * steps_per_epoch):
            factor = lr_factor(i, n_steps, schedule=recipe.schedule, steps_per_epoch=steps_per_epoch)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
            value = course.loss(phase.logits(epoch, examples), phase.labels(examples))
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            if recipe.optim.clip_norm:
                torch.nn.utils.clip_grad_norm_(phase.module.parameters(), recipe.optim.clip_norm)
            optimizer.step()
            number = _finite(value.item(), f"the loss at step {step}", run=run)
            step, n_done, total = step + 1, n_done + len(examples), total + number * len(examples)
            speed = n_done / (time.perf_counter() - started)
            course.on_tick(Tick(phase.name, epoch + 1, phase.n_epochs, n_done, phase.n_examples, number, speed))
        speed = n_done / (time.perf_counter() - started)
        figures = _validate(net, phase, course=course)
        _finite(figures["val_loss"], f"the loss on val after step {step}", run=run)
        score = figures["val_score"]
        best = progress.best
        if phase.selects and (best is None or score > best.macro_f1):
            best = Best(epoch=progress.n_records + 1, macro_f1=score)
            save_weights(run.weights_path("best"), net, about=weights_about(run))
        progress = Progress(
            phase=phase.name,
            next_epoch=epoch + 1,
            step=step,
            n_records=progress.n_records + 1,
            best=best,
            seconds=course.clock(),
        )
        lr = max(group["lr"] for group in optimizer.param_groups)
        record = {
            "phase": phase.name,
            "epoch": progress.n_records,
            "step": step,
            "train_loss": total / n_done,
            **figures,
        }
        record |= {"lr": lr, "seconds": time.perf_counter() - started, "images_per_second": speed}
        for tracker in course.trackers:
            tracker.record({k: None if v != v else v for k, v in record.items()})
        save_checkpoint(run.checkpoints_dir, phase.module, optimizer=optimizer, progress=progress)
        course.on_tick(Tick(phase.name, epoch + 1, phase.n_epochs, n_done, phase.n_examples, math.nan, speed, score))
    return progress


def _finite(loss: float, what: str, *, run: Run) -> float:
    """`loss` if it is a number. Raises RunError TRI405."""
    if not math.isfinite(loss):
        raise error("TRI405", f"{what} is {loss}", where=str(run.path))
    return loss


@torch.no_grad()
def _validate(net: Net, phase: Phase, *, course: _Course) -> dict[str, float]:
    """Figures of one epoch on val, by argmax without test-time augmentation; NaN where no label is known.

    `val_score` picks the best epoch: the joint macro F1, or the attributes' mean where no photo has all labels.
    """
    net.eval()
    data, schema = course.data, course.run.info.label_schema
    labels = data.labels.rows(torch.from_numpy(data.val_rows).to(data.device))
    logits = phase.answer_val()
    return {"val_loss": float(course.loss(logits, labels)), **_figures(logits, labels, schema=schema)}


def _figures(logits: Logits, labels: Labels, *, schema: LabelSchema) -> dict[str, float]:
    joint, years = (None if p is None else p.cpu().numpy() for p in answer_probs(logits, schema))
    assert joint is not None
    truth = labels.classes.cpu().numpy()
    answers, truth_joint = joint.argmax(axis=1), schema.encode(truth)
    figures = {"val_macro_f1": math.nan, "val_accuracy": accuracy(truth_joint, answers)}
    if (truth_joint >= 0).any():
        figures["val_macro_f1"] = macro_f1(truth_joint, answers, n_classes=schema.n_joint)
    scores = []
    for i, attribute in enumerate(schema.attributes):
        column = schema.marginal(joint, attribute.name).argmax(axis=1)
        figures[f"val_{attribute.name}_accuracy"] = accuracy(truth[:, i], column)
        if (truth[:, i] >= 0).any():
            scores.append(macro_f1(truth[:, i], column, n_classes=len(attribute.classes)))
    if years is not None:
        off = np.abs(years @ schema.year_grid - labels.age_years.cpu().numpy())
        figures["val_age_mae_years"] = float(np.nanmean(off)) if np.isfinite(off).any() else math.nan
    joint_score = figures["val_macro_f1"]
    figures["val_score"] = float(np.mean(scores)) if math.isnan(joint_score) else joint_score
    return figures


def weights_about(run: Run) -> dict[str, str]:
    """What a weights file says of itself."""
    info = run.info
    return {
        "label_schema": info.label_schema.fingerprint,
        "backbone": info.recipe.model.backbone,
        "manifest": info.inputs.get("manifest", ""),
    }


def _check_size(net: Net, recipe: Recipe) -> None:
    """Refuses photos too small for the backbone. Raises ConfigError TRI101."""
    smallest = getattr(net.backbone, "min_size", 0)
    if min(recipe.data.image_size) < smallest:
        what = f"'{recipe.model.backbone}' needs at least {smallest} pixels a side"
        got = list(recipe.data.image_size)
        raise error("TRI101", what, where="data.image_size", got=got, do="Raise it, or take another backbone.")


def _mixed(seed: int, phase: str, *, epoch: int) -> int:
    """One number of (seed, phase, epoch), so that the phases do not share their order."""
    return (seed * 1_000_003 + epoch) * 2 + (phase == "all")


def _counter(on_tick: OnTick, name: str, *, n_photos: int) -> Callable[[int], None]:
    started, done = time.perf_counter(), 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        on_tick(Tick(name, 1, 1, done, n_photos, images_per_second=done / (time.perf_counter() - started)))

    return count
