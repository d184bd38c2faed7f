"""The page of two datasets side by side: what differs between them, by how much, and what that rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from trifacet.core.errors import count_text
from trifacet.core.schema import FloatArray
from trifacet.data.explore import Data, by_year
from trifacet.data.explore_looks import MEANT, PLOTTED, drawn_note, number, quantity_plots, sheet_html, size_table
from trifacet.data.explore_page import notices, size_text
from trifacet.measure.shift import FAR, FAR_SPREAD, FEW_PEOPLE, Shift, label_columns, shift
from trifacet.pages import html
from trifacet.pages.contact import PhotoTile, photo_grid_html
from trifacet.pages.plots import histogram_plot
from trifacet.pixels.quantities import comparable, quantities

Pair = tuple[Data, Data]

AGE = "age, years"
MAX_NAME = 20  # characters: two names stand above a plot


@dataclass(frozen=True)
class Compared:
    """A number that photos of both datasets have: the values of each side, and how they differ."""

    name: str
    values: tuple[FloatArray, FloatArray]
    shift: Shift


def pair_page(pair: Pair, *, title: str) -> str:
    """One self-contained page."""
    measured = list(compared(pair))
    makers = [summary(pair), differences(pair, measured), classes(pair), ages(pair), plots(pair, measured)]
    sections = [section for section in (*makers, means(pair), photos(pair)) if section is not None]
    told = [f"in {data.name}: {note}" for data in pair for note in notices(data)]
    subtitle = " and ".join(f"{data.name}, {size_text(data)}" for data in pair)
    return html.render_page(title, sections, subtitle=f"{subtitle}.", notices=told)


def compared(pair: Pair) -> Iterator[Compared]:
    """How each quantity that is known on both sides differs, ages too."""
    sides = [{**quantities(data.manifest, data.looks), AGE: data.manifest.ages.astype(float)} for data in pair]
    groups = (pair[0].manifest.groups, pair[1].manifest.groups)
    for name in (name for name in sides[0] if name in sides[1]):
        one, other = (side[name] for side in sides)
        told = shift(comparable(name, one), comparable(name, other), groups=groups)
        if told is not None:
            yield Compared(name, (one, other), told)


def short(name: str) -> str:
    """A name that fits above a plot and a table, both of its ends kept."""
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME // 2]}…{name[-MAX_NAME // 2 + 1 :]}"


def summary(pair: Pair) -> html.Section:
    """How much there is of each."""
    rows = []
    for data in pair:
        manifest = data.manifest
        known = manifest.table["person_id"].filter(manifest.table["person_id"] != "")
        labels = [name for name in manifest.schema.names if manifest.table[name].null_count() < len(manifest)]
        n_people = known.n_unique() if len(known) else None
        rows.append([data.name, len(manifest), n_people, ", ".join(labels) or "none", data.n_unread])
    columns = ["data", "photos", "people", "labels", "not readable"]
    tables = [size_table(data.manifest, of=short(data.name)) for data in pair]
    body = html.below(html.table_html(columns, rows, caption="Both"), html.side_by_side(*tables, at_least_rem=22))
    return html.Section("Summary", body, "summary")


def differences(pair: Pair, measured: list[Compared]) -> html.Section:
    """By how much each quantity differs, the widest apart first."""
    one, other = (short(data.name) for data in pair)
    rows = []
    for each in sorted(measured, key=lambda c: -abs(c.shift.effect.value)):
        middles = [html.Number(number(float(np.nanmedian(values)))) for values in each.values]
        told = each.shift
        more = [html.Number(f"{told.spread:.2f}"), html.Number(f"{told.distance:.2f}")]
        rows.append([each.name, *middles, _effect(told), *more, _verdict(told, is_far=told.is_far)])
    sides = [Markup("median<br>{}").format(html.name_html(name)) for name in (one, other)]
    columns = ["quantity", *sides, "difference in sd", "ratio of sd", "distance", "verdict"]
    note = (
        f"Difference of the means in standard deviations, {other} less {one}, with its 95 % interval (.2 is called "
        "small, .5 medium, .8 large); the standard deviation of the one by that of the other, likewise; and the "
        "largest difference of the cumulative shares (0 the same .. 1 apart). They are said to differ where the "
        f"interval leaves out 0 and the difference is {FAR} or more, or where the ratio's interval leaves out 1 and "
        f"it is above {FAR_SPREAD**0.5:.2f} or below {FAR_SPREAD**-0.5:.2f} (variances {FAR_SPREAD:g} times apart). "
        f"{_people_note(pair)}"
    )
    return html.Section("What differs", html.table_html(columns, rows, caption="Quantities"), "differences", note)


def _people_note(pair: Pair) -> str:
    told = []
    for data in pair:
        n_unknown, n_people = int((data.manifest.table["person_id"] == "").sum()), data.manifest.n_persons
        if n_people is not None:
            told.append(f"{data.name} has {count_text(n_people, 'person', many='people')}")
        else:
            photos = count_text(n_unknown, "photo")
            told.append(
                f"nobody knows whom {photos} of {data.name} show: each counts as one, and intervals are too narrow"
            )
    return f"Intervals are drawn by person: {'; '.join(told)}."


def _effect(told: Shift) -> html.Number:
    return html.Number(f"{told.effect:+.2f}")


def _verdict(told: Shift, *, is_far: bool) -> str:
    if not told.is_told:
        return f"fewer than {FEW_PEOPLE} people: not told"
    return "differs" if is_far else "alike"


def classes(pair: Pair) -> html.Section | None:
    """Shares of the classes that both know; None where no attribute is labelled on both sides."""
    columns = label_columns(pair[0].manifest, pair[1].manifest)
    groups = (pair[0].manifest.groups, pair[1].manifest.groups)
    rows: dict[str, list[list[object]]] = {}
    for attribute, name in columns[0]:
        one, other = (side[attribute, name] for side in columns)
        told = shift(one, other, groups=groups)
        if told is not None:
            shares = [html.share_html(float(np.nanmean(values))) for values in (one, other)]
            figures = [*shares, _effect(told), _verdict(told, is_far=told.is_apart)]
            rows.setdefault(attribute, []).append([html.readable(name), *figures])
    if not rows:
        return None
    sides = [Markup("share of<br>{}").format(html.name_html(short(data.name))) for data in pair]
    heads = ["class", *sides, "difference in sd", "verdict"]
    tables = [html.table_html(heads, lines, caption=html.sentence(name)) for name, lines in rows.items()]
    note = "Of photos whose label is known. A share's standard deviation is that of being of the class or not."
    return html.Section("Classes", html.below(*tables), "shares", note)


def ages(pair: Pair) -> html.Section | None:
    """Ages of both; None where one has none."""
    years = [by_year(data.manifest) for data in pair]
    if not all(years):
        return None
    edges = np.arange(min(min(y) for y in years), max(max(y) for y in years) + 2)
    counts = {
        short(data.name): np.array([y[year].photos if year in y else 0 for year in edges[:-1].tolist()])
        for data, y in zip(pair, years, strict=True)
    }
    age = pair[0].manifest.schema.age
    cuts = (age.edges or ()) if age else ()
    picture = histogram_plot(
        counts, edges.astype(float), alt="Share of photos by age", x_label=AGE, cuts=cuts, is_wide=True
    )
    return html.Section("Ages", html.figure_html(picture, caption="Share of photos by year of age"), "ages")


def plots(pair: Pair, measured: list[Compared]) -> html.Section | None:
    """How often each value of a quantity occurs, both in one plot."""
    names = [short(data.name) for data in pair]
    shown = {c.name: dict(zip(names, c.values, strict=True)) for c in measured if c.name != AGE}
    figures = quantity_plots(shown)
    if not figures:
        return None
    return html.Section("How photos look", html.side_by_side(*figures, at_least_rem=22), "looks", f"{MEANT} {PLOTTED}")


def means(pair: Pair) -> html.Section | None:
    """Mean faces of both, side by side; None without pictures."""
    one, other = (data.pictures for data in pair)
    if one is None or other is None or not (one.mean and other.mean):
        return None
    names = [data.name for data in pair]
    tiles = [_mean_pair("all photos", (one.mean, other.mean), sides=names)]
    theirs = pair[1].manifest.schema.attributes
    for attribute in (a for a in pair[0].manifest.schema.attributes if a in theirs):
        for i, name in enumerate(attribute.classes):
            key = (attribute.name, i)
            if key in one.means and key in other.means:
                tiles.append(_mean_pair(html.readable(name), (one.means[key][0], other.means[key][0]), sides=names))
    note = f"The mean of all photos, and of each class that both have: left {names[0]}, right {names[1]}."
    return html.Section("Mean faces", photo_grid_html(tiles, is_square=True), "means", note)


def _mean_pair(name: str, uris: tuple[str, str], *, sides: list[str]) -> PhotoTile:
    one, other = (f"The mean of {name} of {side}" for side in sides)
    return PhotoTile(uris[0], one, (name,), beside=uris[1], beside_alt=other)


def photos(pair: Pair) -> html.Section | None:
    """Some photos of each; None without pictures."""
    blocks = []
    for data in pair:
        if data.pictures is not None and data.pictures.thumbnails:
            rows = [row for chosen in data.pictures.sheets.values() for row in chosen]
            blocks.append(html.heading_html(data.name) + sheet_html(data, rows))
    return html.Section("Photos", html.below(*blocks), "photos", drawn_note(*pair)) if blocks else None
