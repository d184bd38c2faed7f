from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.report.example import RUN_INFO, attention, example, history, scored
from trifacet.core.answers import Answers
from trifacet.core.evaluation import Evaluation
from trifacet.core.manifest import LEAK, PERSONS_UNKNOWN
from trifacet.core.schema import DEFAULT_SCHEMA, Attribute, LabelSchema, age_attribute
from trifacet.pages.contact import thumbnail_uri
from trifacet.report import evaluation_report
from trifacet.report.sections import SECTIONS
from trifacet.scoring import evaluate

FOUR_BANDS = LabelSchema(attributes=(Attribute(name="mask", classes=("on", "off")), age_attribute((25, 45, 65))))
NO_AGE = LabelSchema(attributes=(Attribute(name="mask", classes=("worn", "incorrect", "not_worn")),))


@pytest.fixture(scope="module")
def measured() -> Evaluation:
    return scored()


@pytest.fixture(scope="module")
def plain(measured: Evaluation) -> str:
    """A report of figures alone."""
    return evaluation_report({"test": measured}, title="quick-3")


PICTURED = ("curves", "profile", "mistakes", "uncertain", "attention")  # what needs a run's history or its photos


def anchors(page: str) -> list[str]:
    return re.findall(r'<section id="([^"]+)"', page)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("<body>")[2])).replace("&#39;", "'")


def test_a_report_shows_every_figure_with_its_interval_and_n(measured: Evaluation, plain: str) -> None:
    page = words(plain)
    assert measured.joint
    assert measured.age
    for interval in (measured.joint.macro_f1, measured.joint.accuracy):
        value, _, between = str(interval).partition(" ")
        assert f"{value} {between}" in page
    for name in ("mask", "gender", "age"):
        score = measured.attributes[name]
        assert score
        assert f"{name} accuracy {str(score.accuracy).replace('[', '[', 1)}" in page
        assert f"macro F1 {score.macro_f1} 420 photos" in page
    assert f"bias {measured.age.bias_years:+.1f} 418 photos" in page
    assert "Measured on test: 420 photos of 60 people." in page
    assert "2 photos could not be read: counted as wrong." in page


def test_a_full_report_has_all_sections_in_order(measured: Evaluation) -> None:
    thumbnail = thumbnail_uri(np.zeros((40, 30, 3), dtype=np.uint8))
    page = evaluation_report(
        {"val": scored(20, seed=3), "test": measured},
        title="quick-3",
        history=history(),
        run_info=RUN_INFO,
        thumbnails=dict.fromkeys(measured.photos["photo_id"], thumbnail),
        attention=attention(measured),
    )
    assert anchors(page) == list(SECTIONS)
    assert len(page) < 400_000


def test_a_report_without_history_and_pictures_leaves_their_sections_out(plain: str) -> None:
    assert anchors(plain) == [name for name in SECTIONS if name not in PICTURED]


def test_stamps_stand_loud_above_every_score(measured: Evaluation, plain: str) -> None:
    stamped = replace(measured, stamps=(LEAK, PERSONS_UNKNOWN))
    page = evaluation_report({"val": measured, "test": stamped}, title="t")
    for stamp in stamped.stamps:
        assert page.index(stamp[1:]) < page.index('<section id="headline"')
    assert page.count('role="note"') == 2
    assert 'role="note"' not in plain


def test_words_of_the_trade_are_explained(measured: Evaluation, plain: str) -> None:
    page = words(plain)
    for said in ("NLL (negative log-likelihood): -log of", "one fingerprint have the same", "Temperature: above 1 it"):
        assert said in page
    assert "A dot stands for about 28 photos" in page
    assert "Temperature:" not in words(evaluation_report({"test": replace(measured, decision=None)}, title="t"))


def test_curves_tell_the_best_epoch_and_the_speed(measured: Evaluation) -> None:
    page = words(evaluation_report({"val": measured}, title="t", history=history(12)))
    best = max(history(12), key=lambda record: record["val_macro_f1"])
    assert f"12 epochs. Best macro F1 on val {best['val_macro_f1']:.3f}, in epoch {best['epoch']}." in page
    assert "8.3 minutes, 278 images/s." in page


def test_what_was_measured_is_said_with_hashes_and_rule(measured: Evaluation) -> None:
    page = evaluation_report({"test": measured}, title="t", run_info=RUN_INFO)
    for said in (DEFAULT_SCHEMA.fingerprint, "a7" * 32, "temperature, mask", "1.210", "2.13.1", "1,159"):
        assert said in page


def test_limits_speak_of_val_rare_classes_and_unknown_people(measured: Evaluation, plain: str) -> None:
    on_test = words(plain)
    unknown = replace(measured, interval_by="photo", n_people=None)
    on_val = words(evaluation_report({"val": unknown}, title="t"))
    assert "chosen on val, which flatters it" in on_val
    assert "chosen on val" not in on_test
    assert "the intervals are too narrow" in on_val
    assert "the intervals are too narrow" not in on_test
    assert "420 photos, people unknown" in on_val
    assert "Much about classes with fewer than 10 photos" in on_test


@pytest.mark.parametrize("schema", [pytest.param(FOUR_BANDS, id="four bands"), pytest.param(NO_AGE, id="mask alone")])
def test_another_schema_is_reported_as_well(schema: LabelSchema) -> None:
    page = evaluation_report({"test": scored(40, schema=schema)}, title="t")
    assert ("age" in anchors(page)) == (schema.age is not None)
    assert f"Macro F1, {schema.n_joint} classes" in page


def test_a_submission_is_reported_without_confidence_and_years() -> None:
    predictions, truth = example(30)
    kept = predictions.is_read
    ids = [i for i, k in zip(predictions.ids, kept, strict=True) if k]
    answers = Answers(ids=ids, classes=predictions.classes[kept], schema=predictions.schema)
    page = evaluation_report({"test": evaluate(answers, truth.rows(kept), n_boot=50)}, title="t")
    assert not {"age", "reliability"} & set(anchors(page))
    assert "a submission holds answers only" in words(page)


def test_an_evaluation_without_joint_labels_is_reported(measured: Evaluation) -> None:
    attributes = {"mask": measured.attributes["mask"], "gender": None, "age": None}
    page = evaluation_report({"test": replace(measured, joint=None, attributes=attributes, age=None)}, title="t")
    assert "Macro F1, 18 classes" not in page
    assert "mask accuracy" in page


def test_nothing_to_report_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a report needs at least one evaluation$"):
        evaluation_report({}, title="t")
