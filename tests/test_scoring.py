from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.core import tiny
from tests.scored import certain, known, people, rule_with_priors
from trifacet.core.errors import ConfigError, PredictionsError
from trifacet.core.evaluation import BY_ROW
from trifacet.core.manifest import PERSONS_UNKNOWN
from trifacet.core.predictions import DecisionRule, write_predictions
from trifacet.core.schema import DEFAULT_SCHEMA, MISSING, Attribute, LabelSchema, age_attribute
from trifacet.core.truth import read_truth, truth_of
from trifacet.measure.classification import macro_f1
from trifacet.scoring import evaluate, read_pair, read_scored

FOUR_BANDS = LabelSchema(
    attributes=(Attribute(name="cover", classes=("yes", "no")), age_attribute((20, 40, 60))), years=(10, 90)
)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_joint_and_attribute_figures_equal_the_plain_ones() -> None:
    predictions, truth = people(60)
    found = evaluate(predictions, truth, n_boot=100)
    answers = predictions.classes
    assert found.joint.macro_f1.value == pytest.approx(macro_f1(truth.joint, answers, n_classes=18))
    for i, name in enumerate(DEFAULT_SCHEMA.names):
        own = DEFAULT_SCHEMA.decode(answers)[:, i]
        assert found.attributes[name].accuracy.value == pytest.approx((own == truth.classes[:, i]).mean())
    assert (found.n_photos, found.n_people, found.interval_by, found.n_unread) == (420, 60, "person", 0)
    assert repr(found) == f"Evaluation(420 photos, 60 people, macro F1 {found.joint.macro_f1})"
    errors = predictions.age_years - truth.ages
    assert found.age.mae_years.value == pytest.approx(np.abs(errors).mean())
    assert found.age.bias_years.value == pytest.approx(errors.mean())
    true_probs = np.take_along_axis(predictions.probs, truth.joint[:, None], axis=1)
    assert found.joint.nll.value == pytest.approx(-np.log(true_probs).mean(), rel=1e-4)


def test_json_has_every_promised_key_and_is_json() -> None:
    found = evaluate(*people(30), n_boot=50).as_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for figure in (found["macro_f1"], found["accuracy"], found["age"]["mae_years"]):
        assert set(figure) == {"value", "low", "high"}
    for name in ("mask", "gender", "age"):
        assert set(found[name]["accuracy"]) == set(found[name]["macro_f1"]) == {"value", "low", "high"}
    assert (found["n_photos"], found["n_people"], found["interval_by"]) == (210, 30, "person")
    assert len(found["per_class"]) == 18


def test_only_mask_known_fills_its_figures_and_leaves_the_others_null(tmp_path: Path) -> None:
    truth = read_truth(written(tmp_path / "dev.csv", "ImageID,mask\n0.jpg,0\n1.jpg,2\n2.jpg,1\n"), DEFAULT_SCHEMA)
    found = evaluate(certain([0, 12, 0]), truth, n_boot=50).as_json()
    assert found["mask"]["accuracy"]["value"] == pytest.approx(2 / 3)
    assert found["mask"]["macro_f1"]["value"] == pytest.approx((2 / 3 + 1) / 3)
    assert (found["macro_f1"], found["accuracy"], found["gender"]["macro_f1"]) == (None, None, None)
    assert (found["age"]["mae_years"], found["n_people"], found["interval_by"]) == (None, None, "photo")
    assert found["stamps"] == [PERSONS_UNKNOWN]
    assert found["n_photos"] == 3


def test_an_unread_photo_is_a_wrong_answer_and_is_counted() -> None:
    predictions = certain([0, 1, 2], errors=[None, "truncated", None])
    found = evaluate(predictions, known([0, 1, 2]), n_boot=50)
    assert found.n_unread == 1
    assert found.joint.accuracy.value == pytest.approx(2 / 3)
    assert found.joint.macro_f1.value == pytest.approx(2 / 18)
    assert found.joint.unanswered.tolist() == [0, 1] + [0] * 16
    assert found.joint.nll.value == pytest.approx(-np.log(0.9), rel=1e-5)
    assert found.photos["error"].to_list() == [None, "truncated", None]
    assert found.photos["predicted_joint"].to_list() == [0, None, 2]
    assert found.photos["is_correct"].to_list() == [True, False, True]


def test_absent_classes_count_zero_and_are_numbered() -> None:
    found = evaluate(certain([0, 0, 3]), known([0, 1, 3]), n_boot=50).joint
    assert (found.n_absent, found.n_never_predicted) == (15, 1)
    assert found.macro_f1.value == pytest.approx((2 / 3 + 0 + 1) / 18)


def test_a_submission_is_scored_without_figures_of_probabilities(tmp_path: Path) -> None:
    path = written(tmp_path / "output.csv", "ImageID,ans\n1.jpg,5\n0.jpg,3\n")
    found = evaluate(read_scored(path), known([3, 5], persons=["a", "b"]), n_boot=50)
    assert found.source == "answers"
    assert found.joint.accuracy.value == 1.0
    assert (found.joint.nll, found.joint.ece, found.joint.reliability, found.age) == (None, None, (), None)
    assert found.photos["confidence"].to_list() == [None, None]


