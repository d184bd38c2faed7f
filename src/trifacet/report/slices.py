"""Sections on groups of photos: where answers are worse than elsewhere, and how far from a cut an age is missed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import polars as pl
from markupsafe import Markup

from trifacet.core.evaluation import Evaluation, Interval
from trifacet.core.schema import LabelSchema
from trifacet.measure.bootstrap import N_DRAWS, group_sums, interval, ratio_of, resampled_sums
from trifacet.pages import html
from trifacet.report.material import Material

FEW_PEOPLE = 10  # a share of one half among fewer people has a standard error of .16 and more
TIGHT = 0.02  # intervals of a column that are all narrower than this are left out: the value says it
DISTANCES_YEARS = (0, 1, 3, 6, 10, 200)  # from the nearest cut between two age classes


@dataclass(frozen=True)
class Slice:
    """Photos that share something: `group` is what (mask, mask x gender), `name` which (worn).

    n_people is None where people are unknown. figures: `all labels`, an attribute's name -> the share of right answers;
    `age error` -> years. What nothing is known of is not there.
    """

    group: str
    name: str
    n_photos: int
    n_people: int | None
    figures: dict[str, Interval]

    @property
    def is_thin(self) -> bool:
        """Whether few people, or few photos of people unknown, stand behind it."""
        return (self.n_photos if self.n_people is None else self.n_people) < FEW_PEOPLE


def slices_of(evaluation: Evaluation) -> list[Slice]:
    """One slice per class of each attribute, then one per pair of classes of two attributes; none that is empty."""
    schema, photos = evaluation.schema, evaluation.photos
    made = []
    for group, name, is_in in _groups(schema):
        rows = photos.filter(is_in)
        if rows.height:
            made.append(_slice(group, name, rows=rows, schema=schema))
    return made


def _groups(schema: LabelSchema) -> Iterator[tuple[str, str, pl.Expr]]:
    single = [
        (a.name, html.readable(c), pl.col(f"true_{a.name}") == i)
        for a in schema.attributes
        for i, c in enumerate(a.classes)
    ]
    yield from single
    for (one, first, is_first), (other, second, is_second) in product(single, single):
        if schema.names.index(one) < schema.names.index(other):
            yield f"{one} x {other}", f"{first}, {second}", is_first & is_second


def _slice(group: str, name: str, *, rows: pl.DataFrame, schema: LabelSchema) -> Slice:
    right = {"all labels": ("true_joint", "predicted_joint")}
    right |= {a: (f"true_{a}", f"predicted_{a}") for a in schema.names}
    figures = {}
    for what, (true, answer) in right.items():
        known = rows.filter(pl.col(true).is_not_null())
        figures[what] = mean_by_person(known, (pl.col(true) == pl.col(answer)).fill_null(value=False))
    read = rows.filter(pl.col("true_years").is_not_null() & pl.col("predicted_years").is_not_null())
    figures["age error"] = mean_by_person(read, (pl.col("predicted_years") - pl.col("true_years")).abs())
    people = rows["person_id"]
    n_people = None if (people == "").any() else people.n_unique()
    return Slice(group, name, rows.height, n_people, {k: v for k, v in figures.items() if v is not None})


def mean_by_person(rows: pl.DataFrame, value: pl.Expr) -> Interval | None:
    """The mean of a value over photos, its interval by person (by photo where one is unknown); None without photos."""
    if rows.is_empty():
        return None
    values = rows.select(value.cast(pl.Float64)).to_series().to_numpy()
    people = [person or f"photo {i}" for i, person in enumerate(rows["person_id"])]
    sums = group_sums(np.stack([values, np.ones_like(values)], axis=1), people)
    return interval(float(values.mean()), ratio_of(resampled_sums(sums, n_draws=N_DRAWS)))


def slices(material: Material) -> html.Section | None:
    """A table of slices per attribute and per pair of them; the worst slice and the widest gap in words."""
    made = slices_of(material.main)
    if not made:
        return None
    tables = [_table(few, material.main, caption=html.sentence(group)) for group, few in _by_group(made).items()]
    note = f"Shares of right answers, and the mean age error in years. * fewer than {FEW_PEOPLE} people: says little. "
    return html.Section("Who and what it gets wrong", html.below(*tables), "slices", note + gap_in_words(made))


def _by_group(made: list[Slice]) -> dict[str, list[Slice]]:
    return {group: [s for s in made if s.group == group] for group in dict.fromkeys(s.group for s in made)}


def _table(chosen: list[Slice], main: Evaluation, *, caption: str) -> Markup:
    """Values, and intervals where there is room for them and they tell something."""
    names = [name for name in ("all labels", *main.schema.names) if any(name in s.figures for s in chosen)]
    is_pair = any(" x " in s.group for s in chosen)
    wide = {name for name in names if any(_width(s.figures.get(name)) > TIGHT for s in chosen)}
    shown = {"all labels"} if is_pair else wide | {"all labels"}
    has_years = any("age error" in s.figures for s in chosen)
    rows = []
    for one in chosen:
        figures = [one.figures.get(name) for name in names]
        cells = [f if f is None or name in shown else f.value for name, f in zip(names, figures, strict=True)]
        years = [_years(one.figures.get("age error"))] if has_years else []
        rows.append([f"{one.name} *" if one.is_thin else one.name, one.n_photos, one.n_people, *cells, *years])
    columns = ["", "photos", "people", *names, *(["age error"] if has_years else [])]
    return html.table_html(columns, rows, caption=caption, digits=2)


def _width(figure: Interval | None) -> float:
    return figure.high - figure.low if figure else 0.0


def _years(figure: Interval | None) -> str | None:
    return None if figure is None else f"{figure:.1f}".replace(" ", "\N{NO-BREAK SPACE}")


def gap_in_words(made: list[Slice]) -> str:
    """The worst slice, and the group with the widest gap between its best and worst, of those with enough people."""
    told = [s for s in made if not s.is_thin and "all labels" in s.figures]
    compared = {group: sorted(few, key=_share) for group, few in _by_group(told).items() if len(few) > 1}
    if not compared:
        return ""
    worst = min(told, key=_share)
    group, few = max(compared.items(), key=lambda item: _share(item[1][-1]) - _share(item[1][0]))
    return (
        f"Worst: {worst.name} ({worst.figures['all labels']} of all labels right). Widest gap: {group}, "
        f"{_share(few[-1]):.3f} for {few[-1].name} to {_share(few[0]):.3f} for {few[0].name}."
    )


def _share(one: Slice) -> float:
    return one.figures["all labels"].value


def cuts(material: Material) -> html.Section | None:
    """The share of right age classes by the distance of the true age from the nearest cut."""
    attribute = material.main.schema.age
    photos = material.main.photos.filter(pl.col("true_years").is_not_null() & pl.col("error").is_null())
    if attribute is None or attribute.edges is None or photos.is_empty():
        return None
    # An age in whole years stands for the middle of its year: 29 lies half a year below the cut at 30.
    far = pl.min_horizontal((pl.col("true_years") + 0.5 - cut).abs() for cut in attribute.edges)
    is_right = (pl.col(f"true_{attribute.name}") == pl.col(f"predicted_{attribute.name}")).fill_null(value=False)
    rows = []
    for low, high in pairwise(DISTANCES_YEARS):
        near = photos.filter((far >= low) & (far < high))
        if near.height:
            off = near.filter(pl.col("predicted_years").is_not_null())
            error = mean_by_person(off, (pl.col("predicted_years") - pl.col("true_years")).abs())
            words = f"{low} to {high}" if high < DISTANCES_YEARS[-1] else f"{low} and more"
            n_people = None if (near["person_id"] == "").any() else near["person_id"].n_unique()
            rows.append([words, near.height, n_people, mean_by_person(near, is_right), _years(error)])
    columns = ["years from the nearest cut", "photos", "people", "age class right", "age error, years"]
    table = html.table_html(columns, rows, caption="By distance from a cut")
    note = "Close to a cut a year's error is another class; far from all cuts only a large one is."
    return html.Section("How close to a cut it errs", table, "cuts", note)
