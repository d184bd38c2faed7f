"""Sections on groups of photos: where answers are worse than elsewhere, and how far from a cut an age is missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal

import numpy as np
import polars as pl
from markupsafe import Markup

from trifacet.core.evaluation import Evaluation, Interval
from trifacet.core.schema import LabelSchema
from trifacet.core.truth import EXTRA
from trifacet.measure.bootstrap import N_DRAWS, group_sums, interval, ratio_of, resampled_sums
from trifacet.pages import html
from trifacet.report.material import Material

FEW_PEOPLE = 10  # a share of one half among fewer people has a standard error of .16 and more
TIGHT = 0.02  # intervals of a column that are all narrower than this are left out: the value says it
DISTANCES_YEARS = (0, 1, 3, 6, 10, 200)  # from the nearest cut between two age classes
MAX_VALUES = 12  # a column of the source with more of them is cut, if it holds numbers, or left out
MAX_COLUMNS = 12  # columns of the source that a page has room for
QUARTILES = (0.25, 0.5, 0.75)

Kind = Literal["attribute", "pair", "column"]


@dataclass(frozen=True)
class Slice:
    """Photos that share something: `group` is what (mask, mask x gender), `name` which (worn).

    kind: a class of one attribute, of two, or a value in a column of the source. n_people is None where people are
    unknown. figures: `all labels`, an attribute's name -> the share of right answers; `age error` -> years. What
    nothing is known of is not there.
    """

    kind: Kind
    group: str
    name: str
    n_photos: int
    n_people: int | None
    figures: dict[str, Interval]

    @property
    def is_thin(self) -> bool:
        """Whether few people, or few photos of people unknown, stand behind it."""
        return (self.n_photos if self.n_people is None else self.n_people) < FEW_PEOPLE

    @property
    def words(self) -> str:
        """Which photos, where the group does not stand beside it."""
        return f"{self.group} {self.name}" if self.kind == "column" else self.name


@dataclass(frozen=True)
class Columns:
    """The source's columns: what each of their values selects, which are cut at quartiles, which are not sliced by."""

    slices: tuple[tuple[str, str, pl.Expr], ...]
    cut: tuple[str, ...]
    left_out: tuple[str, ...]


def slices_of(evaluation: Evaluation) -> list[Slice]:
    """One slice per class of each attribute, per pair of classes of two, per value of a column; none that is empty."""
    schema, photos = evaluation.schema, evaluation.photos
    made = []
    groups = [*_groups(schema), *(("column", *one) for one in columns_of(photos).slices)]
    for kind, group, name, is_in in groups:
        rows = photos.filter(is_in)
        if rows.height:
            people = rows["person_id"]
            n_people = None if (people == "").any() else people.n_unique()
            made.append(Slice(kind, group, name, rows.height, n_people, _figures(rows, schema)))
    return made


def _groups(schema: LabelSchema) -> Iterator[tuple[Kind, str, str, pl.Expr]]:
    single = [
        (a.name, html.readable(c), pl.col(f"true_{a.name}") == i)
        for a in schema.attributes
        for i, c in enumerate(a.classes)
    ]
    yield from (("attribute", *one) for one in single)
    for (one, first, is_first), (other, second, is_second) in product(single, single):
        if schema.names.index(one) < schema.names.index(other):
            yield "pair", f"{one} x {other}", f"{first}, {second}", is_first & is_second


