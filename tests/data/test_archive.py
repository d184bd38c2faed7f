"""Archives: unpacked once, whole or not at all, and nothing of a stranger's outside the new folder."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.photos import write_eval, write_photo, write_train
from tests.flow.command import TINY, done, trifacet
from trifacet import stages
from trifacet.core.errors import TrifacetError
from trifacet.core.files import sha256_file
from trifacet.core.manifest import read_manifest
from trifacet.data import archive as room
from trifacet.data import members as listing
from trifacet.data.archive import is_archive, unpack, unpacked
from trifacet.data.ingest import Source, ingest
from trifacet.data.listing import list_photos

PEOPLE = [f"{i:06d}_{('male', 'female')[i % 2]}_Asian_{20 + 9 * i}" for i in range(4)]


def quiet(*_: object) -> None:
    pass


def pack(root: Path, archive: Path) -> Path:
    """The folder `root` as an archive of the kind that its name says."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            for path in sorted(root.rglob("*")):
                zipped.write(path, path.relative_to(root.parent))
        return archive
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(archive.suffix, "w:")
    with tarfile.open(archive, mode) as made:  # type: ignore[call-overload]
        made.add(root, root.name)
    return archive


def pack_members(archive: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(archive, "w:gz") as made:
        for info, content in members:
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return archive


def member(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def names_below(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_train(tmp_path / "made" / "train", PEOPLE)


@pytest.mark.parametrize("ending", room.ENDINGS)
def test_an_archive_gives_the_manifest_that_its_folder_gives(tmp_path: Path, photos: Path, ending: str) -> None:
    archive = pack(photos, tmp_path / f"set{ending}")
    assert is_archive(archive)
    found = stages.ingest([archive], tmp_path / "out" / "m.parquet")
    plain = ingest([Source(photos, "")])
    assert found.manifest.table.drop("source").equals(plain.manifest.table.drop("source"))
    assert found.counts == plain.counts
    assert names_below(tmp_path / "out" / "set" / "train") == names_below(photos)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "m.parquet",
        "m.rejects.csv",
        "set",
        "set.unpacked.json",
    ]
    stored = read_manifest(tmp_path / "out" / "m.parquet")
    assert stored.roots == {"set": tmp_path / "out" / "set" / "train" / "images"}
    assert stored.inputs == {f"set/{archive.name}": sha256_file(archive)}
    assert found.notes[0] == f"{archive.name} was unpacked into {tmp_path}/out/set: its photos are read there"


def test_what_macos_leaves_is_left_out_of_an_archive_too(tmp_path: Path, photos: Path) -> None:
    for folder in photos.rglob("*_*_*_*"):
        for path in list(folder.iterdir()):
            (folder / f"._{path.name}").write_bytes(b"\0\5\x16\7")
    (photos / "images" / ".ipynb_checkpoints").mkdir()
    write_photo(photos / "images" / ".ipynb_checkpoints" / "mask1.jpg")
    (photos.parent / "._train").write_bytes(b"\0\5\x16\7")
    write_photo(photos.parent / "__MACOSX" / "train" / "x.jpg")
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as made:
        for name in ("train", "._train", "__MACOSX"):
            made.add(photos.parent / name, name)
    found = stages.ingest([tmp_path / "set.tar.gz"])
    assert {status: n for status, n in found.counts.items() if n} == {"ok": 28, "ignored": 31}
    assert found.n_files == 59
    assert set(found.rejects["reason"]) == {
        "leftover of macOS",
        "inside .ipynb_checkpoints",
        "inside __MACOSX",
    }


HOSTILE = {
    "a path that leaves it": (member("../evil.jpg"), "../evil.jpg", "a path that leaves the archive"),
    "a path that leaves it within": (member("a/../../evil.jpg"), "a/../../evil.jpg", "a path that leaves the archive"),
    "an absolute path": (member("/tmp/evil.jpg"), "/tmp/evil.jpg", "an absolute path in the archive"),
    "a drive": (member("C:/evil.jpg"), "C:/evil.jpg", "an absolute path in the archive"),
    "a pipe": (member("pipe", kind=tarfile.FIFOTYPE), "pipe", "not a file (a pipe or a device)"),
    "a device": (member("null", kind=tarfile.CHRTYPE), "null", "not a file (a pipe or a device)"),
    "a link that leaves it": (
        member("l.jpg", kind=tarfile.SYMTYPE, link="../../etc/passwd"),
        "l.jpg",
        "a link to no file in it",
    ),
    "a link to a place": (
        member("l.jpg", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        "l.jpg",
        "a link to no file in it",
    ),
    "a hard link to nothing": (
        member("l.jpg", kind=tarfile.LNKTYPE, link="etc/passwd"),
        "l.jpg",
        "a link to no file in it",
    ),
    "a link in a circle": (member("l.jpg", kind=tarfile.SYMTYPE, link="l.jpg"), "l.jpg", "a link to no file in it"),
    "a name too long": (member("x" * 300 + ".jpg"), "x" * 300 + ".jpg", "cannot be stored here (File name too long)"),
    "a name that is not UTF-8": (member("\udcff/../../x"), "\\xff/../../x", "a path that leaves the archive"),
    "a file as a folder": (member("a.jpg/b.jpg"), "a.jpg/b.jpg", "cannot be stored here (File exists)"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_must_not_be_written_is_set_aside_with_its_reason(tmp_path: Path, name: str) -> None:
    info, path, reason = HOSTILE[name]
    good = write_photo(tmp_path / "a.jpg").read_bytes()
    content = b"evil" if info.isreg() else b""
    (tmp_path / "in").mkdir()
    archive = pack_members(tmp_path / "in" / "set.tar.gz", (member("a.jpg"), good), (info, content))
    found = stages.ingest([archive], tmp_path / "in" / "m.parquet")
    assert found.rejects.select("path", "status", "reason").rows() == [
        (path, "unreadable", f"in the archive: {reason}")
    ]
    assert (found.counts["ok"], found.counts["unreadable"], found.n_files) == (1, 1, 2)
    assert names_below(tmp_path / "in" / "set") == ["a.jpg"]
    assert names_below(tmp_path) == [
        "a.jpg",
        *(
            f"in{x}"
            for x in ("", "/m.parquet", "/m.rejects.csv", "/set", "/set.tar.gz", "/set.unpacked.json", "/set/a.jpg")
        ),
    ]
    assert not Path("/tmp/evil.jpg").exists()
    again = stages.ingest([archive], tmp_path / "in" / "m.parquet")  # and the second call still tells
    assert again.rejects.equals(found.rejects)


def test_links_within_the_archive_become_files_and_of_twins_the_last_counts(tmp_path: Path) -> None:
    one, two = (write_photo(tmp_path / name).read_bytes() for name in ("one.jpg", "two.jpg"))
    archive = pack_members(
        tmp_path / "set.tar.gz",
        (member("a/link.jpg", kind=tarfile.SYMTYPE, link="../b/x.jpg"), b""),
        (member("b/x.jpg"), one),
        (member("b/x.jpg"), two),
        (member("hard.jpg", kind=tarfile.LNKTYPE, link="b/x.jpg"), b""),
    )
    made = unpacked(archive, into=None, progress=quiet)
    assert {name: (made.path / name).read_bytes() for name in ("a/link.jpg", "b/x.jpg", "hard.jpg")} == dict.fromkeys(
        ("a/link.jpg", "b/x.jpg", "hard.jpg"), two
    )
    assert not any(p.is_symlink() or p.stat().st_nlink > 1 for p in made.path.rglob("*.jpg"))
    assert [(f.path, f.status, f.reason) for f in made.set_aside] == [
        ("b/x.jpg", "extra", "in the archive: a later one has its path")
    ]


def test_a_zip_from_windows_is_read_and_its_oddities_are_set_aside(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.jpg").read_bytes()
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as zipped:
        zipped.writestr("worn\\male\\a.jpg", photo)
        zipped.writestr("..\\..\\evil.jpg", photo)
        zipped.writestr(link, "worn/male/a.jpg")
    found = stages.ingest([tmp_path / "set.zip"])
    assert found.manifest.table.select("photo_id", "mask", "gender").rows() == [("worn/male/a.jpg", "worn", "male")]
    assert found.rejects["reason"].to_list() == [
        "in the archive: a path that leaves the archive",
        "in the archive: a link: zip archives are read without them",
    ]


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def within_a_member(content: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        return content[: next(m for m in opened if m.size > 600).offset_data + 550]


def without_end(content: bytes) -> bytes:
    """A tar cut off between two members, which reads as if it were whole."""
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        return content[: opened.getmembers()[9].offset]


def with_bad_header(content: bytes) -> bytes:
    """A tar with one damaged header, at which Python's reader stops without a word."""
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        start = opened.getmembers()[9].offset
    return content[:start] + b"\xff" + content[start + 1 :]


@pytest.mark.parametrize(
    ("ending", "damage", "got"),
    [
        pytest.param(
            ".tar.gz", cut, "Compressed file ended before the end-of-stream marker was reached", id="gz cut short"
        ),
        pytest.param(".tar.gz", lambda c: c[:-4] + b"abcd", None, id="gz with another checksum"),
        pytest.param(".tar.gz", flip, None, id="gz with one bit flipped"),
        pytest.param(".tar.xz", cut, None, id="xz cut short"),
        pytest.param(".tar.bz2", flip, None, id="bz2 with one bit flipped"),
        pytest.param(".tar", within_a_member, "unexpected end of data", id="tar cut short"),
        pytest.param(".tar", without_end, "its end is missing", id="tar cut between two members"),
        pytest.param(".tar", with_bad_header, "a member's header is damaged", id="tar with a damaged header"),
        pytest.param(".zip", cut, "File is not a zip file", id="zip cut short"),
        pytest.param(".zip", flip, None, id="zip with one bit flipped"),
        pytest.param(".tar.gz", lambda _: b"", "it does not begin as a tar archive does", id="empty"),
        pytest.param(".tar.gz", lambda _: b"<html>404", "it does not begin as a tar archive does", id="a web page"),
        pytest.param(
            ".tar.gz", lambda _: gzip.compress(b"text" * 999), "it does not begin as a tar archive does", id="no tar"
        ),
    ],
)
def test_a_damaged_archive_leaves_nothing(
    tmp_path: Path, photos: Path, ending: str, damage: Callable[[bytes], bytes], got: str | None
) -> None:
    archive = pack(photos, tmp_path / f"set{ending}")
    archive.write_bytes(damage(archive.read_bytes()))
    before = names_below(tmp_path)
    said = trifacet("ingest", archive, "--out", tmp_path / "m.parquet", "--unpack", tmp_path / "place")
    assert said.status == 4
    head = f"TRI228 {archive}: the archive is damaged or cut short, got "
    tail = ". Copy or download it again, and compare its size or checksum with where it came from.\n"
    if got is None:  # the library's own words, which differ between versions
        assert said.err.startswith(head)
        assert said.err.endswith(tail)
    else:
        assert said.err == head + got + tail
    assert names_below(tmp_path) == before


@pytest.mark.parametrize("ending", [".tar.gz", ".zip"])
def test_a_bomb_is_refused_before_it_is_written(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "ALWAYS_BYTES", 20_000_000)
    archive = tmp_path / f"bomb{ending}"
    with (tmp_path / "zeros").open("wb") as zeros:
        zeros.truncate(2_000_000)
    if ending == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
            for i in range(11):
                zipped.write(tmp_path / "zeros", f"{i}.jpg")
    else:
        with tarfile.open(archive, "w:gz") as made:
            for i in range(11):
                made.add(tmp_path / "zeros", f"{i}.jpg")
    before = names_below(tmp_path)
    size = archive.stat().st_size
    with pytest.raises(TrifacetError) as caught:
        unpacked(archive, into=None, progress=quiet)
    assert str(caught.value) == (
        f"TRI230 {archive}: unpacks to more than an archive of photos would, got over 0.0 GB from {size / 1e6:,.1f} "
        "MB. Unpack it yourself if you trust it, and ingest the folder."
    )
    assert names_below(tmp_path) == before


def test_a_header_that_lies_about_its_size_is_refused_at_once(tmp_path: Path) -> None:
    info = member("a.jpg")
    info.size = 10**13
    (tmp_path / "set.tar").write_bytes(info.tobuf() + bytes(10240))
    with pytest.raises(TrifacetError, match=r"TRI230 .*got over 1\.0 GB from 0\.0 MB"):
        unpacked(tmp_path / "set.tar", into=None, progress=quiet)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME], ids=["pax", "long name"])
def test_a_header_that_would_fill_the_memory_is_not_read(tmp_path: Path, kind: bytes) -> None:
    info = member("x", kind=kind)
    info.size = 2 * 10**9
    photo = write_photo(tmp_path / "a.jpg").read_bytes()
    first = member("a.jpg")
    first.size = len(photo)
    padded = photo + bytes(-len(photo) % 512)
    (tmp_path / "set.tar").write_bytes(first.tobuf() + padded + info.tobuf() + bytes(10240))
    with pytest.raises(TrifacetError) as caught:
        unpacked(tmp_path / "set.tar", into=None, progress=quiet)
    assert str(caught.value) == (
        f"TRI228 {tmp_path}/set.tar: the archive is damaged or cut short, got a header of no believable size. Copy or "
        "download it again, and compare its size or checksum with where it came from."
    )


def test_what_follows_the_end_of_an_archive_is_not_read_for_ever(tmp_path: Path, photos: Path) -> None:
    whole = pack(photos, tmp_path / "set.tar").read_bytes()
    archive = tmp_path / "set.tar.bz2"
    archive.write_bytes(bz2.compress(whole + bytes(listing._AFTER_BYTES + 10**6)))
    with pytest.raises(TrifacetError, match=r"TRI228 .*got more follows its end than belongs there\. "):
        unpacked(archive, into=None, progress=quiet)
    archive.write_bytes(bz2.compress(whole + bytes(10**6)))
    assert unpacked(archive, into=None, progress=quiet).path.is_dir()


def test_too_many_files_are_refused(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(photos, tmp_path / "set.tar.gz")
    monkeypatch.setattr(listing, "MAX_MEMBERS", 27)
    with pytest.raises(TrifacetError, match=r"TRI230 .*got over 27 files"):
        unpacked(archive, into=None, progress=quiet)
    monkeypatch.setattr(listing, "MAX_MEMBERS", 28)
    assert unpacked(archive, into=None, progress=quiet).path.is_dir()


def test_an_archive_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "made" / "empty").mkdir(parents=True)
    archive = pack(tmp_path / "made", tmp_path / "set.tgz")
    with pytest.raises(TrifacetError) as caught:
        unpacked(archive, into=None, progress=quiet)
    assert str(caught.value) == f"TRI205 {archive}: no file in the archive. Check that it is the right one."


def test_a_second_call_unpacks_nothing(tmp_path: Path, photos: Path) -> None:
    archive = pack(photos, tmp_path / "set.tar.gz")
    told: list[str] = []
    one = unpacked(archive, into=tmp_path / "place", progress=lambda what, *_: told.append(what))
    assert told == ["unpacking"]  # so few files that the listing has no bar
    stamps = {p: p.stat().st_mtime_ns for p in one.path.rglob("*")}
    assert unpacked(archive, into=tmp_path / "place", progress=lambda what, *_: told.append(what)) == one
    assert told == ["unpacking"]
    assert {p: p.stat().st_mtime_ns for p in one.path.rglob("*")} == stamps
    record = json.loads((tmp_path / "place" / "set.unpacked.json").read_text())
    assert (record["archive"], record["sha256"], record["n_files"]) == ("set.tar.gz", sha256_file(archive), 28)


def test_the_progress_tells_of_both_passes(tmp_path: Path) -> None:
    for i in range(130):
        write_photo(tmp_path / "many" / f"{i}.jpg")
    told: list[tuple[str, int, int]] = []
    unpacked(pack(tmp_path / "many", tmp_path / "set.tar"), into=None, progress=lambda *now: told.append(now))
    assert [what for what, *_ in told] == ["reading the archive, MB"] * 2 + ["unpacking"] * 3
    assert told[-1] == ("unpacking", 130, 130)


def test_a_folder_that_is_something_else_is_never_touched(tmp_path: Path, photos: Path) -> None:
    archive = pack(photos, tmp_path / "set.tar.gz")
    said = f"TRI229 {tmp_path}/set: the place to unpack set.tar.gz is taken, got "
    do = ". Ingest that folder itself, remove it, or name another place with `trifacet ingest --unpack DIR`.\n"
    mine = write_photo(tmp_path / "set" / "mine.jpg").read_bytes()

    def refusal() -> str:
        told = trifacet("ingest", archive, "--out", tmp_path / "m.parquet")
        assert told.status == 4
        return told.err.removeprefix(said).removesuffix(do)

    assert refusal() == "a folder that was not unpacked from it"
    assert (names_below(tmp_path / "set"), (tmp_path / "set" / "mine.jpg").read_bytes()) == (["mine.jpg"], mine)
    (tmp_path / "set" / "mine.jpg").unlink()
    (tmp_path / "set").rmdir()
    done("ingest", archive, "--out", tmp_path / "m.parquet")

    changed = next((tmp_path / "set").rglob("normal.jpg"))
    changed.unlink()
    have = [p.stat().st_size for p in (tmp_path / "set").rglob("*.jpg")]
    was = [p.stat().st_size for p in photos.rglob("*.jpg")]
    assert refusal() == f"27 files of {sum(have):,} bytes, not 28 of {sum(was):,}"

    pack(photos.parent, archive)
    assert refusal() == "unpacked from another set.tar.gz"
    (tmp_path / "set").rename(tmp_path / "kept")
    (tmp_path / "set").symlink_to(tmp_path / "kept")
    assert refusal() == "no folder"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, photos: Path) -> None:
    archive = pack(photos, tmp_path / "set.tar.gz")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrifacetError) as caught:
        unpacked(archive, into=tmp_path / "file", progress=quiet)
    assert str(caught.value) == (
        f"TRI901 {tmp_path}/file: cannot write here, got File exists. "
        "Say where to: `trifacet ingest ARCHIVE --unpack DIR`."
    )


def test_names_and_places_keep_archives_apart(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "other").mkdir()
    one, two = pack(photos, tmp_path / "set.tar.gz"), pack(photos, tmp_path / "other" / "set.zip")
    done("ingest", f"a={one}", f"b={two}", "--out", tmp_path / "m.parquet", "--unpack", tmp_path / "deep" / "place")
    manifest = read_manifest(tmp_path / "m.parquet")
    assert manifest.roots == {name: tmp_path / "deep" / "place" / name / "train" / "images" for name in "ab"}
    assert set(manifest.table["person_id"]) == {f"{name}/{i:06d}" for name in "ab" for i in range(4)}
    assert all(path.is_file() for path in manifest.paths)


def test_a_folder_that_says_a_class_is_not_passed_over(tmp_path: Path) -> None:
    write_photo(tmp_path / "worn" / "a.jpg")
    write_photo(tmp_path / "images" / "b.jpg")
    write_photo(tmp_path / "deep" / "deeper" / "male" / "c.jpg")
    asked = {
        name: ingest([unpacked(pack(tmp_path / name, tmp_path / f"{name}.tgz"), into=tmp_path / "to", progress=quiet)])
        for name in ("worn", "images", "deep")
    }
    rows = {name: found.manifest.table.select("photo_id", "mask", "gender").rows() for name, found in asked.items()}
    assert rows == {
        "worn": [("worn/a.jpg", "worn", None)],
        "images": [("b.jpg", None, None)],
        "deep": [("male/c.jpg", None, "male")],
    }


def test_the_photos_folder_may_be_named_from_the_top_of_the_archive_or_from_its_one_folder(tmp_path: Path) -> None:
    write_train(tmp_path / "train", PEOPLE, photos="bg_sub")
    archive = pack(tmp_path / "train", tmp_path / "set.tgz")
    for photos in ("bg_sub", "train/bg_sub"):
        done("ingest", archive, "--photos", photos, "--out", tmp_path / "m.parquet")
        assert len(read_manifest(tmp_path / "m.parquet")) == 28


def test_a_full_disk_is_known_before_anything_is_written(
    tmp_path: Path, photos: Path, mount_disk: Callable[[str], Path]
) -> None:
    archive = pack(photos, tmp_path / "set.tar.gz")
    disk = mount_disk("64k")
    with pytest.raises(TrifacetError) as caught:
        unpack(archive, disk / "set", progress=quiet)
    assert str(caught.value) == (
        f"TRI900 {disk}/set: no space left, got 66 kB free of 115 kB needed. Free some space, or write to another "
        "disk, and run the command again."
    )
    assert list(disk.iterdir()) == []


def test_training_and_answering_read_an_archive(tmp_path: Path, photos: Path) -> None:
    archive = pack(write_train(photos, [f"{i:06d}_male_Asian_{20 + i}" for i in range(4, 20)]), tmp_path / "set.tar.gz")
    done("train", "--data", archive, "--out", tmp_path / "run", *TINY)
    assert read_manifest(tmp_path / "run" / "manifest.parquet").roots == {"set": tmp_path / "set" / "train" / "images"}
    questions = pack(write_eval(tmp_path / "made" / "eval", ["b.jpg", "a.jpg"]), tmp_path / "eval.zip")
    done("predict", tmp_path / "run", questions, "--out", tmp_path / "p.parquet")
    done("submit", tmp_path / "p.parquet", "--info", tmp_path / "eval/eval/info.csv", "--out", tmp_path / "o.csv")
    assert [line.split(",")[0] for line in (tmp_path / "o.csv").read_text().split()] == ["ImageID", "b.jpg", "a.jpg"]


def test_a_listing_tells_of_what_was_set_aside(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.jpg").read_bytes()
    refused = member("eval/../x.jpg")
    link = member("eval/images/gone.jpg", kind=tarfile.SYMTYPE, link="nowhere.jpg")
    archive = pack_members(
        tmp_path / "set.tgz", (member("eval/images/a.jpg"), photo), (member("eval/info.csv"), b"ImageID\na.jpg\n"),
        (refused, photo), (link, b""),
    )  # fmt: skip
    made = list_photos(unpacked(archive, into=None, progress=quiet))
    assert [(p.photo_id, p.status) for p in made.photos] == [
        ("a.jpg", ""),
        ("eval/../x.jpg", "unreadable"),
        ("gone.jpg", "unreadable"),
    ]
    assert made.left_out == {"sidecar or table": 1}


def test_a_kill_leaves_no_folder_and_the_next_call_unpacks_it_whole(tmp_path: Path) -> None:
    for i in range(3000):
        (tmp_path / "many").mkdir(exist_ok=True)
        (tmp_path / "many" / f"{i}.jpg").write_bytes(b"x" * 2000)
    archive = pack(tmp_path / "many", tmp_path / "set.tar")
    code = (
        "import sys; from pathlib import Path; from trifacet.data.archive import unpacked\n"
        "print('ready', flush=True); unpacked(Path(sys.argv[1]), into=None, progress=lambda *_: None)"
    )
    n_landed = 0
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", code, archive], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        hidden = tmp_path / ".set.unpacking"
        while process.poll() is None and not any(hidden.glob("*/2*.jpg")):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        n_landed += hidden.exists()
        if (tmp_path / "set").exists():
            break
    assert n_landed, "no kill landed while files were written"
    made = unpacked(archive, into=None, progress=quiet)
    assert sum(1 for _ in (made.path / "many").iterdir()) == 3000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["many", "set", "set.tar", "set.unpacked.json"]
