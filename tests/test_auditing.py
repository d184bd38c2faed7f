"""An audit finds what was planted, tells every file, changes nothing, and refuses answers that do not fit."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.clean.faces import Faces, believing, write_faces, write_oof, write_planted
from tests.core.tiny import FOUR_BANDS, random_probs
from trifacet import stages
from trifacet.auditing import FINDINGS_NAME, PAGE_NAME, TABLE_NAME, Audit, audit
from trifacet.core.errors import TrifacetError
from trifacet.core.files import sha256_file
from trifacet.core.findings import read_findings
from trifacet.core.manifest import LEAK, Manifest, read_manifest, write_manifest
from trifacet.core.predictions import Predictions, write_predictions
from trifacet.data.split import split
from trifacet.opening import seen_in_training
from trifacet.pixels.scan import STATUSES
from trifacet.prediction import Photo


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    return write_planted(tmp_path_factory.mktemp("planted") / "drawn")


@pytest.fixture(scope="module")
def audited(faces: Faces, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """The audit of the folder, which it must leave as it was."""
    before = {p: sha256_file(p) for p in faces.folder.rglob("*") if p.is_file()}
    made = audit(faces.folder, tmp_path_factory.mktemp("audit") / "out")
    assert {p: sha256_file(p) for p in faces.folder.rglob("*") if p.is_file()} == before
    return made


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of people in whom nothing is wrong, with folds and a test split."""
    root = tmp_path_factory.mktemp("clean")
    made = stages.ingest([write_faces(root / "drawn", n_people=8)], root / "all.parquet").manifest
    write_manifest(root / "split.parquet", split(made, val=0.2, test=0.2, folds=2))
    return root / "split.parquet"


def found_in(made: Audit, kind: str) -> set[str]:
    return set(made.findings.issues.filter(kind=kind)["photo_id"])


def train_rows(manifest: Manifest) -> Manifest:
    return manifest.split("train", "val")


def error_of(**asked: object) -> str:
    with pytest.raises(TrifacetError) as caught:
        audit(**asked)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize("kind", ["dark", "bright", "flat", "blurred", "tiny", "exif", "unusable", "copy_other_label"])
def test_what_was_planted_is_found(audited: Audit, faces: Faces, kind: str) -> None:
    assert set(faces.planted[kind]) <= found_in(audited, kind)


@pytest.mark.parametrize("kind", ["dark", "bright", "tiny", "exif", "unusable", "copy", "copy_other_label"])
def test_nothing_else_is_found(audited: Audit, faces: Faces, kind: str) -> None:
    assert found_in(audited, kind) == set(faces.planted.get(kind, faces.planted["copy_other_label"]))


def test_a_copy_of_a_persons_own_photo_is_counted_and_not_flagged(audited: Audit, faces: Faces) -> None:
    own = audited.findings.table.filter(kind="copy_of_own")
    assert set(own["photo_id"]) == set(faces.planted["copy_of_own"])
    assert not own["is_issue"].any()


def test_every_file_has_one_status_and_each_that_is_no_photo_is_told(audited: Audit, faces: Faces) -> None:
    on_disk = [p for p in faces.folder.rglob("*") if p.is_file()]
    assert sum(audited.counts.values()) == len(on_disk)
    assert {k: n for k, n in audited.counts.items() if n} == {"ok": 82, "truncated": 1, "wrong_type": 1, "ignored": 2}
    told = audited.findings.table.filter(kind="unusable")
    assert sorted(d.partition(":")[0] for d in told["detail"]) == ["ignored", "ignored", "truncated", "wrong_type"]
    assert told.filter("is_issue")["detail"].str.starts_with("ignored").any() is False


