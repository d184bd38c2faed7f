"""The whole pipeline on one page: photos -> manifest -> run -> predictions -> scores and submission.

A stage opens what it needs, calls the rooms, and saves what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trifacet.auditing import audit as audit  # photos -> findings
from trifacet.averaging import average_of
from trifacet.choosing import open_recipe
from trifacet.closing import answers_page, check_rule_place, compared, decided, save_answers
from trifacet.core.config import Resolved
from trifacet.core.ensemble import Ensemble, Voting
from trifacet.core.evaluation import Evaluation
from trifacet.core.files import keep_inputs, write_text
from trifacet.core.manifest import Manifest, merged_stamps, read_manifest, write_manifest
from trifacet.core.predictions import DecisionRule, Predictions, chosen_rule, read_predictions, write_decision
from trifacet.core.predictor import Predictor
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run
from trifacet.core.schema import LabelSchema, require_same_schema
from trifacet.core.tables import check_place
from trifacet.cutting import background as background  # photos -> the same people before another background
from trifacet.data import ingest as ingest_room
from trifacet.data import split as split_room
from trifacet.data.archive import unpacked
from trifacet.data.sources import Reading
from trifacet.data.sources.entries import IngestError
from trifacet.data.split import in_folds
from trifacet.ensembles.combine import combine as combined
from trifacet.exploring import explore as explore  # photos -> a page of what they are
from trifacet.facing import faces as faces  # photos -> a manifest with the face of each
from trifacet.folding import new_folds
from trifacet.folding import train_folds as folded
from trifacet.joining import Choice, join
from trifacet.opening import (
    Progress,
    new_run,
    open_data,
    open_photos,
    quiet,
    ready_to_train,
    require_train,
    seen_in_training,
    telling,
    with_faces,
)
from trifacet.prediction import predict_files
from trifacet.report import evaluation_report
from trifacet.report.compare import Compared, comparison_page
from trifacet.ruling import apply as apply  # photos and rulings -> a new manifest
from trifacet.scoring import evaluate as score
from trifacet.scoring import read_pair
from trifacet.several import start_inputs, start_of
from trifacet.submission import Submission, refuse_leak, submission, write_submission
from trifacet.training import Told, check, dry_batch, train_run

if TYPE_CHECKING:
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
        check_place(Path(out), ".parquet", kind="manifest", inputs=sources)
        unpack = unpack or Path(out).parent
    beside = Path(rejects) if rejects else (Path(out).with_suffix(".rejects.csv") if out else None)
    if beside:
        check_place(beside, ".csv", kind="rejects")
    opened = [unpacked(source, into=Path(unpack) if unpack else None, progress=progress) for source in sources]
    told = telling(progress, "looking at photos")
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
        check_place(Path(out), ".parquet", kind="manifest", inputs=[manifest])
    data = manifest if isinstance(manifest, Manifest) else read_manifest(Path(manifest))
    made = split_room.split(data, val=val, test=test, folds=folds, seed=seed, allow_leak=allow_leak)
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
    inputs = start_inputs(init)
    start = start_of(inputs)
    check(manifest, resolved.settings, start=start)
    run = new_run(Path(out), resolved, manifest=manifest, inputs=inputs)
    return train_run(run, manifest, start=start, told=Told(progress, on_tick, profile))


def train_folds(
    recipe: Resolved[Recipe] | Path | str = "quick",
    *,
    data: Manifest | Path | str,
    folds: int,
    out: Path | str,
    keep_val: bool = False,
    init: Path | str | None = None,
    progress: Progress = quiet,
    on_tick: OnTick | None = None,
) -> Ensemble:
    """A manifest to a run for each of its folds (made here where it has none), which answer together.

    Every photo outside test is answered by the run that never saw its person: predictions/oof.parquet, scored with
    rules that the other folds fitted. keep_val: the folds never see val, and may teach a run that is chosen on it.
    """
    require_train()
    resolved = open_recipe(recipe)
    manifest = in_folds(open_data(data, progress=progress), folds, keep_val=keep_val)
    manifest = with_faces(manifest, resolved.settings, progress=progress)
    made = new_folds(resolved, manifest, out=Path(out), inputs=start_inputs(init))
    return folded(made, told=Told(progress, on_tick))


def dry_run(
    recipe: Resolved[Recipe], data: Manifest, *, init: Path | str | None = None, progress: Progress = quiet
) -> DryRun:
    """One batch through the network a recipe describes: shapes, sizes, and a picture of what it sees."""
    require_train()
    start = start_of(start_inputs(init))
    return dry_batch(recipe.settings, ready_to_train(data, recipe.settings), start=start, progress=progress)


def average(
    runs: Sequence[Path | str],
    out: Path | str,
    *,
    last: int | None = None,
    greedy: bool = False,
    progress: Progress = quiet,
) -> Run:
    """The kept epochs of a run, or several runs of one network, to a run with the mean of their weights."""
    require_train()
    return average_of([Path(run) for run in runs], Path(out), last=last, is_greedy=greedy, progress=progress)


def predict(
    model: Predictor[Any] | Path | str | Sequence[Path | str],
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
    model: the folder of a run or an ensemble, or several, which answer as their mean; or what `load_model` made of
    them for a device or a `tta` of your choice, or without pictures.
    tell: is called with what a person should know of files that were left out.
    """
    if out:
        check_place(Path(out), ".parquet", ".csv", kind="predictions", inputs=[data])
    if page:
        keep_inputs(Path(page), data)
    require_train()
    from trifacet.committee import Committee
    from trifacet.learn.predictor import Model, load_model

    model = load_model(model) if isinstance(model, str | Path | Sequence) else model
    if isinstance(rule, DecisionRule) and isinstance(model, Model | Committee):
        require_same_schema(model.schema, rule.label_schema, where="decision rule")
        model = replace(model, decision=rule)  # which photos are near a tie is a question of the rule
    asked = open_photos(Path(data), splits, progress=progress)
    if asked.note:
        tell(asked.note)
    told = telling(progress, "predicting")
    seen = seen_in_training(asked.photos, model.manifest_paths)
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
    rates: Mapping[str, Sequence[float]] | None = None,
) -> DecisionRule:
    """A decision rule fitted on the val predictions of a run or an ensemble, or on others whose truth is known.

    rates: the rule instead under which classes are answered as often as they occur: by these shares of an attribute's
    classes, by the labels where an attribute is not named ({}: all). With rates, `on` needs no truth.
    """
    if out:
        check_rule_place(Path(out))
    rule = decided(Path(model_path), on=on, truth=truth, rates=rates)
    if out:
        write_decision(Path(out), rule)
    return rule


