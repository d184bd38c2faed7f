"""What somebody is told who gives something wrong: the exit status and every word, and nothing is left behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.bad import write_bad
from tests.cli.mistakes import CASES, Case
from tests.flow.command import done, trifacet
from trifacet.core.errors import TrifacetError


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bad")
    write_bad(root)
    return root


def files_in(root: Path) -> list[str]:
    """All files but the lists of rejects, which are what the messages lead to."""
    found = (p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    return sorted(name for name in found if not name.endswith(".rejects.csv"))


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_a_mistake_is_told_in_one_message_and_leaves_nothing(bad: Path, case: Case) -> None:
    before = files_in(bad)
    said = trifacet(*case.words.replace("ROOT", str(bad)).split())
    assert said.err.removeprefix("looking at photos\n") == case.message.replace("ROOT", str(bad)) + "\n"
    assert (said.status, said.out) == (case.status, "")
    assert files_in(bad) == before


def test_weights_that_the_hub_does_not_give_are_never_replaced_by_random_ones(bad: Path) -> None:
    sets = ("--set", "model.backbone=timm/resnet18", "--set", "data.image_size=[32,32]")
    said = trifacet("train", "--data", bad / "good", "--dry-run", "--out", bad / "dry.png", *sets)
    assert said.status == 6
    assert said.err.removeprefix("looking at photos\n").startswith(
        "TRI403 model.backbone: timm could not get weights for 'resnet18', got "
    )  # the hub's
    assert said.err.endswith(
        ". Give model.weights: PATH to a safetensors file, or say model.pretrained: false to start from nothing.\n"
    )
    assert not (bad / "dry.png").exists()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        pytest.param(
            "data.image_size=[32,32]", "TRI101 data.image_size: 'face_resnet29' needs at least 103", id="size"
        ),
        pytest.param("train.device=tpux", "TRI104 train.device: this device cannot be used, got 'tpux'", id="device"),
        pytest.param("loss.weights={msak: 1}", "TRI100 loss.weights: no attribute 'msak'. Did you mean", id="weights"),
        pytest.param("loss.teachers=[nobody]", "TRI400 nobody", id="teachers"),
        pytest.param("optim.args={betaz: [0.9, 0.9]}", "TRI101 optim.args: 'adamw' does not take these", id="args"),
        pytest.param(
            "loss.weights={mask: 0, gender: 0, age: 0}", "TRI101 loss.weights: every weight is 0: nothing", id="zeros"
        ),
    ],
)
@pytest.mark.parametrize("is_dry", [False, True])
def test_what_training_would_stop_at_is_told_before_a_run_begins(
    bad: Path, wrong: str, told: str, is_dry: bool
) -> None:
    before = files_in(bad)
    dry = ("--dry-run",) if is_dry else ()
    said = trifacet("train", "--data", bad / "good", "--out", bad / "run", *dry, "--set", wrong)
    assert said.status != 0
    assert f"\n{told}" in f"\n{said.err}"
    assert "--resume" not in said.err
    assert files_in(bad) == before


def test_the_picture_of_a_batch_replaces_no_photo(bad: Path, tmp_path: Path) -> None:
    shutil.copytree(bad / "good", tmp_path / "good")
    photo = next((tmp_path / "good").rglob("mask1.*"))
    with Image.open(photo) as image:
        image.save(photo.with_suffix(".png"))
    photo.unlink()
    before = (photo := photo.with_suffix(".png")).read_bytes()
    sets = ("--set", "model.backbone=baseline_cnn", "--set", "data.image_size=[32,32]")
    said = trifacet("train", "--data", tmp_path / "good", *sets, "--dry-run", "--out", photo)
    assert f"TRI104 --out: the output is the input, got '{photo}'" in said.err
    assert photo.read_bytes() == before


def test_a_command_that_does_not_exist_is_answered_with_the_nearest() -> None:
    said = trifacet("trian")
    assert said.status == 2
    assert "No such command 'trian'. Did you mean 'train'?" in said.err


def test_ingest_writes_why_files_were_left_out_even_where_none_is_left(bad: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "empty.jpg").write_bytes(b"")
    said = trifacet("ingest", tmp_path / "photos", "--out", tmp_path / "m.parquet")
    assert said.status == 4
    assert said.err == (
        f"TRI205 {tmp_path}/photos: no usable photo, got 1 truncated. Check the path and the rejects file, which "
        "gives each photo's reason.\n"
    )
    assert (tmp_path / "m.rejects.csv").read_text().startswith("path,status,reason\nempty.jpg,truncated,")


@pytest.fixture
def tiny_disk(mount_disk: Callable[[str], Path]) -> Path:
    """A file system of 64 kB."""
    return mount_disk("64k")


def test_a_full_disk_is_told_and_leaves_what_was_there(bad: Path, tiny_disk: Path) -> None:
    done("ingest", bad / "good", "--out", tiny_disk / "m.parquet")
    (tiny_disk / "rest").write_bytes(b"x" * (os.statvfs(tiny_disk).f_bavail * os.statvfs(tiny_disk).f_frsize))
    before = {p.name: p.read_bytes() for p in tiny_disk.iterdir()}
    said = trifacet("ingest", bad / "good", "--out", tiny_disk / "m.parquet")
    assert said.status == 11
    assert re.fullmatch(
        rf"TRI900 {tiny_disk}/m\.parquet: no space left, got 0 kB free of \d+ kB needed\. Free some space, or write to "
        r"another disk, and run the command again\.\n",
        said.err,
    )
    assert {p.name: p.read_bytes() for p in tiny_disk.iterdir()} == before


def test_a_traceback_is_shown_only_when_asked_for() -> None:
    with pytest.raises(TrifacetError, match="TRI220"):
        trifacet("--traceback", "ingest", "/nowhere")
    program = [sys.executable, "-c", "from trifacet.cli.main import main; main()"]
    plain, full = (
        subprocess.run([*program, *words, "ingest", "/nowhere"], capture_output=True, text=True)
        for words in ([], ["--traceback"])
    )
    assert (plain.returncode, plain.stdout) == (4, "")
    assert plain.stderr == "TRI220 /nowhere: no such folder or table. Check the path.\n"
    assert full.returncode == 1
    assert full.stderr.startswith("Traceback (most recent call last)")
    assert full.stderr.endswith("TRI220 /nowhere: no such folder or table. Check the path.\n")
