"""Runs side by side: scores, what they took, paired differences on the same photos, and where their recipes differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl
from markupsafe import Markup

from trifacet.core.config import flatten
from trifacet.core.ensemble import EnsembleInfo
from trifacet.core.evaluation import Evaluation, Interval
from trifacet.core.run import RunInfo
from trifacet.measure.bootstrap import class_terms, difference, group_sums, macro_f1_of
from trifacet.pages import html

OF_ENSEMBLES = ("ensemble.members", "ensemble.voting")
SAME_PHOTO = ["photo_id", "person_id", "true_joint"]


@dataclass(frozen=True)
class Compared:
    """One run of a comparison: what it is called, what run.json says, its scores, and the size of its weights.

    n_folds: into how many folds its data are divided, 0 for none.
    """

    name: str
    info: RunInfo | EnsembleInfo
    evaluation: Evaluation
    n_bytes: int
    n_folds: int = 0
    measured_on: str = "val"


@dataclass(frozen=True)
class Paired:
    """By how much one run's macro F1 is above another's, on the photos that both answered."""

    gain: Interval
    n_photos: int
    n_people: int


def paired(one: Evaluation, other: Evaluation) -> Paired | None:
    """The gain of `other` over `one`, the same people drawn for both; None where no labelled photo is in both."""
    right = other.photos.select(*SAME_PHOTO, pl.col("predicted_joint").alias("other_joint"))
    both = one.photos.filter(pl.col("true_joint").is_not_null()).join(right, on=SAME_PHOTO, how="inner")
    if one.schema != other.schema or both.is_empty():
        return None
    groups = [person or f"photo {i}" for i, person in enumerate(both["person_id"])]
    truth = both["true_joint"].to_numpy()
    answers = [both[column].fill_null(-1).to_numpy() for column in ("predicted_joint", "other_joint")]
    terms = [group_sums(class_terms(truth, a, n_classes=one.schema.n_joint), groups) for a in answers]
    of_one, of_other = (partial(macro_f1_of, whole=sums.sum(axis=0)) for sums in terms)
    gain = difference(terms[0], terms[1], figures=(of_one, of_other))
    return Paired(gain, both.height, len(set(groups)))


def recipe_differences(infos: Sequence[RunInfo | EnsembleInfo]) -> list[tuple[str, list[Any]]]:
    """The settings that are not the same in all runs, the seed and the data among them: (key, a value per run)."""
    flat = [
        {
            **(info.settings if isinstance(info, EnsembleInfo) else _settings(info)),
            "train.seed": info.seed,
            "data (sha256)": info.inputs.get("manifest", "")[:12],
            "photos trained on": info.n_photos.get("train"),
        }
        for info in infos
    ]
    keys = dict.fromkeys(key for one in flat for key in one)
    said = {key: [one[key] for one in flat if key in one] for key in keys}  # an ensemble has no recipe of its own
    differ = [key for key, values in said.items() if key in OF_ENSEMBLES or any(v != values[0] for v in values)]
    return [(key, [one.get(key) for one in flat]) for key in differ]


def _settings(info: RunInfo) -> dict[str, Any]:
    return flatten(info.recipe.model_dump(mode="json", by_alias=True))


SCORE_COLUMNS = ("run", "classes", "macro F1", "accuracy", "age error", "photos", "people")


def score_rows(runs: Sequence[Compared]) -> list[list[object]]:
    """A row a run: name, joint classes, macro F1, accuracy, age error in years, photos and people."""
    return [
        [
            run.name,
            run.evaluation.schema.n_joint,
            (joint := run.evaluation.joint) and joint.macro_f1,
            joint and joint.accuracy,
            (age := run.evaluation.age) and html.Number(f"{age.mae_years:.1f}"),
            run.evaluation.n_photos,
            run.evaluation.n_people,
        ]
        for run in runs
    ]


COST_COLUMNS = ("run", "machine", "minutes", "MB", "trained on", "folds")


def cost_rows(runs: Sequence[Compared]) -> list[list[object]]:
    """A row a run: name, machine, minutes of training, megabytes of weights, photos trained on, folds of the data."""
    return [
        [
            run.name,
            _machine_text(run.info.machine),
            html.Number(f"{run.info.seconds / 60:.1f}"),
            html.Number(f"{run.n_bytes / 1e6:.1f}"),
            run.info.n_photos.get("train"),
            run.n_folds or None,
        ]
        for run in runs
    ]


def _machine_text(machine: Mapping[str, Any]) -> str:
    threads = f", {machine['n_threads']} threads" if machine.get("device") == "cpu" else ""
    return f"{machine.get('device', 'not known')}{threads}, {machine.get('precision', '')}".strip(", ")


def gain_rows(runs: Sequence[Compared]) -> list[list[object]]:
    """A row per run after the first: its gain over the first, the photos and people of it, and whether it is sure."""
    rows: list[list[object]] = []
    for run in runs[1:]:
        found = paired(runs[0].evaluation, run.evaluation)
        if found is None:
            rows.append([run.name, None, None, None, "no photo in common"])
            continue
        is_sure = found.gain.low > 0 or found.gain.high < 0
        words = ("better" if found.gain.value > 0 else "worse") if is_sure else "within chance"
        rows.append([run.name, html.Number(f"{found.gain:+.3f}"), found.n_photos, found.n_people, words])
    return rows


def _setting_text(value: object) -> str:
    return html.NOTHING if value is None else f"{value:g}" if isinstance(value, float) else str(value)


GAIN_COLUMNS = ("run", "macro F1 above the first", "photos in common", "people", "that is")


SCORES_NOTE = (
    "In brackets the 95 % interval, by person where people are known; the bars run from 0 to 1. Age error in years. "
    "Minutes of training, megabytes of weights, photos trained on, and the folds that the data are divided into."
)


def comparison_page(runs: Sequence[Compared], *, measured_on: str) -> str:
    """One self-contained page of the runs side by side."""
    cards = [
        html.figure_card(html.name_html(run.name), run.evaluation.joint.macro_f1, notes=["macro F1"])
        for run in runs
        if run.evaluation.joint is not None
    ]
    table = html.table_html(SCORE_COLUMNS, score_rows(runs), caption=f"Measured on {measured_on}")
    costs = html.table_html(COST_COLUMNS, cost_rows(runs), caption="What they took")
    scores = html.below(html.cards_html(cards) if cards else Markup(""), table, costs)
    gains = html.table_html(GAIN_COLUMNS, gain_rows(runs), caption=f"Compared with {runs[0].name}")
    changed = [[key, *map(_setting_text, values)] for key, values in recipe_differences([run.info for run in runs])]
    recipes = html.table_html(
        ["setting", *(html.name_html(run.name) for run in runs)], changed, caption="Where the recipes differ"
    )
    sections = [
        html.Section("Scores", scores, "scores", SCORES_NOTE),
        html.Section(
            "Differences",
            gains,
            "differences",
            "On the photos that both answered, the same people drawn for both: what is hard for both cancels out. "
            "An interval without 0 is a difference that the choice of these people does not explain; "
            "another seed of training still may.",
        ),
        html.Section("Recipes", recipes, "recipes", "Settings that are the same everywhere are left out."),
    ]
    return html.render_page("Runs side by side", sections, subtitle=f"{len(runs)} runs, measured on {measured_on}")
