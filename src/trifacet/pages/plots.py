"""Plots that follow the page's colours, dark mode and print: matplotlib as inline SVG, matrices and bars as HTML.

matplotlib draws with stand-in colours that become CSS variables, and text stays text in the reader's own font.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

from trifacet.core.evaluation import ReliabilityBin
from trifacet.core.schema import FloatArray, IntArray
from trifacet.pages.html import number_text, part, percent_text, readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that no plot would choose by chance, and the variables of page.css they stand for.
INK, SOFT, LINE, ACCENT, SECOND, FAINT = (f"#0{i}0{i}0{i}" for i in range(1, 7))
_VARIABLES = {INK: "ink", SOFT: "soft", LINE: "line", ACCENT: "accent", SECOND: "second", FAINT: "faint"}

_LARGEST = 1.45  # times a plot's own size, so that its text stays in measure with the page's

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-2, 4),
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "path.simplify_threshold": 0.5,
}


@dataclass(frozen=True)
class Line:
    """A named line of a plot, points (n,) in x order, NaN leaves a gap; `is_second`: dashed, in the other colour."""

    name: str
    x: FloatArray
    y: FloatArray
    is_second: bool = False


def _style(salt: str, **changes: Any) -> AbstractContextManager[None]:
    """matplotlib in the page's style; `salt` makes the ids of one plot differ from another's on the page."""
    import matplotlib as mpl

    return mpl.rc_context({**_STYLE, "svg.hashsalt": salt, **changes})  # type: ignore[dict-item]


def _new_axes(
    width_in: float, height_in: float, *, left_in: float, bottom_in: float, top_in: float = 0.12
) -> tuple[Figure, Axes]:
    """Axes with fixed margins, so that plots beside each other line up whatever font the reader has."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), facecolor="none")
    left, bottom, top, right = left_in / width_in, bottom_in / height_in, top_in / height_in, 0.1 / width_in
    return figure, figure.add_axes((left, bottom, 1 - left - right, 1 - bottom - top))


def _svg(figure: Figure, *, alt: str) -> Markup:
    """The figure as inline SVG without size, ids of groups or fonts; equal figures give equal text."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    # Not savefig, which draws everything twice to find margins that are fixed here.
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    FigureCanvasSVG(figure).print_svg(buffer, metadata=metadata)  # type: ignore[no-untyped-call]
    text = buffer.getvalue()
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", body)
    body = re.sub(r"font-family: [^;]*; ?", "", body)
    body = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", body).replace("xlink:href", "href")
    body = re.sub(r'="[^"]*"', lambda m: re.sub(r"(\d\.\d{2})\d+", r"\1", m[0]), body)
    for colour, name in _VARIABLES.items():
        body = body.replace(colour, f"var(--{name})")
    body = re.sub(r"\s+", " ", body).replace("> <", "><")
    width, height = (72 * side for side in figure.get_size_inches())
    size = f'viewBox="0 0 {width:g} {height:g}" style="max-width:{_LARGEST * width:.0f}px"'
    return Markup(f'<svg {size} role="img" aria-label="{escape(alt)}">{body}</svg>')


def line_plot(lines: Sequence[Line], *, alt: str, x_label: str, is_log: bool = False) -> Markup:
    """Lines over whole x (epochs) as inline SVG; a line of few points shows them.

    is_log: both axes by powers of ten, for x and y above 0 of many sizes.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    with _style(alt):
        figure, axes = _new_axes(4.4, 2.6, left_in=0.42, bottom_in=0.42, top_in=0.22)
        for line in lines:
            style: dict[str, Any] = {"color": SECOND, "linestyle": (0, (4, 2))} if line.is_second else {"color": ACCENT}
            axes.plot(line.x, line.y, label=line.name, marker="o" if len(line.x) < 25 else "", markersize=4, **style)
        axes.set_xlabel(x_label)
        if is_log:
            axes.set(xscale="log", yscale="log")
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(LogLocator())
                axis.set_minor_locator(NullLocator())
                axis.set_major_formatter(lambda value, _: _short(value))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        axes.margins(x=0.03)
        if len(lines) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=len(lines), borderaxespad=0)
        return _svg(figure, alt=alt)


def _short(value: float) -> str:
    """A power of ten in few characters: `0.1`, `100`, `10k`, `1M`."""
    for least, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= least:
            return f"{value / least:g}{letter}"
    return f"{value:g}"


