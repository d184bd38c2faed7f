from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trifacet.pixels.scan import Found, Scan, find_files, scan_file, scan_files


def photo(path: Path, size: tuple[int, int] = (32, 40), seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def test_a_scan_tells_hash_size_and_format(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert scan_file(path, "a.png") == Scan("a.png", "ok", "", sha256, 32, 40, "png")


def test_a_rejected_file_keeps_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"some text")
    scan = scan_file(path)
    assert (scan.status, scan.reason) == ("wrong_type", "the content is no image")
    assert scan.sha256 == hashlib.sha256(b"some text").hexdigest()


def test_a_file_that_vanished_is_unreadable(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    found = find_files(tmp_path)
    (tmp_path / "a.png").unlink()
    (scan,) = scan_files(found)
    assert (scan.status, scan.reason) == ("unreadable", "cannot be opened (No such file or directory)")


def test_a_file_that_became_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    found = find_files(tmp_path)
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    (scan,) = scan_files(found)
    assert (scan.status, scan.reason) == ("unreadable", "not a regular file (a pipe, a socket or a device)")


@contextmanager
def rights_of_nobody() -> Iterator[None]:
    """No right to read what is closed, which root otherwise has."""
    is_root = os.geteuid() == 0
    if is_root:
        try:
            os.seteuid(65534)
        except OSError as problem:  # a namespace that knows one user alone
            pytest.skip(f"nobody cannot be had: {problem.strerror}")
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_what_may_not_be_read_is_unreadable() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        photo(folder / "a.png").chmod(0)
        photo(folder / "closed" / "b.png")
        (folder / "closed").chmod(0)
        with rights_of_nobody():
            scans = list(scan_files(find_files(folder)))
        (folder / "closed").chmod(0o700)
    assert [(s.path, s.status, s.reason) for s in scans] == [
        ("a.png", "unreadable", "cannot be opened (Permission denied)"),
        ("closed", "unreadable", "the folder cannot be listed (Permission denied)"),
    ]


def test_a_tree_deeper_than_any_path_ends_in_one_status(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    handle = os.open(root, os.O_RDONLY)
    for _ in range(90):  # 90 x 51 characters are more than the 4,096 of a path
        os.mkdir("d" * 50, dir_fd=handle)
        below = os.open("d" * 50, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)
    photo(root / "a.png")
    try:
        scans = list(scan_files(find_files(root)))
    finally:
        shutil.rmtree(root)
    assert [s.status for s in scans] == ["ok", "unreadable"]
    assert scans[1].reason == "the folder cannot be listed (File name too long)"


def test_links_that_leave_are_followed_only_when_asked_for(tmp_path: Path) -> None:
    photo(tmp_path / "elsewhere" / "a.png")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    (kept_out,) = scan_files(find_files(root))
    assert kept_out.reason == "a link that leaves the folder: copy the photo, or allow links"
    (followed,) = scan_files(find_files(root, is_following_links=True))
    assert followed.status == "ok"


def test_a_root_that_is_itself_a_link_is_entered(tmp_path: Path) -> None:
    photo(tmp_path / "real" / "a.png")
    photo(tmp_path / "real" / "sub" / "b.png")
    (tmp_path / "real" / "link.png").symlink_to("sub/b.png")
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert [s.status for s in scan_files(find_files(tmp_path / "root"))] == ["ok", "ok", "ok"]


def test_a_folder_can_be_left_out(tmp_path: Path) -> None:
    photo(tmp_path / "images" / "a.png")
    photo(tmp_path / "other" / "b.png")
    assert [f.path for f in find_files(tmp_path, besides=tmp_path / "images")] == ["other/b.png"]


def test_a_hidden_folder_above_the_root_hides_nothing(tmp_path: Path) -> None:
    photo(tmp_path / ".data" / "photos" / "a.png")
    assert [f.status for f in find_files(tmp_path / ".data" / "photos")] == [""]


def test_files_come_sorted_and_scans_in_their_order(tmp_path: Path) -> None:
    names = [f"{i * 37 % 200:03}.png" for i in range(200)]
    for i, name in enumerate(names):
        photo(tmp_path / name, seed=i)
    found = find_files(tmp_path)
    assert [f.path for f in found] == sorted(names)
    alone, together = (list(scan_files(found, workers=n)) for n in (1, 3))
    assert [s.path for s in alone] == sorted(names)
    assert alone == together


def test_progress_ends_at_the_number_of_files(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    found = [Found(f"{i}.png", tmp_path / f"{i}.png", "ignored", "x") for i in range(150)]
    list(scan_files(found, workers=1, progress=lambda done, total: told.append((done, total))))
    assert told == [*((n, 150) for n in range(16, 150, 16)), (150, 150)]


class CountedPath(type(Path())):  # type: ignore[misc]
    """A path that counts how often it is opened."""

    opened = 0

    def __fspath__(self) -> str:
        CountedPath.opened += 1
        return super().__fspath__()


def test_few_files_are_in_flight(tmp_path: Path) -> None:
    path = CountedPath(photo(tmp_path / "a.png"))
    CountedPath.opened = 0
    scans = scan_files([Found(str(i), path) for i in range(10_000)], workers=2)
    assert next(scans).status == "ok"
    scans.close()
    assert 1 <= CountedPath.opened <= 160  # of 10,000
