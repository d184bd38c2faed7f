"""The page of an audit shows the worst of each kind, a pair once, and says how much there is."""

from __future__ import annotations

import re

import pytest

from tests.core.tiny import manifest
from trifacet.clean.page import MAX_OF_A_KIND, audit_page, shown_on_page
from trifacet.core.findings import KINDS, Finding, Findings, findings_table
from trifacet.core.schema import DEFAULT_SCHEMA

PHOTOS = manifest([("worn", "male", "under_30"), ("not_worn", "female", "60_plus"), ("incorrect", "male", None)])
PICTURE = "data:image/webp;base64,AAAA"


def findings(*found: Finding, stamps: tuple[str, ...] = ()) -> Findings:
    return Findings(findings_table(found), DEFAULT_SCHEMA, stamps=stamps)


def page(found: Findings, **more: object) -> str:
    given = {"counts": {"ok": 3}, "thumbnails": dict.fromkeys(PHOTOS.photo_ids, PICTURE), "title": "Audit of photos"}
    return audit_page(found, PHOTOS, **given | more)  # type: ignore[arg-type]


def pair(kind: str, one: str, two: str, score: float = 0.1) -> list[Finding]:
    return [Finding(a, kind, score, other_id=b, detail="mirrored") for a, b in ((one, two), (two, one))]


def words(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text[text.index("<main") :]))


def test_a_page_without_findings_says_so() -> None:
    told = words(page(findings()))
    assert "Nothing was found." in told
    assert "ok 3" in told


def test_every_kind_with_something_to_look_at_has_its_section_in_order() -> None:
    text = page(findings(*(Finding("0.jpg", kind, 0.5, detail="why") for kind in reversed(KINDS))))
    assert re.findall(r'<section[^>]*id="kind-(\w+)"', text) == list(KINDS)


def test_what_is_only_counted_has_no_section() -> None:
    text = page(findings(Finding("0.jpg", "copy_of_own", 0.1, is_issue=False, other_id="1.jpg")))
    assert 'id="kind-' not in text
    assert re.search(r"copy of own 0 1 1 ", words(text))


@pytest.mark.parametrize("kind", ["copy", "copy_other_label", "copy_across_splits", "swap"])
def test_a_pair_is_shown_once_with_both_pictures_and_both_labels(kind: str) -> None:
    text = page(findings(*pair(kind, "1.jpg", "0.jpg")))
    assert text.count(PICTURE) == 2
    told = words(text)
    assert "0.10 mirrored 0.jpg worn, male, under 30 beside it 1.jpg not worn, female, 60 plus" in told
    assert told.count("mirrored") == 1
    assert "worst are shown" not in told


def test_of_many_photos_the_worst_are_shown_and_that_is_said() -> None:
    many = [Finding(f"{i}.jpg", "dark", i / 1000, detail=f"reason{i}.") for i in range(MAX_OF_A_KIND + 1)]
    told = words(page(findings(*many), thumbnails=None))
    assert f"Darker than nearly all photos: 61 photos. Worst first. The {MAX_OF_A_KIND} worst are shown." in told
    assert "reason0." in told
    assert f"reason{MAX_OF_A_KIND - 1}." in told
    assert f"reason{MAX_OF_A_KIND}." not in told
    assert "worst are shown" not in words(page(findings(*many[1:]), thumbnails=None))


def test_the_photos_that_the_page_shows_are_those_that_need_pictures() -> None:
    found = findings(*pair("copy", "0.jpg", "1.jpg"), Finding("0.jpg", "dark", 0.2), Finding("2.jpg", "flat", 0.1))
    assert shown_on_page(found) == ["0.jpg", "1.jpg", "2.jpg"]


def test_a_photo_without_a_picture_is_named_all_the_same() -> None:
    some = dict.fromkeys(("0.jpg", "1.jpg"), PICTURE)
    text = page(findings(*pair("copy", "0.jpg", "1.jpg"), *pair("copy", "0.jpg", "2.jpg", 0.2)), thumbnails=some)
    told = words(text)
    assert told.count("no picture") == 1
    assert "beside it 2.jpg" in told
    assert "not mapped" not in told


def test_where_no_photo_of_a_kind_has_a_picture_a_table_lists_them() -> None:
    found = findings(
        Finding("a.jpg", "unusable", 0.0, detail="truncated: it ends early"),
        Finding("b.jpg", "unusable", 0.0, is_issue=False, detail="ignored: a table"),
    )
    told = words(page(found))
    assert "A file that is no photo, with its status of ingest: 1 file. Worst first." in told
    assert "photo what score a.jpg truncated: it ends early 0.00" in told
    assert "b.jpg" not in told


def test_without_thumbnails_the_page_holds_no_picture() -> None:
    text = page(findings(*pair("copy", "0.jpg", "1.jpg")), thumbnails=None)
    assert "<img" not in text
    assert "photo what beside it score 0.jpg mirrored 1.jpg 0.10" in words(text)


def test_stamps_and_notes_stand_loud_and_names_cannot_break_the_page() -> None:
    told = page(findings(Finding("<b>.jpg", "dark", 0.1), stamps=("A leak.",)), notes=("Not all was looked at.",))
    assert "A leak." in told
    assert "Not all was looked at." in told
    assert "<b>.jpg" not in told
    assert "&lt;b&gt;.jpg" in told


def test_statuses_that_no_file_has_are_left_out() -> None:
    told = words(page(findings(), counts={"ok": 3, "too_large": 1, "animated": 0}))
    assert "too large 1" in told
    assert "animated" not in told