def columns_of(photos: pl.DataFrame) -> Columns:
    """How the source's columns (`x_NAME`) part the photos; one that is the same everywhere parts nothing."""
    slices, cut, left_out = list[tuple[str, str, pl.Expr]](), list[str](), list[str]()
    for column in (c for c in photos.columns if c.startswith(EXTRA)):
        name, values = html.readable(column.removeprefix(EXTRA)), photos[column]
        numbers = values.cast(pl.Float64, strict=False) if values.dtype != pl.Boolean else pl.Series([None])
        is_number = numbers.null_count() == values.null_count() and values.drop_nulls().len() > 0
        if values.drop_nulls().n_unique() + bool(values.null_count()) < 2:
            continue
        n_distinct = values.n_unique()
        if (n_distinct > MAX_VALUES and not is_number) or len({group for group, *_ in slices}) == MAX_COLUMNS:
            left_out.append(f"{name} ({n_distinct:,} values)")
            continue
        if n_distinct > MAX_VALUES:
            parts = _quarters(numbers.drop_nulls(), pl.col(column).cast(pl.Float64))
            cut.append(name)
        else:
            chosen = values.unique().drop_nulls().to_list()
            chosen = sorted(chosen, key=float if is_number else str)
            parts = [
                (html.cell_text(value) if isinstance(value, bool) else str(value), pl.col(column) == value)
                for value in chosen
            ]
        parts += [("not known", pl.col(column).is_null())] * bool(values.null_count())
        slices += [(name, which, is_in) for which, is_in in parts]
    return Columns(tuple(slices), tuple(cut), tuple(left_out))


def _quarters(numbers: pl.Series, value: pl.Expr) -> list[tuple[str, pl.Expr]]:
    """The parts between the quartiles of numbers; fewer where many are alike."""
    low, high = float(numbers.min()), float(numbers.max())  # type: ignore[arg-type]
    inner = [float(q) for q in np.unique(np.quantile(numbers.to_numpy(), QUARTILES)) if q < high]
    edges = [low, *inner, high]
    first = f"{low:.4g}" if low == edges[1] else f"{low:.4g} to {edges[1]:.4g}"
    parts = [(first, value <= edges[1])]
    parts += [(f"over {a:.4g} to {b:.4g}", (value > a) & (value <= b)) for a, b in pairwise(edges[1:])]
    return parts


def _figures(rows: pl.DataFrame, schema: LabelSchema) -> dict[str, Interval]:
    labels = {"all labels": "joint"} | {a: a for a in schema.names}
    values = {
        what: pl.when(pl.col(f"true_{label}").is_not_null()).then(is_right(label)) for what, label in labels.items()
    }
    return means_by_person(rows, {**values, "age error": AGE_ERROR})


AGE_ERROR = (pl.col("predicted_years") - pl.col("true_years")).abs()


def is_right(label: str) -> pl.Expr:
    """Whether a label's answer is the truth; a photo that could not be read has no right answer."""
    return (pl.col(f"true_{label}") == pl.col(f"predicted_{label}")).fill_null(value=False)


def means_by_person(rows: pl.DataFrame, values: Mapping[str, pl.Expr]) -> dict[str, Interval]:
    """The mean of each value over the photos where it is not null, with its interval by person, from the same draws.

    A photo whose person is unknown is its own person. What no photo has a value of is not there.
    """
    found = rows.select(expr.cast(pl.Float64).alias(name) for name, expr in values.items())
    found = found.select(column for column in found.get_columns() if column.null_count() < rows.height)
    if not found.width:
        return {}
    people = [person or f"photo {i}" for i, person in enumerate(rows["person_id"])]
    terms = np.stack([found.fill_null(0.0).to_numpy(), found.select(pl.all().is_not_null()).to_numpy()], axis=2)
    sums = group_sums(terms.reshape(rows.height, -1), people)
    draws, whole = resampled_sums(sums, n_draws=N_DRAWS), sums.sum(axis=0)
    pairs = {name: slice(2 * i, 2 * i + 2) for i, name in enumerate(found.columns)}
    return {name: interval(float(ratio_of(whole[own])), ratio_of(draws[:, own])) for name, own in pairs.items()}


