from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trifacet.core.answers import Answers, locate, read_answers, write_answers
from trifacet.core.errors import PredictionsError
from trifacet.core.schema import DEFAULT_SCHEMA

SHAPE = "A submission has the columns ImageID,ans; a truth has ImageID and any of ans and the attributes' names."
NUMBER = "Write one whole number in 0..K-1 for every photo (0..17 for mask, gender and age)."
TABLE = "Pass a comma-separated table in UTF-8 with a header line."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", f"TRI320 {{path}}: not a CSV table, got an empty file. {TABLE}"),
        ("ImageID,ans\n", f"TRI320 {{path}}: a header without rows, got ImageID, ans. {TABLE}"),
        ("id,ans\na,0\n", f"TRI321 {{path}}: no column ImageID, got id, ans. {SHAPE}"),
        ("ImageID,answer\na,0\n", f"TRI321 {{path}}: no column ans, got ImageID, answer. {SHAPE}"),
        ("ImageID,ans\na,0\n,1\n", "TRI322 {path}: rows without ImageID, got line 3. Give every row its own ImageID."),
        ("ImageID,ans\na,0\na,1\n", "TRI322 {path}: ImageID stands twice, got a. Give every row its own ImageID."),
        (
            "ImageID,ans\na,18\nb,-1\nc,3\n",
            "TRI323 {path}: ans must be a whole number in 0..17 (2 rows are not), got '18', '-1' for a, b. " + NUMBER,
        ),
        (
            "ImageID,ans\na,1.5\nb,nine\n",
            "TRI323 {path}: ans must be a whole number in 0..17 (2 rows are not), got '1.5', 'nine' for a, b. "
            + NUMBER,
        ),
        (
            "ImageID,ans\na,0\nb,\n",
            "TRI323 {path}: ans must be a whole number in 0..17 (1 rows are not), got an empty cell for b. " + NUMBER,
        ),
    ],
    ids=["empty", "only_a_header", "no_id", "no_ans", "empty_id", "id_twice", "outside", "no_whole_number", "open"],
)
def test_a_submission_that_cannot_be_scored_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "output.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PredictionsError) as caught:
        read_answers(path, DEFAULT_SCHEMA)
    assert str(caught.value) == message.format(path=path)


def test_a_missing_file_and_a_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError) as caught:
        read_answers(tmp_path / "none.csv", DEFAULT_SCHEMA)
    assert str(caught.value) == f"TRI320 {tmp_path / 'none.csv'}: no such file. Check the path."
    (tmp_path / "photo.csv").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF,\xff\n\xfe\xff,,,\n")
    with pytest.raises(PredictionsError, match=r"TRI32[01]"):
        read_answers(tmp_path / "photo.csv", DEFAULT_SCHEMA)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "output.csv"
    write_answers(path, Answers(["b.jpg", 'odd, "name".jpg'], np.array([17, 0]), DEFAULT_SCHEMA))
    found = read_answers(path, DEFAULT_SCHEMA)
    assert found.ids == ["b.jpg", 'odd, "name".jpg']
    assert found.classes.tolist() == [17, 0]


@pytest.mark.parametrize(
    ("wanted", "known", "places"),
    [
        (["a", "b"], ["b", "a"], [1, 0]),
        (["a", "c"], ["b", "a"], [1, -1]),
        (["a.jpg"], ["images/a.jpg"], [0]),
        (["images/a.jpg"], ["a.jpg"], [0]),
        (["x/a.jpg"], ["y/a.jpg"], [-1]),
        (["a.jpg"], ["x/a.jpg", "y/a.jpg"], [-1]),
        (["x/a.jpg", "y/a.jpg"], ["a.jpg"], [-1, -1]),
        (["a.jpg"], ["a.jpg", "x/a.jpg"], [0]),
    ],
)
def test_ids_meet_by_text_or_by_an_unambiguous_file_name(
    wanted: list[str], known: list[str], places: list[int]
) -> None:
    assert locate(wanted, known).tolist() == places
