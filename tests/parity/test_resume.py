"""A run that was stopped and gone on with ends in the same bytes as one that was not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import save

from tests.learn import tiny
from trifacet.core.files import read_jsonl
from trifacet.core.run import Run, open_run
from trifacet.learn.checkpoint import read_checkpoint
from trifacet.learn.train import Tick, train

ROOT = Path(__file__).resolve().parents[2]
BASES = {"baseline_cnn": (tiny.SMALL, 24), "face_resnet10": (tiny.FACES, 33)}
SETS = {"baseline_cnn": [], "face_resnet10": ["train.head_epochs=2", "train.epochs=2"]}
EACH_STEP = "train.checkpoint_seconds=0"


def go(path: Path, backbone: str, *, stop: tuple[str, int] | None = None, sets: list[str] | None = None) -> Run:
    """Trains a new run, or goes on with the one at `path`; stopped in the middle of epoch `stop` (phase, number)."""

    def interrupt(tick: Tick) -> None:
        if (tick.phase, tick.epoch) == stop and 0 < tick.n_done < tick.n_photos:
            raise KeyboardInterrupt

    base, side = BASES[backbone]
    manifest, images = tiny.photos(side=side)
    run = open_run(path) if path.exists() else tiny.new_run(path, sets or SETS[backbone], base=base)
    return train(run, manifest, images=images, on_tick=interrupt)


def outcome(run: Run) -> dict[str, object]:
    """Everything a run leaves but for the time it took."""
    records = [
        {k: v for k, v in record.items() if "second" not in k}  # how long it took is another time each time
        for record in read_jsonl(run.metrics_path)
    ]
    weights = {which: run.weights_path(which).read_bytes() for which in ("best", "last")}
    return {"records": records, "best": run.info.best, **weights}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    return {backbone: outcome(go(folder / backbone, backbone)) for backbone in BASES}


@pytest.mark.parametrize(
    ("backbone", "stops", "n_records"),
    [
        pytest.param("baseline_cnn", [("head", 1)], [0], id="before the first whole epoch"),
        pytest.param("baseline_cnn", [("head", 2)], [1], id="in the head phase"),
        pytest.param("baseline_cnn", [("all", 1)], [2], id="between the phases"),
        pytest.param("baseline_cnn", [("all", 2)], [3], id="in the whole net's phase"),
        pytest.param("baseline_cnn", [("head", 2), ("all", 2), ("all", 3)], [1, 3, 4], id="three times"),
        pytest.param("face_resnet10", [("all", 1)], [2], id="before norm is put back"),
        pytest.param("face_resnet10", [("all", 2)], [3], id="after norm is put back"),
    ],
)
def test_an_interrupted_run_ends_in_the_same_bytes(
    tmp_path: Path, uninterrupted, backbone: str, stops: list[tuple[str, int]], n_records: list[int]
) -> None:
    path = tmp_path / backbone
    for stop, n in zip(stops, n_records, strict=True):
        with pytest.raises(KeyboardInterrupt):
            go(path, backbone, stop=stop)
        assert len(read_jsonl(path / "metrics.jsonl")) == n
    assert outcome(go(path, backbone)) == uninterrupted[backbone]


def test_sgd_goes_on_with_its_momentum(tmp_path: Path) -> None:
    sets = ["optim.name=sgd", "optim.lr=0.01"]
    whole = outcome(go(tmp_path / "whole", "baseline_cnn", sets=sets))
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "stopped", "baseline_cnn", stop=("all", 3), sets=sets)
    stopped = outcome(go(tmp_path / "stopped", "baseline_cnn"))
    assert stopped["last"] == whole["last"]


def test_an_average_of_the_weights_goes_on_too(tmp_path: Path) -> None:
    sets = ["optim.ema=0.9", "optim.lr=0.01"]
    whole = outcome(go(tmp_path / "whole", "baseline_cnn", sets=sets))
    for stop in (("head", 2), ("all", 1), ("all", 3)):
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "stopped", "baseline_cnn", stop=stop, sets=sets)
    assert outcome(go(tmp_path / "stopped", "baseline_cnn")) == whole
    plain = outcome(go(tmp_path / "plain", "baseline_cnn", sets=sets[1:]))
    assert plain["last"] != whole["last"]


def test_what_is_cut_pasted_and_normalised_goes_on_too(tmp_path: Path) -> None:
    sets = ["data.random_crop=[0.8, 0.8]", "data.image_size=[20, 20]", "data.normalize=dataset"]
    sets += ["augment.policy=rand", "augment.cutmix=1", "augment.half_cutmix=0.3", "augment.old_halves=0.3"]
    whole = outcome(go(tmp_path / "whole", "baseline_cnn", sets=sets))
    for stop in (("head", 2), ("all", 1), ("all", 3)):
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "stopped", "baseline_cnn", stop=stop, sets=sets)
    assert outcome(go(tmp_path / "stopped", "baseline_cnn")) == whole


GRADUAL = ["train.unfreeze_epochs=1", "optim.layer_decay=0.5", "model.pooling=gem", "model.dropout_samples=2"]


@pytest.mark.parametrize(
    ("backbone", "name"), [("baseline_cnn", "adamw"), ("baseline_cnn", "lamb"), ("face_resnet10", "sgd")]
)
def test_a_network_that_is_let_go_stage_by_stage_goes_on_too(tmp_path: Path, backbone: str, name: str) -> None:
    sets = [*GRADUAL, "train.epochs=3", f"optim.name={name}", "optim.ema=0.5"]
    whole = outcome(go(tmp_path / "whole", backbone, sets=sets))
    for stop in (("all", 2), ("all", 3)):
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "stopped", backbone, stop=stop, sets=sets)
    assert outcome(go(tmp_path / "stopped", backbone)) == whole


def test_the_moments_of_stages_begin_when_they_are_let_go(tmp_path: Path) -> None:
    sets = [*GRADUAL, "train.epochs=3", EACH_STEP]
    counts = []
    for epoch in (1, 2, 3):
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "r", "baseline_cnn", stop=("all", epoch), sets=sets)
        found = read_checkpoint(tmp_path / "r" / "checkpoints", run=open_run(tmp_path / "r").info.fingerprint)
        assert found is not None
        counts.append(sum(name.endswith("exp_avg") for name in found.optimizer))
    others = counts[0] - 2  # of the pool and the head
    assert [n - others for n in counts] == [2, 4, 6]  # a weight and a bias a convolution


def damaged(name: str, path: Path, other: Path) -> None:
    """Does one kind of damage to the checkpoint at `path`; `other` is one of another run."""
    content = path.read_bytes()
    match name:
        case "cut short":
            path.write_bytes(content[:-100])
        case "empty":
            path.write_bytes(b"")
        case "one bit flipped":
            path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
        case "another run's":
            path.unlink()
            shutil.copy(other, path.with_name(f"step_{10**8}-00009-{other.stem[-16:]}.safetensors"))
        case "missing":
            path.unlink()


@pytest.mark.parametrize("kind", ["cut short", "empty", "one bit flipped", "another run's", "missing"])
def test_damage_to_the_newest_checkpoint_costs_time_only(tmp_path: Path, uninterrupted, kind: str) -> None:
    path, stop = tmp_path / "baseline_cnn", ("all", 2)
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "other", "baseline_cnn", stop=stop, sets=[EACH_STEP, "train.seed=1"])
    with pytest.raises(KeyboardInterrupt):
        go(path, "baseline_cnn", stop=stop, sets=[EACH_STEP])
    newest = max((path / "checkpoints").iterdir())
    damaged(kind, newest, max((tmp_path / "other" / "checkpoints").iterdir()))
    run = go(path, "baseline_cnn")
    assert outcome(run) == uninterrupted["baseline_cnn"]
    aside = [p.name for p in run.checkpoints_dir.glob("*.damaged")]
    assert len(aside) == (kind != "missing")
    assert all(name in run.info.notes[0] for name in aside)
    assert len(run.info.notes) == len(aside)


@pytest.mark.parametrize("kind", ["the optimiser's moments left out", "one step late", "as it is"])
def test_what_a_checkpoint_holds_is_needed(tmp_path: Path, uninterrupted, kind: str) -> None:
    path = tmp_path / "baseline_cnn"
    with pytest.raises(KeyboardInterrupt):
        go(path, "baseline_cnn", stop=("all", 2))
    run = open_run(path)
    found = read_checkpoint(run.checkpoints_dir, run=run.info.fingerprint)
    assert found is not None
    tensors, progress = {f"module.{k}": v for k, v in found.module.items()}, found.progress
    if kind != "the optimiser's moments left out":
        tensors |= {f"optimizer.{k}": v for k, v in found.optimizer.items()}
    if kind == "one step late":
        so_far = progress.so_far.plus(0, loss=0.0, seconds=1.0)
        progress = progress.model_copy(update={"step": progress.step + 1, "so_far": so_far})
    about = {"format": 1, "progress": progress.model_dump(mode="json"), "run": run.info.fingerprint}
    content = save(tensors, metadata={"trifacet": json.dumps(about)})
    name = f"step_{10**8}-00000-{hashlib.sha256(content).hexdigest()[:16]}.safetensors"
    (run.checkpoints_dir / name).write_bytes(content)
    is_same = outcome(go(path, "baseline_cnn"))["last"] == uninterrupted["baseline_cnn"]["last"]
    assert is_same is (kind == "as it is")


def test_a_finished_training_gone_on_with_changes_nothing(tmp_path: Path, uninterrupted) -> None:
    path = tmp_path / "baseline_cnn"
    go(path, "baseline_cnn")
    assert outcome(go(path, "baseline_cnn")) == uninterrupted["baseline_cnn"]


def test_an_epoch_whose_checkpoint_is_damaged_or_missing_is_repeated(tmp_path: Path, uninterrupted) -> None:
    path = tmp_path / "baseline_cnn"
    run = go(path, "baseline_cnn", sets=[EACH_STEP])
    newest, second = sorted(run.checkpoints_dir.iterdir())[:-3:-1]
    newest.unlink()  # as after a kill between the record of an epoch and its checkpoint
    second.write_bytes(second.read_bytes()[:-1])
    found = go(path, "baseline_cnn")
    assert outcome(found) == uninterrupted["baseline_cnn"]
    assert len(list(run.checkpoints_dir.glob("*.damaged"))) == 1


@pytest.mark.parametrize(
    ("phase", "epoch", "sets"),
    [("head", 2, []), ("all", 2, []), pytest.param("all", 2, GRADUAL, id="let go stage by stage")],
)
def test_a_killed_run_ends_in_the_same_bytes(
    tmp_path: Path, uninterrupted, phase: str, epoch: int, sets: list[str]
) -> None:
    path = tmp_path / "baseline_cnn"
    whole = outcome(go(tmp_path / "whole", "baseline_cnn", sets=sets)) if sets else uninterrupted["baseline_cnn"]
    code = f"""
