"""A run while it is trained: under its lock, with room on the disk for its last words, and a status at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from trifacet.closing import finish
from trifacet.core.files import is_disk_full
from trifacet.core.manifest import Manifest
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run, locked, open_run, pause, reserved, save_run
from trifacet.opening import Progress, open_inputs, with_faces
from trifacet.teaching import open_teachers, taught

if TYPE_CHECKING:
    from trifacet.learn.models import Net
    from trifacet.learn.preview import DryRun
    from trifacet.learn.train import OnTick


def check(manifest: Manifest, recipe: Recipe, *, start: Callable[[Net], None] | None) -> None:
    """Refuses, before anything is written, what training would stop at."""
    from trifacet.learn.start import check_training
    from trifacet.learn.track import require_trackers

    require_trackers(recipe.track)
    open_teachers(recipe, manifest)
    check_training(manifest, recipe, init=start)


def dry_batch(recipe: Recipe, manifest: Manifest, *, start: Callable[[Net], None] | None, progress: Progress) -> DryRun:
    """One batch of photos from all over the training split through the network, after the same checks."""
    from trifacet.learn.predictor import geometry_of
    from trifacet.learn.preview import dry_run

    check(manifest, recipe, start=start)
    rows = manifest.split("train")
    rows = rows.where(pl.int_range(pl.len()) % max(1, len(rows) // recipe.train.batch_size) == 0)
    rows = with_faces(rows, recipe, progress=progress)
    inputs = open_inputs(rows, geometry_of(recipe), progress=progress)
    seed = 0 if recipe.train.seed == "random" else recipe.train.seed
    return dry_run(rows, inputs, recipe=recipe, seed=seed, init=start)


@dataclass(frozen=True)
class Told:
    """Who is told how training goes, and whether every part of it is timed exactly."""

    progress: Progress
    on_tick: OnTick | None
    is_profiled: bool = False


def train_run(run: Run, manifest: Manifest, *, start: Callable[[Net], None] | None, told: Told) -> Run:
    """The run trained and finished; its status tells where it was stopped or failed. Raises what training raises."""
    from trifacet.learn.predictor import geometry_of
    from trifacet.learn.train import train as learn

    with locked(run):
        try:
            with reserved(run):
                inputs = open_inputs(manifest, geometry_of(run.info.recipe), progress=told.progress)
                on_tick, exact = told.on_tick or (lambda _: None), told.is_profiled
                run, soft = taught(run, manifest, progress=told.progress)
                run = learn(run, manifest, images=inputs, init=start, soft=soft, on_tick=on_tick, is_profiled=exact)
                return finish(run, manifest, inputs=inputs, progress=told.progress)
        except KeyboardInterrupt:
            save_run(open_run(run.path), status="interrupted")
            raise
        except Exception as problem:
            if is_disk_full(problem):
                raise pause(run, problem) from problem
            save_run(open_run(run.path), status="failed", problem=str(problem))
            raise
