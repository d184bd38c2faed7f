"""`trifacet queue` from end to end: real trainings, killed and gone on with, each with one result."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.flow.command import done, trifacet
from tests.flow.photos import World, write_world
from trifacet import stages
from trifacet.core.ensemble import open_ensemble
from trifacet.core.files import read_json, read_jsonl
from trifacet.core.run import open_run
from trifacet.queue.folder import open_queue
from trifacet.queue.results import Result, read_results

PROGRAM = [sys.executable, "-c", "from trifacet.cli.main import main; main()"]
PATIENCE_SECONDS = 300  # of a busy machine
RECIPE = """
model: {{backbone: baseline_cnn}}
data: {{image_size: [32, 32]}}
train: {{epochs: {epochs}, head_epochs: 0, batch_size: 8, seed: {seed}, memory_format: channels_last,
  checkpoint_seconds: 0}}
track: {{tensorboard: false}}
decide: {{fit: argmax}}
report: {{pictures: false}}
"""
OLD = {
    "seed": 42, "epochs": 1, "dataset": "MyDataset", "augmentation": "BaseAugmentation", "resize": [64, 48],
    "batch_size": 64, "model": "BaseModel", "optimizer": "SGD", "lr": 0.001, "val_ratio": 0.2, "criterion": ["focal"],
    "name": "exp",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("queue") / "photos", n_train=12, n_eval=1)


@pytest.fixture(scope="module")
def manifest(world: World) -> Path:
    root = world.train_dir.parent.parent
    done("ingest", world.train_dir, "--out", root / "all.parquet", "--workers", 1)
    done("split", root / "all.parquet", "--out", root / "m.parquet")
    return root / "m.parquet"


def drop(queue: Path, name: str, text: str) -> Path:
    """A recipe that nobody has touched for a minute, in queued/."""
    path = open_queue(queue).at("queued") / name
    path.write_text(text, encoding="utf-8")
    os.utime(path, (path.stat().st_mtime - 60,) * 2)
    return path


def test_an_old_config_is_trained_and_answered_with_and_what_does_not_parse_has_failed(
    tmp_path: Path, world: World, manifest: Path
) -> None:
    queue = tmp_path / "q"
    drop(queue, "1-broken.yaml", "model: [\n")
    drop(queue, "10-old.json", json.dumps(OLD))
    drop(queue, "3-typo.yaml", "train: {epoch: 3}\n")
    drop(queue, "4-empty.yaml", "")
    said = trifacet("queue", queue, "--data", manifest, "--then", "predict", "--data", world.eval_dir, "--tta", "flip")
    assert said.status == 6
    last = said.err.splitlines()[-1]
    assert last == (
        f"TRI430 {queue}: 3 of 4 jobs failed, got 1-broken, 3-typo, 4-empty. {queue}/failed/NAME/log.txt tells why; "
        "mend a recipe and move it back into queued/."
    )
    rows = {row.name: row for row in read_results(queue / "results.jsonl")}
    assert list(rows) == ["1-broken", "3-typo", "4-empty", "10-old"]
    assert {name: row.exit_status for name, row in rows.items() if row.state == "failed"} == {
        "1-broken": 3,
        "3-typo": 3,
        "4-empty": 3,
    }
    assert rows["1-broken"].problem == (
        "TRI102 1-broken.yaml: cannot be read, got line 2: expected the node content, but found '<stream end>'. "
        "Check the path; the message names the line where reading stopped."
    )
    assert rows["3-typo"].problem == (
        "TRI101 1 mistake in the recipe:\n  train.epoch (3-typo.yaml): no such key. Did you mean 'epochs'?\n"
        "Correct each line."
    )
    assert rows["4-empty"].problem.startswith("TRI102 4-empty.yaml: the file is empty.")
    assert (queue / "failed" / "1-broken" / "1-broken.yaml").read_text() == "model: [\n"
    assert_is_filed(queue, rows["10-old"])
    assert open_run(queue / "runs" / "10-old").info.recipe.loss.terms == {"focal": 1.0}
    log = (queue / "done" / "10-old" / "log.txt").read_text()
    assert "Note lr 0.001 had no effect there" in log
    assert "7 photos answered in" in log

    table = done("queue", queue, "--show")
    assert re.findall(r"^(\S+) +(done|failed) .*?(best 1|status 3)", table.out, re.MULTILINE) == [
        ("1-broken", "failed", "status 3"),
        ("3-typo", "failed", "status 3"),
        ("4-empty", "failed", "status 3"),
        ("10-old", "done", "best 1"),
    ]
    assert "Note 1-broken: TRI102 1-broken.yaml: cannot be read" in table.err
    assert done("queue", queue, "--data", manifest).out == f"nothing waits in {queue}/queued: drop recipes there\n"


def assert_is_filed(queue: Path, row: Result) -> None:
    """The job's row says what its run does, and beside its log lie its recipe, its row and its answers."""
    run = open_run(queue / row.run)
    figure = read_json(run.scores_path)["val"]["macro_f1"]
    assert (row.val_macro_f1, row.val_macro_f1_low, row.val_macro_f1_high) == tuple(figure.values())[:3]
    assert (row.best_epoch, row.trained_seconds) == (run.info.best.epoch if run.info.best else 0, run.info.seconds)
    assert row.answers == (f"done/{row.name}/predictions.parquet",)
    assert (queue / row.answers[0]).is_file()
    assert (queue / "done" / row.name / row.recipe).is_file()
    assert read_results(queue / "done" / row.name / "result.jsonl") == [row]


