"""The section on what a mask hides: errors in the other labels with a mask and without, on the same people."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from trifacet.core.evaluation import Interval
from trifacet.core.schema import LabelSchema
from trifacet.measure.bootstrap import difference, group_sums, ratio_of
from trifacet.pages import html
from trifacet.report.material import Material
from trifacet.report.slices import AGE_ERROR, is_right, means_by_person

MASK, BARE = "mask", "not_worn"  # the attribute, and its class that hides nothing


def masks(material: Material) -> html.Section | None:
    """Errors per mask class, and by how much each is above that of bare faces; None where the schema knows no masks."""
    schema, photos = material.main.schema, material.main.photos
    if MASK not in schema.names or BARE not in schema.attribute(MASK).classes:
        return None
    values = _errors(schema, photos)
    classes = schema.attribute(MASK).classes
    parts = {name: photos.filter(pl.col(f"true_{MASK}") == i) for i, name in enumerate(classes)}
    bare = parts.pop(BARE)
    if not values or bare.is_empty() or not any(rows.height for rows in parts.values()):
        return None
    rows = [_row(html.readable(BARE), bare, values=values)]
    more = list[list[object]]()
    for name, with_mask in parts.items():
        if with_mask.height:
            rows.append(_row(html.readable(name), with_mask, values=values))
            gains = [_figure(what, gain(bare, with_mask, value=of), sign="+") for what, of in values.items()]
            more.append([f"{html.readable(name)}, above {html.readable(BARE)}", None, None, *gains])
    table = html.table_html([MASK, "photos", "people", *values], [*rows, *more], caption="Errors by mask")
    note = (
        "Shares of wrong answers, and the mean age error in years. The last rows tell by how much a mask raises them, "
        "the same people drawn for both sides: an interval without 0 is a difference that chance does not explain."
    )
    return html.Section("What a mask hides", table, "masks", note)


def _errors(schema: LabelSchema, photos: pl.DataFrame) -> dict[str, pl.Expr]:
    """What can go wrong besides the mask, null where it is not known."""
    labels = [name for name in schema.names if name != MASK and photos[f"true_{name}"].null_count() < photos.height]
    errors = {f"{n} wrong": pl.when(pl.col(f"true_{n}").is_not_null()).then(is_right(n).not_()) for n in labels}
    has_years = photos.select(AGE_ERROR.is_not_null().any()).item()
    return {**errors, **({"age error": AGE_ERROR} if has_years else {})}


def _figure(what: str, figure: Interval | None, *, sign: str = "") -> html.Number | None:
    digits = 1 if what == "age error" else 3
    return None if figure is None else html.Number(f"{figure:{sign}.{digits}f}")


def _row(name: str, rows: pl.DataFrame, *, values: Mapping[str, pl.Expr]) -> list[object]:
    found = means_by_person(rows, values)
    n_people = None if (rows["person_id"] == "").any() else rows["person_id"].n_unique()
    return [name, rows.height, n_people, *(_figure(what, found.get(what)) for what in values)]


def gain(one: pl.DataFrame, other: pl.DataFrame, *, value: pl.Expr) -> Interval | None:
    """By how much the mean of a value over `other` is above that over `one`, people drawn for both at once."""
    sides = [rows.select("person_id", value.cast(pl.Float64).alias("value")).drop_nulls() for rows in (one, other)]
    if any(side.is_empty() for side in sides):
        return None
    both = pl.concat(sides)
    people = [person or f"photo {i}" for i, person in enumerate(both["person_id"])]
    is_other = np.arange(both.height) >= sides[0].height
    sums = []
    for is_here in (~is_other, is_other):
        terms = np.stack([np.where(is_here, both["value"].to_numpy(), 0.0), is_here], axis=1)
        sums.append(group_sums(terms, people))
    return difference(sums[0], sums[1], figures=(ratio_of, ratio_of))
