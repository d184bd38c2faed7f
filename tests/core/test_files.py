from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from trifacet.core import files
from trifacet.core.errors import ConfigError, MachineError, RunError
from trifacet.core.files import (
    append_jsonl,
    atomic_folder,
    atomic_path,
    keep_inputs,
    read_json,
    read_jsonl,
    sha256_bytes,
    sha256_file,
    sha256_json,
    write_bytes,
    write_json,
    write_text,
)

FULL = "Free some space, or write to another disk, and run the command again."
PLACE = "Choose another path or correct its permissions."


@pytest.fixture
def tiny_disk(mount_disk: Callable[[str], Path]) -> Path:
    """A file system of 256 kB that holds one old file."""
    disk = mount_disk("256k")
    (disk / "old.bin").write_bytes(b"old")
    return disk


def test_a_writer_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def interrupted(problem: BaseException) -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            assert temporary.parent == tmp_path
            raise problem

    for problem in (ValueError("mine"), KeyboardInterrupt()):
        with pytest.raises(type(problem)):
            interrupted(problem)
        assert path.read_text() == "old"
        assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    code = f"""
        import os, signal
        from pathlib import Path
        from trifacet.core.files import atomic_path
        with atomic_path(Path({str(path)!r})) as temporary:
            temporary.write_text("half of the n")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True)
    assert done.returncode == -9, done.stderr
    assert path.read_text() == "old"
    assert len([p for p in tmp_path.iterdir() if p.read_text().startswith("half")]) == 1, "the kill landed too early"


def test_a_full_disk_leaves_nothing_half_written(tiny_disk: Path) -> None:
    old = tiny_disk / "old.bin"
    with pytest.raises(MachineError) as caught:
        write_bytes(old, b"x" * 1_000_000)
    free = f"{shutil.disk_usage(tiny_disk).free // 1000 + 1} kB"
    assert str(caught.value) == f"TRI900 {old}: no space left, got {free} free of 1,000 kB needed. {FULL}"
    assert caught.value.exit_status == 11
    assert old.read_bytes() == b"old"
    assert [p.name for p in tiny_disk.iterdir()] == ["old.bin"]


def test_a_full_disk_is_recognised_in_the_words_of_polars(tiny_disk: Path) -> None:
    table = pl.DataFrame({"a": [str(i) * 20 for i in range(60_000)]})
    path = tiny_disk / "t.parquet"
    with pytest.raises(MachineError) as caught, atomic_path(path) as temporary:
        table.write_parquet(temporary, compression="uncompressed")
    assert str(caught.value) == f"TRI900 {path}: no space left. {FULL}"
    assert [p.name for p in tiny_disk.iterdir()] == ["old.bin"]


def test_a_line_that_finds_no_space_is_an_error_too(tiny_disk: Path) -> None:
    log = tiny_disk / "log.jsonl"
    append_jsonl(log, {"a": 1})
    with pytest.raises(MachineError) as caught:
        append_jsonl(log, {"a": "x" * 1_000_000})
    assert str(caught.value) == f"TRI900 {log}: no space left. {FULL}"
    assert read_jsonl(log) == [{"a": 1}]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("a_file/out.txt", "File exists", id="below a file"),
        pytest.param("a_folder", "Is a directory", id="a folder"),
        pytest.param("x" * 300, "File name too long", id="a name too long"),
    ],
)
def test_a_place_that_cannot_be_written(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "a_file").write_text("here")
    (tmp_path / "a_folder").mkdir()
    path = tmp_path / name
    with pytest.raises(MachineError) as caught:
        write_text(path, "x")
    assert str(caught.value) == f"TRI901 {path}: cannot write here, got {reason}. {PLACE}"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a_file", "a_folder"]


def test_folders_are_made_and_others_may_read(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.json"
    write_json(path, {"a": 1, "ä": [2.5]})
    assert read_json(path) == {"a": 1, "ä": [2.5]}
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode) == files.new_file_mode()


def test_numbers_that_json_does_not_know_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        append_jsonl(tmp_path / "a.jsonl", {"a": float("inf")})
    assert list(tmp_path.iterdir()) == []


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert read_jsonl(log) == []
    for i in range(3):
        append_jsonl(log, {"i": i, "text": "ü"})
    whole = log.read_bytes()
    for cut in range(1, 10):
        log.write_bytes(whole[:-cut])
        assert [r["i"] for r in read_jsonl(log)] == [0, 1]
    log.write_bytes(whole)
    assert [r["i"] for r in read_jsonl(log)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "no such file", id="missing"),
        pytest.param("{", "cannot be read as JSON, got Expecting property name", id="torn"),
        pytest.param("[1]", "must hold one JSON object, got list", id="a list"),
    ],
)
def test_json_that_cannot_be_read_has_the_askers_code(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=f"TRI102 {path}: {message}"):
        read_json(path)
    with pytest.raises(RunError, match=f"TRI400 {path}: {message}"):
        read_json(path, code="TRI400")


def test_hashes_are_those_of_everybody(tmp_path: Path) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    write_bytes(tmp_path / "a", b"")
    assert sha256_bytes(b"") == sha256_file(tmp_path / "a") == empty
    assert (
        sha256_json({"b": 1, "a": "é"}) == sha256_json({"a": "é", "b": 1}) == sha256_bytes('{"a":"é","b":1}'.encode())
    )


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def half(path: Path) -> None:
        with atomic_folder(path) as folder:
            write_text(folder / "deep" / "one.txt", "1")
            assert not path.exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half(tmp_path / "made")
    assert list(tmp_path.iterdir()) == []
    with atomic_folder(tmp_path / "below" / "made") as folder:
        write_text(folder / "deep" / "one.txt", "1")
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()] == [
        "below/made/deep/one.txt"
    ]
    assert stat.S_IMODE((tmp_path / "below" / "made").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "below").stat().st_mode
    )


def test_a_folder_that_is_taken_is_left_alone_and_an_empty_one_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as folder:
        write_text(folder / "one.txt", "1")
    with pytest.raises(RunError) as told, atomic_folder(tmp_path / "empty"):
        raise AssertionError("never reached")
    assert str(told.value) == (
        f"TRI402 {tmp_path}/empty: this place is taken. Choose another --out (`train --name` numbers "
        "runs by itself); a folder is never overwritten."
    )
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


def test_an_output_is_never_its_input(tmp_path: Path) -> None:
    mine, other = tmp_path / "a.csv", tmp_path / "b.csv"
    mine.write_text("a")
    keep_inputs(other, mine)  # nothing is there yet
    other.write_text("b")
    keep_inputs(other, mine, None, 3)
    (tmp_path / "same.csv").symlink_to(mine)
    for place in (mine, tmp_path / "same.csv", tmp_path / "." / "a.csv"):
        with pytest.raises(ConfigError, match=r"TRI104 --out: the output is the input, got '.*Name another file"):
            keep_inputs(place, str(mine))
