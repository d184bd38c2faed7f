"""A training that is stopped, or that runs out of disk, says how to go on, and ends in the same bytes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flow.command import TINY, done, trifacet
from tests.flow.photos import write_world
from trifacet.core.files import read_json, read_jsonl
from trifacet.core.run import open_run

PROGRAM = [sys.executable, "-c", "from trifacet.cli.main import main; main()"]
N_EPOCHS = 20
LONG = (*TINY, "--set", f"train.epochs={N_EPOCHS}", "--set", "train.batch_size=4", "--set", "decide.fit=argmax")
PATIENCE_SECONDS = 300  # of a busy machine; the whole training takes seconds


def stop_in_training(run: Path, number: signal.Signals, words: list[str], *, n_seen: int) -> tuple[int, str, str]:
    """Starts a training and stops it after one more whole epoch than `n_seen`: its exit status, stdout and stderr."""
    process = subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + PATIENCE_SECONDS
    while len(read_jsonl(run / "metrics.jsonl")) <= n_seen and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, err


def test_a_stopped_training_is_gone_on_with_to_the_same_bytes(tmp_path: Path) -> None:
    world = write_world(tmp_path / "photos", n_train=12, n_eval=0)
    manifest, run, whole = tmp_path / "m.parquet", tmp_path / "run", tmp_path / "whole"
    done("ingest", world.train_dir, "--out", tmp_path / "all.parquet", "--workers", 1)
    done("split", tmp_path / "all.parquet", "--out", manifest)
    done("train", "--data", manifest, "--out", whole, *LONG)

    begin, go_on = ["train", "--data", str(manifest), "--out", str(run), *LONG], ["train", "--resume", str(run)]
    n_epochs = 0
    for number, words in ((signal.SIGTERM, begin), (signal.SIGINT, go_on)):
        status, out, err = stop_in_training(run, number, words, n_seen=n_epochs)
        left = len(read_jsonl(run / "metrics.jsonl"))
        assert n_epochs < left < N_EPOCHS, "the signal must land in training"
        n_epochs = left
        assert (status, out) == (130, "")
        assert err.splitlines()[-1] == f"Go on with: trifacet train --resume {run}"
        assert "Traceback" not in err
        assert open_run(run).info.status == "interrupted"
        assert not (run / "scores.json").exists()

    done(*go_on)
    assert open_run(run).info.status == "finished"
    assert [record["epoch"] for record in read_jsonl(run / "metrics.jsonl")] == list(range(1, N_EPOCHS + 1))
    for name in ("weights/last.safetensors", "weights/best.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    assert read_json(run / "scores.json") == read_json(whole / "scores.json")


@pytest.fixture
def tiny_disk(mount_disk: Callable[[str], Path]) -> Path:
    """A file system of 400 kB: a run's records fit, its weights do not."""
    return mount_disk("400k")


def test_a_training_on_a_full_disk_goes_on_where_there_is_more(tmp_path: Path, tiny_disk: Path) -> None:
    world, run = write_world(tmp_path / "photos", n_train=12, n_eval=0), tiny_disk / "run"
    said = trifacet("train", "--data", world.train_dir, "--out", run, *TINY)
    assert said.status == 12
    space = r"\d+ kB free of [\d,]+ kB needed"
    do = f"Free some space, then go on with: trifacet train --resume {run}"
    where = f"{run}/weights/best.safetensors"
    last = said.err.splitlines()[-1]
    assert re.fullmatch(rf"TRI904 {where}: training is paused: the disk is full, got {space}\. {do}", last)
    info = open_run(run).info
    assert (info.status, (info.problem or "")[:6]) == ("paused", "TRI900")
    assert list((run / "weights").iterdir()) == []
    subprocess.run(["mount", "-o", "remount,size=20m", tiny_disk], check=True)
    done("train", "--resume", run)
    info = open_run(run).info
    assert (info.status, info.problem) == ("finished", None)


def test_a_run_that_is_being_trained_is_not_trained_twice(tmp_path: Path) -> None:
    world, run = write_world(tmp_path / "photos", n_train=12, n_eval=0), tmp_path / "run"
    words = ["train", "--data", str(world.train_dir), "--out", str(run), *LONG]
    process = subprocess.Popen([*PROGRAM, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + PATIENCE_SECONDS
    while len(read_jsonl(run / "metrics.jsonl")) < 1 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGSTOP)  # it holds the lock and gets no further while the second one tries
    said = trifacet("train", "--resume", run)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert said.status == 6
    assert said.err == (
        f"TRI408 {run}: another process trains this run. Wait for it, or stop it; a lock ends with its process, "
        "however that ends.\n"
    )
    assert open_run(run).info.status == "running"
    done("train", "--resume", run)  # the lock of the killed one is gone
    assert open_run(run).info.status == "finished"