def test_the_folder_holds_a_table_the_same_as_csv_and_a_page(audited: Audit, faces: Faces) -> None:
    assert {path.name for path in audited.folder.iterdir()} == {FINDINGS_NAME, TABLE_NAME, PAGE_NAME}
    kept = read_findings(audited.folder / FINDINGS_NAME)
    assert kept.table.equals(audited.findings.table)
    as_csv = pl.read_csv(audited.folder / TABLE_NAME, schema=kept.table.schema)
    assert as_csv.equals(kept.table)
    assert kept.inputs == {}
    page = (audited.folder / PAGE_NAME).read_text(encoding="utf-8")
    pictured = [i for kind in ("dark", "copy_other_label", "exif") for i in faces.planted[kind]]
    assert all(photo in page for photo in pictured)
    assert page.count("data:image/webp") >= len(pictured)
    assert repr(audited) == f"Audit({len(kept.issues):,} to look at, {len(kept):,} findings)"


def test_what_ingest_had_to_say_is_a_note_on_the_page(audited: Audit) -> None:
    assert audited.notes == ("layout boostcamp: train form, train.csv",)
    assert "ayout boostcamp: train form, train.csv" in (audited.folder / PAGE_NAME).read_text(encoding="utf-8")


def test_without_pictures_the_page_holds_no_pixel_and_every_finding(
    audited: Audit, faces: Faces, tmp_path: Path
) -> None:
    made = audit(faces.folder, tmp_path / "out", pictures=False)
    page = (made.folder / PAGE_NAME).read_text(encoding="utf-8")
    assert "data:image" not in page
    assert all(photo in page for photo in faces.planted["dark"] + faces.planted["copy_other_label"])
    assert made.findings.table.equals(audited.findings.table)


def test_an_archive_is_audited_as_its_folder(audited: Audit, faces: Faces, tmp_path: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "train"), "gztar", faces.folder.parent, "train")
    made = audit(packed, tmp_path / "out")
    assert made.counts == audited.counts
    assert made.findings.issues.equals(audited.findings.issues)  # of the ignored, train.csv lies elsewhere
    assert made.findings.inputs == {"data": sha256_file(Path(packed))}


def test_of_a_manifest_its_photos_are_counted_and_the_file_is_named(clean: Path, tmp_path: Path) -> None:
    made = audit(clean, tmp_path / "out", pictures=False)
    assert made.counts == {"in the manifest": 56, "dropped": 0}
    assert made.findings.inputs == {"data": sha256_file(clean)}
    assert set(made.findings.table["kind"]) <= {"blurred", "bright", "dark"}  # nothing of files, copies or people


def test_photos_gone_or_changed_since_they_were_ingested_are_told(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "drawn", n_people=3)
    made = stages.ingest([folder], tmp_path / "m.parquet").manifest
    gone, other, cut = made.paths[0], made.paths[5], made.paths[9]
    gone.unlink()
    other.write_bytes(made.paths[6].read_bytes())
    cut.write_bytes(cut.read_bytes()[:400])
    found = audit(tmp_path / "m.parquet", tmp_path / "out").findings.issues.filter(kind="changed")
    assert dict(found.select("photo_id", "detail").iter_rows()) == {
        made.photo_ids[0]: "No such file or directory",
        made.photo_ids[5]: "other bytes than when it was ingested",
        made.photo_ids[9]: "other bytes than when it was ingested",
    }


def test_dropped_photos_are_left_alone(clean: Path, tmp_path: Path) -> None:
    made = read_manifest(clean)
    gone = made.photo_ids[:3]
    why = pl.when(pl.col("photo_id").is_in(gone)).then(pl.lit("dropped"))
    table = made.table.with_columns(why.alias("dropped_because"), pl.lit("0" * 64).alias("sha256"))
    write_manifest(tmp_path / "m.parquet", replace(made, table=table))
    kept = replace(made, table=made.table.filter(~pl.col("photo_id").is_in(gone)))
    oof = write_oof(tmp_path / "oof.parquet", train_rows(kept), {})  # training leaves them out, too
    found = audit(tmp_path / "m.parquet", tmp_path / "out", oof=oof, pictures=False)
    assert found.counts == {"in the manifest": 53, "dropped": 3}
    assert found_in(found, "changed") == set(kept.photo_ids)
    assert not set(gone) & set(found.findings.table["photo_id"])


