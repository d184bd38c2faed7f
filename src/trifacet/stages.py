"""The whole pipeline on one page: photos -> manifest -> run -> predictions -> scores and submission.

A stage opens what it needs, calls the rooms, and saves what comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from trifacet.closing import answers_page, finish
from trifacet.core.config import Resolved
from trifacet.core.errors import error
from trifacet.core.evaluation import Evaluation
from trifacet.core.files import write_text
from trifacet.core.manifest import Manifest, merged_stamps, read_manifest, write_manifest
from trifacet.core.predictions import (
    DecisionRule,
    Predictions,
    argmax_rule,
    chosen_rule,
    read_predictions,
    write_decision,
    write_predictions,
)
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run, open_run, save_run
from trifacet.core.schema import LabelSchema
from trifacet.core.truth import read_truth
from trifacet.data import ingest as ingest_room
from trifacet.data import split as split_room
from trifacet.data.drawn import DrawnDataset, draw_dataset
from trifacet.data.sources import Reading
from trifacet.data.sources.entries import IngestError
from trifacet.decide import fit_decision
from trifacet.evaluate import evaluate, read_pair
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
    telling,
)
from trifacet.predict import predict_files
from trifacet.report import evaluation_report
from trifacet.submit import Submission, submission, write_submission

if TYPE_CHECKING:
    from trifacet.learn.predictor import Tta
    from trifacet.learn.preview import DryRun
    from trifacet.learn.train import OnTick

Rule = DecisionRule | Literal["argmax"] | None


def ingest(
    sources: Sequence[str | Path],
    out: Path | None = None,
    *,
    layout: str = "auto",
    reading: Reading | None = None,
    rejects: Path | None = None,
    workers: int | None = None,
    progress: Progress = quiet,
) -> ingest_room.Ingested:
    """Photos to a manifest: every file gets one status, and rejects are written beside the manifest."""
    told = telling(progress, "looking at photos")
    beside = rejects or (out and out.with_suffix(".rejects.csv"))
    try:
        found = ingest_room.ingest(sources, layout=layout, reading=reading, workers=workers, progress=told)
    except IngestError as problem:
        if beside:
            ingest_room.write_rejects(beside, problem.rejects)
        raise
    if out:
        write_manifest(out, found.manifest)
    if beside:
        ingest_room.write_rejects(beside, found.rejects)
    return found


def split(
    manifest_path: Path,
    out: Path,
    *,
    val: float = 0.2,
    test: float = 0.0,
    folds: int | None = None,
    seed: int = 0,
    allow_leak: bool = False,
) -> Manifest:
    """A manifest to one with train, val and test (and folds), no person divided."""
    manifest = read_manifest(manifest_path)
    made = split_room.split(manifest, val=val, test=test, folds=folds, seed=seed, allow_leak=allow_leak)
    write_manifest(out, made)
    return made


def train(
    recipe: Resolved[Recipe],
    data: Manifest,
    out: Path,
    *,
    init: Path | None = None,
    progress: Progress = quiet,
    on_tick: OnTick | None = None,
) -> Run:
    """A manifest to a finished run: weights, predictions on val and test, a decision rule and a report."""
    require_train()
    manifest = ready_to_train(data, recipe.settings)
    run = new_run(out, recipe, manifest)
    return _train(run, manifest, init=init, progress=progress, on_tick=on_tick)


def resume(path: Path, *, progress: Progress = quiet, on_tick: OnTick | None = None) -> Run:
    """A run that was stopped, gone on with from its last whole epoch. Raises RunError TRI400, TRI407."""
    require_train()
    run = open_run(path)
    if run.info.status == "finished":
        raise error("TRI407", "this run is finished", where=str(path))
    return _train(run, open_data(run.manifest_path), init=None, progress=progress, on_tick=on_tick)


def _train(run: Run, manifest: Manifest, *, init: Path | None, progress: Progress, on_tick: OnTick | None) -> Run:
    from trifacet.learn.predictor import geometry_of, load_init
    from trifacet.learn.train import train as learn

    try:
        start = load_init(open_run(init)) if init else None
        inputs = open_inputs(manifest, geometry_of(run.info.recipe), progress)
        run = learn(run, manifest, inputs, init=start, on_tick=on_tick or (lambda _: None))
        return finish(run, manifest, inputs, progress)
    except KeyboardInterrupt:
        save_run(open_run(run.path), status="interrupted")
        raise
    except Exception as problem:
        save_run(open_run(run.path), status="failed", problem=str(problem))
        raise


def dry_run(recipe: Resolved[Recipe], data: Manifest, *, progress: Progress = quiet) -> DryRun:
    """One batch through the network a recipe describes: shapes, sizes, and a picture of what it sees."""
    require_train()
    from trifacet.learn.predictor import geometry_of
    from trifacet.learn.preview import dry_run as one_batch

    rows = ready_to_train(data, recipe.settings).split("train")
    rows = rows.where(pl.int_range(pl.len()) % max(1, len(rows) // recipe.settings.train.batch_size) == 0)
    inputs = open_inputs(rows, geometry_of(recipe.settings), progress)
    seed = recipe.settings.train.seed
    return one_batch(rows, inputs, recipe.settings, seed=0 if seed == "random" else seed)


def predict(
    model_path: Path,
    data: Path,
    out: Path,
    *,
    tta: Tta | None = None,
    rule: Rule = None,
    splits: Sequence[str] = (),
    device: str = "auto",
    page: Path | None = None,
    progress: Progress = quiet,
) -> Predictions:
    """Photos (a manifest or a folder, labelled or not) to a run's predictions, and to a page of pictures on request."""
    require_train()
    from trifacet.learn.predictor import load_model

    model = load_model(model_path, device=device, tta=tta)
    photos, stamps = open_photos(data, splits, progress)
    told = telling(progress, "predicting")
    predictions = predict_files(model, photos, stamps=merged_stamps(model.stamps, stamps), progress=told)
    predictions = predictions.with_decision(chosen_rule(predictions, rule) or argmax_rule(model.schema))
    write_predictions(out, predictions)
    if page:
        priors = open_run(model_path).info.priors
        write_text(page, answers_page(predictions, photos, priors, title=f"What {model_path.name} sees", told=progress))
    return predictions


