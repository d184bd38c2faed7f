from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.learn import tiny
from trifacet.core.files import read_jsonl
from trifacet.core.recipe import TrackSection
from trifacet.core.run import Run
from trifacet.learn.track import Metrics, cut_metrics, open_trackers

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
