"""The whole pipeline on one page: photos -> manifest -> run -> predictions -> scores and submission.

A stage opens what it needs, calls the rooms, and saves what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from trifacet.closing import answers_page, compared, finish, save_answers
from trifacet.core.config import Resolved
from trifacet.core.errors import error
from trifacet.core.evaluation import Evaluation
from trifacet.core.files import check_suffix, is_disk_full, sha256_file, write_text
from trifacet.core.manifest import Manifest, merged_stamps, read_manifest, write_manifest
from trifacet.core.predictions import DecisionRule, Predictions, chosen_rule, read_predictions, write_decision
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run, locked, open_run, pause, reserved, save_run
from trifacet.core.schema import LabelSchema
from trifacet.core.truth import read_truth
from trifacet.data import ingest as ingest_room
from trifacet.data import split as split_room
from trifacet.data.archive import unpacked
from trifacet.data.faces import find_faces
from trifacet.data.sources import Reading
from trifacet.data.sources.entries import IngestError
from trifacet.decision import fit_decision
from trifacet.opening import (
    Progress,
    new_run,
    open_data,
    open_inputs,
    open_photos,
    open_recipe,
    quiet,
    ready_to_train,
    require_train,
    seen_in_training,
    start_from,
    telling,
    with_faces,
)
from trifacet.pixels.faces import require_faces
from trifacet.prediction import predict_files
from trifacet.report import evaluation_report
from trifacet.report.compare import Compared, comparison_page
from trifacet.scoring import evaluate as score
from trifacet.scoring import read_pair
from trifacet.submission import Submission, submission, write_submission
from trifacet.teaching import open_teachers, taught

if TYPE_CHECKING:
    from trifacet.learn.models import Net
    from trifacet.learn.predictor import Model
    from trifacet.learn.preview import DryRun
    from trifacet.learn.train import OnTick

Rule = DecisionRule | Literal["argmax"] | None


def ingest(
    sources: Sequence[str | Path],
    out: Path | str | None = None,
    *,
    layout: str = "auto",
    reading: Reading | None = None,
    rejects: Path | str | None = None,
    unpack: Path | str | None = None,
    workers: int | None = None,
    progress: Progress = quiet,
) -> ingest_room.Ingested:
    """Photos to a manifest: every file gets one status, and rejects are written beside the manifest.

    unpack: where archives are unpacked; by default beside the manifest, or the archive where none is written.
    """
    if out:
        check_suffix(Path(out), ".parquet", what="a manifest")
        unpack = unpack or Path(out).parent
    opened = [unpacked(source, into=Path(unpack) if unpack else None, progress=progress) for source in sources]
    told = telling(progress, "looking at photos")
    beside = Path(rejects) if rejects else (Path(out).with_suffix(".rejects.csv") if out else None)
    try:
        found = ingest_room.ingest(opened, layout=layout, reading=reading, workers=workers, progress=told)
    except IngestError as problem:
        if beside:
            ingest_room.write_rejects(beside, problem.rejects)
        raise
    if out:
        write_manifest(Path(out), found.manifest)
    if beside:
        ingest_room.write_rejects(beside, found.rejects)
    return found


def split(
    manifest: Manifest | Path | str,
    out: Path | str | None = None,
    *,
    val: float = 0.2,
    test: float = 0.0,
    folds: int | None = None,
    seed: int = 0,
    allow_leak: bool = False,
) -> Manifest:
    """A manifest to one with train, val and test (and folds), no person divided; written to `out` where given."""
    if out:
        check_suffix(Path(out), ".parquet", what="a manifest")
    data = manifest if isinstance(manifest, Manifest) else read_manifest(Path(manifest))
    made = split_room.split(data, val=val, test=test, folds=folds, seed=seed, allow_leak=allow_leak)
    if out:
        write_manifest(Path(out), made)
    return made


def faces(data: Manifest | Path | str, out: Path | str | None = None, *, progress: Progress = quiet) -> Manifest:
    """Photos to a manifest with the square around each face, for recipes with `data.crop: face`."""
    if out:
        check_suffix(Path(out), ".parquet", what="a manifest")
    require_faces()
    made = find_faces(open_data(data, progress=progress), progress=telling(progress, "finding faces"))
    if out:
        write_manifest(Path(out), made)
    return made


def train(
    recipe: Resolved[Recipe] | Path | str = "quick",
    *,
    data: Manifest | Path | str,
    out: Path | str,
    sets: Sequence[str] = (),
    init: Path | str | None = None,
    progress: Progress = quiet,
    on_tick: OnTick | None = None,
    profile: bool = False,
) -> Run:
    """A manifest to a finished run: weights, predictions on val and test, a decision rule and a report.

    A folder of photos is ingested, and what has no split gets one (20 % of the people are val).
    """
    require_train()
    resolved = open_recipe(recipe, sets)
    manifest = ready_to_train(open_data(data, progress=progress), resolved.settings)
    manifest = with_faces(manifest, resolved.settings, progress=progress)
    start = start_from(Path(init)) if init else None
    _check(manifest, resolved.settings, start=start)
    run = new_run(Path(out), resolved, manifest=manifest)
    if init:
        told = {"init": str(Path(init).absolute()), "init_weights": sha256_file(open_run(Path(init)).weights_path())}
        run = save_run(run, inputs={**run.info.inputs, **told})
    return _train(run, manifest, start=start, told=Told(progress, on_tick, profile))


def _check(manifest: Manifest, recipe: Recipe, *, start: Callable[[Net], None] | None) -> None:
    """Refuses, before anything is written, what training would stop at."""
    from trifacet.learn.train import check_training

    open_teachers(recipe, manifest)
    check_training(manifest.schema, recipe, init=start)


def resume(
    path: Path | str, *, progress: Progress = quiet, on_tick: OnTick | None = None, profile: bool = False
) -> Run:
    """A run that was stopped, gone on with from its newest whole checkpoint. Raises RunError TRI400, TRI403, TRI407."""
    require_train()
    run = open_run(Path(path))
    if run.info.status == "finished":
        raise error("TRI407", "this run is finished", where=str(path))
    start, inputs = None, run.info.inputs
    if "init" in inputs:
        start = start_from(Path(inputs["init"]), sha256=inputs["init_weights"])
    return _train(run, open_data(run.manifest_path), start=start, told=Told(progress, on_tick, profile))


@dataclass(frozen=True)
class Told:
    """Who is told how training goes, and whether every part of it is timed exactly."""

    progress: Progress
    on_tick: OnTick | None
    is_profiled: bool


def _train(run: Run, manifest: Manifest, *, start: Callable[[Net], None] | None, told: Told) -> Run:
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


def dry_run(
    recipe: Resolved[Recipe], data: Manifest, *, init: Path | str | None = None, progress: Progress = quiet
) -> DryRun:
    """One batch through the network a recipe describes: shapes, sizes, and a picture of what it sees."""
    require_train()
    from trifacet.learn.predictor import geometry_of
    from trifacet.learn.preview import dry_run as one_batch

    manifest, start = ready_to_train(data, recipe.settings), start_from(Path(init)) if init else None
    _check(manifest, recipe.settings, start=start)
    rows = manifest.split("train")
    rows = rows.where(pl.int_range(pl.len()) % max(1, len(rows) // recipe.settings.train.batch_size) == 0)
    rows = with_faces(rows, recipe.settings, progress=progress)
    inputs = open_inputs(rows, geometry_of(recipe.settings), progress=progress)
    seed = recipe.settings.train.seed
    return one_batch(rows, inputs, recipe=recipe.settings, seed=0 if seed == "random" else seed, init=start)


def predict(
    model: Model | Path | str,
    data: Path | str,
    *,
    out: Path | str | None = None,
    rule: Rule = None,
    splits: Sequence[str] = (),
    page: Path | str | None = None,
    progress: Progress = quiet,
    tell: Callable[[str], None] = quiet,
) -> Predictions:
    """Photos (a manifest or a folder, labelled or not) to a run's predictions, and to a page of pictures on request.

    out: a .parquet with all of it, or a .csv of `Predictions.answers()`, for reading.
    model: a run's folder, or what `load_model` made of it for a device or a `tta` of your choice, or without pictures.
    tell: is called with what a person should know of files that were left out.
    """
    if out:
        check_suffix(Path(out), ".parquet", ".csv", what="predictions")
    require_train()
    from trifacet.learn.predictor import load_model

    model = load_model(model) if isinstance(model, str | Path) else model
    asked = open_photos(Path(data), splits, progress=progress)
    if asked.note:
        tell(asked.note)
    told = telling(progress, "predicting")
    seen = seen_in_training(asked.photos, model.manifest_path) if model.manifest_path else ()
    stamps = merged_stamps(model.stamps, asked.stamps, seen)
    predictions = predict_files(model, asked.photos, stamps=stamps, progress=told)
    plain = DecisionRule(label_schema=model.schema, priors=model.decision.priors)
    predictions = predictions.with_decision(chosen_rule(predictions, rule) or plain)
    if out:
        save_answers(Path(out), predictions)
    if page:
        write_text(Path(page), answers_page(model, predictions, photos=asked.photos, told=progress))
    return predictions


def decide(
    model_path: Path | str,
    out: Path | str | None = None,
    *,
    on: Path | str | None = None,
    truth: Path | str | None = None,
) -> DecisionRule:
    """A decision rule fitted on a run's val predictions, or on other predictions whose truth is known."""
    run = open_run(Path(model_path))
    predictions = read_predictions(on or run.predictions_path("val"))
    known = read_truth(Path(truth) if truth else run.manifest_path, predictions.schema)
    name = Path(on).name if on else "val"
    rule = fit_decision(predictions, known, priors=run.info.priors, fitted_on=name, seed=run.info.seed)
    if out:
        write_decision(Path(out), rule)
    return rule


