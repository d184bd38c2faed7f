"""Queues whose jobs are small programs, so that a hundred of them cost little."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from trifacet.queue.folder import Job, Queue, open_queue
from trifacet.queue.work import Plan, Told


def make_queue(root: Path, *names: str) -> Queue:
    """A queue in which recipes of these names wait; each holds its name, and is old enough to be taken."""
    queue = open_queue(root / "q")
    for name in names:
        drop(queue, name)
    return queue


def drop(queue: Queue, name: str, *, text: str | None = None) -> Path:
    """Puts a recipe into queued/ that nobody has touched for a minute."""
    path = queue.at("queued") / name
    path.write_text(f"# {name}\n" if text is None else text, encoding="utf-8")
    before = path.stat().st_mtime - 60
    os.utime(path, (before, before))
    return path


def program(code: str) -> Plan:
    """A plan whose jobs run this Python code; `job` is the folder of the job, `run` that of its run."""
    head = "import os, sys, time; from pathlib import Path; job, run = Path(sys.argv[1]), Path(sys.argv[2])\n"

    def command(job: Job) -> Sequence[str]:
        return [sys.executable, "-c", head + code, str(job.folder), str(job.run)]

    return Plan((command,), settle_seconds=0.2, retry_seconds=0.2)


class Notes:
    """Remembers what it was told, as `what name`, and all of it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.more: list[str] = []
        self.told = Told(self._event)

    def _event(self, what: str, name: str, more: str) -> None:
        self.events.append(f"{what} {name}".strip())
        self.more.append(more)


def files(folder: Path) -> list[str]:
    """Every file and folder below, hidden ones left out."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return sorted(name for name in found if not name.startswith("."))
