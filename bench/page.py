"""The history as one self-contained page: what was promised and what the last run measured, and figures over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from bench.figures import Entry, Figure
from bench.hamming import RADIUS
from trifacet.pages import html
from trifacet.pages.plots import Line, line_plot

MEASURES = {  # the measures in the order of the page, and what heads them
    "cache": "Reading photos for training",
    "ingest": "Ingesting a folder",
    "predict": "From files to answers",
    "cache_memory": "Memory of a pixel cache",
    "rows": "Memory of large tables",
    "parts": "Single parts",
    "review": "Reviewing a large table",
    "hamming": "Near pairs of hashes",
}


Latest = list[tuple[int, Figure]]  # the number of the run that measured it last, and what it measured


def page(history: Sequence[Entry]) -> str:
    """The page of a history of at least one run: of every figure the newest, whichever run it is of."""
    last, latest = history[-1], _latest(history)
    sections = [_promises(latest), *(_section(name, latest, history=history) for name in MEASURES), _runs(history)]
    return html.render_page(
        "trifacet beside its peers",
        [section for section in sections if section],
        subtitle=f"{last.date[:10]}, commit {_commit(last)}, {last.machine['model']}, {last.machine['n_cores']} cores",
        footer="Rounds go through all parts in turn; compare ratios, not machines. `make bench` adds a run.",
    )


def _key(one: Figure) -> tuple[str, str, str]:
    return one.measure, one.name, one.unit


def _latest(history: Sequence[Entry]) -> Latest:
    newest = {_key(one): (run, one) for run, entry in enumerate(history, start=1) for one in entry.figures}
    return list(newest.values())


def _promises(latest: Latest) -> html.Section | None:
    rows = [
        [f.name, f"{'at most' if f.is_at_most else 'at least'} {f.must:g}", *_values(f), f.unit, f.is_met, run]
        for run, f in latest
        if f.must is not None
    ]
    columns = ["", "must", "lowest", "median", "highest", "unit", "met", "run"]
    table = html.table_html(columns, rows, caption="What is promised, and what was measured last")
    return html.Section("What is promised", table, "promises") if rows else None


def _section(measure: str, latest: Latest, *, history: Sequence[Entry]) -> html.Section | None:
    own = [(run, f) for run, f in latest if f.measure == measure]
    rows = [[f.name, *_values(f), f.unit, f.n, f.rounds, run] for run, f in own]
    columns = ["", "lowest", "median", "highest", "unit", "n", "rounds", "run"]
    table = html.table_html(columns, rows, caption="Measured last")
    charts = [chart for _, f in own if f.must is not None and (chart := _chart(f, history))]
    charts = [*_by_number([f for _, f in own]), *charts] if measure == "hamming" else charts
    together = [html.side_by_side(*charts, at_least_rem=22)] if charts else []
    return html.Section(MEASURES[measure], html.below(table, *together), measure) if rows else None


def _by_number(own: Sequence[Figure]) -> list[Markup]:
    """What near pairs take by the number of hashes, both in powers of ten; nothing of one number alone."""
    charts = []
    for unit, beside in (("s", "of a processor"), ("MB", "")):
        lines = []
        for words in ("", beside) if beside else ("",):
            wanted = f", {RADIUS} bits, {words}" if words else f", {RADIUS} bits" + (", all memory" * (unit == "MB"))
            found = sorted((f.n, f.median) for f in own if f.unit == unit and f.name.endswith(wanted))
            x, y = (np.array([pair[i] for pair in found], dtype=float) for i in (0, 1))
            lines.append(Line(words or unit, x, y, is_second=bool(words)))
        if len(lines[0].x) > 1:
            alt = f"near pairs within {RADIUS} bits: {unit} by the number of hashes"
            plot = line_plot(lines, alt=alt, x_label=f"hashes; {unit}", is_log=True)
            charts.append(html.figure_html(plot, caption=f"Near pairs within {RADIUS} bits, {unit}"))
    return charts


def _values(one: Figure) -> list[Markup | str]:
    digits = 0 if one.median >= 100 else 1 if one.median >= 10 else 2
    return [html.number_text(value, digits=digits) for value in (one.low, one.median, one.high)]


def _chart(one: Figure, history: Sequence[Entry]) -> Markup | None:
    """One figure over the runs that measured it; None where only one did."""
    found = [
        (number, figure)
        for number, entry in enumerate(history, start=1)
        for figure in entry.figures
        if _key(figure) == _key(one)
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
