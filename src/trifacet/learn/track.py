"""Who is told of a run's figures. A tracker is anything with these two methods; metrics.jsonl is the first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from trifacet.core.errors import error
from trifacet.core.files import append_jsonl, read_jsonl, write_text
from trifacet.core.predictions import ImageArray
from trifacet.core.recipe import TrackSection
from trifacet.core.run import Run
from trifacet.learn.scalars import Record, scalars
from trifacet.learn.services import open_mlflow, open_wandb


class Tracker(Protocol):
    """Somebody who is told."""

    def record(self, record: Record) -> None:
        """Takes the figures of one epoch; `step` counts the training steps so far."""
        ...

    def picture(self, name: str, image: ImageArray, *, step: int) -> None:
        """Takes a picture (H, W, 3) uint8."""
        ...


@dataclass(frozen=True)
class Metrics:
    """metrics.jsonl, a line an epoch."""

    path: Path

    def record(self, record: Record) -> None:
        """Adds a line."""
        append_jsonl(self.path, record)

    def picture(self, name: str, image: ImageArray, *, step: int) -> None:
        """Pictures stand in the run's own folder."""


@dataclass(frozen=True)
class TensorBoard:
    """TensorBoard events in the run's folder."""

    writer: Any

    def record(self, record: Record) -> None:
        """Adds one scalar per number."""
        for tag, value in scalars(record).items():
            self.writer.add_scalar(tag, value, record["step"])
        self.writer.flush()

    def picture(self, name: str, image: ImageArray, *, step: int) -> None:
        """Adds an image."""
        self.writer.add_image(name, image, step, dataformats="HWC")
        self.writer.flush()


@contextmanager
def open_trackers(run: Run, track: TrackSection, *, step: int) -> Iterator[list[Tracker]]:
    """The trackers of a recipe; what they were told of steps after `step`, which a resumed run repeats, is void."""
    with ExitStack() as closing:
        trackers: list[Tracker] = [Metrics(run.metrics_path)]
        if track.tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            writer = closing.enter_context(SummaryWriter(run.path / "tensorboard", purge_step=step + 1))
            trackers.append(TensorBoard(writer))
        if track.wandb:
            trackers.append(closing.enter_context(open_wandb(run, track.wandb, is_online=track.online)))
        if track.mlflow:
            trackers.append(closing.enter_context(open_mlflow(run, track.mlflow, is_online=track.online)))
        yield trackers


def require_trackers(track: TrackSection) -> None:
    """Refuses a service whose package is absent. Raises MissingExtraError TRI600."""
    for name in ("wandb", "mlflow"):
        if getattr(track, name) and find_spec(name) is None:
            do = f"Install it with `pip install 'trifacet[{name}]'`."
            raise error("TRI600", f"track.{name} needs the extra [{name}]", got=f"no {name}", do=do)


def cut_metrics(path: Path, n_records: int) -> None:
    """Forgets the records after the first `n_records`: epochs that a resumed run is about to repeat."""
    kept = read_jsonl(path)[:n_records]
    write_text(path, "".join(json.dumps(record) + "\n" for record in kept))
