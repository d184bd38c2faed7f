"""Runs to an ensemble: what they say of the same photos is looked up, weighed, decided and scored, and written down."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from trifacet.closing import thumbnail_of
from trifacet.core.ensemble import (
    ABOUT,
    TABLES,
    Ensemble,
    EnsembleInfo,
    Member,
    Voting,
    WeightFit,
    fingerprint_of,
    open_ensemble,
    open_member,
)
from trifacet.core.errors import error, first_few
from trifacet.core.evaluation import Evaluation
from trifacet.core.files import atomic_folder, read_json, sha256_file, write_json, write_text
from trifacet.core.folds import OWN_RULE
from trifacet.core.manifest import IS_PSEUDO, Manifest, merged_stamps, read_manifest, write_manifest
from trifacet.core.predictions import (
    DecisionRule,
    FoldRules,
    Predictions,
    argmax_rule,
    read_predictions,
    write_decision,
    write_predictions,
)
from trifacet.core.run import Run, now, versions
from trifacet.core.schema import FloatArray
from trifacet.core.truth import Truth, truth_of
from trifacet.decision import N_FOLDS, Fit, fit_asked, fit_fold_rules
from trifacet.ensembles.pool import Pool, answered, pooled
from trifacet.ensembles.weights import Fitted, fit_weights, given_weights, nested
from trifacet.report import evaluation_report
from trifacet.report.material import photos_to_show
from trifacet.scoring import evaluate

NESTED = "each person was answered by weights that were fitted on other people"


@dataclass(frozen=True)
class Choice:
    """How members are weighed: by these weights, by weights fitted on people, or (neither) all alike.

    fit: how their answers are decided, as `decide.fit` of a recipe.
    """

    weights: Sequence[float] = ()
    is_fitted: bool = False
    voting: Voting = "soft"
    seed: int = 0
    fit: Fit = "auto"


def join(paths: Sequence[Path], out: Path, *, choice: Choice) -> Ensemble:
    """A new ensemble of the runs (or ensembles) at `paths`, whole or not at all.

    Raises:
        ConfigError: TRI104. PredictionsError: TRI301, TRI340, TRI342. RunError: TRI400 to TRI403, TRI420.
    """
    if len(paths) < 2:
        raise error("TRI104", "two runs or more are needed", got=f"{len(paths)}")
    given = [path.resolve() for path in paths]
    if twice := sorted({str(path) for path in given if given.count(path) > 1}):
        do = "To give it more say use --weights."
        raise error("TRI104", "a run is named more than once", got=first_few(twice, 3), do=do)
    joined = _joined(_named([open_member(path) for path in paths]), out=out, choice=choice)
    with atomic_folder(out) as folder:
        _write(joined, folder)
    return open_ensemble(out)


def join_within(paths: Sequence[Path], out: Path, *, choice: Choice, names: Sequence[str]) -> Ensemble:
    """The runs in the folder `out`, by these names, as an ensemble there: its ensemble.json is written last."""
    members = dict(zip(names, map(open_member, paths), strict=True))
    _write(_joined(members, out=out, choice=choice), out)
    return open_ensemble(out)


@dataclass(frozen=True, eq=False)
class _Joined:
    """What an ensemble's folder will hold: its info, what it says by table, the first member's manifest."""

    info: EnsembleInfo
    made: Mapping[str, Predictions]
    manifest: Manifest
    fit: Fit
    members: Mapping[str, Run | Ensemble]


def _joined(members: Mapping[str, Run | Ensemble], *, out: Path, choice: Choice) -> _Joined:
    weights = given_weights(choice.weights or [1] * len(members), n_members=len(members))
    manifests = {name: read_manifest(member.manifest_path) for name, member in members.items()}
    _require_same_content(manifests)
    first, *_ = manifests.values()
    pools, truth = _pools(members), truth_of(first)
    fitted, source = None, ""
    if choice.is_fitted:
        source = next((name for name in ("oof", "val") if name in pools), "")
        if not source:
            raise error("TRI342", "the members share no predictions on val or out of folds", where="--fit")
        fitted = fit_weights(pools[source], truth, voting=choice.voting, seed=choice.seed)
        weights = fitted.weights
    voting = choice.voting
    made = {
        name: nested(pool, truth, fitted=fitted, voting=voting) if fitted else answered(pool, weights, voting=voting)
        for name, pool in pools.items()
    }
    info = _info(members, weights, out=out, choice=choice)
    fit = _told(fitted, source) if fitted else None
    info = info.model_copy(update={"fit": fit, "n_photos": {name: len(table) for name, table in made.items()}})
    return _Joined(info, made, first, choice.fit, members)


def _told(fitted: Fitted, source: str) -> WeightFit:
    return WeightFit(
        fitted_on=source,
        n_photos=fitted.n_photos,
        n_people=len(fitted.fold),
        nested=fitted.nested,
        equal=fitted.equal,
        best_member=fitted.best_member,
    )


def _named(members: Sequence[Run | Ensemble]) -> dict[str, Run | Ensemble]:
    """The members by their own names where these tell them apart, else by their places."""
    names = [member.info.name for member in members]
    if len(set(names)) < len(names):
        names = [str(member.path) for member in members]
    if len(set(names)) < len(names):
        names = [f"{name} ({i + 1})" for i, name in enumerate(names)]
    return dict(zip(names, members, strict=True))


def _require_same_content(manifests: Mapping[str, Manifest]) -> None:
    """Refuses members that know other photos by the same names. Raises PredictionsError TRI340."""
    (_, first), *others = manifests.items()
    known = dict(zip(first.photo_ids, first.table["sha256"], strict=True))
    for name, manifest in others:
        pairs = zip(manifest.photo_ids, manifest.table["sha256"], strict=True)
        changed = [one for one, sha256 in pairs if known.get(one, sha256) != sha256]
        if changed:
            what = f"{len(changed):,} photos of the same name have another content"
            raise error("TRI340", what, where=name, got=first_few(changed, 3))


def _pools(members: Mapping[str, Run | Ensemble]) -> dict[str, Pool]:
    """What the members say side by side, for each table that all of them have."""
    shared = [t for t in TABLES if all(member.predictions_path(t).is_file() for member in members.values())]
    return {t: pooled({n: read_predictions(m.predictions_path(t)) for n, m in members.items()}) for t in shared}


def _info(members: Mapping[str, Run | Ensemble], weights: FloatArray, *, out: Path, choice: Choice) -> EnsembleInfo:
    first, *_ = members.values()
    return EnsembleInfo(
        name=out.name,
        created=now(),
        members=tuple(
            Member(
                path=Path(os.path.relpath(member.path.absolute(), out.absolute())).as_posix(),
                name=name,
                weight=float(weight),
                sha256=fingerprint_of(member),
            )
            for (name, member), weight in zip(members.items(), weights, strict=True)
        ),
        voting=choice.voting,
        seed=choice.seed,
        label_schema=first.info.label_schema,
        priors=first.info.priors,
        inputs={"manifest": sha256_file(first.manifest_path)},
        stamps=merged_stamps(*(member.info.stamps for member in members.values())),
        notes=tuple(dict.fromkeys(note for member in members.values() for note in member.info.notes)),
        versions=versions(),
        seconds=sum(member.info.seconds for member in members.values()),
    )


def _write(joined: _Joined, folder: Path) -> None:
    """The files of an ensemble; ensemble.json, last, makes the folder one."""
    info, truth = joined.info, truth_of(joined.manifest.where(~IS_PSEUDO))
    rule = _rule(info, joined.made, truth=truth, fit=joined.fit)
    ensemble, scores = Ensemble(folder, info), dict[str, Evaluation]()
    for name, table in joined.made.items():
        own = (OWN_RULE,) * (name == rule.fitted_on == "oof" and joined.fit != "argmax")
        stamps = merged_stamps(table.stamps, (NESTED,) if info.fit and name != "test" else (), own)
        about = {"run": info.name, **{f"weights_{i}": m.sha256 for i, m in enumerate(info.members)}}
        told = Predictions(table.ids, table.probs, table.age_probs, table.errors, table.schema, about, rule, stamps)
        write_predictions(ensemble.predictions_path(name), told)
        nested_rule = _fold_rules(info, table, truth=truth, fit=joined.fit) if own else None
        scores[name] = evaluate(told, truth, rule=nested_rule, seed=info.seed)
    write_manifest(ensemble.manifest_path, joined.manifest)
    write_text(folder / "schema.yaml", yaml.safe_dump(info.label_schema.model_dump(mode="json"), sort_keys=False))
    write_decision(ensemble.decision_path, rule)
    write_json(ensemble.scores_path, {name: score.as_json() for name, score in scores.items()})
    if scores:
        write_text(ensemble.report_path, _report(joined, scores))
    write_json(folder / ABOUT, info.model_dump(mode="json"))


def _report(joined: _Joined, scores: Mapping[str, Evaluation]) -> str:
    """The page of an ensemble: its scores, those out of folds or else on test in detail, and what its members are."""
    info, names = joined.info, {"val": "val", "test": "test", "oof": "held-out folds"}
    shown = {words: scores[name] for name, words in names.items() if name in scores}
    detailed = [name for name in names if name in scores][-1]
    has_pictures = all(map(_shows_pictures, joined.members.values()))
    ids = photos_to_show(scores[detailed])["photo_id"].to_list() if has_pictures else []
    paths = dict(zip(joined.manifest.photo_ids, joined.manifest.paths, strict=True))
    shares = {one.weight for one in info.members}
    facts = {
        "name": info.name,
        "voting": info.voting,
        "weights": f"fitted on {info.fit.fitted_on}" if info.fit else "given" if len(shares) > 1 else "all alike",
        "members trained": f"{info.seconds / 60:.1f} minutes",
        **({} if has_pictures else {"photos": "not shown, by report.pictures"}),
        f"Members, share and macro F1 on {names[detailed]}": {
            one.name: f"{one.weight:.3f}, {_macro_f1(member, detailed)}"
            for one, member in zip(info.members, joined.members.values(), strict=True)
        },
        "Inputs": info.inputs,
        "Versions": info.versions,
    }
    thumbnails = {one: thumbnail_of(paths[one]) for one in ids}
    return evaluation_report(shown, title=info.name, run_info=facts, thumbnails=thumbnails)


def _shows_pictures(member: Run | Ensemble) -> bool:
    """Whether photos may stand in a report: as the recipes of all its runs have it."""
    if isinstance(member, Run):
        return member.info.recipe.report.pictures
    return all(_shows_pictures(open_member(member.path / one.path)) for one in member.info.members)


def _macro_f1(member: Run | Ensemble, table: str) -> str:
    """A member's own macro F1 on a table, by its own rule; a dash where it has none."""
    score = read_json(member.scores_path).get(table) if member.scores_path.is_file() else None
    return f"{score['macro_f1']['value']:.3f}" if score and score["macro_f1"] else "-"


def _fold_rules(info: EnsembleInfo, made: Predictions, *, truth: Truth, fit: Fit) -> FoldRules:
    """A rule for each fifth of the people, fitted on the others: what is said out of folds is not scored by its own."""
    groups = truth.of(made.ids).groups
    people = np.unique(groups)
    fold_of = (np.random.default_rng(info.seed).permutation(len(people)) % N_FOLDS)[np.searchsorted(people, groups)]
    return fit_fold_rules(made, truth, fold_of=fold_of, priors=dict.fromkeys(range(N_FOLDS), info.priors), fit=fit)


def _rule(info: EnsembleInfo, made: Mapping[str, Predictions], *, truth: Truth, fit: Fit) -> DecisionRule:
    """The rule fitted on what the members share; for votes, and where nothing is shared, the most probable class."""
    source = next((name for name in ("oof", "val") if name in made), "")
    if info.voting == "hard" or not source:
        return argmax_rule(info.label_schema).model_copy(update={"priors": info.priors})
    return fit_asked(made[source], truth, fit=fit, priors=info.priors, fitted_on=source, seed=info.seed)
