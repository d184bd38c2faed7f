from __future__ import annotations

import re
from dataclasses import replace

import polars as pl
import pytest

from tests.report.example import attention, scored
from trifacet.core.evaluation import Evaluation
from trifacet.report.material import N_SHOWN, Material, least_certain, photos_to_show, sure_mistakes
from trifacet.report.pictures import mistakes, uncertain

URI = "data:image/webp;,"


@pytest.fixture(scope="module")
def measured() -> Evaluation:
    return scored()


def material(measured: Evaluation, **others: object) -> Material:
    return Material({"test": measured}, thumbnails=dict.fromkeys(measured.photos["photo_id"], URI), **others)  # type: ignore[arg-type]


def shown(page: str) -> list[tuple[str, str, str]]:
    return re.findall(r'<figure title="([^:]+): true ([^"]+?), answered ([^"]+)"', page)


def test_mistakes_are_wrong_answers_the_most_confident_first(measured: Evaluation) -> None:
    section = mistakes(material(measured))
    assert section is not None
    rows = {row["photo_id"]: row for row in measured.photos.iter_rows(named=True)}
    ids = [photo for photo, _, _ in shown(section.html)]
    confidences = [rows[photo]["confidence"] for photo in ids]
    assert len(ids) == N_SHOWN
    assert confidences == sorted(confidences, reverse=True)
    assert not any(rows[photo]["is_correct"] for photo in ids)
    n_wrong = measured.photos.filter(is_correct=False).filter(pl.col("error").is_null()).height
    how = "confidence, then truth and answer where they differ."
    assert section.note == f"The {N_SHOWN} most confident of {n_wrong} wrong answers: {how}"


def test_the_least_certain_answers_are_shown_right_or_wrong(measured: Evaluation) -> None:
    section = uncertain(material(measured))
    assert section is not None
    read = measured.photos.filter(pl.col("error").is_null()).sort("confidence", "photo_id")
    assert [photo for photo, _, _ in shown(section.html)] == read["photo_id"].head(N_SHOWN).to_list()
    assert section.html.count("<span>right</span>") == int(read["is_correct"].head(N_SHOWN).sum())
    assert section.note.startswith(f"The {N_SHOWN} least certain of 418 answers: ")


def test_few_mistakes_are_not_called_the_most_confident_of_themselves(measured: Evaluation) -> None:
    few = pl.concat([sure_mistakes(measured).head(5), measured.photos.filter("is_correct")])
    section = mistakes(material(replace(measured, photos=few)))
    assert section is not None
    assert section.note.startswith("5 wrong answers, the most confident first: ")
    assert mistakes(material(replace(measured, photos=measured.photos.filter("is_correct")))) is None


def test_an_unknown_truth_is_not_called_right(measured: Evaluation) -> None:
    unknown = measured.photos.with_columns(
        pl.lit(None, pl.Int32).alias("true_joint"), pl.lit(None, pl.Boolean).alias("is_correct")
    )
    section = uncertain(material(replace(measured, photos=unknown)))
    assert section is not None
    assert "right" not in section.html
    assert {true for _, true, _ in shown(section.html)} == {"not known"}


def test_a_map_stands_beside_its_photo_and_says_of_which_answer(measured: Evaluation) -> None:
    looked = attention(measured)
    section = mistakes(material(measured, attention=looked))
    assert section is not None
    n_mapped = section.html.count('alt="Where the network looks for ')
    assert n_mapped + section.html.count("not mapped") == N_SHOWN
    assert section.html.count(": down 0.21</span>") == n_mapped > N_SHOWN - 3
    assert "Beside a photo: where covering a part of it" in section.note
    last = uncertain(material(measured, attention=looked))
    assert last is not None
    assert "not mapped" in last.html + section.html  # the time was up


def test_without_pictures_there_is_no_photo_section(measured: Evaluation) -> None:
    plain = Material({"test": measured}, attention=replace(attention(measured), looks={}, backdrop=""))
    assert mistakes(plain) is None
    assert uncertain(plain) is None


def test_each_photo_is_shown_once(measured: Evaluation) -> None:
    ids = photos_to_show(measured)["photo_id"]
    assert ids.n_unique() == len(ids) <= 2 * N_SHOWN
    assert ids[:2].to_list() == [sure_mistakes(measured)["photo_id"][0], least_certain(measured)["photo_id"][0]]
    assert {*ids} == {*sure_mistakes(measured)["photo_id"][:N_SHOWN], *least_certain(measured)["photo_id"][:N_SHOWN]}
