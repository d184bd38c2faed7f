"""What the review page says in Korean: the details of findings, which the cleaning rooms write in English."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from tests.browser.test_pages import ARGS
from tests.clean.faced import MIDDLE, PLAIN, faces
from tests.clean.faces import write_planted
from tests.clean.test_mislabels import crowd, relabelled
from tests.clean.test_mislabels import told as answered
from tests.pixels.test_decode import with_metadata
from trifacet.auditing import audit
from trifacet.clean.copies import SAME_BYTES, copy_findings
from trifacet.clean.duplicates import Copies
from trifacet.clean.mislabels import label_findings
from trifacet.clean.persons import divided, mixed
from trifacet.clean.prints import views
from trifacet.clean.quality import face_findings
from trifacet.core.findings import KINDS, Finding
from trifacet.core.manifest import Manifest
from trifacet.pixels.decode import exif_notes
from trifacet.serve import review

pytestmark = pytest.mark.browser

UNSHOWN = {"unusable", "shift"}  # of files that are no photos, and of no photo
OF_OTHERS = {"changed", "no_face"}  # in the words of the system, a decoder or a finder
PHRASED = "(details) => details.map((d) => TEXTS.ko.phrases.reduce((told, [from, to]) => told.replace(from, to), d))"
ENGLISH = re.compile(r"[a-z]{3,}")


def of_photos(root: Path) -> list[Finding]:
    """What an audit finds among photos that were spoiled and copied, beside the same photos."""
    folder = write_planted(root).folder
    made = audit(folder, root / "out", other=folder, pictures=False).findings.table
    return [Finding(**row) for row in made.iter_rows(named=True)]


def of_labels() -> list[Finding]:
    """Labels, years and pairs that a model doubts, of single photos and of whole people."""
    made, answers = crowd()
    made = relabelled(made, "gender", dict.fromkeys((12, 13, 14), "female"))
    made = relabelled(made, "age_years", dict.fromkeys((0, 1, 2, 7), 60.5))
    made = relabelled(made, "mask", {4: "not_worn", 5: "incorrect"})
    certain = answered(np.tile(np.eye(3) * 0.9997 + 0.0001, (20, 1)), [0.5] * 60, [40.0] * 60)
    return label_findings(made, answers) + label_findings(made, certain)


def of_metadata() -> list[Finding]:
    """Metadata that mean nothing."""
    content = with_metadata(orientation=9)
    notes = exif_notes(content) + exif_notes(content.replace(b"Exif\0\0MM", b"Exif\0\0XX"))
    return [Finding("0.jpg", "exif", 0.5, detail=", ".join(notes))]


def torn() -> Manifest:
    """A crowd whose photos are in several splits, those of one person too."""
    made, _ = crowd()
    return relabelled(made, "split", dict(enumerate(["train", "val", "test"] * 20)))


def of_people() -> list[Finding]:
    """People in several splits, of two genders and of two ages."""
    made = relabelled(relabelled(torn(), "gender", {0: "female"}), "age_years", {0: 60.5})
    return divided(made) + mixed(made)


def of_copies() -> list[Finding]:
    """A copy in each view that is looked for, with other labels and in another split."""
    names = tuple(dict.fromkeys(("", SAME_BYTES, *(view.name for view in views()))))
    one = np.zeros(len(names), dtype=np.int64)
    return copy_findings(torn(), Copies(one, one + 4, np.full(len(names), 0.93, dtype=np.float32), names))


def of_faces() -> list[Finding]:
    """Faces of every kind that is told."""
    looks = [PLAIN] * 12 + [(50.0, 0.25, 0.001, 60.0, 70.0)]
    middle: Manifest = faces([MIDDLE] * 13, n_faces=[3] + [1] * 12, looks=looks)
    return face_findings(middle) + face_findings(faces([(40.0, 40.0, 10.0), (-15.0, 20.0, 60.0)]))


def test_every_detail_is_told_in_korean(chromium: str, tmp_path: Path) -> None:
    found = of_photos(tmp_path) + of_labels() + of_metadata() + of_people() + of_copies() + of_faces()
    found = [one for one in found if one.kind not in UNSHOWN | OF_OTHERS]
    assert {one.kind for one in found} == {*KINDS} - UNSHOWN - OF_OTHERS
    details = sorted({one.detail for one in found})
    for rare in ("over a million times", "metadata that cannot", "an orientation that"):
        assert any(rare in detail for detail in details), rare
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGS)
        page = browser.new_page()
        page.add_script_tag(path=Path(review.__file__).parent / "static" / "texts.js")
        told = page.evaluate(PHRASED, details)
        browser.close()
    assert len(told) == len(details)
    assert sorted({korean for korean in told if ENGLISH.search(korean)}) == []
