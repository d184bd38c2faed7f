"""Faces as columns of a manifest, by any finder: what it says of each photo, and what is wrong with its answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.core.tiny import manifest
from trifacet.core.errors import ConfigError, ManifestError
from trifacet.core.manifest import CROP_COLUMNS, FACE_COLUMNS, Manifest, read_manifest, write_manifest
from trifacet.data.faces import ALL_FAILED, find_faces, finder_of, own_finder_stamp
from trifacet.pixels.faces import Face
from trifacet.pixels.finders import Finder, UnusableAnswer

POINTS = np.array([[20, 20], [40, 20], [30, 30], [30, 45], [15, 24], [45, 24]], np.float32)
DEVICE = "it needs a device"


def find(image: np.ndarray) -> list[Face]:
    """As many faces as the red of the first pixel says, the first one ten pixels from the edge; 255 is an error."""
    red = int(image[0, 0, 0])
    if red == 255:
        raise UnusableAnswer(DEVICE)
    boxes = np.array([[10, 10, 50, 50], [5, 5, 30, 30], [0, 0, 4, 4]], np.float32)
    return [Face(box, POINTS, 0.9) for box in boxes[:red]]


FINDER = Finder("my_finder:find", "ab" * 32, find)


def photos(folder: Path, reds: list[int]) -> Manifest:
    """A manifest of plain photos of 80 x 60, each as red as told."""
    folder.mkdir()
    for i, red in enumerate(reds):
        Image.fromarray(np.full((80, 60, 3), (red, 90, 90), np.uint8)).save(folder / f"{i}.png")
    ids = [f"{i}.png" for i in range(len(reds))]
    n = len(reds)
    labels = [("worn", "male", "under_30")] * n
    return manifest(labels, root=folder, photo_id=ids, path=ids, width_px=[60] * n, height_px=[80] * n)


def test_each_photo_tells_how_many_faces_where_and_what_the_largest_is_like(tmp_path: Path) -> None:
    given = photos(tmp_path / "p", [1, 0, 3, 2])
    table = find_faces(given, finder=FINDER).manifest.table
    assert table["n_faces"].to_list() == [1, 0, 2, 2]  # of three one is too small to count
    assert table.drop("n_faces", *CROP_COLUMNS, *FACE_COLUMNS).equals(given.table.drop("n_faces", *CROP_COLUMNS))
    empty = table.select(pl.all_horizontal(pl.col(*CROP_COLUMNS, *FACE_COLUMNS).is_null())).to_series()
    assert empty.to_list() == [False, True, False, False]
    first = table.row(0, named=True)
    assert [first[name] for name in FACE_COLUMNS] == pytest.approx([40, 1 / 3, 0, 0, 0], abs=1e-6)
    assert all(table.schema[name] == pl.Float32() for name in FACE_COLUMNS)


def test_the_finder_stands_among_the_inputs_of_the_file_and_another_takes_its_place(tmp_path: Path) -> None:
    given = replace(photos(tmp_path / "p", [1]), inputs={"pseudo_labels_by": "cd" * 32})
    write_manifest(tmp_path / "m.parquet", find_faces(given, finder=FINDER).manifest)
    kept = read_manifest(tmp_path / "m.parquet")
    assert kept.inputs == {"pseudo_labels_by": "cd" * 32, "finder my_finder:find": "ab" * 32}
    assert finder_of(given) == ""
    assert finder_of(kept) == "my_finder:find"
    again = find_faces(kept, finder=Finder("other:find", "ef" * 32, find)).manifest
    assert again.inputs == {"pseudo_labels_by": "cd" * 32, "finder other:find": "ef" * 32}
    assert again.table.columns == kept.table.columns


@pytest.mark.parametrize(("name", "is_told"), [("blazeface", False), ("mine:find", True)])
def test_squares_of_another_finder_than_that_of_predictions_are_told(tmp_path: Path, name: str, is_told: bool) -> None:
    found = find_faces(photos(tmp_path / "p", [1]), finder=replace(FINDER, name=name)).manifest
    stamp = f"faces were found by {name}: photos without a square in their manifest are cut by the built-in finder"
    assert own_finder_stamp(found) == ((stamp,) if is_told else ())
    assert own_finder_stamp(photos(tmp_path / "q", [1])) == ()


def test_a_photo_with_an_unusable_answer_is_set_aside_with_its_reason(tmp_path: Path) -> None:
    searched = find_faces(photos(tmp_path / "p", [1, 255, 2]), finder=FINDER)
    assert searched.unusable == {"1.png": DEVICE}
    assert searched.manifest.table["n_faces"].to_list() == [1, 0, 2]
    assert searched.manifest.crops[1] is None


@pytest.mark.parametrize("n", [3, ALL_FAILED + 50])
def test_a_finder_that_answers_for_no_photo_is_refused(tmp_path: Path, n: int) -> None:
    told: list[tuple[int, int]] = []
    with pytest.raises(ConfigError) as caught:
        find_faces(
            photos(tmp_path / "p", [255] * n),
            finder=FINDER,
            workers=1,
            progress=lambda done, of: told.append((done, of)),
        )
    assert str(caught.value) == (
        f"TRI125 --finder: 'my_finder:find' gives no usable answer about any of the first {min(n, ALL_FAILED)} photos, "
        f"got {DEVICE}. It takes an image (H, W, 3) uint8 and returns boxes (n, 4), points (n, 6, 2) or None, and "
        "scores (n,): see docs/how-to/faces.md."
    )
    assert max(done for done, _ in told) < ALL_FAILED + 1  # a folder of a million is not read to its end


def test_measures_of_the_sources_own_are_kept(tmp_path: Path) -> None:
    given = photos(tmp_path / "p", [1])
    theirs = replace(given, table=given.table.with_columns(x_face_share=pl.lit("a third")))
    with pytest.raises(ConfigError) as caught:
        find_faces(theirs, finder=FINDER)
    assert str(caught.value) == (
        "TRI126 columns of the source have names of measures of faces, got face_share. Rename the column in the "
        "source's table, and ingest it again."
    )


def test_a_file_that_is_no_photo_any_more_stops_the_search(tmp_path: Path) -> None:
    given = photos(tmp_path / "p", [1, 1])
    (tmp_path / "p" / "1.png").unlink()
    with pytest.raises(ManifestError, match=r"^TRI204 photos changed .*1\.png \(No such file or directory\)"):
        find_faces(given, finder=FINDER)


def test_how_many_threads_look_changes_nothing(tmp_path: Path) -> None:
    given = photos(tmp_path / "p", [i % 4 for i in range(70)])
    one, many = (find_faces(given, finder=FINDER, workers=n).manifest.table for n in (1, 5))
    assert one.equals(many)
