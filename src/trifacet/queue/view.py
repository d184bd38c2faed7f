"""The queue as a table: read from the disk alone, so that anybody may look who works on it or not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from trifacet.core.errors import TrifacetError
from trifacet.core.files import read_json, read_jsonl
from trifacet.core.variants import is_variants, open_variants
from trifacet.queue.folder import Queue, begun_folders, waiting
from trifacet.queue.results import Result, read_results

GOES_ON = "the next `trifacet queue` goes on with it"


@dataclass(frozen=True)
class Line:
    """A job in words: its state, epochs, the best macro F1 on val so far or its scores with intervals, and notes."""

    name: str
    state: str
    epochs: str = ""
    val: str = ""
    test: str = ""
    minutes: str = ""
    note: str = ""


def lines(
    queue: Queue, *, n_ended: int | None = None, n_waiting: int | None = None, stopped: Collection[str] = ()
) -> list[Line]:
    """Every job of the queue: those that have ended (the last `n_ended`), those at work, and those that wait.

    stopped: the begun ones that nobody works on.
    """
    ended, queued = read_results(queue.results_path), waiting(queue)[0]
    shown = ended if n_ended is None else ended[max(0, len(ended) - n_ended) :]
    working = [_working(queue, folder.name) for folder in begun_folders(queue)]
    working = [replace(line, state="stopped", note=GOES_ON) if line.name in stopped else line for line in working]
    told = [*map(_ended, shown), *working, *(Line(path.name, "queued") for path in queued[:n_waiting])]
    n_more = len(queued) - len(queued[:n_waiting])
    return [*told, Line(f"and {n_more:,} more", "queued")] if n_more else told


def _ended(row: Result) -> Line:
    minutes = "" if row.trained_seconds is None else f"{row.trained_seconds / 60:.1f}"
    note = {"elsewhere": "where it was taken over from", "failed": f"status {row.exit_status}"}.get(row.state, "")
    best = "" if row.best_epoch is None else f"best {row.best_epoch}"
    return Line(row.name, row.state, best, _figure(row, "val"), _figure(row, "test"), minutes, note)


def _figure(row: Result, split: str) -> str:
    value, low, high = (getattr(row, f"{split}_macro_f1{end}") for end in ("", "_low", "_high"))
    return "" if value is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _working(queue: Queue, name: str) -> Line:
    """A job at work, by what its run has written so far."""
    run = queue.at("runs") / name
    return _several_working(run) if is_variants(run) else _line(run, name)


def _line(run: Path, name: str) -> Line:
    try:
        info = read_json(run / "run.json")
        records = read_jsonl(run / "metrics.jsonl")
    except (TrifacetError, ValueError):  # it has not begun to train
        return Line(name, "running", note="preparing")
    train = info["recipe"]["train"]
    scores = [record["val_macro_f1"] for record in records if record["val_macro_f1"] is not None]
    minutes = f"{sum(record['seconds'] for record in records) / 60:.1f}"
    best = f"{max(scores):.3f}" if scores else ""
    return Line(name, "running", f"{len(records)}/{train['head_epochs'] + train['epochs']}", best, "", minutes)


def _several_working(run: Path) -> Line:
    """A job of several networks at work: the one that is trained now, with its place among them."""
    several = open_variants(run)
    begun = [i for i in range(len(several.info.names)) if (several.variant_path(i) / "run.json").is_file()]
    now = _line(several.variant_path(begun[-1]), run.name) if begun else Line(run.name, "running", note="preparing")
    return replace(now, note=now.note or f"network {len(begun)} of {len(several.info.names)}")
