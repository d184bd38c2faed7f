from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.data.photos import write_eval, write_photo, write_train
from trifacet.core.errors import TrifacetError
from trifacet.core.manifest import PERSONS_UNKNOWN, check_roots, read_manifest, write_manifest
from trifacet.data.ingest import IngestError, Source, ingest, parse_source, write_rejects
from trifacet.data.sources import Reading
from trifacet.pixels.scan import STATUSES, scan_file

ONE, TWO = "000001_female_Asian_18", "000002_male_Asian_60"


def test_the_manifest_is_written_and_read_back(tmp_path: Path) -> None:
    ingested = ingest([write_train(tmp_path / "photos", [ONE, TWO])])
    write_manifest(tmp_path / "manifest.parquet", ingested.manifest)
    stored = read_manifest(tmp_path / "manifest.parquet")
    assert stored.table.equals(ingested.manifest.table)
    assert stored.roots == {"photos": tmp_path / "photos" / "images"}
    check_roots(stored, where="manifest.parquet")
    for path, sha256, width in zip(stored.paths, *stored.table.select("sha256", "width_px"), strict=True):
        assert (scan_file(path).sha256, scan_file(path).width_px) == (sha256, width)


def test_the_manifest_knows_the_table_it_was_made_from(tmp_path: Path) -> None:
    ingested = ingest([write_eval(tmp_path / "eval", ["a.jpg"])])
    assert ingested.manifest.inputs is not None
    assert list(ingested.manifest.inputs) == ["eval/info.csv"]
    assert len(ingested.manifest.inputs["eval/info.csv"]) == 64


def test_every_status_is_counted_and_the_counts_add_up(tmp_path: Path) -> None:
    root = write_train(tmp_path, [ONE])
    (root / "images" / ONE / "mask1.jpg").write_bytes(b"")
    (root / "images" / ONE / "mask2.jpg").write_bytes(b"GIF89a")
    ingested = ingest([root])
    assert list(ingested.counts) == list(STATUSES)
    assert {status: n for status, n in ingested.counts.items() if n} == {"ok": 5, "truncated": 1, "unsupported": 1}
    assert ingested.n_files == 7
    assert ingested.rejects.rows() == [
        (tmp_path.name, f"{ONE}/mask1.jpg", "truncated", "the file is empty: copy or download it again"),
        (
            tmp_path.name,
            f"{ONE}/mask2.jpg",
            "unsupported",
            "GIF, 256 colours: save it as JPEG, PNG or WebP (`magick 'IN[0]' OUT.png`), better from the original photo",
        ),
    ]


def test_rejects_are_written_as_csv(tmp_path: Path) -> None:
    write_photo(tmp_path / "photos" / "a.jpg")
    (tmp_path / "photos" / 'odd, "name"\n.jpg').write_bytes(b"")
    ingested = ingest([Source(tmp_path / "photos", "mine")])
    write_rejects(tmp_path / "rejects.csv", ingested.rejects)
    assert (tmp_path / "rejects.csv").read_text().startswith("path,status,reason\n")
    assert pl.read_csv(tmp_path / "rejects.csv").rows() == [
        ('mine/odd, "name"\n.jpg', "truncated", "the file is empty: copy or download it again")
    ]


def test_workers_change_nothing(tmp_path: Path) -> None:
    root = write_train(tmp_path, [f"{i:06}_male_Asian_{20 + i}" for i in range(20)])
    (root / "images" / "000003_male_Asian_23" / "normal.jpg").write_bytes(b"")
    one, many = (ingest([root], workers=n) for n in (1, 4))
    assert one.manifest.table.equals(many.manifest.table)
    assert one.rejects.equals(many.rejects)


