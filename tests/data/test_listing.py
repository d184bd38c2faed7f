from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.photos import write_eval, write_photo, write_train
from trifacet.core.errors import TrifacetError
from trifacet.data.ingest import ingest
from trifacet.data.listing import list_photos, told_counts


def listed(folder: Path) -> list[tuple[str, str]]:
    return [(photo.photo_id, photo.status) for photo in list_photos(folder).photos]


def test_every_photo_is_listed_whatever_its_state_and_the_rest_is_counted(tmp_path: Path) -> None:
    root = write_train(tmp_path, ["000001_female_Asian_18"]) / "images"
    folder = root / "000001_female_Asian_18"
    (folder / "normal.jpg").write_text("this is no photo")
    (folder / "mask1.jpg").write_bytes(b"")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (folder / "notes.docx").write_bytes(b"PK\x03\x04" + b"\0" * 300)
    (folder / "._mask1.jpg").write_bytes(b"\0\x05\x16\x07")
    write_photo(folder / "holiday.jpg")  # extra for the layout
    write_photo(root / "stray.png")
    write_photo(tmp_path / "bg_sub" / "mask1.jpg")
    (tmp_path / "readme.txt").write_text("about")
    made = list_photos(tmp_path)
    name = folder.name
    usable = [f"{name}/{stem}.jpg" for stem in ("incorrect_mask", "mask2", "mask3", "mask4", "mask5", "holiday")]
    assert [(photo.photo_id, photo.status) for photo in made.photos] == [
        *((photo_id, "") for photo_id in (*usable, "stray.png")),
        (f"{name}/mask1.jpg", "truncated"),
        (f"{name}/normal.jpg", "wrong_type"),
        (f"{name}/phone.heic", "unsupported"),
    ]
    assert all(photo.file.is_file() for photo in made.photos)
    assert made.left_out == {"not an image": 1, "leftover of macOS": 1, "outside images/": 1, "sidecar or table": 1}
    n_files = sum(p.is_file() for p in tmp_path.rglob("*"))
    assert len(made.photos) + sum(made.left_out.values()) == n_files


def test_ids_and_order_are_those_of_ingest(tmp_path: Path) -> None:
    write_eval(tmp_path / "eval", ["b.jpg", "a.jpg", "c.jpg"])
    write_train(tmp_path / "train", ["000002_male_Asian_60", "000001_female_Asian_18"])
    write_photo(tmp_path / "table" / "images" / "a.jpg")
    (tmp_path / "table" / "labels.csv").write_text("path,age\nimages/a.jpg,20\n")
    for name in ("eval", "train", "table"):
        assert [i for i, _ in listed(tmp_path / name)] == ingest([tmp_path / name]).manifest.photo_ids


def test_rows_without_a_file_are_missing_and_photos_without_a_row_are_there(tmp_path: Path) -> None:
    write_eval(tmp_path, ["b.jpg", "extra.jpg"], csv="ImageID,ans\ngone.jpg,0\nb.jpg,0\n")
    assert listed(tmp_path) == [("b.jpg", ""), ("extra.jpg", ""), ("gone.jpg", "missing")]


@pytest.mark.parametrize(
    "name", ["000001_femal_Asian_18/mask1.jpg", "my_male_friends/x.jpg", "worn_incorrect/x.jpg", "spring/x.jpg"]
)
def test_labels_that_are_wrong_do_not_matter(tmp_path: Path, name: str) -> None:
    write_photo(tmp_path / name)
    assert listed(tmp_path) == [(name, "")]


def test_a_folder_without_a_usable_photo_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "b.jpg").write_text("no photo")
    (tmp_path / "c.txt").write_text("notes")
    with pytest.raises(TrifacetError) as caught:
        list_photos(tmp_path)
    assert str(caught.value) == (
        f"TRI205 {tmp_path}: no usable photo, got 1 truncated, 1 wrong type, 1 sidecar or table. Check the path."
    )


def test_counts_are_told_largest_first() -> None:
    assert told_counts({"hidden": 1, "not an image": 12_000}) == "12,000 not an image, 1 hidden"
