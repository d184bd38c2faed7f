"""The page of a search: its trials, what set the best apart, and how far the best of many flatters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import NormalDist, fmean

import numpy as np
from markupsafe import Markup

from trifacet.pages import html
from trifacet.pages.plots import Line, line_plot
from trifacet.trials.folder import Search
from trifacet.trials.policies import operations_of
from trifacet.trials.study import Row, best_row

POLICY = "augment.policy"


def by_chance(n_trials: int, *, error: float) -> float:
    """How far above their mean the best of `n_trials` equally good trials lies by chance alone, at most.

    error: the standard error of one score. Scores on the same photos move together, so it is less than this.
    Source: Blom 1958, Statistical estimates and transformed beta-variables (expected order statistics).
    """
    return error * NormalDist().inv_cdf((n_trials - 0.375) / (n_trials + 0.25)) if n_trials > 1 else 0.0


def honest_words(rows: Sequence[Row], *, error: float | None) -> str:
    """That the best of several scores on one val flatters, and by how much at most, where a score's error is known."""
    n = sum(row.state == "finished" for row in rows)
    words = f"the best of {n} scores on the same val photos flatters"
    if error is not None and n > 1:
        words += f": of {n} trials that were equally good the best would be up to {by_chance(n, error=error):.3f} above"
        words += " their mean by chance alone"
    return f"{words}; score the result on people that no trial saw"


def counts_words(rows: Sequence[Row]) -> str:
    """How many trials ended how: `12 finished, 7 pruned, 1 failed`."""
    counts = {state: sum(row.state == state for row in rows) for state in ("finished", "pruned", "failed")}
    return ", ".join(f"{n} {state}" for state, n in counts.items() if n)


def changes_words(row: Row) -> str:
    """What a trial changes in the recipe, in words."""
    told = [f"{key}={_operations(text) if key == POLICY else text}" for key, text in row.changes.items()]
    return ", ".join(told) or "the recipe as it is"


def _operations(text: str) -> str:
    return " ".join(sorted(operations_of(json.loads(text)[0])))


def search_page(
    search: Search, rows: Sequence[Row], *, importances: Mapping[str, float], error: float | None = None
) -> str:
    """One self-contained page of a search so far. error: the standard error of the best trial's score."""
    best, plan = best_row(rows), search.info.plan
    sections = [html.Section("Result", _result(rows), "result", html.sentence(honest_words(rows, error=error)) + ".")]
    sections.append(html.Section("Trials", _trials(search, rows), "trials", _TRIALS_NOTE))
    if importances:
        shares = [[key, html.share_html(share)] for key, share in importances.items()]
        table = html.table_html(("setting", "importance"), shares, caption="What set the best trials apart")
        sections.append(html.Section("Settings", table, "settings", _IMPORTANCE_NOTE))
    if plan.has_policies and (operations := _by_operation(rows)):
        table = html.table_html(
            ("operation", "policies with it", "mean with it", "mean without"), operations, caption="By operation"
        )
        sections.append(html.Section("Operations", table, "operations", _OPERATIONS_NOTE))
    asked: dict[str, object] = {
        "recipe": " ".join([search.info.recipe_name, *plan.sets]),
        "over": "policies of augmentation" if plan.has_policies else "; ".join(plan.over),
        "trials": plan.n_trials,
        "seed": plan.seed,
        "result": f"trial {best.number}" if best else "none yet",
    }
    facts = html.facts_html({"Search": asked, "Inputs": search.info.inputs})
    sections.append(html.Section("What was asked", facts, "asked"))
    return html.render_page(search.info.name, sections, subtitle=f"Trials: {counts_words(rows) or 'none yet'}")


def _result(rows: Sequence[Row]) -> Markup:
    best, base = best_row(rows), rows[0].score if rows and rows[0].state == "finished" else None
    if best is None or best.score is None:
        return Markup("<p>No trial is finished yet.</p>")
    cards = [html.Card(f"best, trial {best.number}", f"{best.score:.3f}", notes=("macro F1 on val",))]
    if base is not None:
        cards.append(html.Card("the recipe as it is", f"{base:.3f}", notes=("macro F1 on val",)))
        cards.append(html.Card("gain", f"{best.score - base:+.3f}", notes=("flattered: see above",)))
    done = [row for row in rows if row.state == "finished" and row.score is not None]
    numbers, scores = (
        np.array(values, dtype=float) for values in zip(*((r.number, r.score) for r in done), strict=True)
    )
    lines = [Line("each trial", numbers, scores), Line("best so far", numbers, np.maximum.accumulate(scores), True)]
    plot = line_plot(lines, alt="Macro F1 on val of each finished trial", x_label="trial")
    return html.below(html.cards_html(cards), html.figure_html(plot, caption="Macro F1 on val by trial"))


def _trials(search: Search, rows: Sequence[Row]) -> Markup:
    keys = list(dict.fromkeys(key for row in rows for key in row.changes))
    has_problems = any(row.problem for row in rows)
    order = {"finished": 0, "pruned": 1, "failed": 2, "running": 3}
    table = []
    for row in sorted(rows, key=lambda row: (order[row.state], -(row.score or 0.0), row.number)):
        has_page = row.state == "finished"
        link = Markup('<a href="../trials/{0:03d}/report/index.html">{0}</a>').format(row.number)
        values = [
            _operations(row.changes[key]) if key == POLICY and key in row.changes else row.changes.get(key)
            for key in keys
        ]
        minutes = html.Number(f"{row.seconds / 60:.1f}") if row.seconds else None
        table.append(
            [
                link if has_page else str(row.number),
                row.score,
                row.state,
                minutes,
                *values,
                *([row.problem or None] if has_problems else []),
            ]
        )
    return html.table_html(
        ("trial", "macro F1", "", "minutes", *keys, *["problem"] * has_problems),
        table,
        caption=f"Trials of {search.info.name}",
    )


def _by_operation(rows: Sequence[Row]) -> list[list[object]]:
    """A row an operation: how many policies have it, and the mean scores of those with and without it."""
    found = [
        (operations_of(json.loads(row.changes[POLICY])[0]), row.score)
        for row in rows
        if row.state == "finished" and row.score is not None and POLICY in row.changes
    ]
    table: list[list[object]] = []
    for name in sorted({name for operations, _ in found for name in operations}):
        having = [score for operations, score in found if name in operations]
        others = [score for operations, score in found if name not in operations]
        table.append([name, len(having), fmean(having), fmean(others) if others else None])
    return table


_TRIALS_NOTE = (
    "The best first; trial 0 is the recipe as it is. A pruned trial was stopped below the median of the others at the "
    "same epoch, and its score is that epoch's. What a trial leaves open is as the recipe has it."
)
_IMPORTANCE_NOTE = (
    "Shares of what set the best tenth of the finished trials apart from the rest (PED-ANOVA). Few trials tell little, "
    "and a setting that matters only together with another may seem to matter little."
)
_OPERATIONS_NOTE = "Means over finished trials; each policy has several operations, so this is a hint and no proof."