import os, signal
from pathlib import Path
from tests.learn import tiny
from trifacet.learn.train import train

def kill(tick):
    if (tick.phase, tick.epoch) == ({phase!r}, {epoch}) and 0 < tick.n_done < tick.n_photos:
        os.kill(os.getpid(), signal.SIGKILL)

manifest, images = tiny.photos()
train(tiny.new_run(Path({str(path)!r}), {[EACH_STEP, *sets]!r}), manifest, images=images, on_tick=kill)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, ["src", os.environ.get("PYTHONPATH")]))}
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # The kill landed in the second epoch of that phase, and nothing is finished.
    found = read_checkpoint(path / "checkpoints", run=open_run(path).info.fingerprint)
    assert found is not None
    assert (found.progress.phase, found.progress.next_epoch) == (phase, 1)
    assert not (path / "weights" / "last.safetensors").exists()
    assert json.loads((path / "run.json").read_text())["status"] == "running"
    assert outcome(go(path, "baseline_cnn")) == whole


def test_another_course_does_not_end_in_the_same_bytes(tmp_path: Path, uninterrupted) -> None:
    other = outcome(go(tmp_path / "other", "baseline_cnn", sets=["train.seed=1"]))
    assert other["last"] != uninterrupted["baseline_cnn"]["last"]
