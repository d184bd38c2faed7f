"""From photos to the page of a dataset, of two, and to findings of one against the other; nothing is changed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.core.tiny import FOUR_BANDS
from tests.data.photos import write_photo
from tests.flow.command import done, trifacet
from tests.flow.test_no_pictures import pictures
from trifacet import stages
from trifacet.core.errors import ManifestError
from trifacet.core.files import sha256_file
from trifacet.core.findings import read_findings
from trifacet.core.manifest import Manifest, read_manifest, write_manifest
from trifacet.core.schema import LabelSchema
from trifacet.data.drawn import draw_dataset

WHOLE = ["summary", "together", "ages", "cuts", "splits", "folds", "looks", "means", "photos"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn people, split; as many others without labels."""
    root = tmp_path_factory.mktemp("world")
    draw_dataset(root / "photos", n_train_people=12, n_eval_people=12, seed=1, size_px=(48, 64), workers=1)
    stages.ingest([root / "photos/train"], root / "all.parquet")
    stages.split(root / "all.parquet", root / "split.parquet", val=0.25, test=0.2, folds=3)
    return root


def sections(page: Path) -> list[str]:
    return re.findall(r'<section id="([\w-]+)"', page.read_text(encoding="utf-8"))


def text(page: Path) -> str:
    """What a reader sees."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")).split())


def files(folder: Path) -> dict[Path, str]:
    return {path: sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_page_shows_people_photos_classes_ages_cuts_and_splits(root: Path, tmp_path: Path) -> None:
    before = files(root)
    said = done("explore", root / "split.parquet", "--out", tmp_path / "page")
    assert files(root) == before
    page = tmp_path / "page/index.html"
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    assert sections(page) == WHOLE
    shown = text(page)
    assert "84 photos of 12 people" in shown
    assert "worn 60 12 71 %" in shown
    assert "not worn 12 12 14 %" in shown
    assert re.search(r"60, as it is 0 0 \d+ \d+ \d+ \d+ 61 ", shown)
    assert re.search(r"train \d+ \d+ 5\d % val \d+ \d+ 2\d % test", shown)
    assert re.search(r"split\.parquet +84 +12 +0", said.out)
    assert said.out.splitlines()[-1] == f"page: {page}"
    assert not re.search(r'(?:src|href)="(?!data:|#)', page.read_text(encoding="utf-8"))


def test_the_seed_decides_which_photos_are_shown_and_nothing_else(root: Path, tmp_path: Path) -> None:
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        stages.explore(root / "split.parquet", tmp_path / name, seed=seed, n_per_class=1)
        texts.append((tmp_path / name / "index.html").read_text(encoding="utf-8").split('<section id="photos"'))
    assert texts[0] == texts[1]
    assert texts[0][0] == texts[2][0]
    assert texts[0][1] != texts[2][1]


def test_without_pictures_no_pixel_is_left_and_all_numbers_are(root: Path, tmp_path: Path) -> None:
    for name, words in (("private", ["--no-pictures"]), ("shown", [])):
        done("explore", root / "split.parquet", root / "photos/eval", "--out", tmp_path / f"{name}-pair", *words)
        done("explore", root / "split.parquet", "--out", tmp_path / name, *words)
    assert [*pictures(tmp_path / "private"), *pictures(tmp_path / "private-pair")] == []
    assert [*pictures(tmp_path / "shown"), *pictures(tmp_path / "shown-pair")] == ["index.html", "index.html"]
    assert sections(tmp_path / "private/index.html") == WHOLE[:-2]


def test_photos_that_cannot_be_read_are_named_and_the_rest_is_shown(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for i in range(6):
        write_photo(folder / f"{i}.jpg")
    manifest = stages.ingest([folder], tmp_path / "m.parquet").manifest
    (folder / "1.jpg").write_bytes((folder / "1.jpg").read_bytes()[:99])
    (folder / "2.jpg").unlink()
    write_photo(folder / "sub/3.jpg").replace(folder / "3.jpg")
    assert len(manifest) == 6
    said = done("explore", tmp_path / "m.parquet", "--out", tmp_path / "page")
    other = "other bytes than when it was ingested"
    told = f"3 photos could not be read: 1.jpg ({other}), 2.jpg (No such file or directory), 3.jpg ({other})"
    assert f"Note {told}" in said.err
    assert told in text(tmp_path / "page/index.html")
    said = done("explore", folder, "--out", tmp_path / "folder")
    assert re.search(r"photos +4 +unknown +1\n", said.out)
    assert "1 file cannot be used: 1.jpg (truncated)" in text(tmp_path / "folder/index.html")


def test_photos_that_are_all_gone_still_have_a_page(root: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "photos/a.jpg")
    stages.ingest([tmp_path / "photos"], tmp_path / "m.parquet")
    (tmp_path / "photos/a.jpg").unlink()
    done("explore", tmp_path / "m.parquet", "--out", tmp_path / "page")
    assert sections(tmp_path / "page/index.html") == ["summary", "looks"]


def test_photos_without_labels_have_no_section_of_classes(root: Path, tmp_path: Path) -> None:
    done("explore", root / "photos/eval", "--out", tmp_path / "page")
    page = tmp_path / "page/index.html"
    assert sections(page) == ["summary", "looks", "means", "photos"]
    assert "84 photos, people unknown" in text(page)
    assert "No photo has a label" in text(page)
    assert "no label" in text(page)


def other_schema(manifest: Manifest, schema: LabelSchema) -> Manifest:
    """The photos under two mask classes and four age bands, without a gender, and with nobody named."""
    age = schema.age
    assert age is not None
    names = pl.Series(age.name, [age.classes[i] for i in age.band(manifest.ages)])
    mask = pl.when(pl.col("mask") == "worn").then(pl.lit("on")).otherwise(pl.lit("off")).alias("mask")
    table = manifest.table.drop("gender").with_columns(mask, names, pl.lit("").alias("person_id"))
    return replace(manifest, table=table, schema=schema)


def test_another_schema_shows_its_own_classes_and_cuts(root: Path, tmp_path: Path) -> None:
    made = other_schema(read_manifest(root / "all.parquet"), FOUR_BANDS)
    write_manifest(tmp_path / "m.parquet", made)
    done("explore", tmp_path / "m.parquet", "--out", tmp_path / "page")
    shown = text(tmp_path / "page/index.html")
    assert sections(tmp_path / "page/index.html") == [name for name in WHOLE if name not in ("splits", "folds")]
    for edge in (13, 20, 60):
        assert f"The cut at {edge} years" in shown
    assert "on 60 71 %" in shown
    assert "of 8" in shown
    assert "people" not in shown.replace("people unknown", "")
    done("explore", tmp_path / "m.parquet", root / "all.parquet", "--out", tmp_path / "pair")  # of no shared class
    assert sections(tmp_path / "pair/index.html") == ["summary", "differences", "ages", "looks", "means", "photos"]


def test_a_manifest_of_which_everything_was_dropped_is_refused(root: Path, tmp_path: Path) -> None:
    made = read_manifest(root / "all.parquet")
    table = made.table.with_columns(pl.lit("not_a_face").alias("dropped_because"))
    write_manifest(tmp_path / "m.parquet", replace(made, table=table))
    with pytest.raises(ManifestError) as caught:
        stages.explore(tmp_path / "m.parquet", tmp_path / "page")
    assert str(caught.value) == (
        f"TRI205 {tmp_path}/m.parquet: no photo that was not dropped. Pass a manifest with photos to look at."
    )
    assert not (tmp_path / "page").exists()


def test_a_place_that_is_taken_is_left_as_it_is(root: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    said = trifacet("explore", root / "all.parquet", "--out", tmp_path)
    assert said.status != 0
    assert said.err.startswith(f"TRI402 {tmp_path}: this place is taken")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_two_datasets_are_shown_side_by_side(root: Path, tmp_path: Path) -> None:
    stages.ingest([root / "photos/eval"], tmp_path / "eval.parquet")
    done("explore", root / "split.parquet", tmp_path / "eval.parquet", "--out", tmp_path / "page")
    page = tmp_path / "page/index.html"
    assert sections(page) == ["summary", "differences", "looks", "means", "photos"]
    shown = text(page)
    span = r"\[[+-]?[\d.]+, [+-]?[\d.]+\]"
    assert re.search(rf"brightness [\d.]+ [\d.]+ [+-][\d.]+ {span} [\d.]+ {span} [\d.]+ ", shown)
    assert "split.parquet has 12 people; nobody knows whom 84 photos of eval.parquet show: each counts as one" in shown
    done("explore", root / "split.parquet", root / "all.parquet", "--out", tmp_path / "both")
    assert sections(tmp_path / "both/index.html") == [
        "summary", "differences", "shares", "ages", "looks", "means", "photos"
    ]  # fmt: skip
    assert re.search(r"worn 71 % 71 % \+0\.00 ", text(tmp_path / "both/index.html"))


@pytest.fixture(scope="module")
def bare(root: Path) -> Path:
    """A manifest of one photo of each of the twelve."""
    path = root / "bare.parquet"
    write_manifest(path, read_manifest(root / "all.parquet").where(pl.col("mask") == "not_worn"))
    return path


def test_an_audit_against_other_data_finds_what_stands_in_both(root: Path, bare: Path, tmp_path: Path) -> None:
    whole = read_manifest(bare)
    few = whole.where(pl.col("photo_id").is_in(whole.photo_ids[:4]))
    write_manifest(tmp_path / "few.parquet", few)
    said = done("audit", bare, tmp_path / "few.parquet", "--out", tmp_path / "audit")
    found = read_findings(tmp_path / "audit/findings.parquet")
    copies = found.table.filter(pl.col("kind") == "copy_across_data")
    assert dict(copies.select("photo_id", "other_id").iter_rows()) == {i: f"other:{i}" for i in few.photo_ids}
    assert set(copies["detail"]) == {"same bytes, alike by 1.00"}
    assert "Note 4 people are too few to tell a shift by" in said.err
    assert found.table.filter(pl.col("kind") == "shift").is_empty()
    assert found.inputs == {"data": sha256_file(bare), "other": sha256_file(tmp_path / "few.parquet")}
    assert re.search(r"copy across data +4 +4", said.out)
    page = tmp_path / "audit/index.html"
    assert "kind-copy_across_data" in sections(page)
    assert page.read_text(encoding="utf-8").count('<img src="data:image') >= 8  # each beside its copy


def test_an_audit_tells_a_shift_of_the_data_as_a_whole(bare: Path, tmp_path: Path) -> None:
    draw_dataset(tmp_path / "large", n_train_people=0, n_eval_people=2, seed=2, size_px=(96, 128), workers=1)
    done("audit", bare, tmp_path / "large/eval", "--out", tmp_path / "audit")
    found = read_findings(tmp_path / "audit/findings.parquet")
    assert found.table.filter(pl.col("kind") == "copy_across_data").is_empty()
    shifts = found.table.filter(pl.col("kind") == "shift")
    assert set(shifts["photo_id"]) == {""}
    told = "shorter side, px: median 96 in eval, 48 in bare.parquet; +100.00 [+100.00, +100.00] standard deviations, "
    assert [detail for detail in shifts["detail"] if detail.startswith(told)] == [
        f"{told}1.00 times the spread; 12 people and 14 photos of people unknown"
    ]
    page = text(tmp_path / "audit/index.html")
    assert told.strip() in page
    assert re.search(r"shift \d+ 0 \d+ ", page)
