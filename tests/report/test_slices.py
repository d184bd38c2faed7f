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
from trifacet.report.slices import FEW_PEOPLE, columns_of, cuts, gaps_in_words, slices, slices_of


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
    assert gaps_in_words(made)[0].startswith(f"Worst of {len(enough)} slices: {worst.name}, ")
    assert gaps_in_words(thin) == ()


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


def with_columns(measured: Evaluation, **columns: list[object]) -> Evaluation:
    """The evaluation of photos of which the source tells more."""
    return replace(measured, photos=measured.photos.with_columns(pl.Series(f"x_{k}", v) for k, v in columns.items()))


def test_values_of_a_column_are_slices_and_may_be_the_worst(measured: Evaluation) -> None:
    right = measured.photos["is_correct"].to_list()
    light = ["dark" if not r and i % 2 else None if i % 7 == 0 else "bright" for i, r in enumerate(right)]
    evaluation = with_columns(measured, light=light, mask=["yes", "no"] * (len(right) // 2), alike=["a"] * len(right))
    found = {s.name: s for s in slices_of(evaluation) if s.group == "light"}
    assert {name: s.n_photos for name, s in found.items()} == {
        "bright": light.count("bright"), "dark": light.count("dark"), "not known": light.count(None)
    }  # fmt: skip
    assert found["dark"].figures["all labels"].value == 0
    section = slices(Material({"test": evaluation}))
    assert section is not None
    worst = found["dark"].figures["all labels"]
    assert f"slices: light dark, {worst} of all labels right. " in section.html
    assert "Widest gap: light, " in section.html
    assert "By light (from the source)" in section.html
    assert "By mask (from the source)" in section.html  # a column may be called as an attribute is
    assert "By alike" not in section.html  # the same everywhere


def test_many_numbers_are_cut_at_quartiles_and_many_words_left_out(measured: Evaluation) -> None:
    n = measured.photos.height
    numbers = [str(i) for i in range(n)]  # a CSV holds texts
    evaluation = with_columns(
        measured, height=numbers, name=[f"photo {i}" for i in range(n)], few=[i % 12 for i in range(n)]
    )
    found = [s for s in slices_of(evaluation) if s.kind == "column"]
    heights = [s for s in found if s.group == "height"]
    assert [s.n_photos for s in heights] == [n // 4] * 4
    assert heights[0].name == "0 to 104.8"
    assert [s.name for s in found if s.group == "few"] == [str(i) for i in range(12)]
    section = slices(Material({"test": evaluation}))
    assert section is not None
    assert "Cut at its quartiles, having more than 12 values: height." in section.html
    assert f"Not sliced by: name ({n} values)." in section.html


@pytest.mark.parametrize(
    ("values", "names"),
    [
        pytest.param([None] * 420, [], id="nothing known"),
        pytest.param([True, False] * 210, ["no", "yes"], id="yes and no"),
        pytest.param([0] * 400 + list(range(20)), ["0", "over 0 to 19"], id="mostly one number"),
    ],
)
def test_odd_columns_have_slices_too(measured: Evaluation, values: list[object], names: list[str]) -> None:
    evaluation = with_columns(measured, odd=values)
    assert sorted(name for _, name, _ in columns_of(evaluation.photos).slices) == sorted(names)
    assert sorted(s.name for s in slices_of(evaluation) if s.kind == "column") == sorted(names)