def reliability_plot(bins: Sequence[ReliabilityBin], *, alt: str, beside: Sequence[ReliabilityBin] = ()) -> Markup:
    """Share of right answers over confidence, a dot per bin, and the diagonal of perfect calibration.

    Both axes start at the fifth below the lowest dot, those of the plot `beside` it among them.
    Source: Guo et al. 2017, figure 1.
    """
    from matplotlib.ticker import MultipleLocator

    filled = [b for b in bins if b.n_photos]
    x, y = [b.confidence for b in filled], [b.accuracy for b in filled]
    others = [v for b in beside if b.n_photos for v in (b.confidence, b.accuracy)]
    low = np.floor(5 * min([*x, *y, *others, 0.8]) + 1e-9) / 5
    with _style(alt):
        side = 2.15 if beside else 2.7
        figure, axes = _new_axes(side + 0.1, side, left_in=0.55, bottom_in=0.45)
        axes.plot([low, 1], [low, 1], color=SOFT, linewidth=1, linestyle=(0, (2, 2)))
        axes.vlines(x, np.minimum(x, y), np.maximum(x, y), color=SECOND, linewidth=2)
        axes.scatter(x, y, s=30, color=ACCENT, linewidth=0, zorder=3, clip_on=False)
        axes.set(xlabel="confidence", ylabel="share of right answers", xlim=(low, 1), ylim=(low, 1))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MultipleLocator(0.2 if low < 0.6 else 0.1 if low < 0.8 else 0.05))
            axis.set_major_formatter("{x:g}")
        return _with_titles(_svg(figure, alt=alt), [_bin_text(b) for b in filled])


def _bin_text(b: ReliabilityBin) -> str:
    return f"{b.n_photos:,} photos: confidence {number_text(b.confidence)}, right {number_text(b.accuracy)}"


def _with_titles(svg: Markup, titles: Sequence[str]) -> Markup:
    """The plot with a title for each dot, which a reader sees by pointing at it; dots are what is drawn last."""
    before, *parts = re.split(r"(<use [^>]*)/>", svg)
    marks, rests = parts[::2], parts[1::2]
    first = len(marks) - len(titles)
    told = [
        f"{m}/>" if i < first else f"{m}><title>{escape(titles[i - first])}</title></use>" for i, m in enumerate(marks)
    ]
    return Markup(before + "".join(mark + rest for mark, rest in zip(told, rests, strict=True)))


