from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.scored import AGE_SHARES, certain, people, rule_with_priors
from trifacet.core.errors import ConfigError, PredictionsError
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.submission import probabilities_csv, refuse_leak, submission, write_submission

PRIOR = DEFAULT_SCHEMA.joint({n: np.array([p]) for n, p in rule_with_priors().priors.items()})[0]


def info(folder: Path, ids: list[str], *, eol: str = "\n", bom: str = "") -> Path:
    path = folder / "info.csv"
    path.write_bytes((bom + eol.join(["ImageID,ans", *(f"{i},0" for i in ids)]) + eol).encode())
    return path


def test_rows_keep_the_order_of_the_info_file(tmp_path: Path) -> None:
    made = submission(certain([3, 0, 17]), info(tmp_path, ["2.jpg", "0.jpg", "1.jpg"]))
    write_submission(tmp_path / "output.csv", made)
    assert (tmp_path / "output.csv").read_bytes() == b"ImageID,ans\n2.jpg,17\n0.jpg,3\n1.jpg,0\n"


def test_predictions_of_more_photos_than_asked_are_fine(tmp_path: Path) -> None:
    assert submission(certain([3, 0, 17]), info(tmp_path, ["1.jpg"])).answers.classes.tolist() == [0]


def test_crlf_a_byte_order_mark_and_other_columns_are_read_and_plain_lines_written(tmp_path: Path) -> None:
    path = tmp_path / "info.csv"
    path.write_bytes("\ufeffImageID,width,ans\r\n1.jpg,384,0\r\n0.jpg,384,0\r\n".encode())
    write_submission(tmp_path / "output.csv", submission(certain([3, 5]), path))
    assert (tmp_path / "output.csv").read_bytes() == b"ImageID,ans\n1.jpg,5\n0.jpg,3\n"


def test_a_photo_is_found_by_its_file_name_where_only_one_has_it(tmp_path: Path) -> None:
    predictions = replace(certain([3, 5, 7]), ids=["a/0.jpg", "a/1.jpg", "b/1.jpg"])
    assert submission(predictions, info(tmp_path, ["0.jpg"])).answers.classes.tolist() == [3]
    with pytest.raises(PredictionsError, match=r"TRI330 .*got 1\.jpg"):
        submission(predictions, info(tmp_path, ["1.jpg"]))


def test_rows_without_a_prediction_are_refused_and_named(tmp_path: Path) -> None:
    path = info(tmp_path, ["0.jpg", "x.jpg"])
    with pytest.raises(PredictionsError) as caught:
        submission(certain([0]), path)
    assert str(caught.value) == (
        f"TRI330 {path}: no prediction for 1 of 2 rows, got x.jpg. "
        "Predict on the folder that the info file belongs to, then submit again."
    )


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = info(tmp_path, ["0.jpg", "0.jpg"])
    with pytest.raises(PredictionsError) as caught:
        submission(certain([0]), path)
    assert str(caught.value) == f"TRI322 {path}: ImageID stands twice, got 0.jpg. Give every row its own ImageID."


def test_photos_that_could_not_be_read_are_refused_without_fill(tmp_path: Path) -> None:
    path = info(tmp_path, ["0.jpg", "1.jpg"])
    with pytest.raises(PredictionsError) as caught:
        submission(certain([3, 0], errors=[None, "truncated"]), path, rule=rule_with_priors())
    assert str(caught.value) == (
        f"TRI331 {path}: 1 of 2 photos could not be read, got 1.jpg (truncated). "
        "Repair the photos and predict again, or pass --fill to give them the commonest class of the training data."
    )


def test_fill_answers_them_with_the_priors_commonest_class_and_names_them(tmp_path: Path) -> None:
    path, predictions = info(tmp_path, ["0.jpg", "1.jpg"]), certain([16, 0], errors=[None, "truncated"])
    made = submission(predictions, path, rule=rule_with_priors(), fill=True)
    assert made.answers.classes.tolist() == [16, 3]
    assert made.unread == (("1.jpg", "truncated"),)
    assert made.shares["joint"][16].predicted == 1.0
    given = submission(predictions, path, fill=True, prior=np.eye(18)[8])
    assert given.answers.classes.tolist() == [16, 8]


def test_fill_without_a_prior_is_refused(tmp_path: Path) -> None:
    path = info(tmp_path, ["0.jpg", "1.jpg"])
    with pytest.raises(PredictionsError) as caught:
        submission(certain([3, 0], errors=[None, "truncated"]), path, fill=True)
    assert str(caught.value) == (
        f"TRI332 {path}: 1 rows are to be filled without a prior. "
        "Submit with the run's own decision rule, which carries them."
    )


