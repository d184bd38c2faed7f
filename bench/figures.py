"""Measured figures, and the file that keeps them: one line of JSON a run, only ever added to."""

from __future__ import annotations

import platform
import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from trifacet.core.files import append_jsonl, read_jsonl
from trifacet.core.run import machine, versions

FORMAT = 1
ROOT = Path(__file__).resolve().parents[1]


class Figure(BaseModel):
    """One measured figure: its lowest, median and highest value over `rounds`, each over `n` photos (or rows).

    must: what it has to reach, or stay under where `is_at_most`; None where nothing was promised.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: str
    name: str
    unit: str
    low: float
    median: float
    high: float
    n: int
    rounds: int
    must: float | None = None
    is_at_most: bool = False

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if not 0 <= self.low <= self.median <= self.high:
            raise ValueError(f"expected 0 <= low <= median <= high, got {self.low}, {self.median}, {self.high}")
        return self

    @property
    def is_met(self) -> bool | None:
        """Whether the median keeps what was promised; None where nothing was."""
        if self.must is None:
            return None
        return self.median <= self.must if self.is_at_most else self.median >= self.must


class Entry(BaseModel):
    """One run: when, of which commit (`is_changed`: with changes not in it), on what, and its figures.

    photos: "drawn", or "own" where a folder was given, which is not named.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    date: str
    commit: str
    is_changed: bool
    photos: str
    machine: dict[str, str | int | None]
    versions: dict[str, str]
    figures: tuple[Figure, ...]


def figure(measure: str, name: str, values: Sequence[float], *, unit: str, n: int, must: float | None = None) -> Figure:
    """The figure of one value a round; `must` is what it has to reach, for memory and time what it may take."""
    low, high = min(values), max(values)
    return Figure(
        measure=measure,
        name=name,
        unit=unit,
        low=low,
        median=statistics.median(values),
        high=high,
        n=n,
        rounds=len(values),
        must=must,
        is_at_most=unit in ("MB", "s", "ms", "of the file"),
    )


def new_entry(figures: Sequence[Figure], *, photos: str) -> Entry:
    """The figures with the date, the commit and the machine they belong to."""
    return Entry(
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        commit=_git("rev-parse", "--short", "HEAD"),
        is_changed=bool(_git("status", "--porcelain", "--untracked-files=no", "--", "src", "bench")),
        photos=photos,
        machine={**machine(), "model": _processor()},
        versions=versions(),
        figures=tuple(figures),
    )


def read_history(path: Path) -> list[Entry]:
    """The runs kept in a file, oldest first; none where there is no file. Raises ValueError for a line that is none."""
    return [Entry.model_validate(line) for line in read_jsonl(path)] if path.exists() else []


def add_to_history(path: Path, entry: Entry) -> None:
    """Adds one run to the file."""
    append_jsonl(path, entry.model_dump(mode="json"))


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
