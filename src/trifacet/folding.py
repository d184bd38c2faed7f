"""Folds to one model: a run for each, what each says of people it never saw, and all of them answering together."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from trifacet.core.config import Resolved
from trifacet.core.ensemble import ABOUT, Ensemble, EnsembleInfo, Folded, Member, fingerprint_of, open_ensemble
from trifacet.core.evaluation import Evaluation
from trifacet.core.files import atomic_folder, sha256_file, write_json, write_text
from trifacet.core.folds import OWN_PEOPLE, OWN_RULE, Folds, FoldsInfo
from trifacet.core.manifest import IS_PSEUDO, Manifest, merged_stamps, read_manifest, with_schema, write_manifest
from trifacet.core.predictions import Predictions, read_predictions, write_decision, write_predictions
from trifacet.core.recipe import Recipe
from trifacet.core.run import FOLDS, Run, locked, now, versions
from trifacet.core.truth import truth_of
from trifacet.data.split import one_fold
from trifacet.decision import fit_asked, fit_fold_rules, training_priors
from trifacet.ensembles.pool import answered, pooled
from trifacet.opening import open_inputs, ready_to_train, usable
from trifacet.pages.contact import thumbnail_uri
from trifacet.report import evaluation_report
from trifacet.report.material import photos_to_show, size_text
from trifacet.scoring import evaluate
from trifacet.several import Part, start_of, trained_parts
from trifacet.training import Told, check


def new_folds(recipe: Resolved[Recipe], manifest: Manifest, *, out: Path, inputs: Mapping[str, str]) -> Folds:
    """A folder with everything that is known before the first fold is trained, whole or not at all.

    manifest: in folds (`in_folds`); test stays test, and everybody else is val once. inputs: what
    each fold starts from (`start_inputs`).

    Raises:
        ConfigError, ManifestError, RunError: what training a fold would stop at; TRI402.
    """
    settings = _settled(recipe.settings)
    n_folds = manifest.table["fold"].drop_nulls().n_unique()
    start = start_of(inputs)
    ready = [ready_to_train(one_fold(manifest, fold), settings) for fold in range(n_folds)]
    for one in ready:
        check(one, settings, start=start)
    seed = settings.train.seed
    info = FoldsInfo(
        name=out.name,
        created=now(),
        n_folds=n_folds,
        seed=secrets.randbelow(2**31) if seed == "random" else seed,
        recipe=settings,
        origins=recipe.origins,
        inputs=dict(inputs),
    )
    labelled = with_schema(manifest, ready[0].schema)
    with atomic_folder(out) as folder:
        write_manifest(Folds(folder, info).manifest_path, replace(labelled, stamps=ready[0].stamps))
        write_json(folder / FOLDS, info.model_dump(mode="json", by_alias=True))
    return Folds(out, info)


def _settled(recipe: Recipe) -> Recipe:
    """The recipe as folds are trained by it: where nothing else is said the last epoch answers."""
    if recipe.train.choose != "auto":
        return recipe
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"choose": "last"})})


def train_folds(folds: Folds, *, told: Told) -> Ensemble:
    """The folds trained, one after another; those that are finished are left alone, one under way is gone on with.

    Raises:
        RunError: TRI407 all is done, TRI408 somebody trains them now. And what training raises.
    """
    info = folds.info
    with locked(folds):
        manifest = read_manifest(folds.manifest_path)
        recipe = info.recipe.model_copy(update={"train": info.recipe.train.model_copy(update={"seed": info.seed})})

        def part(fold: int) -> Part:
            own = partial(_ready, manifest, recipe, fold=fold)
            return Part(folds.fold_path(fold), f"fold {fold + 1}/{info.n_folds}", recipe, info.origins, own)

        parts = [part(fold) for fold in range(info.n_folds)]
        runs = trained_parts(folds, parts, told=told)
        return _finish(folds, manifest, runs=runs, told=told)


def _ready(manifest: Manifest, recipe: Recipe, *, fold: int) -> Manifest:
    return usable(one_fold(manifest, fold), recipe)


@dataclass(frozen=True, eq=False)
class _OutOfFolds:
    """What is said of every photo by the run that did not see its person: N answers, their folds, the runs."""

    answers: Predictions
    fold_of: np.ndarray
    runs: list[Run]


def _out_of_folds(folds: Folds, manifest: Manifest, *, runs: list[Run]) -> _OutOfFolds:
    """The folds' answers on val as one table, in the manifest's order."""
    tables = [read_predictions(run.predictions_path("val")) for run in runs]
    place = {photo_id: i for i, photo_id in enumerate(manifest.photo_ids)}
    ids = [one for table in tables for one in table.ids]
    order = np.argsort([place[one] for one in ids])
    fold_of = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    years = [table.age_probs for table in tables if table.age_probs is not None]
    chosen = folds.info.recipe
    own = chosen.train.choose == "best" or chosen.train.patience or chosen.schedule.name == "plateau"
    whole = Predictions(
        ids=ids,
        probs=np.concatenate([table.probs for table in tables]),
        age_probs=np.concatenate(years) if len(years) == len(tables) else None,
        errors=[one for table in tables for one in table.errors],
        schema=tables[0].schema,
        made_by={"run": folds.info.name, **{f"weights_{i}": fingerprint_of(run) for i, run in enumerate(runs)}},
        stamps=merged_stamps(*(table.stamps for table in tables), (OWN_PEOPLE,) if own else ()),
    )
    return _OutOfFolds(whole.rows(order), fold_of[order], runs)


def _finish(folds: Folds, manifest: Manifest, *, runs: list[Run], told: Told) -> Ensemble:
    """Answers out of folds and on test, the rule, scores and the report; ensemble.json, last, makes them a model."""
    info, truth = folds.info, truth_of(manifest.where(~IS_PSEUDO))  # those are in no fold: nobody was asked about them
    fit = info.recipe.decide.fit
    oof = _out_of_folds(folds, manifest, runs=runs)
    priors = training_priors(manifest.split("train", "val").classes, oof.answers.schema)
    rule = fit_asked(oof.answers, truth, fit=fit, priors=priors, fitted_on="oof", seed=info.seed)
    own_priors = {i: run.info.priors for i, run in enumerate(runs)}
    nested = fit_fold_rules(oof.answers, truth, fold_of=oof.fold_of, priors=own_priors, fit=fit)
    scores = {"oof": evaluate(oof.answers.with_decision(rule), truth, rule=nested)}
    plain = evaluate(oof.answers, truth, rule="argmax")
    answers = oof.answers.with_decision(rule)
    answers = replace(answers, stamps=merged_stamps(answers.stamps, (OWN_RULE,) * (fit != "argmax")))
    write_predictions(folds.predictions_path("oof"), answers)
    if all(run.predictions_path("test").is_file() for run in runs):
        pool = pooled({run.info.name: read_predictions(run.predictions_path("test")) for run in runs})
        tested = answered(pool, np.full(len(runs), 1 / len(runs))).with_decision(rule)
        tested = replace(tested, made_by=oof.answers.made_by)
        write_predictions(folds.predictions_path("test"), tested)
        scores["test"] = evaluate(tested, truth)
    by_fold = []
    for fold, own in nested.rules.items():
        part = oof.answers.rows(np.flatnonzero(oof.fold_of == fold))
        by_fold.append(evaluate(part, truth.of(part.ids), rule=own))
    folded = Folded(
        nested=_macro_f1(scores["oof"]),
        argmax=_macro_f1(plain),
        by_fold=tuple(map(_macro_f1, by_fold)),
        recipe=info.recipe,
    )
    write_decision(folds.decision_path, rule)
    write_json(folds.scores_path, {name: score.as_json() for name, score in scores.items()})
    ensemble = Ensemble(folds.path, _ensemble_info(folds, oof, priors=priors, folded=folded, manifest=manifest))
    shown = {"held-out folds" if name == "oof" else name: score for name, score in reversed(scores.items())}
    page = _report(ensemble.info, shown, by_fold=by_fold, oof=oof, manifest=manifest, told=told)
    write_text(folds.report_path, page)
    write_json(folds.path / ABOUT, ensemble.info.model_dump(mode="json", by_alias=True))
    return open_ensemble(folds.path)


def _macro_f1(evaluation: Evaluation) -> float | None:
    return evaluation.joint.macro_f1.value if evaluation.joint and evaluation.joint.macro_f1 else None


def _ensemble_info(
    folds: Folds, oof: _OutOfFolds, *, priors: Mapping[str, tuple[float, ...]], folded: Folded, manifest: Manifest
) -> EnsembleInfo:
    """What ensemble.json tells: every fold's run has the same say."""
    share = 1 / len(oof.runs)
    return EnsembleInfo(
        name=folds.info.name,
        created=folds.info.created,
        members=tuple(
            Member(path=run.path.name, name=run.info.name, weight=share, sha256=fingerprint_of(run)) for run in oof.runs
        ),
        folded=folded,
        seed=folds.info.seed,
        label_schema=oof.answers.schema,
        priors=dict(priors),
        n_photos={"oof": len(oof.answers), "test": len(manifest.split("test"))},
        inputs={"manifest": sha256_file(folds.manifest_path)},
        stamps=oof.answers.stamps,
        notes=tuple(dict.fromkeys(note for run in oof.runs for note in run.info.notes)),
        versions=versions(),
        machine=oof.runs[0].info.machine,
        seconds=sum(run.info.seconds for run in oof.runs),
    )


