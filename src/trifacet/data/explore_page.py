"""The page of one dataset: who and what is in it, how it looks, what a cut would do.

Data that lack a thing (labels, ages, splits, people) lack its section.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations as pairs_of

import numpy as np
import polars as pl
from markupsafe import Markup

from trifacet.core.errors import count_text
from trifacet.core.manifest import PERSONS_UNKNOWN, Manifest
from trifacet.core.schema import Attribute
from trifacet.data.explore import (
    Count,
    Cut,
    Data,
    by_class,
    by_year,
    combination_name,
    cube,
    cuts,
    divided_people,
    evenness,
    has_people,
    parts_of,
)
from trifacet.data.explore_looks import looks_section, means_section, sheets_section
from trifacet.pages import html
from trifacet.pages.grids import counts_html
from trifacet.pages.plots import histogram_plot

MAX_NAMED = 20  # people in several splits that the page names


def explore_page(data: Data, *, title: str) -> str:
    """One self-contained page."""
    makers = (summary, classes_together, ages, cuts_section, splits, folds)
    made = [make(data.manifest) for make in makers]
    shown = [looks_section(data), means_section(data), sheets_section(data)]
    sections = [section for section in (*made, *shown) if section is not None]
    return html.render_page(title, sections, subtitle=size_text(data), notices=notices(data))


def notices(data: Data) -> tuple[str, ...]:
    """What a person should know first: stamps, photos that could not be read, labels that a model gave."""
    is_silent = not is_labelled(data.manifest)  # photos without labels have no scores that could flatter
    told = [*(s for s in data.manifest.stamps if not (is_silent and s == PERSONS_UNKNOWN)), *data.notes]
    n_unknown = int((data.manifest.table["person_id"] == "").sum())
    if 0 < n_unknown < len(data.manifest):
        told.append(f"{count_text(n_unknown, 'photo')} of nobody knows whom: they count as photos, not as people")
    return tuple(told)


def size_text(data: Data) -> str:
    """How much there is, and how it was read: `12,530 photos of 1,790 people`."""
    photos, people = count_text(len(data.manifest), "photo"), data.manifest.table["person_id"]
    n_people = people.filter(people != "").n_unique()
    whose = f" of {count_text(n_people, 'person', many='people')}" if n_people else ", people unknown"
    return f"{photos}{whose}" + (f" ({'; '.join(data.remarks)})" if data.remarks else "")


def is_labelled(manifest: Manifest) -> bool:
    """Whether any photo has any label."""
    return bool((manifest.classes >= 0).any())


def summary(manifest: Manifest) -> html.Section:
    """How much there is, and of which class."""
    people = manifest.table["person_id"].filter(manifest.table["person_id"] != "")
    cards = [html.Card("photos", html.number_text(len(manifest)))]
    if len(people):
        each = people.value_counts()["count"].to_numpy()
        few, many = int(each.min()), int(each.max())
        told = f"{few:,}" if few == many else f"{few:,} to {many:,}, median {np.median(each):g}"
        cards.append(html.Card("people", html.number_text(people.n_unique()), notes=(f"{told} photos each",)))
    if not is_labelled(manifest):
        note = "No photo has a label, so nothing is told of classes."
        return html.Section("Summary", html.cards_html(cards), "summary", note)
    counts = cube(manifest).ravel()
    if counts.any() and len(manifest.schema.names) > 1:
        filled = counts[counts > 0]
        cards.append(html.Card("classes together", f"{len(filled)} of {len(counts)}", notes=("with a photo",)))
        imbalance = f"{filled.max() / filled.min():,.0f} : 1"
        cards.append(html.Card("largest to smallest", imbalance, notes=("photos, of those with any",)))
    tables = [class_table(manifest, attribute) for attribute in manifest.schema.attributes]
    body = html.below(html.cards_html(cards), html.side_by_side(*tables, at_least_rem=22))
    return html.Section("Summary", body, "summary")


def class_table(manifest: Manifest, attribute: Attribute) -> Markup:
    """Photos, people and shares of each class of an attribute."""
    rows = [
        [
            html.readable(name) if name else "not known",
            *_numbers(count, manifest),
            html.share_html(count.photos / len(manifest)),
        ]
        for name, count in by_class(manifest, attribute)
    ]
    columns = ["class", *_columns(manifest), "share of photos"]
    return html.table_html(columns, rows, caption=html.sentence(attribute.name))


def _numbers(count: Count, manifest: Manifest) -> list[int | None]:
    return [count.photos, *([count.people or 0] if has_people(manifest) else [])]


def _columns(manifest: Manifest) -> list[str]:
    return ["photos", *(["people"] if has_people(manifest) else [])]


def classes_together(manifest: Manifest) -> html.Section | None:
    """Tables of all attributes at once, of each two, and the joint classes by size."""
    schema, photos = manifest.schema, cube(manifest)
    if len(schema.names) < 2 or not photos.any():
        return None
    blocks = [_cube_table(manifest, of_people=False)]
    if has_people(manifest):
        blocks.append(_cube_table(manifest, of_people=True))
    if len(schema.names) > 2:
        two = [_pair_table(manifest, pair) for pair in pairs_of(schema.names, 2)]
        blocks.append(html.side_by_side(*two))
    blocks.append(_by_size(manifest))
    whole, filled = photos.ravel(), photos[photos > 0]
    note = (
        f"The largest class has {filled.max() / filled.min():,.1f} times the photos of the smallest that has any; "
        f"evenness {evenness(whole):.2f} (0 all in one class, 1 as many in each). {_without(len(whole) - len(filled))}"
    )
    n_partly = len(manifest) - int(photos.sum())
    if n_partly:
        note += f" {count_text(n_partly, 'photo')} without one of the labels stand in none of these tables."
    return html.Section("Classes together", html.below(*blocks), "together", note)


def _without(n_empty: int) -> str:
    return f"{count_text(n_empty, 'class', many='classes')} without a photo." if n_empty else "No class is empty."


def _cube_table(manifest: Manifest, *, of_people: bool) -> Markup:
    """All attributes at once: the last two across, those before them down."""
    schema, counts = manifest.schema, cube(manifest, of_people=of_people)
    down, across = schema.attributes[:-2] or schema.attributes[:1], schema.attributes[-2:]
    across = across if len(schema.attributes) > 2 else schema.attributes[1:]
    n_rows = int(np.prod([len(a.classes) for a in down]))
    rows = schema.part([a.name for a in down]).joint_names
    what, totals = "photos", None
    if of_people:
        what = "people"
        parts = manifest.table.drop_nulls(list(schema.names)).partition_by([a.name for a in down], as_dict=True)
        totals = [_people(parts.get(tuple(name.split("/")))) for name in rows]
    names = " x ".join(a.name for a in schema.attributes)
    note = "A person counts once in each class that a photo shows them in." if of_people else ""
    return counts_html(
        counts.reshape(n_rows, -1),
        rows,
        columns=[a.classes for a in across],
        caption=f"{html.sentence(what)} by {names}",
        totals=totals,
        note=note,
    )


def _people(rows: pl.DataFrame | None) -> int:
    return 0 if rows is None else rows["person_id"].filter(rows["person_id"] != "").n_unique()


def _pair_table(manifest: Manifest, names: Sequence[str]) -> Markup:
    """Two attributes, of people where they are known; photos that have both labels, whatever else is not known."""
    of_people = has_people(manifest)
    schema = manifest.schema.part(list(names))
    part = Manifest(manifest.table, schema, manifest.roots)
    down, across = schema.attributes
    totals = [count.people or 0 for name, count in by_class(part, down) if name] if of_people else None
    what = "People" if of_people else "Photos"
    return counts_html(
        cube(part, of_people=of_people),
        down.classes,
        columns=[across.classes],
        caption=f"{what} by {down.name} and {across.name}",
        totals=totals,
    )


def _by_size(manifest: Manifest) -> Markup:
    photos, people = cube(manifest).ravel(), cube(manifest, of_people=True).ravel()
    schema, total = manifest.schema, max(int(photos.sum()), 1)
    order = np.argsort(-photos, kind="stable")
    rows = [
        [
            combination_name(schema, tuple(schema.decode([k])[0].tolist())),
            int(photos[k]),
            *([int(people[k])] if has_people(manifest) else []),
            html.share_html(photos[k] / total),
        ]
        for k in order.tolist()
    ]
    return html.table_html(
        ["class", *_columns(manifest), "share of photos"], rows, caption="From the largest class down"
    )


def ages(manifest: Manifest) -> html.Section | None:
    """People, or photos where they are unknown, by year of age; None where no age is known."""
    years = by_year(manifest)
    if not years:
        return None
    what = "people" if has_people(manifest) else "photos"
    first, last = min(years), max(years)
    grid = np.arange(first, last + 2)
    counts = {year: (c.people or 0) if what == "people" else c.photos for year, c in years.items()}
    age = manifest.schema.age
    edges = (age.edges or ()) if age else ()
    picture = histogram_plot(
        {what: np.array([counts.get(year, 0) for year in grid[:-1].tolist()])},
        grid.astype(float),
        alt=f"{html.sentence(what)} by year of age",
        x_label="age, years",
        cuts=edges,
        is_wide=True,
    )
    decades = range(first // 10 * 10, last + 1, 10)
    table = counts_html(
        np.array([[counts.get(decade + digit, 0) for digit in range(10)] for decade in decades]),
        [f"{decade} +" for decade in decades],
        columns=[[str(digit) for digit in range(10)]],
        caption=f"{html.sentence(what)} of each year",
    )
    known = manifest.table["age_years"].drop_nulls().to_numpy()
    note = f"Youngest {known.min():g}, median {np.median(known):g}, oldest {known.max():g} years."
    if lacking := len(manifest) - len(known):
        note += f" The years of {count_text(lacking, 'photo')} are not known."
    if edges:
        note += " Dashed lines: where the classes are cut."
    figure = html.figure_html(picture, caption=f"{html.sentence(what)} by year of age")
    return html.Section("Ages", html.below(figure, table), "ages", note)


def cuts_section(manifest: Manifest) -> html.Section | None:
    """What moving each edge of the age classes would change; None where years or edges are not known."""
    found, age = cuts(manifest), manifest.schema.age
    if not found or age is None:
        return None
    tables = []
    for place, (edge, moved) in enumerate(found.items()):
        sides = ("that change", *(html.readable(name) for name in age.classes[place : place + 2]))
        columns = ["cut at", *(w for side in sides for w in (f"photos {side}", *_columns(manifest)[1:]))]
        rows = [_cut_row(cut, manifest) for cut in moved]
        tables.append(html.table_html(columns, rows, caption=f"The cut at {edge} years"))
    note = (
        f"{html.sentence(' and '.join(_columns(manifest)))} that change class when a cut of the age classes is moved, "
        "and how many stand on each side of it then, as far as the next cut."
    )
    return html.Section("What a cut would do", html.below(*tables), "cuts", note)


def _cut_row(cut: Cut, manifest: Manifest) -> list[object]:
    numbers = [n for count in (cut.moved, cut.below, cut.above) for n in _numbers(count, manifest)]
    return [f"{cut.edge}, as it is" if cut.is_given else str(cut.edge), *numbers]


def splits(manifest: Manifest) -> html.Section | None:
    """Photos, people and shares of classes of each split, and who stands in several; None where there is no split."""
    section = _parts(manifest, "split", title="Splits")
    if section is None:
        return None
    divided = divided_people(manifest)
    if not divided:
        return section
    told = [f"{person}: {', '.join(names)}" for person, names in list(divided.items())[:MAX_NAMED]]
    more = [f"and {len(divided) - MAX_NAMED:,} more"] if len(divided) > MAX_NAMED else []
    title = f"{count_text(len(divided), 'person', many='people')} in several splits"
    body = html.below(section.html, html.heading_html(title) + html.notes_html([*told, *more]))
    note = "Somebody stands in several splits: scores on them flatter."
    return html.Section(section.title, body, section.anchor, note)


def folds(manifest: Manifest) -> html.Section | None:
    """The same of folds."""
    return _parts(manifest, "fold", title="Folds")


def _parts(manifest: Manifest, column: str, *, title: str) -> html.Section | None:
    parts = parts_of(manifest, column)
    if not parts:
        return None
    sizes = []
    for name, part in parts.items():
        n_people = part.table["person_id"].filter(part.table["person_id"] != "").n_unique()
        people = [n_people] if has_people(manifest) else []
        sizes.append([name, len(part), *people, html.share_html(len(part) / len(manifest))])
    lacking = int(manifest.table[column].null_count())
    note = f"{count_text(lacking, 'photo')} of no {column}." if lacking else ""
    columns = [column, *_columns(manifest), "share of photos"]
    blocks = [html.table_html(columns, sizes, caption=f"Photos by {column}", note=note)]
    if is_labelled(manifest):
        rows = [
            [
                attribute.name,
                html.readable(name),
                *(_share(part.table[attribute.name], name) for part in parts.values()),
            ]
            for attribute in manifest.schema.attributes
            for name in attribute.classes
        ]
        shares = html.table_html(
            ["attribute", "class", *parts],
            rows,
            caption=f"Shares of classes by {column}, of photos whose label is known",
        )
        blocks.append(shares)
    return html.Section(title, html.below(*blocks), title.lower())


def _share(labels: pl.Series, name: str) -> html.Number:
    known = labels.drop_nulls()
    return html.Number(html.percent_text(int((known == name).sum()) / len(known) if len(known) else None))