def test_progress_counts_the_files_of_all_sources(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    sources = [write_train(tmp_path / "a", [ONE]), write_eval(tmp_path / "b", ["x.jpg"])]
    ingest(list(sources), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (9, 9)


# -- several sources


def test_named_sources_keep_ids_apart(tmp_path: Path) -> None:
    a, b = write_train(tmp_path / "a", [ONE]), write_train(tmp_path / "b", [ONE])
    ingested = ingest([f"old={a}", f"new={b}"])
    assert ingested.manifest.photo_ids[::7] == [f"old/{ONE}/incorrect_mask.jpg", f"new/{ONE}/incorrect_mask.jpg"]
    assert set(ingested.manifest.table["person_id"]) == {"old/000001", "new/000001"}
    assert ingested.manifest.roots == {"old": a / "images", "new": b / "images"}
    assert all(path.is_file() for path in ingested.manifest.paths)


def test_ids_that_collide_are_named(tmp_path: Path) -> None:
    a, b = write_train(tmp_path / "a", [ONE]), write_train(tmp_path / "b", [ONE])
    with pytest.raises(TrifacetError) as caught:
        ingest([a, b])
    first = ", ".join(f"{ONE}/{stem}.jpg" for stem in ("incorrect_mask", "mask1", "mask2", "mask3", "mask4"))
    assert str(caught.value) == (
        f"TRI226 {a}, {b}: sources hold photos of the same id, got {first}, ... (7 in all). "
        f"Name the sources: A={a} B={b}."
    )


def test_one_source_may_be_named_and_the_other_not(tmp_path: Path) -> None:
    a, b = write_train(tmp_path / "a", [ONE]), write_train(tmp_path / "b", [ONE])
    assert len(ingest([a, f"new={b}"]).manifest) == 14


def test_people_of_several_sources_are_one_and_it_is_told(tmp_path: Path) -> None:
    a, b = write_train(tmp_path / "a", [ONE]), write_train(tmp_path / "b", ["000001_female_Asian_30"])
    ingested = ingest([a, b])
    assert ingested.manifest.n_persons == 1
    assert ingested.notes == (
        f"{a}: layout boostcamp: train form, folders such as {ONE}",
        f"{b}: layout boostcamp: train form, folders such as 000001_female_Asian_30",
        "1 person ids occur in several sources and count as one person each: name the sources to keep them apart",
    )


def test_sources_of_different_layouts_share_a_manifest(tmp_path: Path) -> None:
    labelled = write_train(tmp_path / "a", [ONE], csv=f"id,gender,race,age,path,camera\n1,female,A,18,{ONE},X\n")
    plain = write_photo(tmp_path / "b" / "x.jpg").parent
    ingested = ingest([labelled, plain])
    assert ingested.manifest.table.select("person_id", "mask", "x_race", "x_camera").rows()[-2:] == [
        ("1", "not_worn", "A", "X"),
        ("", None, None, None),
    ]
    assert ingested.manifest.stamps == (PERSONS_UNKNOWN,)
    assert ingested.notes == (
        f"{labelled}: layout boostcamp: train form, train.csv",
        f"{labelled}: the csv differs from the folder's name in 2 places, the csv is taken: {ONE}: id 1, {ONE}: race A",
        f"{plain}: layout folders: no folder is named after a person",
        f"{plain}: no folder is named after a class: the 1 photos have no labels",
    )


def test_folders_of_one_name_get_different_sources(tmp_path: Path) -> None:
    a = write_photo(tmp_path / "a" / "set" / "x.jpg").parent
    b = write_photo(tmp_path / "b" / "set" / "y.jpg").parent
    ingested = ingest([a, b])
    assert ingested.manifest.roots == {"set": a, "set-2": b}


def test_two_sources_may_not_have_one_name(tmp_path: Path) -> None:
    with pytest.raises(TrifacetError, match="TRI104 NAME=PATH: two sources have one name, got a"):
        ingest([f"a={tmp_path}", f"a={tmp_path}"])


def test_a_source_is_a_path_or_a_named_path(tmp_path: Path) -> None:
    (tmp_path / "a=b").mkdir()
    assert parse_source(f"{tmp_path}/a=b") == Source(tmp_path / "a=b")
    assert parse_source("a=b/c") == Source(Path("b/c"), "a")
    assert parse_source("./a=b") == Source(Path("./a=b"))
    assert parse_source("=b") == Source(Path("=b"))


# -- nothing to use


def test_an_empty_result_is_refused_and_says_what_became_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "c.txt").write_bytes(b"notes")
    with pytest.raises(IngestError) as caught:
        ingest([tmp_path])
    assert str(caught.value) == (
        f"TRI205 {tmp_path}: no usable photo, got 1 truncated, 1 unsupported, 1 ignored. "
        "Check the path and the rejects file, which gives each photo's reason."
    )
    assert caught.value.rejects["status"].to_list() == ["truncated", "unsupported", "ignored"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=f"TRI205 {tmp_path}: no usable photo, got no file"):
        ingest([tmp_path])


def test_labels_of_which_none_has_a_photo_are_refused(tmp_path: Path) -> None:
    root = write_eval(tmp_path, ["other.jpg"], csv="ImageID,ans\na.jpg,0\nb.jpg,0\n")
    with pytest.raises(IngestError) as caught:
        ingest([root])
    assert str(caught.value) == (
        f"TRI227 {tmp_path}: none of the 2 label rows has a photo below {tmp_path}/images: a.jpg, b.jpg, "
        "got 1 extra, 1 ignored. Check the folder of photos (--photos) and how the table writes its paths."
    )
    assert caught.value.rejects["status"].to_list() == ["extra", "ignored", "missing", "missing"]


def test_links_out_of_the_folder_can_be_allowed(tmp_path: Path) -> None:
    write_photo(tmp_path / "real" / "a.jpg")
    (tmp_path / "picked").mkdir()
    (tmp_path / "picked" / "a.jpg").symlink_to(tmp_path / "real" / "a.jpg")
    with pytest.raises(IngestError, match="got 1 unreadable"):
        ingest([tmp_path / "picked"])
    assert ingest([tmp_path / "picked"], reading=Reading(is_following_links=True)).counts["ok"] == 1


def test_a_folder_of_photos_that_is_a_link_is_entered(tmp_path: Path) -> None:
    write_train(tmp_path / "disk", [ONE])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "images").symlink_to(tmp_path / "disk" / "images")
    ingested = ingest([tmp_path / "data"])
    assert (ingested.counts["ok"], ingested.n_files) == (7, 7)
