"""Killed with no warning, in training and inside a save: nothing is lost but time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.house.sources import ROOT
from tests.learn import tiny
from trifacet.core.run import open_run
from trifacet.learn.checkpoint import read_checkpoint
from trifacet.learn.train import train

N_KILLS, N_POINTS, N_INSIDE = 30, 20, 15
SETS = (
    "train.checkpoint_seconds=0",
    "train.batch_size=4",
    "train.epochs=12",
    "train.head_batch_size=8",
    "augment.mixup=0.4",
    "loss.terms={cross_entropy: 1, macro_f1: 1}",
    "loss.balance=uncertainty",
)
PATIENCE_SECONDS = 120
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, ["src", os.environ.get("PYTHONPATH")]))}
GO_ON = """
import sys
from pathlib import Path
from tests.learn import tiny
from trifacet.core.run import open_run
from trifacet.learn.train import train

manifest, images = tiny.photos()
train(open_run(Path(sys.argv[1])), manifest, images=images)
"""


def point(run: Path) -> tuple[str, int, int]:
    """Where a run would go on: its phase, its step, and its steps within the epoch."""
    found = read_checkpoint(run / "checkpoints", run=open_run(run).info.fingerprint)
    return (
        ("head", 0, 0) if found is None else (found.progress.phase, found.progress.step, found.progress.so_far.n_steps)
    )


def newest(run: Path) -> str:
    return max((p.name for p in (run / "checkpoints").glob("step_*")), default="")


def killed(run: Path, *, rng: random.Random) -> bool:
    """Goes on with `run` and kills it some steps and some milliseconds later; whether it was killed in training."""
    process = subprocess.Popen([sys.executable, "-c", GO_ON, run], cwd=ROOT, env=ENVIRONMENT)
    until = time.monotonic() + PATIENCE_SECONDS
    for _ in range(rng.randint(1, 12)):
        before = newest(run)
        while newest(run) == before and process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
    time.sleep(rng.uniform(0, 0.02))
    process.kill()
    return process.wait() == -signal.SIGKILL and not (run / "weights" / "last.safetensors").exists()


@pytest.mark.prove
def test_thirty_kills_in_training_end_in_the_same_weights(tmp_path: Path) -> None:
    rng, points = random.Random(0), []
    manifest, images = tiny.photos()
    whole = train(tiny.new_run(tmp_path / "whole", SETS), manifest, images=images)
    n_runs = 0
    while len(points) < N_KILLS:
        n_runs += 1
        run = tiny.new_run(tmp_path / f"run{n_runs}", SETS)
        while len(points) < N_KILLS and killed(run.path, rng=rng):
            points.append(point(run.path))
        train(open_run(run.path), manifest, images=images)
        for which in ("best", "last"):
            assert run.weights_path(which).read_bytes() == whole.weights_path(which).read_bytes()
    assert len(set(points)) >= N_POINTS
    assert sum(inside > 0 for _, _, inside in points) >= N_INSIDE
    print(
        f"{len(points)} kills of {n_runs} runs, {len(set(points))} points, {sum(p[2] > 0 for p in points)} in an epoch"
    )


SAVES = """
import os, signal, sys, time
from pathlib import Path
import torch
from trifacet.learn.checkpoint import Progress, read_checkpoint, save_checkpoint

torch.set_num_threads(1)
folder, n_kills, inside = Path(sys.argv[1]), int(sys.argv[2]), 0
net = torch.nn.Linear(1000, 500)
optimizer = torch.optim.AdamW(net.parameters())

def save(step):
    progress = Progress(phase="all", next_epoch=0, step=step, n_records=0, best=None, seconds=0.0)
    save_checkpoint(folder, net, optimizer=optimizer, progress=progress)

for kill in range(n_kills):
    save(1000 * kill)
    child = os.fork()  # so that torch is imported once: no thread of it runs yet
    if child == 0:
        for step in range(1000 * kill + 1, 1000 * kill + 1000):
            save(step)
        os._exit(0)
    time.sleep(0.0005 * (kill % 9))
    while not list(folder.glob(".step_*")):
        pass
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    inside += bool(list(folder.glob(".step_*")))
    found = read_checkpoint(folder)
    assert found is not None and found.progress.step >= 1000 * kill
    assert torch.equal(found.module["weight"], net.weight)
    assert not list(folder.glob("*.damaged"))
print(inside)
"""


@pytest.mark.prove
def test_two_hundred_kills_inside_a_save_leave_nothing_unreadable(tmp_path: Path) -> None:
    n_kills = 260
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SAVES), tmp_path, str(n_kills)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    n_inside = int(said.stdout)
    print(f"{n_inside} of {n_kills} kills landed inside a save")
    assert n_inside >= 200