def evaluate(
    predictions: Path | str,
    truth: Path | str,
    *,
    schema: LabelSchema | None = None,
    rule: Rule = None,
    by_row: bool = False,
    subset: bool = False,
    report: Path | str | None = None,
) -> Evaluation:
    """Predictions or a submission against a manifest or a CSV of labels; a report page on request."""
    told, true = Path(predictions), Path(truth)
    scored, known = read_pair(told, true, schema=schema)
    evaluation = score(scored, known, rule=rule, by_row=by_row, subset=subset)
    if report:
        page = evaluation_report({true.name: evaluation}, title=f"Scores of {told.name} against {true.name}")
        write_text(Path(report), page)
    return evaluation


def compare(runs: Sequence[Path | str], *, on: str = "", out: Path | str | None = None) -> list[Compared]:
    """Finished runs side by side on their own val or test (default: test where all have one); a page on request.

    Raises:
        ConfigError: TRI104, fewer than two runs, or a split that some run has not. RunError: TRI400, TRI401.
    """
    made, split = compared([Path(run) for run in runs], on)
    if out:
        write_text(Path(out), comparison_page(made, measured_on=split))
    return made


def submit(
    predictions: Path | str, info: Path | str, *, out: Path | str, rule: Rule = None, fill: bool = False
) -> Submission:
    """Predictions to a submission CSV in the order of `info`, every row answered."""
    made = submission(read_predictions(Path(predictions)), Path(info), rule=rule, fill=fill)
    write_submission(Path(out), made)
    return made