def _report(
    info: EnsembleInfo,
    scores: Mapping[str, Evaluation],
    *,
    by_fold: Sequence[Evaluation],
    oof: _OutOfFolds,
    manifest: Manifest,
    told: Told,
) -> str:
    """The report page of all folds, the answers out of folds in detail."""
    from trifacet.learn.predictor import geometry_of

    recipe, shown = oof.runs[0].info.recipe, dict[str, str]()
    if recipe.report.pictures:
        pixels = open_inputs(manifest, geometry_of(recipe), progress=told.progress)
        place = {photo_id: i for i, photo_id in enumerate(manifest.photo_ids)}
        ids = photos_to_show(scores["held-out folds"])["photo_id"]
        shown = {one: thumbnail_uri(np.asarray(pixels[place[one]])) for one in ids}
    facts = {
        "name": info.name,
        "recipe": f"{recipe.model.backbone}, {recipe.model.head}",
        "seed": info.seed,
        "trained": f"{info.seconds / 60:.1f} minutes",
        "folds": spread_text(info),
        **({} if recipe.report.pictures else {"photos": "not shown, by report.pictures"}),
        "Folds, macro F1 (a report each in their folders)": {
            f"fold {i + 1}, {run.path.name}": f"{score.joint.macro_f1 if score.joint else '-'} on {size_text(score)}"
            for i, (run, score) in enumerate(zip(oof.runs, by_fold, strict=True))
        },
        "Inputs": info.inputs,
        "Versions": info.versions,
        "Machine": {key: value for key, value in info.machine.items() if not key.startswith(("peak_", "kept_"))},
    }
    return evaluation_report(scores, title=info.name, run_info=facts, thumbnails=shown)


def spread_text(info: EnsembleInfo) -> str:
    """How far the folds are apart, and what the decision rule gives, in words; "" of an ensemble without folds."""
    if info.folded is None:
        return ""
    known = [score for score in info.folded.by_fold if score is not None]
    told = f"{len(info.folded.by_fold)}"
    if len(known) > 1:
        each = ", ".join(f"{score:.3f}" for score in known)
        told += f", macro F1 {each} (deviation {np.std(known, ddof=1):.3f})"
    if info.folded.nested is not None and info.folded.argmax is not None:
        told += f"; by rules of the other folds {info.folded.nested:.3f}, by the most probable class "
        told += f"{info.folded.argmax:.3f}"
    return told
