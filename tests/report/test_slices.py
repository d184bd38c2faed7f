from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tests.core.tiny import FOUR_BANDS
from tests.report.example import scored
from trifacet.core.evaluation import Evaluation
from trifacet.core.schema import LabelSchema
from trifacet.report.material import Material
from trifacet.report.slices import FEW_PEOPLE, cuts, gap_in_words, slices, slices_of


@pytest.fixture(scope="module")
def measured() -> Evaluation:
    return scored(60)


def test_a_slice_counts_its_photos_people_and_right_answers(measured: Evaluation) -> None:
    found = {(s.group, s.name): s for s in slices_of(measured)}
    for (group, name), of in {
        ("mask", "not worn"): pl.col("true_mask") == 2,
        ("mask x gender", "worn, female"): (pl.col("true_mask") == 0) & (pl.col("true_gender") == 1),
        ("gender x age", "male, under 30"): (pl.col("true_gender") == 0) & (pl.col("true_age") == 0),
    }.items():
        rows, one = measured.photos.filter(of), found[group, name]
        assert (one.n_photos, one.n_people) == (rows.height, rows["person_id"].n_unique())
        right = (rows["true_joint"] == rows["predicted_joint"]).fill_null(value=False).mean()
        assert one.figures["all labels"].value == pytest.approx(right)
        years = (rows["predicted_years"] - rows["true_years"]).abs().mean()
        assert one.figures["age error"].value == pytest.approx(years)
    assert sum(s.n_photos for s in found.values() if s.group == "mask") == measured.n_photos


def test_an_interval_of_a_slice_is_by_person(measured: Evaluation) -> None:
    (one,) = [s for s in slices_of(measured) if (s.group, s.name) == ("mask", "worn")]
    shuffled = measured.photos.with_columns(pl.Series("person_id", [f"q{i}" for i in range(measured.photos.height)]))
    (other,) = [s for s in slices_of(replace(measured, photos=shuffled)) if (s.group, s.name) == ("mask", "worn")]
    widths = [s.figures["age error"].high - s.figures["age error"].low for s in (one, other)]
    assert widths[0] > 1.3 * widths[1]  # five alike photos a person say less than five people


def test_the_worst_slice_and_the_widest_gap_leave_thin_ones_out() -> None:
    made = slices_of(scored(60))
    thin = [s for s in made if s.is_thin]
    enough = [s for s in made if not s.is_thin]
    assert thin
    assert all(s.n_people is not None and s.n_people < FEW_PEOPLE for s in thin)
    worst = min(enough, key=lambda s: s.figures["all labels"].value)
    assert gap_in_words(made).startswith(f"Worst: {worst.name} (")
    assert gap_in_words(thin) == ""


def test_people_unknown_are_said_to_be(measured: Evaluation) -> None:
    nobody = measured.photos.with_columns(pl.lit("").alias("person_id"))
    assert {s.n_people for s in slices_of(replace(measured, photos=nobody))} == {None}


@pytest.mark.parametrize("schema", [FOUR_BANDS, LabelSchema(attributes=FOUR_BANDS.attributes[:1])])
def test_other_schemas_have_slices(schema: LabelSchema) -> None:
    found = slices(Material({"test": scored(40, schema=schema)}))
    assert found is not None
    assert all(attribute.name in found.html for attribute in schema.attributes)


def test_ages_near_a_cut_are_told_apart_from_those_far_from_it(measured: Evaluation) -> None:
    section = cuts(Material({"test": measured}))
    assert section is not None
    rows = [line for line in section.html.split("<tr") if "years from" not in line]
    assert len(rows) >= 4
    photos = measured.photos.filter(pl.col("error").is_null())
    far = np.abs(photos["true_years"].to_numpy()[:, None] + 0.5 - np.array([30.0, 60.0])).min(axis=1)
    assert f">{int((far < 1).sum())}<" in section.html.replace(" ", "").replace("\n", "")
    no_ages = measured.photos.with_columns(pl.lit(None, pl.Float64).alias("true_years"))
    assert cuts(Material({"test": replace(measured, photos=no_ages)})) is None