def decide(model_path: Path, out: Path, *, on: Path | None = None, truth: Path | None = None) -> DecisionRule:
    """A decision rule fitted on a run's val predictions, or on other predictions whose truth is known."""
    run = open_run(model_path)
    predictions = read_predictions(on or run.predictions_path("val"))
    known = read_truth(truth or run.manifest_path, predictions.schema)
    name = on.name if on else "val"
    rule = fit_decision(predictions, known, priors=run.info.priors, fitted_on=name, seed=run.info.seed)
    write_decision(out, rule)
    return rule


def score(
    predictions: Path,
    truth: Path,
    *,
    schema: LabelSchema | None = None,
    rule: Rule = None,
    by_row: bool = False,
    subset: bool = False,
    report: Path | None = None,
) -> Evaluation:
    """Predictions or a submission against truth; a report page on request."""
    scored, known = read_pair(predictions, truth, schema=schema)
    evaluation = evaluate(scored, known, rule=rule, by_row=by_row, subset=subset)
    if report:
        write_text(report, evaluation_report({truth.stem: evaluation}, title=f"{predictions.stem} on {truth.stem}"))
    return evaluation


def submit(predictions: Path, info: Path, out: Path, *, rule: Rule = None, fill: bool = False) -> Submission:
    """Predictions to a submission CSV in the order of `info`."""
    made = submission(read_predictions(predictions), info, rule=rule, fill=fill)
    write_submission(out, made)
    return made


@dataclass(frozen=True)
class Demo:
    """What the demo leaves behind, every path below `root`, and how well it did on people never seen."""

    root: Path
    drawn: DrawnDataset
    run: Run
    evaluation: Evaluation
    submission: Submission
    report_path: Path
    submission_path: Path
    page_path: Path


def demo(
    out: Path,
    *,
    recipe: str = "instant",
    n_people: int = 300,
    seed: int = 0,
    progress: Progress = quiet,
    on_tick: OnTick | None = None,
) -> Demo:
    """Drawn faces, and all that is done with a folder of photos: ingest, split, train, predict, evaluate, submit."""
    require_train()
    told = telling(progress, "drawing faces")
    drawn = draw_dataset(out / "photos", n_train_people=n_people, n_eval_people=n_people, seed=seed, progress=told)
    ingest([drawn.train_dir], out / "photos.parquet", progress=progress)
    data = split(out / "photos.parquet", out / "manifest.parquet", val=0.2, test=0.0, seed=seed)
    run = train(open_recipe(recipe, [f"train.seed={seed}"]), data, out / "run", progress=progress, on_tick=on_tick)
    answers, page = out / "answers.parquet", out / "answers.html"
    predict(run.path, drawn.eval_dir, answers, page=page, progress=progress)
    report = out / "report.html"
    evaluation = score(answers, drawn.truth_path, report=report)
    submitted = submit(answers, drawn.eval_dir / "info.csv", out / "output.csv")
    return Demo(out, drawn, run, evaluation, submitted, report, out / "output.csv", page)