def slices(material: Material) -> html.Section | None:
    """A table of slices per attribute, per pair of them and per column; the worst slice and the widest gap in words."""
    made = slices_of(material.main)
    if not made:
        return None
    tables = [_table(few, material.main, caption=_caption(few[0])) for few in _by_group(made).values()]
    note = f"Shares of right answers, and the mean age error in years. * fewer than {FEW_PEOPLE} people: says little."
    columns, words = columns_of(material.main.photos), [*gaps_in_words(made)]
    if columns.cut:
        words.append(f"Cut at its quartiles, having more than {MAX_VALUES} values: {', '.join(columns.cut)}.")
    if columns.left_out:
        words.append(f"Not sliced by: {', '.join(columns.left_out)}.")
    told = html.notes_html(words) if words else Markup("")
    return html.Section("Who and what it gets wrong", html.below(told, *tables), "slices", note)


def _by_group(made: Sequence[Slice]) -> dict[tuple[Kind, str], list[Slice]]:
    """By kind and group: a column of the source may be called as an attribute is."""
    keys = dict.fromkeys((s.kind, s.group) for s in made)
    return {key: [s for s in made if (s.kind, s.group) == key] for key in keys}


def _caption(one: Slice) -> str:
    return f"By {one.group}{' (from the source)' if one.kind == 'column' else ''}"


def _table(chosen: list[Slice], main: Evaluation, *, caption: str) -> Markup:
    """Values, and intervals where there is room for them and they tell something."""
    names = [name for name in ("all labels", *main.schema.names) if any(name in s.figures for s in chosen)]
    wide = {name for name in names if any(_width(s.figures.get(name)) > TIGHT for s in chosen)}
    shown = {"all labels"} if chosen[0].kind == "pair" else wide | {"all labels"}
    has_years = any("age error" in s.figures for s in chosen)
    rows = []
    for one in chosen:
        figures = [one.figures.get(name) for name in names]
        cells = [f if f is None or name in shown else f.value for name, f in zip(names, figures, strict=True)]
        years = [_years(one.figures.get("age error"))] if has_years else []
        rows.append([f"{one.name} *" if one.is_thin else one.name, one.n_photos, one.n_people, *cells, *years])
    columns = [chosen[0].group, "photos", "people", *names, *(["age error"] if has_years else [])]
    return html.table_html(columns, rows, caption=caption, digits=2)


def _width(figure: Interval | None) -> float:
    return figure.high - figure.low if figure else 0.0


def _years(figure: Interval | None) -> html.Number | None:
    return None if figure is None else html.Number(f"{figure:.1f}")


def gaps_in_words(made: Sequence[Slice]) -> tuple[str, ...]:
    """The worst slice, and the group with the widest gap between its best and worst, of those with enough people."""
    told = [s for s in made if not s.is_thin and "all labels" in s.figures]
    compared = [sorted(few, key=_share) for few in _by_group(told).values() if len(few) > 1]
    if not compared:
        return ()
    worst = min(told, key=_share)
    few = max(compared, key=lambda few: _share(few[-1]) - _share(few[0]))
    worst_in_words = f"Worst of {len(told)} slices: {worst.words}, {worst.figures['all labels']} of all labels right."
    ends = [f"{_share(one):.3f} for {one.name}" for one in (few[-1], few[0])]
    return (
        f"{worst_in_words} The worst of many is partly chance: its interval says how far.",
        f"Widest gap: {few[0].group}, {' to '.join(ends)}.",
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
    rows = []
    for low, high in pairwise(DISTANCES_YEARS):
        near = photos.filter((far >= low) & (far < high))
        if near.height:
            found = means_by_person(near, {"right": is_right(attribute.name), "error": AGE_ERROR})
            words = f"{low} to {high}" if high < DISTANCES_YEARS[-1] else f"{low} and more"
            n_people = None if (near["person_id"] == "").any() else near["person_id"].n_unique()
            rows.append([words, near.height, n_people, found["right"], _years(found.get("error"))])
    columns = ["years from the nearest cut", "photos", "people", "age class right", "age error, years"]
    table = html.table_html(columns, rows, caption="By distance from a cut")
    note = "Close to a cut a year's error is another class; far from all cuts only a large one is."
    return html.Section("How close to a cut it errs", table, "cuts", note)
