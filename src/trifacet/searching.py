"""A recipe and what may change in it to a better recipe: each trial is a run, and none is trained twice."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trifacet.choosing import CHECKS, open_recipe
from trifacet.core.config import Layer, Resolved, flatten, resolve, set_layer
from trifacet.core.errors import MachineError, ManifestError, TrifacetError, error
from trifacet.core.files import atomic_folder, is_disk_full, sha256_file, write_json
from trifacet.core.manifest import Manifest, read_manifest, write_manifest
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run, locked, now, open_run
from trifacet.opening import (
    Progress,
    new_run,
    open_data,
    quiet,
    ready_to_train,
    require_train,
    usable,
    with_faces,
)
from trifacet.training import Told, check, train_run
from trifacet.trials.folder import ABOUT, Search, SearchInfo, SearchPlan, open_search
from trifacet.trials.page import POLICY
from trifacet.trials.policies import draw_policy
from trifacet.trials.result import differences, save_result
from trifacet.trials.space import Axis, parse_axes
from trifacet.trials.study import (
    Row,
    best_row,
    draw,
    importances,
    is_hopeless,
    note_changes,
    open_study,
    require_optuna,
    rows_of,
    take_up,
    tell,
    was_hopeless,
)

if TYPE_CHECKING:
    import optuna

    from trifacet.learn.train import OnTick, Tick

OnTrial = Callable[[Row], None]
N_STUCK = 3  # failed trials in a row after which it is no longer likely that it is their settings
OF_THE_SETTINGS = ("TRI101 ", "TRI405 ")  # values that do not go together, and a loss that left all bounds


class Pruned(KeyboardInterrupt):
    """A trial is below the others: it is stopped as by Ctrl-C, and its run stands there as interrupted."""


def search(
    recipe: Resolved[Recipe] | Path | str = "quick",
    *,
    data: Manifest | Path | str,
    out: Path | str,
    plan: SearchPlan,
    timeout_minutes: float | None = None,
    progress: Progress = quiet,
    on_tick: OnTick | None = None,
    on_trial: OnTrial | None = None,
) -> Search:
    """A recipe to a better one, best.yaml, by training trials of it on a split manifest; each is a run below trials/.

    Raises:
        ConfigError: TRI100 to TRI104. ManifestError, RunError: what training would stop at; TRI402; TRI441, no trial
            could be trained; TRI442, trials fail one after another. MissingExtraError: TRI600.
    """
    require_train()
    require_optuna()
    axes, resolved = plan.check(), open_recipe(recipe, plan.sets)
    settings = _seeded(resolved.settings)
    info = SearchInfo(
        name=Path(out).name,
        created=now(),
        plan=plan,
        recipe_name=str(recipe) if isinstance(recipe, str | Path) else "the recipe",
        recipe=differences(settings),
    )
    for axis in axes:
        _check_axis(info, axis)
    manifest = ready_to_train(open_data(data, progress=progress), settings)
    cuts = {settings.data.crop, *(choice for axis in axes if axis.key == "data.crop" for choice in axis.choices)}
    for crop in sorted(cuts):  # faces are looked for once, and not by each trial
        cut = settings.model_copy(update={"data": settings.data.model_copy(update={"crop": crop})})
        manifest = with_faces(manifest, cut, progress=progress)
    check(manifest, settings, start=None)
    _check_backbones(info, axes, manifest=manifest)
    with atomic_folder(Path(out)) as folder:
        made = Search(folder, info)
        write_manifest(made.manifest_path, manifest)
        made = Search(folder, info.model_copy(update={"inputs": {"manifest": sha256_file(made.manifest_path)}}))
        write_json(folder / ABOUT, made.info.model_dump(mode="json"))
    told = _Told(progress, on_tick, on_trial or quiet, timeout_minutes)
    return _searched(Search(Path(out), made.info), told)


def resume_search(
    path: Path | str,
    *,
    n_trials: int | None = None,
    timeout_minutes: float | None = None,
    progress: Progress = quiet,
    on_tick: OnTick | None = None,
    on_trial: OnTrial | None = None,
) -> Search:
    """A search that was stopped gone on with, its trial under way from that run's newest checkpoint.

    n_trials: more trials than were asked for at first.

    Raises:
        RunError: TRI408, TRI440, TRI441, TRI442. ManifestError, RunError: what training would stop at.
    """
    require_train()
    require_optuna()
    told = _Told(progress, on_tick, on_trial or quiet, timeout_minutes)
    return _searched(open_search(Path(path)), told, n_trials=n_trials)


@dataclass(frozen=True)
class _Told:
    """Who is told how a search goes, and after how many minutes no trial begins any more."""

    progress: Progress
    on_tick: OnTick | None
    on_trial: OnTrial
    timeout_minutes: float | None


def _searched(search: Search, told: _Told, *, n_trials: int | None = None) -> Search:
    """The search with all its trials ended, or as many as the time allowed for."""
    began, n_stuck = time.monotonic(), 0
    with locked(search):
        search = _asked(search.path, n_trials)
        axes, plan, manifest = parse_axes(search.info.plan.over), search.info.plan, read_manifest(search.manifest_path)
        inside, study = _inside(search, axes), open_study(search.journal_path)
        for row in (rows := rows_of(study)):
            if row.state != "running":
                told.on_trial(row)
        if _n_ended(rows) < plan.n_trials:  # a path of the recipe may lead nowhere from here
            check(manifest, _resolved(search.info, {}).settings, start=None)
        while _n_ended(rows) < plan.n_trials:
            if told.timeout_minutes is not None and time.monotonic() - began >= 60 * told.timeout_minutes:
                break
            trial = take_up(study, first=inside)
            if "changes" not in trial.user_attrs:
                note_changes(trial, _changes(trial, axes, plan=plan, is_drawn=bool(trial.number or inside)))
            tell(trial, _trial(search, trial, manifest=manifest, told=told))
            rows = rows_of(study)
            _save(search, study, rows=rows, axes=axes)
            told.on_trial(row := rows[trial.number])
            if row.state != "failed":
                n_stuck = 0
            elif not row.problem.startswith(OF_THE_SETTINGS):
                n_stuck += 1
            if n_stuck == N_STUCK:
                raise error("TRI442", "three trials failed one after another", where=search.path, got=row.problem)
        _save(search, study, rows=rows, axes=axes)
    if rows and best_row(rows) is None:
        raise error("TRI441", "no trial could be trained", where=str(search.path), got=rows[0].problem)
    return search


def _asked(path: Path, n_trials: int | None) -> Search:
    """The search as its folder has it, which its caller has locked, from now on with so many trials where given."""
    found = open_search(path)
    if n_trials is None or n_trials == found.info.plan.n_trials:
        return found
    plan = found.info.plan.model_copy(update={"n_trials": n_trials})
    plan.check()
    found = Search(path, found.info.model_copy(update={"plan": plan}))
    write_json(path / ABOUT, found.info.model_dump(mode="json"))
    return found


def _n_ended(rows: list[Row]) -> int:
    return sum(row.state != "running" for row in rows)


def _save(search: Search, study: optuna.Study, *, rows: list[Row], axes: tuple[Axis, ...]) -> None:
    def recipe_of(changes: Mapping[str, str]) -> Recipe:
        return _resolved(search.info, changes).settings

    save_result(search, rows, importances=importances(study, axes), recipe_of=recipe_of)


def _changes(trial: optuna.Trial, axes: tuple[Axis, ...], *, plan: SearchPlan, is_drawn: bool) -> dict[str, str]:
    """What a trial changes in the recipe: nothing in the first, whose values stand in the journal all the same."""
    drawn = draw(trial, axes, seed=plan.seed) if is_drawn else {}
    if trial.number == 0:
        return {}
    if plan.has_policies:
        return {POLICY: json.dumps([draw_policy(seed=plan.seed, number=trial.number)])}
    return drawn


def _trial(search: Search, trial: optuna.Trial, *, manifest: Manifest, told: _Told) -> Row:
    """A trial trained to its end, or until it is pruned or fails; what is no fault of its settings is raised."""
    number, changes, began = trial.number, trial.user_attrs["changes"], time.monotonic()
    path = search.trial_path(number)
    row = Row(number, "failed", None, changes)
    try:
        resolved = _resolved(search.info, changes)
        if was_hopeless(trial, n_epochs=_n_judged(resolved.settings)[1]):
            raise Pruned
        run = _run(path, resolved, manifest=manifest, told=_watching(trial, resolved.settings, told=told))
        row = replace(row, state="finished", score=run.info.best.macro_f1 if run.info.best else None)
    except Pruned:
        row = replace(row, state="pruned")
    except (OSError, ManifestError):  # photos or files that are gone would fail every trial to come
        raise
    except Exception as problem:  # a setting that cannot be trained is a result: the search goes on
        if is_disk_full(problem) or (isinstance(problem, MachineError) and problem.code != "TRI902"):
            raise
        said = str(problem) if isinstance(problem, TrifacetError) else f"{type(problem).__name__}: {problem}"
        row = replace(row, problem=" ".join(said.split())[:500])
    return replace(row, seconds=_seconds(path) or time.monotonic() - began)


def _seconds(path: Path) -> float:
    return open_run(path).info.seconds if (path / "run.json").is_file() else 0.0


def _run(path: Path, recipe: Resolved[Recipe], *, manifest: Manifest, told: Told) -> Run:
    """The finished run of a trial: a new one, or one that was left under way, or finished before that was told."""
    run = open_run(path) if (path / "run.json").is_file() else None
    if run is None or "manifest" not in run.info.inputs:  # nothing, or a folder that a kill left half made
        shutil.rmtree(path, ignore_errors=True)
        ready = with_faces(usable(manifest, recipe.settings), recipe.settings, progress=told.progress)
        check(ready, recipe.settings, start=None)
        run = new_run(path, recipe, manifest=ready)
    if run.info.status == "finished":
        return run
    return train_run(run, read_manifest(run.manifest_path), start=None, told=told)


def _watching(trial: optuna.Trial, recipe: Recipe, *, told: _Told) -> Told:
    """What training tells, and the end of it where the trial is below the others."""
    phase, n_epochs = _n_judged(recipe)

    def tick(tick: Tick) -> None:
        if told.on_tick:
            told.on_tick(replace(tick, of=f"trial {trial.number}"))
        is_whole = tick.phase == phase and tick.val_macro_f1 == tick.val_macro_f1
        if is_whole and is_hopeless(trial, tick.val_macro_f1, epoch=tick.epoch) and tick.epoch < n_epochs:
            raise Pruned

    return Told(told.progress, tick)


def _n_judged(recipe: Recipe) -> tuple[str, int]:
    """The phase by whose epochs a trial is judged, and how many there are."""
    return ("all", recipe.train.epochs) if recipe.train.epochs else ("head", recipe.train.head_epochs)


def _resolved(info: SearchInfo, changes: Mapping[str, str]) -> Resolved[Recipe]:
    """The recipe of a trial. Raises ConfigError TRI101, values that do not go together."""
    over = Layer("--over", set_layer([f"{key}={text}" for key, text in changes.items()]).content)
    return resolve(Recipe, [Layer(info.recipe_name, info.recipe), over], checks=CHECKS)


def _check_axis(info: SearchInfo, axis: Axis) -> None:
    """Refuses a key that no recipe has and values that it cannot hold; what needs other values with it may come."""
    for text in axis.ends:
        try:
            _resolved(info, {axis.key: text})
        except TrifacetError as problem:
            if any(line.strip().startswith(axis.key) for line in problem.what.splitlines()):
                raise


def _check_backbones(info: SearchInfo, axes: tuple[Axis, ...], *, manifest: Manifest) -> None:
    """Refuses networks that do not exist, or whose weights cannot be had. Raises TRI100, TRI105, TRI403."""
    for text in (choice for axis in axes if axis.key == "model.backbone" for choice in axis.choices):
        try:
            check(manifest, _resolved(info, {"model.backbone": text}).settings, start=None)
        except TrifacetError as problem:
            if problem.code != "TRI101":  # other values that it needs with it may come
                raise


def _inside(search: Search, axes: tuple[Axis, ...]) -> dict[str, str | float]:
    """The recipe's own values on the axes, where all of them lie within; else {}: trial 0 tells Optuna nothing."""
    values = flatten(_resolved(search.info, {}).settings.model_dump(mode="json", by_alias=True))
    found: dict[str, str | float] = {}
    for axis in axes:
        value = values.get(axis.key)
        if axis.choices:
            same = [
                text for text in axis.choices if flatten(set_layer([f"{axis.key}={text}"]).content) == {axis.key: value}
            ]
            found |= {axis.key: same[0]} if same else {}
        elif isinstance(value, int | float) and axis.low <= value <= axis.high:
            found[axis.key] = value
    return found if len(found) == len(axes) else {}


def _seeded(recipe: Recipe) -> Recipe:
    """The recipe with a number for its seed: all trials draw alike."""
    if recipe.train.seed != "random":
        return recipe
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": secrets.randbelow(2**31)})})