def histogram_plot(
    counts: Mapping[str, FloatArray | IntArray],
    edges: FloatArray,
    *,
    alt: str,
    x_label: str,
    cuts: Sequence[float] = (),
    is_log: bool = False,
    is_wide: bool = False,
) -> Markup:
    """How often numbers lie between `edges` (n + 1,), ascending, as inline SVG; the cuts are drawn.

    counts: (n,) each, by name: of the first a filled shape, of a second a line; of two in percent of their photos.
    is_log: equal factors are equally far apart. is_wide: as wide as a page, else as half of it.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    with _style(alt):
        figure, axes = _new_axes(7.2 if is_wide else 4.4, 2.3, left_in=0.5, bottom_in=0.42, top_in=0.22)
        for i, (name, values) in enumerate(counts.items()):
            shown = 100 * values / max(float(values.sum()), 1.0) if len(counts) > 1 else np.asarray(values)
            style: dict[str, Any] = {"color": SECOND, "linewidth": 1.6} if i else {"color": ACCENT, "fill": True}
            axes.stairs(shown, edges, label=name, **style)
        for cut in cuts:
            axes.axvline(cut, color=SECOND, linewidth=1, linestyle=(0, (4, 2)))
        if is_log:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter("{x:g}")
        axes.set(xlabel=x_label, xlim=(edges[0], edges[-1]))
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=len(counts) == 1))
        axes.yaxis.set_major_formatter("{x:g} %" if len(counts) > 1 else "{x:,g}")
        if len(counts) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=len(counts), borderaxespad=0)
        return _svg(figure, alt=alt)


def age_plot(true_years: FloatArray, predicted_years: FloatArray, *, cuts: Sequence[float], alt: str) -> Markup:
    """True against predicted age (n,) in years as hexagons, darker where more photos lie, with the age cuts drawn."""
    from matplotlib.ticker import MultipleLocator

    ends = np.concatenate([true_years, predicted_years])
    low, high = 5 * np.floor(ends.min() / 5), 5 * np.ceil((ends.max() + 1e-6) / 5)
    with _style(alt, **{"axes.grid": False}):
        figure, axes = _new_axes(4.2, 4.1, left_in=0.5, bottom_in=0.48)
        extent = (low, high, low, high)
        cells = axes.hexbin(true_years, predicted_years, gridsize=(26, 15), extent=extent, mincnt=1)
        counts = np.asarray(cells.get_array(), dtype=float)
        cells.set_array(None)
        # A step of shade per fifth of the darkest, so that the picture stays small; a single photo is still seen.
        shade = 0.2 + 0.8 * np.ceil(5 * np.sqrt(counts / counts.max())) / 5
        cells.set_facecolor([(ACCENT, min(s, 1.0)) for s in shade])
        cells.set_edgecolor("none")
        axes.plot([low, high], [low, high], color=SOFT, linewidth=1, linestyle=(0, (2, 2)))
        for cut in cuts:
            axes.axvline(cut, color=SECOND, linewidth=1)
            axes.axhline(cut, color=SECOND, linewidth=1)
        axes.set(xlabel="true age, years", ylabel="predicted age, years", xlim=(low, high), ylim=(low, high))
        axes.xaxis.set_major_locator(MultipleLocator(10))
        axes.yaxis.set_major_locator(MultipleLocator(10))
        return _svg(figure, alt=alt)


def map_plot(values: FloatArray, *, alt: str, aspect: float = 1.0, backdrop: str = "", middle: float = 0.0) -> Markup:
    """A map (g, g) of values >= 0 (NaN: not known) as inline SVG, darker where they are higher, a value on each cell.

    aspect: height by width. backdrop: a data URI drawn under it. middle: the share of both sides that a frame marks.
    """
    highest = max(float(np.nanmax(values, initial=0.0)), 1e-9)
    grid, width, height = len(values), 240.0, round(240 * aspect, 1)
    step_x, step_y = width / grid, height / grid
    cells = [
        {
            "x": round(column * step_x, 2),
            "y": round(row * step_y, 2),
            "opacity": round(0.85 * float(value) / highest, 2),
            "hint": number_text(float(value)),
        }
        for (row, column), value in np.ndenumerate(values)
        if not np.isnan(value)
    ]
    frame = [round(side * (1 - middle) / 2, 2) for side in (width, height)] if middle else None
    size = {"width": width, "height": height, "step_x": round(step_x, 2), "step_y": round(step_y, 2)}
    return part("map", cells=cells, alt=alt, backdrop=backdrop, frame=frame, **size)


def confusion_html(
    counts: IntArray, classes: Sequence[Sequence[str]], *, caption: str, unanswered: IntArray | None = None
) -> Markup:
    """A confusion matrix (K, K), rows truth, shaded by the share of its row: right answers and mistakes in two colours.

    classes: class names per attribute, first slowest; K is the product of their numbers. One attribute gives its
    plain matrix. unanswered: (K,) photos per true class that have no answer; they are part of n.
    """
    sizes = [len(names) for names in classes]
    k = int(np.prod(sizes))
    if np.shape(counts) != (k, k):
        raise ValueError(f"expected counts {(k, k)}, got {np.shape(counts)}")
    left_out = np.zeros(k, dtype=np.int64) if unanswered is None else np.asarray(unanswered)
    totals = np.asarray(counts).sum(axis=1) + left_out
    spans = [int(np.prod(sizes[level + 1 :])) for level in range(len(sizes))]
    is_small = k <= 5
    names = [", ".join(map(readable, combination)) for combination in product(*classes)]

    def heads(level: int, start: int) -> dict[str, Any]:
        name = readable(classes[level][start // spans[level] % sizes[level]])
        is_edge = len(sizes) > 1 and start > 0 and start % spans[0] == 0
        return {"name": name, "span": spans[level], "is_edge": is_edge, "is_tall": not is_small and spans[level] == 1}

    def cell(row: int, column: int) -> dict[str, Any]:
        count, total = int(counts[row, column]), int(totals[row])
        share = count / total if total else 0.0
        hint = f"true {names[row]}; predicted {names[column]}: {count} of {total}" if count else ""
        return {
            "text": number_text(count) if count or is_small else "",
            "share": percent_text(share) if total else "",
            "shade": round(100 * np.sqrt(share)) if count else 0,
            "hint": hint,
            "is_right": row == column,
            "is_edge": len(sizes) > 1 and column > 0 and column % spans[0] == 0,
        }

    rows = [
        {
            "heads": [heads(level, row) for level in range(len(sizes)) if row % spans[level] == 0],
            "cells": [cell(row, column) for column in range(k)],
            "total": number_text(int(totals[row])),
            "is_edge": len(sizes) > 1 and row > 0 and row % spans[0] == 0,
        }
        for row in range(k)
    ]
    top = [[heads(level, start) for start in range(0, k, spans[level])] for level in range(len(sizes))]
    return part("confusion", heads=top, rows=rows, caption=caption, n_levels=len(sizes), is_small=is_small)


def share_bars_html(
    counts: Mapping[str, int], *, caption: str, prior: Sequence[float] | None = None, note: str = ""
) -> Markup:
    """Shares of classes as bars, a mark where the `prior` (shares 0..1 in the same order) stands."""
    total = max(sum(counts.values()), 1)
    shares = [count / total for count in counts.values()]
    marks: Sequence[float] = [0.0] * len(shares) if prior is None else prior
    widest = max([*shares, *marks, 1e-9])
    rows = [
        {
            "name": readable(name),
            "count": number_text(count),
            "share": percent_text(share),
            "prior": percent_text(mark),
            "width": round(100 * share / widest, 1),
            "mark": round(99 * mark / widest, 1),
        }
        for (name, count), share, mark in zip(counts.items(), shares, marks, strict=True)
    ]
    return part("share_bars", rows=rows, caption=caption, has_prior=prior is not None, note=note)
