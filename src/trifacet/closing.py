"""The end of a run: predictions on val and test, the decision rule, scores, pictures and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trifacet.core.ensemble import Ensemble, is_ensemble, open_ensemble, open_member
from trifacet.core.errors import TrifacetError, error
from trifacet.core.evaluation import Evaluation
from trifacet.core.files import read_jsonl, write_json, write_text
from trifacet.core.manifest import Manifest, read_manifest
from trifacet.core.predictions import (
    DecisionRule,
    Predictions,
    read_decision,
    read_predictions,
    write_decision,
    write_predictions,
)
from trifacet.core.predictor import Predictor
from trifacet.core.run import Run, now, open_run, save_run
from trifacet.core.truth import UNFILLED, read_truth, truth_of
from trifacet.core.tta import tta_warning
from trifacet.decision import fit_asked, fit_decision, fit_rates
from trifacet.opening import Progress, telling
from trifacet.pages.contact import thumbnail_uri
from trifacet.picturing import MAP_SECONDS, Shown, attention_of, rows_of, save_pictures
from trifacet.pixels.decode import Undecodable, decode
from trifacet.prediction import Photo, predict_inputs
from trifacet.report import evaluation_report, predictions_page
from trifacet.report.compare import Compared
from trifacet.report.profile import memory_facts
from trifacet.scoring import evaluate
from trifacet.submission import probabilities_csv, refuse_leak

if TYPE_CHECKING:
    from trifacet.learn.predictor import Model

N_PAGE_PHOTOS = 2_500  # thumbnails of a page of predictions: they keep it under 10 MB


def finish(run: Run, manifest: Manifest, *, inputs: npt.NDArray[np.uint8], progress: Progress) -> Run:
    """A trained run to a finished one: whoever opens it finds answers, scores and a report beside the weights."""
    from trifacet.learn.predictor import open_model

    model = open_model(run)
    answers = _answer(model, manifest, inputs=inputs, progress=progress)
    truths = {name: truth_of(manifest.split(name)) for name in answers}
    fit, priors = run.info.recipe.decide.fit, run.info.priors
    rule = fit_asked(answers["val"], truths["val"], fit=fit, priors=priors, seed=run.info.seed)
    write_decision(run.decision_path, rule)
    scores: dict[str, Evaluation] = {}
    for name, predictions in answers.items():
        answers[name] = predictions.with_decision(rule)
        write_predictions(run.predictions_path(name), answers[name])
        scores[name] = evaluate(answers[name], truths[name])
    write_json(run.scores_path, {name: score.as_json() for name, score in scores.items()})
    if has_pictures := run.info.recipe.report.pictures:
        save_pictures(run, manifest, inputs=inputs, answers=answers["val"], truth=truths["val"])
    last = list(scores)[-1]
    shown = Shown(model, answers[last], scores[last], manifest, inputs, has_pictures)
    write_text(run.report_path, run_report(run, scores, shown=shown))
    notes = (*run.info.notes, *filter(None, [tta_warning(run.info.recipe.decide.tta)]))
    return save_run(run, status="finished", finished=now(), problem=None, notes=notes)


def _answer(
    model: Model, manifest: Manifest, *, inputs: npt.NDArray[np.uint8], progress: Progress
) -> dict[str, Predictions]:
    answers = {}
    for name in ("val", "test"):
        rows = rows_of(manifest, name)
        if len(rows):
            ids = manifest.split(name).photo_ids
            told = telling(progress, f"predicting {name}")
            answers[name] = predict_inputs(model, ids, inputs=inputs, rows=rows, stamps=manifest.stamps, progress=told)
    return answers


def run_report(run: Run, scores: Mapping[str, Evaluation], *, shown: Shown) -> str:
    """The report page of a run, test in detail where there is one."""
    info = run.info
    facts = {
        "name": info.name,
        "recipe": f"{info.recipe.model.backbone}, {info.recipe.model.head}",
        "seed": info.seed,
        "best epoch": info.best.epoch if info.best else None,
        "trained": f"{info.seconds / 60:.1f} minutes",
        **({"notes": "; ".join(info.notes)} if info.notes else {}),
        **({} if shown.has_pictures else {"photos": "not shown, by report.pictures"}),
        "Data": {
            f"{name}, photos / people": f"{n:,} / {_count(info.n_persons[name])}" for name, n in info.n_photos.items()
        },
        "Inputs": info.inputs,
        "Versions": info.versions,
        "Machine": {key: value for key, value in info.machine.items() if not key.startswith(("peak_", "kept_"))},
        "Memory": memory_facts(info.machine),
    }
    history = read_jsonl(run.metrics_path)
    pictures = shown.thumbnails if shown.has_pictures else {}
    looked = attention_of(shown, seconds=max(MAP_SECONDS, info.seconds / 20))
    return evaluation_report(
        scores, title=info.name, history=history, run_info=facts, thumbnails=pictures, attention=looked
    )


def save_answers(path: Path, predictions: Predictions) -> None:
    """Writes predictions: whole into a .parquet, as a table to read into a .csv."""
    if path.suffix.lower() == ".csv":
        write_text(path, predictions.answers().write_csv(line_terminator="\n"))
    else:
        write_predictions(path, predictions)


def save_probabilities(predictions: Predictions, data: Path, *, out: Path, splits: Sequence[str]) -> list[Path]:
    """Writes probabilities as kaggle-hpa's CSVs, a file a split where several were asked for; their paths.

    train and val are written with their labels and without ids, all else with ids and without labels.
    """
    refuse_leak(out)
    if not splits:
        write_text(out, probabilities_csv(predictions))
        return [out]
    manifest, written = read_manifest(data), list[Path]()
    for split in splits:
        part = manifest.split(split)
        ids = set(part.photo_ids)
        kept = predictions.rows(np.flatnonzero([one in ids for one in predictions.ids]))
        labels = dict(zip(part.photo_ids, truth_of(part).joint.tolist(), strict=True)) if split != "test" else None
        written.append(out.with_suffix(f".{split}.csv") if len(splits) > 1 else out)
        write_text(written[-1], probabilities_csv(kept, labels))
    return written


def check_rule_place(path: Path) -> None:
    """Refuses to replace what is no decision rule. Raises ConfigError TRI104."""
    try:
        _ = path.exists() and read_decision(path)
    except TrifacetError:
        do = "Name another file, or delete that one first."
        raise error("TRI104", "a rule would replace another thing", where="--out", got=f"'{path}'", do=do) from None


def decided(
    path: Path, *, on: Path | str | None, truth: Path | str | None, rates: Mapping[str, Sequence[float]] | None
) -> DecisionRule:
    """A rule fitted on what a run or an ensemble says of val (else out of folds), or on the predictions `on`.

    Raises:
        RunError: TRI400, TRI420. ManifestError: TRI202, no such predictions. PredictionsError: TRI301, TRI302, TRI328.
    """
    run = open_ensemble(path) if is_ensemble(path) else open_run(path)
    table = next((t for t in ("val", "oof") if run.predictions_path(t).is_file()), "val")
    predictions, name = read_predictions(on or run.predictions_path(table)), Path(on).name if on else table
    known = read_truth(Path(truth) if truth else run.manifest_path, predictions.schema) if truth or not on else None
    if known and (doubts := [stamp for stamp in known.stamps if UNFILLED in stamp]):
        raise error("TRI104", "a rule needs true labels", where="--truth", got=doubts[0])
    if rates is not None:
        return fit_rates(predictions, known, rates=rates, priors=run.info.priors, fitted_on=name)
    known = known or read_truth(run.manifest_path, predictions.schema)
    return fit_decision(predictions, known, priors=run.info.priors, fitted_on=name, seed=run.info.seed)


def compared(paths: Sequence[Path], on: str = "") -> tuple[list[Compared], str]:
    """Finished runs or ensembles with their scores on one table, and which: `on`, or what all have of test, oof, val.

    Out of folds everybody is decided by the most probable class: a rule was fitted on these very answers.

    Raises:
        ConfigError: TRI104, fewer than two runs, or a split that some run has not. RunError: TRI400, TRI401.
    """
    if len(paths) < 2:
        raise error("TRI104", "two runs or more are needed", got=f"{len(paths)}")
    runs = [open_member(path) for path in paths]
    shared = [t for t in ("test", "oof") if all(run.predictions_path(t).is_file() for run in runs)]
    split = on or next(iter(shared), "val")
    are_named_apart = len({run.info.name for run in runs}) == len(runs)
    made = []
    for run in runs:
        if not (path := run.predictions_path(split)).is_file():
            raise error("TRI104", f"{run.path} has no predictions on '{split}'", where="--on")
        scores = evaluate(
            read_predictions(path), read_truth(run.manifest_path), rule="argmax" if split == "oof" else None
        )
        name = run.info.name if are_named_apart else str(run.path)
        n_folds = read_manifest(run.manifest_path).table["fold"].drop_nulls().n_unique()
        made.append(Compared(name, run.info, scores, _weights_size(run), n_folds, split))
    return made, split


def _weights_size(run: Run | Ensemble) -> int:
    """Bytes of weights: a run's, or those of all an ensemble's members."""
    if isinstance(run, Run):
        return run.weights_path().stat().st_size
    return sum(_weights_size(open_member(run.member_path(member))) for member in run.info.members)


def answers_page(model: Predictor[Any], predictions: Predictions, *, photos: Sequence[Photo], told: Progress) -> str:
    """A page of photos by predicted class, the least certain first; as many pictures as a page holds, or none."""
    paths = {photo.photo_id: photo.path for photo in photos}
    order = np.argsort(predictions.confidence, kind="stable")[: N_PAGE_PHOTOS if model.has_pictures else 0]
    chosen = [predictions.ids[i] for i in order if predictions.errors[i] is None]
    thumbnails = {}
    with ThreadPoolExecutor() as pool:
        for done, (photo_id, uri) in enumerate(
            zip(chosen, pool.map(thumbnail_of, map(paths.get, chosen)), strict=True)
        ):
            thumbnails[photo_id] = uri
            told("making thumbnails", done + 1, len(chosen))
    priors = {name: np.array([prior]) for name, prior in model.decision.priors.items()}
    title = f"What the run '{model.made_by['run']}' answers"
    shares = predictions.schema.joint(priors)[0].tolist()
    return predictions_page(predictions, thumbnails if model.has_pictures else None, title=title, prior=shares)


def thumbnail_of(path: Path | None) -> str:
    """A data URI; "" where the photo vanished since it was predicted on."""
    try:
        return thumbnail_uri(decode(path.read_bytes())) if path else ""
    except (OSError, Undecodable):
        return ""


def _count(n_persons: int | None) -> str:
    return "unknown" if n_persons is None else f"{n_persons:,}"
