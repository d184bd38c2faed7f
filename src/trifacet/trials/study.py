"""Trials in Optuna's journal: drawn, judged while they run, told what they came to, and taken up again after a kill.

What a trial draws is a function of the seed, its number and what the trials before it came to: a search that was
killed and resumed tries the same as one that was not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trifacet.core.errors import error
from trifacet.trials.space import Axis

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

N_UNJUDGED = 5  # finished trials before any is pruned: the median of fewer says little (Optuna's own default)
FIRST_JUDGED = 2  # epoch: the first tells more of the learning rate's rise than of the trial
N_FOR_IMPORTANCE = 10  # finished trials, and at least as many as Optuna draws at random before it models anything

State = Literal["running", "finished", "pruned", "failed"]


@dataclass(frozen=True)
class Row:
    """A trial: what it changes in the recipe, and what became of it. `score` is val's macro F1; None where it failed.

    A pruned trial's score is that of the epoch at which it was stopped.
    """

    number: int
    state: State
    score: float | None
    changes: Mapping[str, str]
    seconds: float = 0.0
    problem: str = ""


def require_optuna() -> None:
    """Refuses a search where Optuna is absent. Raises MissingExtraError TRI600."""
    if find_spec("optuna") is None:
        do = "Install it with `pip install 'trifacet[search]'`."
        raise error("TRI600", "this needs the extra [search]", got="no optuna", do=do)


def open_study(journal: Path) -> optuna.Study:
    """The study in a journal, a new one where there is none; its caller must be the only one that has it open."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)  # of a process that was killed while it wrote
    if journal.is_file():
        _cut_half_line(journal)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    sampler = optuna.samplers.TPESampler(multivariate=False)  # `draw` has one for each value; this one draws nothing
    pruner = optuna.pruners.MedianPruner(n_startup_trials=N_UNJUDGED, n_warmup_steps=FIRST_JUDGED)
    about: dict[str, Any] = {"study_name": "search", "direction": "maximize", "load_if_exists": True}
    return optuna.create_study(storage=storage, sampler=sampler, pruner=pruner, **about)


def _cut_half_line(journal: Path) -> None:
    """Takes away what a power cut or a full disk left of a last line, after which nothing could be read."""
    content = journal.read_bytes()
    if whole := content[: content.rfind(b"\n") + 1]:
        if len(whole) < len(content):
            with journal.open("rb+") as file:
                file.truncate(len(whole))
    else:
        journal.unlink()


def take_up(study: optuna.Study, *, first: Mapping[str, str | float]) -> optuna.Trial:
    """The trial that a process left under way, or a new one. first: what the very first is to draw, if it draws."""
    import optuna

    trials = study.get_trials(deepcopy=False)
    if not trials and first:
        study.enqueue_trial(dict(first))
    left = [trial for trial in trials if trial.state == optuna.trial.TrialState.RUNNING]
    return optuna.Trial(study, left[0]._trial_id) if left else study.ask()


def draw(trial: optuna.Trial, axes: Sequence[Axis], *, seed: int) -> dict[str, str]:
    """A value for each axis, as `--set` reads it; what a trial has drawn already stays."""
    import optuna

    drawn: dict[str, str] = {}
    for i, axis in enumerate(axes):
        # Each value by itself and from its own seed: a trial killed between two of them draws the rest alike.
        state = int(np.random.SeedSequence([seed, trial.number, i]).generate_state(1)[0])
        trial.study.sampler = optuna.samplers.TPESampler(seed=state, multivariate=False)
        if axis.choices:
            drawn[axis.key] = trial.suggest_categorical(axis.key, axis.choices)
        elif axis.number == "whole":
            number = trial.suggest_int(axis.key, int(axis.low), int(axis.high), log=axis.is_log)
            drawn[axis.key] = axis.value_text(number)
        else:
            drawn[axis.key] = axis.value_text(trial.suggest_float(axis.key, axis.low, axis.high, log=axis.is_log))
    return drawn


def note_changes(trial: optuna.Trial, changes: Mapping[str, str]) -> None:
    """Keeps with the trial what it changes in the recipe."""
    trial.set_user_attr("changes", dict(changes))


def is_hopeless(trial: optuna.Trial, score: float, *, epoch: int) -> bool:
    """Whether a trial with this score after `epoch` is below the median of the others there. Trial 0 never is."""
    if epoch not in _frozen(trial.study, trial.number).intermediate_values:  # an epoch gone through again after a kill
        trial.report(score, step=epoch)
    return trial.number > 0 and trial.should_prune()


def was_hopeless(trial: optuna.Trial, *, n_epochs: int) -> bool:
    """Whether a trial taken up again was below the median already, and its process was killed before it was told."""
    told = _frozen(trial.study, trial.number).intermediate_values
    return bool(told) and max(told) < n_epochs and is_hopeless(trial, 0.0, epoch=max(told))


def tell(trial: optuna.Trial, row: Row) -> None:
    """Ends a trial as `row` says."""
    from optuna.trial import TrialState

    trial.set_user_attr("seconds", row.seconds)
    if row.problem:
        trial.set_user_attr("problem", row.problem)
    if row.state == "finished":
        trial.study.tell(trial, row.score)
    else:
        trial.study.tell(trial, state=TrialState.PRUNED if row.state == "pruned" else TrialState.FAIL)


def rows_of(study: optuna.Study) -> list[Row]:
    """The trials so far, in their order; those yet to begin are left out."""
    from optuna.trial import TrialState

    states: Mapping[TrialState, State] = {
        TrialState.RUNNING: "running",
        TrialState.COMPLETE: "finished",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
    }
    return [
        Row(
            number=trial.number,
            state=states[trial.state],
            score=trial.value if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
            changes=trial.user_attrs.get("changes", {}),
            seconds=trial.user_attrs.get("seconds", 0.0),
            problem=trial.user_attrs.get("problem", ""),
        )
        for trial in study.get_trials(deepcopy=False)
        if trial.state in states
    ]


def best_row(rows: Sequence[Row]) -> Row | None:
    """The finished trial with the highest score, of equals the earliest; None where none is finished."""
    done = [row for row in rows if row.state == "finished" and row.score is not None]
    return max(done, key=lambda row: (row.score, -row.number), default=None)


def importances(study: optuna.Study, axes: Sequence[Axis]) -> dict[str, float]:
    """The share of each setting in what set the best trials apart, largest first; {} where trials are too few to tell.

    Source: Watanabe et al. 2023, PED-ANOVA.
    """
    import optuna

    keys = [axis.key for axis in axes]
    done = [t for t in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)) if t.params]
    if len(keys) < 2 or len(done) < N_FOR_IMPORTANCE:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(study, evaluator=evaluator, params=keys)


def _frozen(study: optuna.Study, number: int) -> FrozenTrial:
    return study.get_trials(deepcopy=False)[number]
