"""What a dataset is in numbers: classes, ages, cuts, splits, and which photos stand for a class."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tests.core.tiny import FOUR_BANDS, manifest
from trifacet.core.manifest import Manifest
from trifacet.core.schema import DEFAULT_SCHEMA, with_age_edges
from trifacet.data import explore
from trifacet.data.explore import Count, Gathering

AGES = (25.0, 29.5, 30.0, 58.0, 59.0, 60.0)
BANDS = ("under_30", "under_30", "30_to_59", "30_to_59", "30_to_59", "60_plus")


def people(*, each: int = 3) -> Manifest:
    """Six people of AGES, `each` photos of a person, the first with a mask."""
    rows = [
        (("worn" if i == 0 else "not_worn"), ("male", "female")[p % 2], BANDS[p]) for p in range(6) for i in range(each)
    ]
    return manifest(
        rows,
        person_id=[f"p{p}" for p in range(6) for _ in range(each)],
        age_years=[AGES[p] for p in range(6) for _ in range(each)],
    )


def test_photos_and_people_of_each_class_are_counted() -> None:
    data = people()
    mask, gender, age = data.schema.attributes
    assert explore.by_class(data, mask) == [
        ("worn", Count(6, 6)),
        ("incorrect", Count(0, None)),
        ("not_worn", Count(12, 6)),
    ]
    assert explore.by_class(data, gender) == [("male", Count(9, 3)), ("female", Count(9, 3))]
    assert explore.by_class(data, age) == [
        ("under_30", Count(6, 2)),
        ("30_to_59", Count(9, 3)),
        ("60_plus", Count(3, 1)),
    ]


def test_labels_that_are_not_known_are_counted_too_and_unknown_people_are_none() -> None:
    data = manifest([("worn", None, None), (None, None, None)])
    assert explore.by_class(data, data.schema.attributes[0])[-1] == (None, Count(1, None))


def test_the_table_of_all_attributes_adds_up_and_counts_a_person_once_in_a_class() -> None:
    data = people(each=7)
    photos, persons = explore.cube(data), explore.cube(data, of_people=True)
    assert photos.shape == persons.shape == (3, 2, 3)
    assert photos.sum() == 42
    assert photos[2, 1].tolist() == [6, 6, 6]
    assert persons[2, 1].tolist() == [1, 1, 1]
    assert persons[0].sum() == persons[2].sum() == 6


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param([5, 5, 5], 1.0, id="as many in each"),
        pytest.param([9, 0, 0], 0.0, id="all in one"),
        pytest.param([1, 1, 0, 0], 0.5, id="half of the classes"),
        pytest.param([4], 1.0, id="one class"),
    ],
)
def test_evenness_has_both_ends(counts: list[int], expected: float) -> None:
    assert explore.evenness(np.array(counts)) == pytest.approx(expected)


def test_years_are_counted_whole_and_in_order() -> None:
    assert explore.by_year(people()) == {int(a): Count(3, 1) for a in AGES}
    assert explore.by_year(manifest([("worn", None, None)])) == {}


def test_a_moved_cut_takes_along_who_stands_between() -> None:
    found = explore.cuts(people())
    assert list(found) == [30, 60]
    at = {cut.edge: cut for cut in found[60]}
    assert list(at) == [58, 59, 60, 61, 62]
    assert [cut.edge for cut in found[60] if cut.is_given] == [60]
    assert (at[58].moved, at[58].below, at[58].above) == (Count(6, 2), Count(3, 1), Count(9, 3))
    assert (at[59].moved, at[59].below, at[59].above) == (Count(3, 1), Count(6, 2), Count(6, 2))
    assert (at[60].moved, at[60].above) == (Count(0, None), Count(3, 1))
    assert at[61].moved == Count(3, 1)
    assert [cut.moved.photos for cut in found[30]] == [3, 3, 0, 3, 3]  # 29.5 years lie below 30 and not below 29


@pytest.mark.parametrize("edge", [58, 59, 61, 62])
def test_a_cut_tells_what_the_moved_schema_would_hold(edge: int) -> None:
    data = people()
    cut = next(cut for cut in explore.cuts(data)[60] if cut.edge == edge)
    age = with_age_edges(DEFAULT_SCHEMA, [30, edge]).age
    assert age is not None
    bands = np.bincount(age.band(data.ages), minlength=3)
    assert (cut.below.photos, cut.above.photos) == (bands[1], bands[2])


def test_cuts_of_another_schema_stand_around_its_own_edges_and_never_cross() -> None:
    data = manifest([("on", "13_to_19")], schema=FOUR_BANDS, age_years=[14.0])
    assert {edge: [cut.edge for cut in found] for edge, found in explore.cuts(data).items()} == {
        13: [11, 12, 13, 14, 15],
        20: [18, 19, 20, 21, 22],
        60: [58, 59, 60, 61, 62],
    }
    close = with_age_edges(DEFAULT_SCHEMA, [30, 32])
    data = manifest([("worn", "male", "30_to_31")], schema=close, age_years=[30.0])
    assert [cut.edge for cut in explore.cuts(data)[30]] == [28, 29, 30, 31]
    assert explore.cuts(manifest([("worn", "male", "under_30")])) == {}


def test_splits_come_in_their_order_and_who_stands_in_several_is_named() -> None:
    data = people()
    split = (["train"] * 9 + ["val"] * 6 + ["test"] * 2 + ["train"],)
    data = replace(data, table=data.table.with_columns(pl.Series("split", *split)))
    assert {name: len(part) for name, part in explore.parts_of(data, "split").items()} == {
        "train": 10,
        "val": 6,
        "test": 2,
    }
    assert explore.divided_people(data) == {"p5": ["test", "train"]}
    assert explore.parts_of(data, "fold") == {}


def test_a_sheet_shows_other_people_before_second_photos_and_the_seed_decides_alone() -> None:
    data = people(each=7)
    sheets = explore.choose_sheets(data, n_per_class=2, seed=3)
    names = [explore.combination_name(data.schema, combination) for combination in sheets]
    assert names[:2] == ["worn, male, under 30", "worn, male, 30 to 59"]
    assert len(names) == 12 - 2  # 60 and over there is nobody but one woman
    whole = explore.choose_any(data, n=6, seed=3)[()]
    assert {data.groups[row] for row in whole} == set(data.groups)
    turned = replace(data, table=data.table.reverse())
    assert [turned.photo_ids[r] for r in explore.choose_any(turned, n=6, seed=3)[()]] == [
        data.photo_ids[r] for r in whole
    ]
    assert explore.choose_any(data, n=6, seed=4)[()] != whole
    assert all(len(rows) <= 2 for rows in sheets.values())


def test_labels_that_are_not_known_have_a_sheet_of_their_own() -> None:
    data = manifest([("worn", None, None), (None, None, None), ("worn", "male", "under_30")])
    sheets = explore.choose_sheets(data, n_per_class=4, seed=0)
    assert {explore.combination_name(data.schema, c): rows for c, rows in sheets.items()} == {
        "worn, male, under 30": [2],
        "worn": [0],
        "no label": [1],
    }


def test_a_mean_is_that_of_its_classs_photos_whatever_the_order_of_the_threads() -> None:
    data = manifest(
        [("worn", "male", "under_30"), ("worn", "female", "under_30"), ("not_worn", "male", "under_30")] * 30
    )
    images = np.random.default_rng(0).integers(0, 256, (90, 40, 30, 3), dtype=np.uint8)
    sheets = explore.choose_sheets(data, n_per_class=1, seed=0)
    gathered = []
    for order in (range(90), reversed(range(90))):
        gathering = Gathering(data, sheets)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda row, to=gathering: to.add(row, images[row]), order))
        gathered.append(gathering.pictures())
    one, other = gathered
    assert (one.means, one.joint_means, one.mean) == (other.means, other.joint_means, other.mean)
    assert {key: n for key, (_, n) in one.means.items()} == {
        ("mask", 0): 60,
        ("mask", 2): 30,
        ("gender", 0): 60,
        ("gender", 1): 30,
        ("age", 0): 90,
    }
    assert sorted(one.thumbnails) == sorted(row for rows in sheets.values() for row in rows)


def test_where_faces_are_known_photos_without_one_stay_out_of_the_mean() -> None:
    square = {"crop_x0_px": 0.0, "crop_y0_px": 0.0, "crop_x1_px": 30.0, "crop_y1_px": 30.0, "crop_angle_deg": 0.0}
    data = manifest([("worn", "male", "under_30")] * 2, **{name: [value, None] for name, value in square.items()})
    gathering = Gathering(data, {})
    for row in range(2):
        gathering.add(row, np.full((40, 30, 3), 80 * row, dtype=np.uint8))
    assert gathering.pictures().means["mask", 0][1] == 1


def test_what_was_dropped_and_what_nobody_labelled_is_left_out_and_told() -> None:
    data = manifest(
        [("worn", None, None), ("worn", None, None), ("not_worn", None, None)],
        dropped_because=[None, "blurred", None],
        label_source=["pseudo: run", None, None],
    )
    shown, notes = explore.kept(data)
    assert shown.schema.names == ("mask",)
    assert len(shown) == 2
    assert notes == (
        "left out, because somebody dropped them: 1 photo",
        "with labels that a model gave, not a person: 1 photo",
        "no photo has a label of gender, age",
    )
    bare, told = explore.kept(manifest([(None, None, None)]))
    assert (bare.schema, told) == (DEFAULT_SCHEMA, ())