def test_a_recipe_of_several_networks_is_one_job_with_one_result(tmp_path: Path, world: World, manifest: Path) -> None:
    queue = tmp_path / "q"
    drop(queue, "pair.yaml", "each: {a: {}, b: {optim: {lr: 1.0e-2}}}\n" + RECIPE.format(epochs=1, seed=0))
    done("queue", queue, "--data", manifest, "--then", "predict", "--data", world.eval_dir)
    (row,) = read_results(queue / "results.jsonl")
    made = open_ensemble(queue / row.run)
    figure = read_json(made.scores_path)["val"]["macro_f1"]
    assert [member.name for member in made.info.members] == ["a", "b"]
    assert (row.state, row.val_macro_f1, row.best_epoch) == ("done", figure["value"], None)
    assert row.trained_seconds == made.info.seconds
    assert row.answers == ("done/pair/predictions.parquet",)
    assert "variant_0" not in done("queue", queue, "--show").out


def test_the_configs_of_system_1_are_taken_over_by_a_command(tmp_path: Path) -> None:
    for name in ("queue/a.json", "ends/b.json"):
        path = tmp_path / "configs" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({**OLD, "name": name}))
    said = done("queue", tmp_path / "q", "--take-over", tmp_path / "configs")
    assert said.err == ("Note what lies in ends was trained there, well or not: failed configs were moved there, too\n")
    assert said.out == (
        f"1 to be trained: a.json\n1 done elsewhere, without scores: b\n0 here already\n"
        f"next: trifacet queue {tmp_path}/q --data DATA\n"
    )
    assert (tmp_path / "q" / "queued" / "a.json").is_file()


class Killer:
    """Works on a queue in a process of its own, and kills it, its job or both in the midst of a training."""

    def __init__(self, queue: Path, manifest: Path) -> None:
        self.queue, self.words = queue, ["queue", str(queue), "--data", str(manifest)]
        self.process: subprocess.Popen[bytes] | None = None
        self.rng = random.Random(0)

    def sizes(self) -> dict[str, int]:
        paths = [p / "metrics.jsonl" for p in (self.queue / "runs").iterdir() if (p / "metrics.jsonl").exists()]
        return {path.parent.name: path.stat().st_size for path in paths}

    def kill(self, who: str) -> str:
        """Kills after one more epoch; the name of the job that was hit at work, "" where none was."""
        if self.process is None or self.process.poll() is not None:
            quiet = subprocess.DEVNULL
            self.process = subprocess.Popen([*PROGRAM, *self.words], stdout=quiet, stderr=quiet)
        until, hit, before = time.monotonic() + PATIENCE_SECONDS, "", self.sizes()
        while not hit and self.process.poll() is None and time.monotonic() < until:
            grown = [name for name, size in self.sizes().items() if size > before.get(name, 0)]
            hit = next((name for name in grown if (self.queue / "running" / name).is_dir()), "")
            time.sleep(0.002)
        time.sleep(self.rng.uniform(0, 0.1))
        if who != "job":
            self.process.kill()
        pids = [] if who == "queue" else orphans(self.queue)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        if who != "job":
            self.process.wait(PATIENCE_SECONDS)
        return hit if (pids or who == "queue") and (self.queue / "running" / hit).is_dir() else ""

    def end(self) -> None:
        """Lets the process that is left, if any, empty the queue."""
        if self.process is not None:
            self.process.wait(PATIENCE_SECONDS)


def orphans(queue: Path) -> list[int]:
    """The processes of this queue's jobs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        if b"trifacet.cli.job" in words and any(word.startswith(bytes(queue)) for word in words):
            found.append(int(path.parent.name))
    return found


def killed_queue(root: Path, manifest: Path, *, n_jobs: int, n_kills: int, n_epochs: int) -> None:
    """A queue of tiny recipes, killed again and again, ends in one result each, and in the weights of no kill."""
    queue = root / "q"
    recipes = {
        f"job{i}": drop(queue, f"job{i}.yaml", RECIPE.format(epochs=n_epochs, seed=i)).read_text()
        for i in range(n_jobs)
    }
    killer = Killer(queue, manifest)
    hits = [killer.kill(("job", "queue", "both")[i % 3]) for i in range(n_kills)]
    n_hits = len(list(filter(None, hits)))
    assert n_hits >= n_kills * 2 // 3, f"kills must land in a training: {hits}"
    killer.end()
    done("queue", queue, "--data", manifest)
    rows = read_results(queue / "results.jsonl")
    assert sorted(row.name for row in rows) == sorted(recipes)
    assert {row.state for row in rows} == {"done"}
    assert sum(row.n_starts for row in rows) > n_jobs
    for name in recipes:
        assert (queue / "done" / name / f"{name}.yaml").read_text() == recipes[name]
        records = read_jsonl(queue / "runs" / name / "metrics.jsonl")
        assert [record["epoch"] for record in records] == list(range(1, n_epochs + 1))
    for name in sorted(set(hits) - {""})[:3]:
        whole = stages.train(queue / "done" / name / f"{name}.yaml", data=manifest, out=root / name)
        run = open_run(queue / "runs" / name)
        assert run.weights_path("last").read_bytes() == whole.weights_path("last").read_bytes()
    print(f"{n_hits} of {n_kills} kills in training, {sum(row.n_starts for row in rows)} starts of {n_jobs} jobs")


def test_two_kills_of_two_recipes_leave_two_results(tmp_path: Path, manifest: Path) -> None:
    killed_queue(tmp_path, manifest, n_jobs=2, n_kills=2, n_epochs=8)


@pytest.mark.prove
def test_twenty_kills_of_twelve_recipes_leave_twelve_results_each_once(tmp_path: Path, manifest: Path) -> None:
    killed_queue(tmp_path, manifest, n_jobs=12, n_kills=20, n_epochs=25)
