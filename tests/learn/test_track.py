from __future__ import annotations

import platform
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.learn import tiny
from trifacet.choosing import open_recipes, recipe_paths
from trifacet.core.errors import MissingExtraError
from trifacet.core.files import read_jsonl
from trifacet.core.recipe import TrackSection
from trifacet.core.run import Run
from trifacet.learn.track import Metrics, cut_metrics, open_trackers, require_trackers

RECORD = {"phase": "all", "epoch": 1, "step": 7, "train_loss": 0.5, "val_macro_f1": 0.25, "lr": 1e-4, "val_loss": None}


def told(run: Run):
    """What TensorBoard reads from the run's folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(run.path / "tensorboard")).Reload()


def test_metrics_are_a_line_an_epoch(tmp_path: Path) -> None:
    run = tiny.new_run(tmp_path / "r")
    with open_trackers(run, TrackSection(tensorboard=False), step=0) as (tracker,):
        assert tracker == Metrics(run.metrics_path)
        for epoch in (1, 2):
            tracker.record({**RECORD, "epoch": epoch})
        tracker.picture("inputs", np.zeros((4, 4, 3), np.uint8), step=0)
    assert read_jsonl(run.metrics_path) == [RECORD, {**RECORD, "epoch": 2}]


def test_tensorboard_reads_figures_and_pictures(tmp_path: Path) -> None:
    run = tiny.new_run(tmp_path / "r")
    picture = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    with open_trackers(run, TrackSection(), step=0) as trackers:
        for tracker in trackers:
            tracker.record(RECORD)
            tracker.record({**RECORD, "epoch": 2, "step": 14, "val_macro_f1": 0.5})
            tracker.picture("inputs", picture, step=14)
    assert trackers[1].writer.file_writer is None  # closed
    events = told(run)
    assert sorted(events.Tags()["scalars"]) == ["run/lr", "train/loss", "val/macro_f1"]
    assert [(e.step, e.value) for e in events.Scalars("val/macro_f1")] == [(7, 0.25), (14, 0.5)]
    (image,) = events.Images("inputs")
    assert (image.step, image.width, image.height) == (14, 5, 6)
    assert len(read_jsonl(run.metrics_path)) == 2


def test_what_a_resumed_run_repeats_is_not_told_twice(tmp_path: Path) -> None:
    run = tiny.new_run(tmp_path / "r")
    for step, steps in ((0, (7, 14, 21)), (14, (21, 28))):  # killed after 21 was told and before it was saved
        cut_metrics(run.metrics_path, step // 7)
        with open_trackers(run, TrackSection(), step=step) as trackers:
            for tracker in trackers:
                for at in steps:
                    tracker.record({**RECORD, "step": at, "train_loss": float(at + step)})
    scalars = told(run).Scalars("train/loss")
    assert [(e.step, e.value) for e in scalars] == [(7, 7), (14, 14), (21, 35), (28, 42)]
    assert [(r["step"], r["train_loss"]) for r in read_jsonl(run.metrics_path)] == [
        (7, 7),
        (14, 14),
        (21, 35),
        (28, 42),
    ]


@pytest.mark.parametrize("n_records", [0, 1, 2, 5])
def test_records_after_the_kept_ones_are_cut_off_and_a_torn_line_too(tmp_path: Path, n_records: int) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 1}\n{"epoch": 2}\n{"epo')
    cut_metrics(path, n_records)
    assert [r["epoch"] for r in read_jsonl(path)] == [1, 2][:n_records]
    assert path.read_text().endswith("}\n") or n_records == 0


def test_weights_and_biases_is_told_in_the_runs_folder_and_nowhere_else(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="the extra [wandb] is not installed")
    run = tiny.new_run(tmp_path / "r")
    picture = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    track = TrackSection(tensorboard=False, wandb="faces")
    with open_trackers(run, track, step=0) as trackers:
        for tracker in trackers:
            tracker.record({**RECORD, "val_macro_f1": 0.8125})
            tracker.picture("inputs", picture, step=7)
    (folder,) = (run.path / "wandb").glob("offline-run-*")
    assert folder.name.endswith(run.info.fingerprint)
    (events,) = folder.glob("run-*.wandb")
    content = events.read_bytes()
    for told in (b"val/macro_f1", b"0.8125", b"faces", run.info.recipe.model.backbone.encode()):
        assert told in content
    assert platform.platform().encode() not in content
    assert sys.executable.encode() not in content
    assert len(list(folder.rglob("*.png"))) == 1


def test_mlflow_is_told_in_the_runs_folder_and_goes_on_in_its_own_run(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="the extra [mlflow] is not installed")
    from mlflow import MlflowClient

    run = tiny.new_run(tmp_path / "r")
    picture = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    track = TrackSection(tensorboard=False, mlflow="faces")
    for step in (7, 14):
        with open_trackers(run, track, step=step - 7) as trackers:
            for tracker in trackers:
                tracker.record({**RECORD, "step": step, "val_macro_f1": step / 100})
                tracker.picture("inputs", picture, step=step)
    client = MlflowClient(tracking_uri=(run.path / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("faces")
    (there,) = client.search_runs([experiment.experiment_id])
    assert there.info.status == "FINISHED"
    assert there.data.params["model.backbone"] == run.info.recipe.model.backbone
    history = client.get_metric_history(there.info.run_id, "val/macro_f1")
    assert [(m.step, m.value) for m in history] == [(7, 0.07), (14, 0.14)]
    assert {a.path for a in client.list_artifacts(there.info.run_id)} == {"inputs_7.png", "inputs_14.png"}
    with pytest.raises(KeyboardInterrupt), open_trackers(run, track, step=14):
        raise KeyboardInterrupt
    assert client.get_run(there.info.run_id).info.status == "KILLED"


def test_online_mlflow_is_told_where_its_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="the extra [mlflow] is not installed")
    from mlflow import MlflowClient

    server = (tmp_path / "server").as_uri()  # a folder stands for a server: the client is told of it the same way
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    run = tiny.new_run(tmp_path / "r")
    with open_trackers(run, TrackSection(tensorboard=False, mlflow="faces", online=True), step=0) as trackers:
        for tracker in trackers:
            tracker.record(RECORD)
    client = MlflowClient(tracking_uri=server)
    (there,) = client.search_runs([client.get_experiment_by_name("faces").experiment_id])
    assert there.data.metrics["val/macro_f1"] == 0.25
    assert not (run.path / "mlruns").exists()


@pytest.mark.parametrize("is_online", [False, True])
def test_weights_and_biases_is_online_where_asked_and_told_nothing_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_online: bool
) -> None:
    wandb = pytest.importorskip("wandb", reason="the extra [wandb] is not installed")
    told: dict[str, Any] = {}
    monkeypatch.setattr(wandb, "setup", lambda _: None)
    monkeypatch.setattr(wandb, "teardown", lambda: None)
    monkeypatch.setattr(wandb, "init", lambda **words: told.update(words) or SimpleNamespace(finish=lambda: None))
    run = tiny.new_run(tmp_path / "r")
    with open_trackers(run, TrackSection(tensorboard=False, wandb="faces", online=is_online), step=0):
        pass
    settings = told["settings"]
    assert (settings.mode, told["resume"]) == (("online", "allow") if is_online else ("offline", None))
    assert (told["project"], told["id"]) == ("faces", run.info.fingerprint)
    assert (settings.x_disable_meta, settings.x_disable_stats, settings.disable_git) == (True, True, True)


def test_nothing_is_told_to_a_server_unless_a_recipe_asks_for_it() -> None:
    every = [one.settings.track for name in recipe_paths() for one in open_recipes(name).values()]
    for track in (TrackSection(), *every):
        assert (track.online, track.wandb, track.mlflow) == (False, "", "")


def test_a_service_without_its_package_is_told_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifacet.learn.track.find_spec", lambda _: None)
    for name in ("wandb", "mlflow"):
        with pytest.raises(MissingExtraError) as told:
            require_trackers(TrackSection.model_validate({name: "faces"}))
        do = f"Install it with `pip install 'trifacet[{name}]'`."
        assert str(told.value) == f"TRI600 track.{name} needs the extra [{name}], got no {name}. {do}"
    require_trackers(TrackSection())
