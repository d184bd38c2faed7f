from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.core.tiny import FOUR_BANDS, random_probs
from tests.scored import certain
from trifacet.core import tables
from trifacet.core.errors import ManifestError, PredictionsError
from trifacet.core.predictions import (
    DecisionRule,
    Predictions,
    argmax_rule,
    calibrated_probs,
    chosen_rule,
    decide,
    margins,
    read_decision,
    read_predictions,
    write_decision,
    write_predictions,
)
from trifacet.core.schema import DEFAULT_SCHEMA, Attribute, LabelSchema, with_age_edges

AGAIN = "Make the file again with `trifacet predict`."
TWO_BY_TWO = LabelSchema(
    attributes=(Attribute(name="mask", classes=("on", "off")), Attribute(name="gender", classes=("male", "female")))
)


def made(n: int = 4, schema: LabelSchema = DEFAULT_SCHEMA, *, unread: int | None = None) -> Predictions:
    probs = random_probs(n, schema)
    years = np.random.default_rng(1).dirichlet(np.ones(len(schema.year_grid)), n).astype(np.float32)
    errors: list[str | None] = [None] * n
    if unread is not None:
        probs[unread], years[unread], errors[unread] = np.nan, np.nan, "truncated"
    return Predictions([f"{i}.jpg" for i in range(n)], probs, years, errors, schema)


def told(rows: list[list[float]], schema: LabelSchema = TWO_BY_TWO) -> Predictions:
    n = len(rows)
    return Predictions([str(i) for i in range(n)], np.float32(rows), None, [None] * n, schema)


@pytest.mark.parametrize("schema", [DEFAULT_SCHEMA, FOUR_BANDS], ids=["default", "four bands"])
def test_predictions_come_back_as_they_were_written(tmp_path: Path, schema: LabelSchema) -> None:
    prior = tuple([1 / len(schema.attributes[0].classes)] * len(schema.attributes[0].classes))
    rule = DecisionRule(
        label_schema=schema, temperature={"age": 1.5}, tau={"mask": 0.5}, priors={"mask": prior}, fitted_on="val"
    )
    said = made(5, schema, unread=3)
    said = Predictions(
        said.ids, said.probs, said.age_probs, said.errors, schema, {"run": "r1"}, rule, ("persons unknown",)
    )
    write_predictions(tmp_path / "p.parquet", said)
    back = read_predictions(tmp_path / "p.parquet")
    assert (list(back.ids), list(back.errors)) == (said.ids, said.errors)
    assert (back.schema, back.made_by, back.decision, back.stamps) == (schema, {"run": "r1"}, rule, said.stamps)
    assert np.array_equal(back.probs, said.probs, equal_nan=True)
    assert np.array_equal(back.age_probs, said.age_probs, equal_nan=True)
    assert back.is_read.tolist() == [True, True, True, False, True]
    assert back.classes[3] == -1
    assert np.isnan(back.confidence[3])
    assert np.isnan(back.age_years[3])