def test_shares_of_honest_answers_stand_beside_training_and_warn_of_nothing(tmp_path: Path) -> None:
    predictions, _ = people(300)
    made = submission(predictions, info(tmp_path, list(predictions.ids)), prior=PRIOR)
    assert [share.prior for share in made.shares["age"]] == pytest.approx(AGE_SHARES)
    assert sum(share.predicted for share in made.shares["joint"]) == pytest.approx(1)
    assert made.distance["mask"] < 0.05
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("name", "order"),
    [("mask", (2, 1, 0)), ("mask", (1, 0, 2)), ("gender", (1, 0)), ("age", (2, 1, 0)), ("age", (0, 2, 1))],
    ids=str,
)
def test_labels_in_a_wrong_order_are_warned_of(tmp_path: Path, name: str, order: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    classes = DEFAULT_SCHEMA.decode(rng.choice(18, p=PRIOR, size=3_500))
    column = DEFAULT_SCHEMA.names.index(name)
    classes[:, column] = np.array(order)[classes[:, column]]
    predictions = certain(DEFAULT_SCHEMA.encode(classes).tolist())
    (warning,) = submission(predictions, info(tmp_path, list(predictions.ids)), prior=PRIOR).warnings
    assert warning.startswith(f"{name} is answered with other shares than in training: ")


def test_the_warning_says_both_shares_and_what_to_check(tmp_path: Path) -> None:
    predictions = certain([15] * 100)
    made = submission(predictions, info(tmp_path, list(predictions.ids)), prior=PRIOR)
    assert made.warnings[0] == (
        "mask is answered with other shares than in training: worn 0% (training 71%), incorrect 0% (training 14%), "
        "not_worn 100% (training 14%). If the photos are not that different, check the order of the labels, the crop "
        "and the colour channels."
    )
    assert made.warnings[-1] == (
        "100% of the answers are not_worn/female/under_30. A model that sees its photos differently than in training "
        "often answers one class only: check the run and the photos."
    )


def test_few_photos_do_not_warn_by_chance(tmp_path: Path) -> None:
    warned = 0
    for seed in range(100):
        joint = np.random.default_rng(seed).choice(18, p=PRIOR, size=12)
        predictions = certain(joint.tolist())
        warned += bool(submission(predictions, info(tmp_path, list(predictions.ids)), prior=PRIOR).warnings)
    assert warned <= 5


def test_without_any_prior_shares_are_told_and_nothing_is_compared(tmp_path: Path) -> None:
    made = submission(certain([0, 17]), info(tmp_path, ["0.jpg", "1.jpg"]))
    assert made.distance == {"mask": None, "gender": None, "age": None, "joint": None}
    assert [share.predicted for share in made.shares["gender"]] == [0.5, 0.5]
    assert made.warnings == ()


def test_a_prior_of_another_size_is_a_broken_contract(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="prior must hold 18 shares of at least 0"):
        submission(certain([0]), info(tmp_path, ["0.jpg"]), prior=[0.5, 0.5])


def test_probabilities_are_written_as_a_line_of_four_decimals_a_photo() -> None:
    text = probabilities_csv(certain([0, 17, 3], errors=[None, None, "truncated"]))
    head, *lines = text.splitlines()
    assert head == "Id," + ",".join(f"P{k:02d}" for k in range(18))
    assert lines[0] == "0.jpg,0.9000," + ",".join(["0.0059"] * 17)  # (1 - .9) / 17
    assert lines[1] == "1.jpg," + ",".join(["0.0059"] * 17) + ",0.9000"
    assert lines[2] == "2.jpg" + "," * 18  # not read: not known
    assert text.endswith("\n")


def test_labelled_probabilities_have_labels_in_place_of_ids_and_only_what_is_known_and_read() -> None:
    told = certain([0, 17, 3, 4], errors=[None, None, "truncated", None])
    head, *lines = probabilities_csv(told, {"0.jpg": 2, "1.jpg": 17, "2.jpg": 3, "3.jpg": -1}).splitlines()
    assert head == ",".join([f"L{k:02d}" for k in range(18)] + [f"P{k:02d}" for k in range(18)])
    assert [line.split(",")[:18].index("1") for line in lines] == [2, 17]
    assert [line.split(",")[18:].index("0.9000") for line in lines] == [0, 17]


def test_a_leak_is_refused_in_words() -> None:
    refuse_leak(Path("leaks/submission.csv"))
    with pytest.raises(ConfigError) as told:
        refuse_leak(Path("submission.csv.leak.csv"))
    assert str(told.value) == (
        "TRI104 --out: a 'leak' file replaces the model's answers by ones known from elsewhere, and is not made here, "
        "got 'submission.csv.leak.csv'. Submit what the model answers; if it is that, name the file otherwise."
    )
