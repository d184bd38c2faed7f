"""FiftyOne: samples with Classification fields and tags, and its table of image classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clean.exchange.people import ONE, TWO, people, write
from trifacet.clean.exchange.fiftyone import dataset_metadata, samples
from trifacet.clean.exchange.forms import FIFTYONE, read_form
from trifacet.clean.exchange.meaning import read_names
from trifacet.clean.exchange.rulings import Author, Ruled, rulings_of
from trifacet.clean.exchange.sheets import sheets_of
from trifacet.core.decisions import Decision

DATA = people()


def read(tmp_path: Path, content: Any, *maps: str) -> Ruled:
    names = read_names(maps, schema=DATA.schema)
    told = read_form(write(tmp_path / "samples.json", content), FIFTYONE, names=names)
    return rulings_of(told, DATA, names=names, author=Author("samples.json"))


def said(found: Ruled) -> list[tuple[str, str, str, str]]:
    return [(d.subject, d.attribute, d.new, d.certainty) for d in found.decisions]


def classification(label: str | None, *tags: str, **more: Any) -> dict[str, Any]:
    return {"_id": {"$oid": "5f9a"}, "_cls": "Classification", "tags": [*tags], "label": label, "logits": None} | more


def sample(path: str, *tags: str, **fields: Any) -> dict[str, Any]:
    made = {"_id": {"$oid": "5ecd"}, "filepath": path, "tags": [*tags], "metadata": None, "_media_type": "image"}
    return made | {"_rand": 0.5} | fields


def test_fields_and_tags_say_labels(tmp_path: Path) -> None:
    content = {
        "samples": [
            sample(f"data/{ONE}/normal.jpg", "train", gender=classification("male", "sure"), mask=classification(None)),
            sample(f"/else/{TWO}/mask1.jpg", "unusable", boxes={"_cls": "Detections", "detections": []}),
            sample(
                f"/else/{TWO}/normal.jpg",
                age={"_cls": "Classifications", "classifications": [classification("under_30", who="ann")]},
                age_years={"_cls": "Regression", "value": 24.0, "who": "bob"},
            ),
        ]
    }
    found = read(tmp_path, content)
    assert found.problems == ()
    assert said(found) == [
        (f"{ONE}/normal.jpg", "gender", "male", "sure"),
        (f"{TWO}/mask1.jpg", "use", "unusable", ""),
        (f"{TWO}/normal.jpg", "age", "under_30", ""),
        (f"{TWO}/normal.jpg", "age_years", "24", ""),
    ]
    assert found.notes == ("not labels here: boxes",)


def test_the_table_of_image_classes_names_photos_without_extension(tmp_path: Path) -> None:
    names = ["worn/male/under_30", "not_worn/male/30_to_59"]
    labels = {
        f"{ONE}/normal": 1,
        f"{ONE}/mask1": {"label": "incorrect_female_30_to_59", "confidence": 0.7},
        f"{TWO}/mask1": None,
    }
    found = read(tmp_path, {"classes": names, "labels": labels})
    assert said(found) == [(f"{ONE}/normal.jpg", "gender", "male", ""), (f"{ONE}/mask1.jpg", "mask", "incorrect", "")]
    of_gender = read(tmp_path, {"classes": ["female", "male"], "labels": {f"{ONE}/normal": 1}}, "gender=labels")
    assert said(of_gender) == [(f"{ONE}/normal.jpg", "gender", "male", "")]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param({"samples": [{"tags": []}]}, "has no filepath", id="no path"),
        pytest.param({"samples": [7]}, "has no filepath", id="no sample"),
        pytest.param(
            {"samples": [sample(f"{ONE}/normal.jpg", gender={"_cls": "Detections", "detections": []})]},
            "gender is a Detections, not a Classification",
            id="another kind of field",
        ),
        pytest.param({"classes": ["worn"], "labels": {f"{ONE}/normal": 3}}, "class 3 of 1", id="no such class"),
        pytest.param({"labels": {f"{ONE}/normal": [1]}}, "is not one class", id="several classes"),
        pytest.param(
            {"labels": {f"{ONE}/normal": 3}},
            "class: '3' is a number, and orders of classes differ (--form classes: the schema's own)",
            id="a number alone",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: Any, why: str) -> None:
    assert [problem.why for problem in read(tmp_path, content).problems] == [why]


def test_what_is_written_is_what_fiftyone_reads() -> None:
    told = Decision(who="ann", subject=f"{ONE}/normal.jpg", attribute="use", new="dropped", certainty="certain")
    (one,) = json.loads(json.dumps(samples(sheets_of(DATA, [told]).sheets, DATA.schema)))
    assert (one["filepath"], one["tags"]) == (f"/photos/{ONE}/normal.jpg", ["ruled", "dropped"])
    assert one["given_gender"] == {"_cls": "Classification", "tags": [], "label": "female"}
    assert one["use"]["tags"] == ["certain"]
    assert "version" not in dataset_metadata("x", DATA.schema)  # which would make it a copy of FiftyOne's database