def test_a_submission_is_not_decided_anew(tmp_path: Path) -> None:
    answers = read_scored(written(tmp_path / "output.csv", "ImageID,ans\n0.jpg,3\n"))
    with pytest.raises(ConfigError) as caught:
        evaluate(answers, known([3]), rule=rule_with_priors())
    assert str(caught.value) == ("TRI104 --decision: a submission's answers cannot be decided anew. See --help.")


def test_truth_without_ids_needs_by_row_and_stamps_the_score(tmp_path: Path) -> None:
    truth = read_truth(written(tmp_path / "gt.csv", "ans\n0\n7\n"), DEFAULT_SCHEMA)
    with pytest.raises(PredictionsError) as caught:
        evaluate(certain([0, 7]), truth)
    assert str(caught.value) == (
        "TRI326 evaluate: the truth has no ImageID column. Give the truth an ImageID column, "
        "or pass --by-row when both files have one row per photo in the same order."
    )
    found = evaluate(certain([0, 7]), truth, by_row=True, n_boot=50)
    assert found.joint.accuracy.value == 1.0
    assert BY_ROW in found.stamps
    assert found.photos["photo_id"].to_list() == ["0.jpg", "1.jpg"]


def test_joining_by_row_refuses_files_of_different_length(tmp_path: Path) -> None:
    truth = read_truth(written(tmp_path / "gt.csv", "ans\n0\n7\n"), DEFAULT_SCHEMA)
    with pytest.raises(PredictionsError) as caught:
        evaluate(certain([0]), truth, by_row=True)
    assert str(caught.value) == (
        "TRI326 evaluate: joining by row needs equally many rows, got 1 predictions and 2 rows of truth. "
        "Give the truth an ImageID column, or pass --by-row when both files have one row per photo in the same order."
    )


def test_photos_on_one_side_only_are_named_for_both_sides() -> None:
    truth = replace(known([0, 1]), ids=["0.jpg", "x.jpg"])
    with pytest.raises(PredictionsError) as caught:
        evaluate(certain([0, 1]), truth)
    assert str(caught.value) == (
        "TRI302 evaluate: predictions and truth name different photos, "
        "got only in the truth: x.jpg; only in the predictions: 1.jpg. "
        "Predict on the photos that the truth names; --subset leaves out those that only the predictions hold."
    )


def test_subset_leaves_out_predictions_of_other_photos_but_never_truth() -> None:
    few = known([0, 1])
    assert evaluate(certain([0, 1, 2]), few, subset=True, n_boot=50).n_photos == 2
    with pytest.raises(PredictionsError, match="TRI302"):
        evaluate(certain([0]), few, subset=True)


def test_splits_without_any_prediction_are_left_out_and_a_split_is_scored_whole() -> None:
    truth = replace(known([0, 1, 2, 3]), splits=["val", "val", "train", "train"])
    assert evaluate(certain([0, 1]), truth, n_boot=50).n_photos == 2
    with pytest.raises(PredictionsError, match=r"only in the truth: 3\.jpg"):
        evaluate(certain([0, 1, 2]), truth)


def test_photos_are_joined_by_id_whatever_their_order() -> None:
    predictions, truth = people(20)
    order = np.random.default_rng(0).permutation(len(truth))
    one, other = (evaluate(predictions, t, n_boot=50) for t in (truth, truth.rows(order)))
    assert one.joint.macro_f1 == other.joint.macro_f1
    assert one.photos.sort("photo_id").equals(other.photos.sort("photo_id"))


def test_photos_without_any_label_are_not_counted_and_only_such_are_refused() -> None:
    truth = known([0, 1])
    truth.classes[1] = MISSING
    assert evaluate(certain([0, 1]), truth, n_boot=50).n_photos == 1
    truth.classes[0] = MISSING
    with pytest.raises(PredictionsError) as caught:
        evaluate(certain([0, 1]), truth)
    assert str(caught.value) == (
        "TRI327 evaluate: no photo has both an answer and a known label. Pass a truth whose rows have labels."
    )


def test_the_rule_of_the_predictions_is_used_unless_argmax_is_asked_for() -> None:
    predictions, truth = people(40)
    rule = rule_with_priors().model_copy(update={"tau": {"age": 1.0}})
    carried = replace(predictions, decision=rule)
    assert evaluate(carried, truth, n_boot=20).decision == rule
    plain = evaluate(carried, truth, rule="argmax", n_boot=20)
    assert plain.decision is None
    assert plain.joint.accuracy.value > evaluate(carried, truth, n_boot=20).joint.accuracy.value