def test_the_columns_are_those_of_the_contract(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.parquet", made(unread=0))
    table = pl.read_parquet(tmp_path / "p.parquet")
    expected = ["photo_id", *(f"p_{k:02d}" for k in range(18)), *(f"p_mask_{c}" for c in range(3))]
    expected += ["p_gender_0", "p_gender_1", *(f"p_age_{c}" for c in range(3)), *(f"p_age_{y:03d}" for y in range(101))]
    assert table.columns == [*expected, "error"]
    assert table["p_00"][0] is None
    assert table["error"].to_list() == ["truncated", None, None, None]


def test_predictions_without_years_come_back_without(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.parquet", told([[0.25, 0.25, 0.25, 0.25]]))
    back = read_predictions(tmp_path / "p.parquet")
    assert back.age_probs is None
    assert np.isnan(back.age_years).all()


def test_probabilities_that_do_not_sum_to_1_are_refused(tmp_path: Path) -> None:
    said = made()
    said.probs[2] *= 1.01
    with pytest.raises(PredictionsError) as caught:
        write_predictions(tmp_path / "p.parquet", said)
    assert str(caught.value) == (
        f"TRI300 {tmp_path / 'p.parquet'}: p must be probabilities that sum to 1, got 2.jpg. {AGAIN}"
    )
    assert list(tmp_path.iterdir()) == []
    said = made()
    said.age_probs[1] = np.nan
    with pytest.raises(PredictionsError) as caught:
        write_predictions(tmp_path / "p.parquet", said)
    assert str(caught.value) == (
        f"TRI300 {tmp_path / 'p.parquet'}: age must be probabilities that sum to 1, got 1.jpg. {AGAIN}"
    )
    negative = told([[1.5, -0.5, 0, 0]])
    with pytest.raises(PredictionsError, match="p must be probabilities that sum to 1, got 0"):
        write_predictions(tmp_path / "p.parquet", negative)


def rewritten(path: Path, change) -> None:
    """The stored table changed behind the format's back, its metadata kept."""
    metadata = {"trifacet": pl.read_parquet_metadata(path)["trifacet"]}
    change(pl.read_parquet(path)).write_parquet(path, metadata=metadata)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda t: t.with_columns(photo_id=pl.lit("0.jpg")), "a photo stands twice, got 0.jpg", id="duplicates"
        ),
        pytest.param(lambda t: t.drop("p_03", "p_age_007"), "predictions lack columns, got p_03, p_age_007", id="lack"),
        pytest.param(
            lambda t: t.with_columns(p_00=pl.lit(5.0)),
            "p must be probabilities that sum to 1, got 0.jpg, 1.jpg, 2.jpg, 3.jpg",
            id="sum",
        ),
        pytest.param(
            lambda t: t.with_columns(p_00=pl.lit(None, pl.Float32())),
            "p must be probabilities that sum to 1, got 0.jpg, 1.jpg, 2.jpg, 3.jpg",
            id="null though read",
        ),
    ],
)
def test_a_file_that_breaks_the_rules_is_refused(tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "p.parquet"
    write_predictions(path, made())
    rewritten(path, change)
    with pytest.raises(PredictionsError) as caught:
        read_predictions(path)
    assert str(caught.value) == f"TRI300 {path}: {message}. {AGAIN}"


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    from tests.core.tiny import manifest
    from trifacet.core.manifest import write_manifest

    path = tmp_path / "m.parquet"
    write_manifest(path, manifest([("worn", None, None)]))
    with pytest.raises(ManifestError) as caught:
        read_predictions(path)
    assert str(caught.value) == (
        f"TRI202 {path}: expected a predictions file, got a manifest file. "
        "Pass the right file; update trifacet when the format is newer."
    )


def test_shapes_and_ids_are_a_programmers_promise() -> None:
    with pytest.raises(ValueError, match=r"expected probs \(1, 4\) and 1 errors, got \(1, 3\) and 1"):
        told([[1, 0, 0]])
    with pytest.raises(ValueError, match="ids must be distinct"):
        Predictions(["a", "a"], np.full((2, 4), 0.25, np.float32), None, [None, None], TWO_BY_TWO)
    with pytest.raises(ValueError, match=r"expected age_probs \(1, 101\), got \(1, 2\)"):
        Predictions(["a"], random_probs(1, DEFAULT_SCHEMA), np.ones((1, 2), np.float32), [None], DEFAULT_SCHEMA)


def test_without_a_rule_the_most_probable_class_is_taken() -> None:
    said = told([[0.1, 0.2, 0.3, 0.4], [0.6, 0.2, 0.1, 0.1]])
    assert decide(said, None).tolist() == decide(said, argmax_rule(TWO_BY_TWO)).tolist() == [3, 0]
    assert said.classes.tolist() == [3, 0]
    assert np.allclose(said.confidence, [0.4, 0.6])
    assert calibrated_probs(said, None) is said.probs


def test_temperature_rescales_one_attribute_as_by_hand() -> None:
    # mask (0.8, 0.2) and gender (0.6, 0.4), independent; with T = 2 on mask its odds 4 become sqrt(4) = 2.
    said = told([[0.48, 0.32, 0.12, 0.08]])
    rule = DecisionRule(label_schema=TWO_BY_TWO, temperature={"mask": 2.0})
    expected = np.outer([2 / 3, 1 / 3], [0.6, 0.4]).ravel()
    assert np.allclose(calibrated_probs(said, rule), [expected], atol=1e-6)
    assert decide(said, rule).tolist() == [0]
    carried = Predictions(said.ids, said.probs, None, said.errors, TWO_BY_TWO, decision=rule)
    assert np.allclose(carried.confidence, [0.4], atol=1e-6)


def test_tau_takes_the_prior_out_as_by_hand() -> None:
    # log p - tau log prior, as ratios: on (0.7, 0.3) with prior (0.8, 0.2): tau 1 gives 0.875 : 1.5, tau 0.25 keeps 0.
    said = told([[0.7, 0.0, 0.3, 0.0]])
    priors = {"mask": (0.8, 0.2)}
    assert decide(said, DecisionRule(label_schema=TWO_BY_TWO, tau={"mask": 1.0}, priors=priors)).tolist() == [2]
    assert decide(said, DecisionRule(label_schema=TWO_BY_TWO, tau={"mask": 0.25}, priors=priors)).tolist() == [0]
    # The two meet where (0.7 / 0.3) = 4 ** tau.
    even = np.log(0.7 / 0.3) / np.log(4)
    for tau, answer in ((even - 0.01, 0), (even + 0.01, 2)):
        assert decide(said, DecisionRule(label_schema=TWO_BY_TWO, tau={"mask": tau}, priors=priors)).tolist() == [
            answer
        ]


def test_the_margin_of_an_answer_is_how_far_the_second_class_is_behind() -> None:
    probs = np.array([[0.5, 0.3, 0.15, 0.05], [0.1, 0.1, 0.2, 0.6]])
    np.testing.assert_allclose(margins(probs, None), np.log([5 / 3, 3]))
    priors = {"mask": [0.9, 0.1], "gender": [0.5, 0.5]}
    rule = DecisionRule(label_schema=TWO_BY_TWO, tau={"mask": 1.0}, priors=priors)
    np.testing.assert_allclose(margins(probs, rule), np.log([(0.15 / 0.1) / (0.5 / 0.9), 3]))
    halved = DecisionRule(label_schema=TWO_BY_TWO, temperature={"mask": 2.0, "gender": 2.0})
    assert (margins(probs, halved) < margins(probs, None)).all()


def test_temperature_comes_before_tau() -> None:
    # Odds 9 become 3 by T = 2; a prior of odds 4 by tau 1 then leaves 0.75, so the other class wins; 9 / 4 would not.
    said = told([[0.9, 0.0, 0.1, 0.0]])
    both = {"tau": {"mask": 1.0}, "priors": {"mask": (0.8, 0.2)}}
    assert decide(said, DecisionRule(label_schema=TWO_BY_TWO, **both)).tolist() == [0]
    assert decide(said, DecisionRule(label_schema=TWO_BY_TWO, temperature={"mask": 2.0}, **both)).tolist() == [2]


def test_which_rule_speaks() -> None:
    own, other = argmax_rule(TWO_BY_TWO), DecisionRule(label_schema=TWO_BY_TWO, fitted_on="other")
    said = Predictions(["a"], np.full((1, 4), 0.25, np.float32), None, [None], TWO_BY_TWO, decision=own)
    assert chosen_rule(said, None) is own
    assert chosen_rule(said, "argmax") is None
    assert chosen_rule(said, other) is other


def test_a_rule_of_another_schema_is_refused() -> None:
    moved = with_age_edges(DEFAULT_SCHEMA, (29, 58))
    with pytest.raises(PredictionsError) as caught:
        decide(made(), argmax_rule(moved))
    assert str(caught.value) == (
        "TRI301 decision rule: another label schema: age is under_29, 29_to_57, 58_plus instead of under_30, 30_to_59, "
        "60_plus. "
        "Use files made under one schema; `trifacet config show` and the file's metadata tell which."
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"tau": {"hat": 1}}, "no attribute 'hat' in the schema", id="attribute"),
        pytest.param({"temperature": {"mask": 0}}, "temperatures must be above 0", id="temperature"),
        pytest.param({"bias": {"mask": [1]}}, r"bias must hold one number per class, not so for \['mask'\]", id="bias"),
        pytest.param({"priors": {"mask": [1]}}, "prior of mask must hold 2 numbers of at least 0", id="prior"),
        pytest.param({"tau": {"mask": 1}}, r"tau without a prior for \['mask'\]", id="tau"),
    ],
)
def test_a_rule_that_cannot_be(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DecisionRule(label_schema=TWO_BY_TWO, **fields)


def test_a_rule_comes_back_as_it_was_written_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    rule = DecisionRule(label_schema=TWO_BY_TWO, tau={"mask": 0.5}, priors={"mask": (0.7, 0.3)}, n_photos=9)
    write_decision(path, rule)
    assert read_decision(path) == rule
    path.write_text(json.dumps({"label_schema": TWO_BY_TWO.model_dump(mode="json"), "temperature": {"mask": -1}}))
    with pytest.raises(PredictionsError, match=rf"TRI300 {path}: not a decision rule, got 1 validation error"):
        read_decision(path)
    path.write_text("{")
    with pytest.raises(PredictionsError) as caught:
        read_decision(path)
    assert str(caught.value) == (
        f"TRI300 {path}: cannot be read as JSON, got Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1). Make one with `trifacet decide`, or say argmax."
    )


def test_answers_are_a_table_to_read() -> None:
    years = np.zeros((2, 101), dtype=np.float32)
    years[0, 20] = years[0, 31] = 0.5
    years[1] = np.nan
    made = replace(certain([5, 0], errors=[None, "truncated"]), age_probs=years)
    table = made.answers()
    assert table.columns == ["photo_id", "ans", "mask", "gender", "age", "age_years", "confidence", "error"]
    assert table.rows() == [
        ("0.jpg", 5, "worn", "female", "60_plus", 25.5, 0.9, None),
        ("1.jpg", None, None, None, None, None, None, "truncated"),
    ]


def test_answers_without_years_have_an_empty_column() -> None:
    table = certain([1]).answers()
    assert table["age_years"].to_list() == [None]
    assert table["ans"].dtype == pl.Int32()


def test_predictions_are_shown_in_a_line() -> None:
    made = certain([5, 0], errors=[None, "truncated"])
    assert repr(made) == "Predictions(2 photos, 1 of them not read, 18 classes, no years, argmax)"
    fitted = DecisionRule(label_schema=DEFAULT_SCHEMA, fitted_on="val", n_photos=7, temperature={"age": 1.2})
    years = np.full((1, 101), 1 / 101, dtype=np.float32)
    shown = repr(replace(certain([5]), age_probs=years, decision=fitted))
    assert shown == "Predictions(1 photos, 18 classes, years, rule fitted on val)"


def test_paths_may_be_texts(tmp_path: Path) -> None:
    path = str(tmp_path / "p.parquet")
    write_predictions(path, certain([5, 0]))
    assert len(read_predictions(path)) == 2
    write_decision(str(tmp_path / "d.json"), argmax_rule(DEFAULT_SCHEMA))
    assert read_decision(str(tmp_path / "d.json")) == argmax_rule(DEFAULT_SCHEMA)


def test_the_mean_of_the_years_is_kept_where_their_distribution_is_not(tmp_path: Path) -> None:
    said, path = made(7, unread=2), tmp_path / "p.parquet"
    write_predictions(path, said)
    whole, mean = (read_predictions(path, keeps_years=keeps) for keeps in (True, False))
    assert mean.age_probs is None
    assert np.array_equal(mean.age_years, whole.age_years, equal_nan=True)
    assert np.array_equal(mean.probs, whole.probs, equal_nan=True)
    with pytest.raises(ValueError, match="year distributions were not kept"):
        write_predictions(tmp_path / "again.parquet", mean)


def test_years_that_do_not_sum_to_1_are_refused_where_their_mean_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    write_predictions(path, made(unread=0))
    rewritten(path, lambda t: t.with_columns(p_age_040=pl.lit(0.5, pl.Float32())))
    with pytest.raises(PredictionsError, match=r"age must be probabilities that sum to 1, got 1.jpg, 2.jpg, 3.jpg"):
        read_predictions(path, keeps_years=False)


def test_a_large_table_is_decided_part_by_part_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = DecisionRule(
        label_schema=DEFAULT_SCHEMA, temperature={"age": 1.5}, tau={"mask": 0.5}, priors={"mask": (0.6, 0.2, 0.2)}
    )
    said = made(50, unread=7)
    whole = decide(said, rule), calibrated_probs(said, rule), said.age_years
    monkeypatch.setattr(tables, "PART", 8)
    parts = decide(said, rule), calibrated_probs(said, rule), said.age_years
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