def test_people_in_several_splits_and_stamps_are_told(clean: Path, tmp_path: Path) -> None:
    made = read_manifest(clean)
    person = made.table["person_id"][0]
    turn = pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("test")).otherwise(pl.lit("train"))
    torn = pl.when(pl.col("person_id") == person).then(turn).otherwise(pl.col("split"))
    leaky = replace(made, table=made.table.with_columns(torn.alias("split")), stamps=(LEAK,))
    write_manifest(tmp_path / "m.parquet", leaky)
    found = audit(tmp_path / "m.parquet", tmp_path / "out", pictures=False)
    assert found.findings.issues.filter(kind="divided")["detail"].to_list() == [f"person {person} in test, train"]
    assert found.findings.stamps == (LEAK,)
    assert LEAK[1:] in (found.folder / PAGE_NAME).read_text(encoding="utf-8")


def test_labels_that_no_model_believes_are_told_worst_first(clean: Path, tmp_path: Path) -> None:
    made = train_rows(read_manifest(clean))
    mask = {name: photo for photo, name in made.table.select("photo_id", "mask").iter_rows()}
    wrong = {mask["incorrect"]: ("mask", "not_worn"), mask["not_worn"]: ("mask", "incorrect")}
    found = audit(clean, tmp_path / "out", oof=write_oof(tmp_path / "oof.parquet", made, wrong))
    labels = found.findings.issues.filter(kind="label")
    assert set(labels["photo_id"]) == set(wrong)
    assert labels["attribute"].unique().to_list() == ["mask"]
    assert labels["detail"].to_list()[0].startswith("a photo labelled ")
    n_test = len(read_manifest(clean)) - len(made)
    assert found.notes == (f"{n_test:,} photos of test have no answer: their labels were not looked at",)
    assert found.findings.inputs.keys() == {"data", "oof"}
    assert found.findings.inputs["oof"] == sha256_file(tmp_path / "oof.parquet")


def test_photos_without_a_label_need_no_answer(clean: Path, tmp_path: Path) -> None:
    made = read_manifest(clean)
    first = made.photo_ids[0]
    bare = [pl.when(pl.col("photo_id") != first).then(pl.col(n)).alias(n) for n in (*made.schema.names, "age_years")]
    write_manifest(tmp_path / "m.parquet", replace(made, table=made.table.with_columns(bare)))
    told = train_rows(made).where(pl.col("photo_id") != first)
    found = audit(tmp_path / "m.parquet", tmp_path / "o", oof=write_oof(tmp_path / "p.parquet", told, {}))
    assert found.findings.issues.filter(kind="label").is_empty()


def test_a_model_that_answers_one_attribute_doubts_that_one(clean: Path, tmp_path: Path) -> None:
    made = train_rows(read_manifest(clean))
    wrong = {made.photo_ids[0]: ("mask", "not_worn" if made.table["mask"][0] != "not_worn" else "worn")}
    told = believing(made, wrong).part(["mask"])
    write_predictions(tmp_path / "oof.parquet", told)
    found = audit(clean, tmp_path / "out", oof=tmp_path / "oof.parquet", pictures=False)
    assert found.findings.table.filter(kind="label")["attribute"].unique().to_list() == ["mask"]
    assert found.findings.issues.filter(kind="label")["photo_id"].to_list() == list(wrong)
    assert found.findings.schema == read_manifest(clean).schema


def test_answers_with_photos_missing_are_refused(clean: Path, tmp_path: Path) -> None:
    made = train_rows(read_manifest(clean))
    oof = write_oof(tmp_path / "oof.parquet", replace(made, table=made.table[2:]), {})
    assert error_of(data=clean, out=tmp_path / "out", oof=oof) == (
        f"TRI302 {oof}: photos have no answer, got {made.photo_ids[0]}, {made.photo_ids[1]}. Pass the "
        "predictions/oof.parquet that `trifacet train --folds` made of this data."
    )
    assert not (tmp_path / "out").exists()