def ensemble(
    runs: Sequence[Path | str],
    out: Path | str,
    *,
    weights: Sequence[float] = (),
    fit: bool = False,
    voting: Voting = "soft",
    seed: int = 0,
) -> Ensemble:
    """Finished runs (or ensembles) to an ensemble, which answers wherever a run does.

    weights: one a run; all alike where none are given. fit: by greedy selection on predictions whose truth is known,
    each person scored by weights of others. voting: soft, or hard with ties settled by probability.
    """
    choice = Choice(tuple(weights), is_fitted=fit, voting=voting, seed=seed)
    return join([Path(run) for run in runs], Path(out), choice=choice)


def combine(predictions: Sequence[Path | str], out: Path | str) -> Predictions:
    """Predictions of parts of the task, one file or several each, to predictions of the whole, written to `out`."""
    check_place(Path(out), ".parquet", ".csv", kind="predictions", inputs=predictions)
    made = combined({str(path): read_predictions(path) for path in predictions})
    save_answers(Path(out), made)
    return made


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
    if report:
        keep_inputs(Path(report), told, true)
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
    refuse_leak(Path(out))
    keep_inputs(Path(out), predictions, info)
    made = submission(read_predictions(Path(predictions)), Path(info), rule=rule, fill=fill)
    write_submission(Path(out), made)
    return made
