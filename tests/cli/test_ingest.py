"""What `trifacet ingest` and `split` say beside their tables: once, and only where it matters."""

from __future__ import annotations

from pathlib import Path

from tests.data.photos import write_photo
from tests.flow.command import done, trifacet
from trifacet.core.manifest import PERSONS_UNKNOWN, read_manifest

OWN = ("mask_female_young", "wrong_male_old", "nomask_female_old")


def test_photos_without_labels_have_no_sides_and_repeat_nothing(tmp_path: Path) -> None:
    photos = write_photo(tmp_path / "photos" / "a.jpg").parent
    said = done("ingest", photos, "--out", tmp_path / "m.parquet")
    assert said.err.splitlines() == [
        "Note layout folders: no folder is named after a person",
        "Note no folder is named after a class: the 1 photos have no labels",
    ]
    assert "mask: not known 1" in said.out
    assert read_manifest(tmp_path / "m.parquet").stamps == (PERSONS_UNKNOWN,)


def test_the_line_of_the_message_is_pasted_and_filled_in(tmp_path: Path) -> None:
    for name in OWN:
        write_photo(tmp_path / "photos" / name / "a.jpg")
    said = trifacet("ingest", tmp_path / "photos", "--out", tmp_path / "m.parquet")
    mask, age = "mask:mask=CLASS,nomask=CLASS,wrong=CLASS", "age:old=CLASS,young=CLASS"
    assert said.err.endswith(f"--map-values '{mask}' --map-values '{age}'\n")
    for classes in ("worn", "not_worn", "incorrect"):
        mask = mask.replace("CLASS", classes, 1)
    for classes in ("60_plus", "under_30"):
        age = age.replace("CLASS", classes, 1)
    maps = ("--map-values", mask, "--map-values", age)
    said = done("ingest", tmp_path / "photos", "--out", tmp_path / "m.parquet", *maps)
    assert "mask: worn 1, incorrect 1, not_worn 1" in said.out
    assert f"Note {PERSONS_UNKNOWN}" in said.err


def test_a_split_states_no_leak_that_nobody_knows_of(tmp_path: Path) -> None:
    for i in range(10):
        write_photo(tmp_path / "photos" / "worn" / f"{i}.jpg")
    done("ingest", tmp_path / "photos", "--out", tmp_path / "m.parquet")
    said = done("split", tmp_path / "m.parquet", "--out", tmp_path / "s.parquet", "--allow-leak")
    assert said.err.splitlines() == [
        f"Note {PERSONS_UNKNOWN}",
        "Note --allow-leak divided nobody who is known",
    ]