def test_answers_of_a_model_that_learned_these_very_labels_are_refused(clean: Path, tmp_path: Path) -> None:
    made = train_rows(read_manifest(clean))
    photos = [Photo(i, Path(i), sha256=s) for i, s in made.table.select("photo_id", "sha256").iter_rows()]
    stamp = seen_in_training(photos, [clean])
    write_predictions(tmp_path / "p.parquet", replace(believing(made, {}), stamps=stamp))
    told = error_of(data=clean, out=tmp_path / "out", oof=tmp_path / "p.parquet")
    assert told.startswith(f"TRI302 {tmp_path}/p.parquet: answers about photos that the model learned, got of the ")
    assert "predictions/oof.parquet" in told


def test_answers_with_a_number_missing_are_refused(clean: Path, tmp_path: Path) -> None:
    made = train_rows(read_manifest(clean))
    oof = write_oof(tmp_path / "oof.parquet", made, {})
    metadata = {k: v for k, v in pl.read_parquet_metadata(oof).items() if k != "ARROW:schema"}
    first = pl.int_range(pl.len()) == 0
    nan = pl.when(first).then(float("nan")).otherwise(pl.col("p_03")).cast(pl.Float32).alias("p_03")
    pl.read_parquet(oof).with_columns(nan).write_parquet(oof, metadata=metadata)
    assert error_of(data=clean, out=tmp_path / "out", oof=oof) == (
        f"TRI300 {oof}: p must be probabilities that sum to 1, got {made.photo_ids[0]}. Make the file again with "
        "`trifacet predict`."
    )
    assert not (tmp_path / "out").exists()


def test_answers_under_another_schema_are_refused_before_any_photo_is_looked_at(clean: Path, tmp_path: Path) -> None:
    made = read_manifest(clean)
    probs = random_probs(len(made), FOUR_BANDS)
    told = Predictions(made.photo_ids, probs, None, [None] * len(made), FOUR_BANDS)
    write_predictions(tmp_path / "oof.parquet", told)
    asked: list[tuple[str, int, int]] = []
    told_of = error_of(
        data=clean, out=tmp_path / "out", oof=tmp_path / "oof.parquet", progress=lambda *what: asked.append(what)
    )
    assert told_of == (
        f"TRI301 {tmp_path}/oof.parquet: another label schema: mask is on, off instead of worn, incorrect, not_worn. "
        "Use files made under one schema; `trifacet config show` and the file's metadata tell which."
    )
    assert asked == []


def test_photos_that_no_model_could_read_are_doubted_by_nobody(clean: Path, tmp_path: Path) -> None:
    made = train_rows(read_manifest(clean))
    told = believing(made, {made.photo_ids[0]: ("mask", "incorrect"), made.photo_ids[1]: ("mask", "incorrect")})
    probs = np.where(np.arange(len(made))[:, None] == 0, np.nan, told.probs).astype(np.float32)
    years = np.where(np.arange(len(made))[:, None] == 0, np.nan, told.age_probs).astype(np.float32)
    errors = ["truncated", *[None] * (len(made) - 1)]
    unread = Predictions(told.ids, probs, years, errors, told.schema)
    write_predictions(tmp_path / "oof.parquet", unread)
    found = audit(clean, tmp_path / "out", oof=tmp_path / "oof.parquet", pictures=False)
    masks = found.findings.table.filter(kind="label", attribute="mask")
    assert made.photo_ids[0] not in masks["photo_id"].to_list()
    assert made.photo_ids[1] in masks["photo_id"].to_list()


def test_a_place_that_is_taken_is_refused_and_left_as_it_is(faces: Faces, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert error_of(data=faces.folder, out=tmp_path / "out") == (
        f"TRI402 {tmp_path}/out: this place is taken. Choose another --out (`train --name` numbers runs by itself); "
        "a folder is never overwritten."
    )
    assert [p.read_text() for p in (tmp_path / "out").iterdir()] == ["mine"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_status_that_ingest_knows_is_one_that_the_page_counts(audited: Audit) -> None:
    assert list(audited.counts) == list(STATUSES)