def test_another_schema_with_other_attribute_names_is_scored() -> None:
    found = evaluate(certain([0, 5, 7], FOUR_BANDS), known([0, 5, 6], FOUR_BANDS), n_boot=50).as_json()
    assert found["cover"]["accuracy"]["value"] == 1.0
    assert found["age"]["accuracy"]["value"] == pytest.approx(2 / 3)
    assert found["n_absent_classes"] == 5
    assert "mask" not in found


def test_two_schemas_are_refused() -> None:
    with pytest.raises(PredictionsError) as caught:
        evaluate(certain([0], FOUR_BANDS), known([0]))
    assert str(caught.value) == (
        "TRI301 truth: another label schema: attributes mask, gender, age instead of cover, age. "
        "Use files made under one schema; `trifacet config show` and the file's metadata tell which."
    )


def test_files_are_read_under_the_schema_that_one_of_them_carries(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.parquet", certain([0, 5], FOUR_BANDS))
    labels = written(tmp_path / "t.csv", "ImageID,cover,age\n0.jpg,YES,19\n1.jpg,no,25\n")
    scored, truth = read_pair(tmp_path / "p.parquet", labels)
    assert truth.schema == FOUR_BANDS
    assert evaluate(scored, truth, n_boot=50).joint.accuracy.value == 1.0
    answers = written(tmp_path / "o.csv", "ImageID,ans\n0.jpg,0\n1.jpg,5\n")
    assert read_pair(answers, labels, schema=FOUR_BANDS)[0].schema == FOUR_BANDS
    with pytest.raises(PredictionsError, match="TRI301"):
        read_pair(tmp_path / "p.parquet", labels, schema=DEFAULT_SCHEMA)


def test_the_same_seed_gives_the_same_intervals_and_another_gives_others() -> None:
    predictions, truth = people(30)
    one, same, other = (evaluate(predictions, truth, n_boot=100, seed=s).joint.macro_f1 for s in (1, 1, 2))
    assert one == same
    assert one != other


def test_what_else_a_source_tells_stands_with_its_photos(tmp_path: Path) -> None:
    predictions = certain([0, 13, 5])
    text = "ImageID,mask,light,x_height,race\n2.jpg,worn,dark,,a\n0.jpg,worn,bright,1.5,b\n1.jpg,not_worn,,2,c\n"
    truth = read_truth(written(tmp_path / "truth.csv", text), DEFAULT_SCHEMA)
    photos = evaluate(predictions, truth, n_boot=10).photos
    assert photos.select("photo_id", "x_light", "x_height").sort("photo_id").rows() == [
        ("0.jpg", "bright", "1.5"), ("1.jpg", None, "2"), ("2.jpg", "dark", None)
    ]  # fmt: skip
    assert evaluate(predictions, known([0, 13, 5]), n_boot=10).photos.columns[-1] == "predicted_years"
    numbers = replace(known([0, 13, 5]), extras=pl.DataFrame({"x_height": [1.5, float("nan"), None]}))
    assert evaluate(predictions, numbers, n_boot=10).photos["x_height"].to_list() == [1.5, None, None]


def test_a_manifests_columns_and_sources_are_what_else_it_tells() -> None:
    manifest = tiny.manifest([["worn", "male", None]] * 3)
    assert truth_of(manifest).extras.width == 0
    table = manifest.table.with_columns(
        pl.Series("x_race", ["a", None, "b"]), pl.Series("source", ["one", "one", "two"])
    )
    truth = truth_of(replace(manifest, table=table))
    assert truth.rows(np.array([2, 0])).extras.rows() == [("b", "two"), ("a", "one")]
    assert truth.extras.columns == ["x_race", "x_source"]


def test_raw_probabilities_are_told_of_beside_calibrated_ones_for_the_same_answers() -> None:
    predictions, truth = people(60)
    rule = DecisionRule(
        label_schema=DEFAULT_SCHEMA, temperature={"mask": 3.0}, tau={"age": 1.0}, priors=rule_with_priors().priors
    )
    calibrated = evaluate(predictions, truth, rule=rule, n_boot=50)
    untempered = evaluate(predictions, truth, rule=rule.model_copy(update={"temperature": {}}), n_boot=50)
    assert untempered.attributes["mask"].raw is None
    for name in ("mask", "gender"):
        raw, before = calibrated.attributes[name].raw, untempered.attributes[name]
        assert raw.nll.value == pytest.approx(before.nll.value)
        assert raw.ece == pytest.approx(before.ece)
        assert [b.n_photos for b in raw.reliability] == [b.n_photos for b in before.reliability]
    assert calibrated.attributes["mask"].ece > 3 * calibrated.attributes["mask"].raw.ece  # 3 is far too unsure
    assert calibrated.attributes["gender"].ece == pytest.approx(calibrated.attributes["gender"].raw.ece)
    told = calibrated.as_json()
    assert (told["mask"]["raw_ece"], untempered.as_json()["raw_nll"]) == (calibrated.attributes["mask"].raw.ece, None)
