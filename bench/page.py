"""The history as one self-contained page: what was promised and what the last run measured, and figures over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from bench.figures import Entry, Figure
from trifacet.pages import html
from trifacet.pages.plots import Line, line_plot

MEASURES = {  # the measures in the order of the page, and what heads them
    "cache": "Reading photos for training",
    "ingest": "Ingesting a folder",
    "predict": "From files to answers",
    "cache_memory": "Memory of a pixel cache",
    "rows": "Memory of large tables",
    "parts": "Single parts",
}


def page(history: Sequence[Entry]) -> str:
    """The page of a history of at least one run."""
    last = history[-1]
    sections = [_promises(last), *(_section(name, history) for name in MEASURES if _of(last, name)), _runs(history)]
    return html.render_page(
        "trifacet beside its peers",
        [section for section in sections if section],
        subtitle=f"{last.date[:10]}, commit {_commit(last)}, {last.machine['model']}, {last.machine['n_cores']} cores",
        footer="Made by `make bench`. Rounds go through all parts in turn; compare ratios, not machines.",
    )


def _of(entry: Entry, measure: str) -> list[Figure]:
    return [figure for figure in entry.figures if figure.measure == measure]


def _promises(last: Entry) -> html.Section | None:
    promised = [f for f in last.figures if f.must is not None]
    rows = [
        [f.name, f"{'at most' if f.is_at_most else 'at least'} {f.must:g}", *_values(f), f.unit, f.is_met]
        for f in promised
    ]
    columns = ["", "must", "lowest", "median", "highest", "unit", "met"]
    table = html.table_html(columns, rows, caption="What is promised, and what the last run measured")
    return html.Section("What is promised", table, "promises") if rows else None


def _section(measure: str, history: Sequence[Entry]) -> html.Section:
    own = _of(history[-1], measure)
    rows = [[f.name, *_values(f), f.unit, f.n, f.rounds] for f in own]
    columns = ["", "lowest", "median", "highest", "unit", "n", "rounds"]
    table = html.table_html(columns, rows, caption="The last run")
    charts = [chart for f in own if f.must is not None and (chart := _chart(f, history))]
    together = [html.side_by_side(*charts, at_least_rem=22)] if charts else []
    return html.Section(MEASURES[measure], html.below(table, *together), measure)


def _values(one: Figure) -> list[Markup | str]:
    digits = 0 if one.median >= 100 else 1 if one.median >= 10 else 2
    return [html.number_text(value, digits=digits) for value in (one.low, one.median, one.high)]


def _chart(one: Figure, history: Sequence[Entry]) -> Markup | None:
    """One figure over the runs that measured it; None where only one did."""
    found = [
        (number, figure)
        for number, entry in enumerate(history, start=1)
        for figure in entry.figures
        if (figure.measure, figure.name, figure.unit) == (one.measure, one.name, one.unit)
    ]
    if len(found) < 2:
        return None
    x = np.array([number for number, _ in found], dtype=float)
    median = Line("median", x, np.array([figure.median for _, figure in found]))
    must = Line("promised", x, np.full(len(x), one.must, dtype=float), is_second=True)
    alt = f"{one.name}: {one.unit} by run"
    return html.figure_html(line_plot([median, must], alt=alt, x_label=f"run; {one.unit}"), caption=one.name)


def _runs(history: Sequence[Entry]) -> html.Section:
    rows = [
        [number, entry.date, _commit(entry), entry.photos, entry.machine["model"], entry.versions.get("torch")]
        for number, entry in enumerate(history, start=1)
    ]
    columns = ["run", "when", "commit", "photos", "machine", "torch"]
    return html.Section("All runs", html.table_html(columns, rows, caption="Runs in the history"), "runs")


def _commit(entry: Entry) -> str:
    return f"{entry.commit} and changes" if entry.is_changed else entry.commit
