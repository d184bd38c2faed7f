from __future__ import annotations

import re
from dataclasses import replace

import polars as pl
import pytest

from tests.core.tiny import FOUR_BANDS
from tests.report.example import scored
from trifacet.core.evaluation import Evaluation
from trifacet.core.schema import DEFAULT_SCHEMA, LabelSchema
from trifacet.report.masks import gain, masks
from trifacet.report.material import Material
from trifacet.report.slices import AGE_ERROR


@pytest.fixture(scope="module")
def measured() -> Evaluation:
    return scored()


def cells(page: str) -> dict[str, list[str]]:
    rows = re.findall(r'<tr><th scope="row">([^<]+)</th>(.*?)</tr>', page)
    return {name: re.findall(r"<td[^>]*>([^<]*)</td>", rest) for name, rest in rows}


def test_errors_stand_by_mask_and_above_those_of_bare_faces(measured: Evaluation) -> None:
    section = masks(Material({"test": measured}))
    assert section is not None
    assert re.findall(r'<th scope="col"[^>]*>([^<]+)<', section.html) == [
        "mask", "photos", "people", "gender wrong", "age wrong", "age error"
    ]  # fmt: skip
    rows = cells(section.html)
    assert list(rows) == ["not worn", "worn", "incorrect", "worn, above not worn", "incorrect, above not worn"]
    worn = measured.photos.filter(true_mask=0)
    wrong = 1 - (worn["true_gender"] == worn["predicted_gender"]).fill_null(value=False).mean()  # type: ignore[operator]
    assert rows["worn"][0] == str(worn.height)
    assert rows["worn"][2].startswith(f"{wrong:.3f} [")
    assert re.fullmatch(r"[+-]\d\.\d \[[+-]\d\.\d, [+-]\d\.\d\]", rows["worn, above not worn"][4])


def test_what_is_hard_for_a_person_cancels_out_of_the_gain(measured: Evaluation) -> None:
    read = measured.photos.drop_nulls("predicted_years")
    bare = read.filter(true_mask=2)
    worse = bare.with_columns(pl.col("predicted_years") + 100)  # a hundred years too old for everybody
    found = gain(bare, worse, value=pl.col("predicted_years"))
    assert found is not None
    assert found.value == pytest.approx(100)
    assert found.high - found.low < 1e-6
    strangers = worse.with_columns(pl.concat_str(pl.lit("other"), "person_id").alias("person_id"))
    apart = gain(bare, strangers, value=AGE_ERROR)
    assert apart is not None
    assert apart.high - apart.low > 1
    assert gain(bare, bare.head(0), value=AGE_ERROR) is None


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(FOUR_BANDS, id="other mask classes"),
        pytest.param(LabelSchema(attributes=DEFAULT_SCHEMA.attributes[:1]), id="mask alone"),
    ],
)
def test_a_schema_of_other_masks_or_nothing_to_hide_has_no_section(schema: LabelSchema) -> None:
    evaluation = scored(20, schema=schema)
    without_ages = evaluation.photos.with_columns(pl.lit(None, pl.Float64).alias("true_years"))
    assert masks(Material({"test": replace(evaluation, photos=without_ages)})) is None


def test_no_bare_face_is_nothing_to_compare_with(measured: Evaluation) -> None:
    assert masks(Material({"test": replace(measured, photos=measured.photos.filter(pl.col("true_mask") != 2))})) is None
