"""Mistakes go where they are said to go, orders are scored right, and cells of the grid are fitted once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import trifacet
from bench import noise
from bench.mistakes import GROSS_YEARS, KINDS, Facts, facts_of, mistaken, put_mistakes, together
from bench.rankings import Ranking, ours, reviewed
from tests.scored import people
from trifacet.core.manifest import Manifest
from trifacet.core.predictions import Predictions
from trifacet.data.drawn import draw_dataset


def crowd(n: int = 200) -> tuple[Manifest, Predictions]:
    """n people of seven photos with ages of many years, and answers about them."""
    from tests.core.tiny import manifest

    told, truth = people(n, seed=1)
    schema, rng = truth.schema, np.random.default_rng(0)
    rows = [[a.classes[c] for a, c in zip(schema.attributes, row, strict=True)] for row in truth.classes.tolist()]
    low, high = np.array([18, 30, 60]), np.array([30, 60, 91])
    bands = truth.classes[::7, 2]
    ages = np.repeat(rng.integers(low[bands], high[bands]), 7).astype(float).tolist()
    made = manifest(rows, age_years=ages, person_id=list(truth.persons))
    return made, replace(told, ids=made.photo_ids)


@pytest.fixture(scope="module")
def facts() -> Facts:
    return facts_of(*crowd())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1])
def test_as_many_labels_are_wrong_as_were_asked_for(facts: Facts, kind: str, rate: float) -> None:
    made = put_mistakes(facts, kind, rate=rate, seed=3)
    shares = {name: float(wrong.mean()) for name, wrong in made.wrong.items()}
    only_age = kind == "neighbour"
    assert shares["gender"] == pytest.approx(0 if only_age else rate, abs=0.004)
    assert shares["mask"] == pytest.approx(0 if only_age else rate, abs=0.004)
    assert float(made.off_years.mean()) == pytest.approx(rate, abs=0.004)
    again = put_mistakes(facts, kind, rate=rate, seed=3)
    assert again.manifest.table.equals(made.manifest.table)
    assert not put_mistakes(facts, kind, rate=rate, seed=4).manifest.table.equals(made.manifest.table)


@pytest.mark.parametrize("kind", KINDS)
def test_years_and_band_agree_after_a_mistake(facts: Facts, kind: str) -> None:
    made = put_mistakes(facts, kind, rate=0.1, seed=0).manifest
    column = made.schema.names.index("age")
    assert (made.schema.attribute("age").band(made.ages) == made.classes[:, column]).all()


def test_mistakes_about_people_are_the_same_in_all_their_photos(facts: Facts) -> None:
    for kind in ("person", "neighbour", "instance", "careless"):
        made = put_mistakes(facts, kind, rate=0.1, seed=0)
        for wrong in (made.wrong["gender"], made.wrong["age"], made.off_years):
            assert {len(set(wrong[facts.person == who])) for who in range(200)} == {1}


def test_gross_ages_are_far_away_and_neighbours_near(facts: Facts) -> None:
    gross, near = (put_mistakes(facts, kind, rate=0.1, seed=0) for kind in ("person", "neighbour"))
    off = np.abs(np.asarray(gross.manifest.ages) - facts.years)[gross.off_years]
    assert off.min() >= GROSS_YEARS
    off = np.abs(np.asarray(near.manifest.ages) - facts.years)[near.off_years]
    assert 0 < off.min() <= off.max() < GROSS_YEARS
    assert (near.off_years == near.wrong["age"]).all()


def test_masks_are_swapped_within_a_person(facts: Facts) -> None:
    made = put_mistakes(facts, "person", rate=0.05, seed=0)
    before, after = facts.classes[:, 0], made.manifest.classes[:, 0]
    swapped = np.unique(facts.person[made.wrong["mask"]])
    assert len(swapped) == 35
    for who in swapped:
        rows = facts.person == who
        assert sorted(before[rows]) == sorted(after[rows])
        assert set(before[rows & made.wrong["mask"]]) == {1, 2}


def test_hard_photos_are_mistaken_more_often(facts: Facts) -> None:
    made = put_mistakes(facts, "instance", rate=0.1, seed=0)
    doubt = facts.doubt["mask"]
    assert doubt[made.wrong["mask"]].mean() > 2 * doubt.mean()


def test_each_attribute_may_have_a_kind_and_rate_of_its_own(facts: Facts) -> None:
    made = together(facts, {"mask": ("symmetric", 0.1), "age": ("neighbour", 0.05)}, seed=0)
    shares = [round(float(made.wrong[name].mean()), 2) for name in ("mask", "gender", "age")]
    assert shares == [0.1, 0, 0.05]


def test_an_order_is_scored_by_hand() -> None:
    wrong = np.zeros(200, dtype=bool)
    wrong[[0, 2, 150]] = True
    order = Ranking("gender", tuple((i,) for i in range(200)), wrong)
    assert order.scores == {
        "n_looks": 200,
        "n_wrong": 3,
        "average_precision": pytest.approx((1 / 1 + 2 / 3 + 3 / 151) / 3),
        "precision_100": 0.02,
        "recall_0.01": pytest.approx(1 / 3),
        "recall_0.02": pytest.approx(2 / 3),
        "recall_0.05": pytest.approx(2 / 3),
        "recall_0.1": pytest.approx(2 / 3),
        "looks_per_mistake": 10.0,
    }


def test_proposals_are_counted_where_they_would_be_put_in_place_unseen() -> None:
    wrong = np.array([True, True, False, False] + [False] * 16)
    right = np.array([True, False, False, True] + [True] * 16)
    issue = np.array([True, True, True, False] + [False] * 16)
    order = Ranking("gender", tuple((i,) for i in range(20)), wrong, right, is_changing=~right, is_issue=issue)
    scores = order.scores
    assert (scores["proposals_right"], scores["fixed_unseen"], scores["broken_unseen"]) == (0.5, 1, 1)


def test_a_review_puts_right_what_it_looks_at_and_nothing_else(facts: Facts) -> None:
    _, told = crowd()
    made = put_mistakes(facts, "person", rate=0.1, seed=0)
    orders = list(ours(made, told, facts=facts))
    little = reviewed(made, orders, share=0.02, facts=facts)
    everything = reviewed(made, orders, share=1, facts=facts)
    assert not any(wrong.any() for wrong in everything.wrong.values())
    for name in ("mask", "gender", "age"):
        assert 0 < little.wrong[name].sum() < made.wrong[name].sum()
        assert not (little.wrong[name] & ~made.wrong[name]).any()
    nothing = mistaken(facts, facts.classes, facts.years)
    assert reviewed(nothing, orders, share=0.5, facts=facts).manifest.table.equals(nothing.manifest.table)


def test_the_grid_is_fitted_once_and_its_controls_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noise, "N_FOLDS", 2)
    drawn = draw_dataset(tmp_path / "drawn", n_train_people=60, n_eval_people=1, size_px=(64, 48), workers=1)
    trifacet.ingest([drawn.train_dir], tmp_path / "m.parquet")
    out = tmp_path / "cells.jsonl"
    words = [str(tmp_path / "m.parquet"), "--out", str(out), "--kinds", "person", "--rates", "0.1", "--seeds", "0"]
    noise.main(words)
    cells = {c["cell"]: c for c in map(json.loads, out.read_text().splitlines())}
    assert list(cells) == ["person 0.1 0", "clean", *(f"{name} 0" for name in noise.CONTROLS)]

    def figure(cell: str, order: str, name: str = "average_precision") -> float:
        rows = [o for o in cells[cell]["orders"] if (o["order"], o["attribute"]) == (order, "gender")]
        return float(rows[0][name])

    assert figure("person 0.1 0", "trifacet") > 2 * figure("person 0.1 0", "random")
    assert figure("no mistakes 0", "trifacet", "n_wrong") == 0
    assert figure("shuffled scores 0", "trifacet") < figure("person 0.1 0", "trifacet")
    assert figure("folds of photos 0", "trifacet") < figure("person 0.1 0", "trifacet")
    assert figure("nearest, folds of photos 0", "trifacet") < figure("nearest 0", "trifacet")
    assert set(cells["person 0.1 0"]["macro_f1"]) == {"noisy", "reviewed", "reviewed at random"}
    before = out.read_bytes()
    noise.main(words)
    assert out.read_bytes() == before
    capsys.readouterr()
    noise.main(["--out", str(out)])
    told = capsys.readouterr().out
    assert "person | 0.1 | gender | trifacet" in told
    assert "review regains" in told
