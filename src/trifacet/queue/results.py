"""The table of a queue's results: one row for each job that has ended, entered once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from trifacet.core.errors import error
from trifacet.core.files import write_text

State = Literal["done", "failed", "elsewhere"]


class Result(BaseModel):
    """The row of a job that has ended. Scores are fractions with their 95 % interval; None where there are none.

    state: `elsewhere` is done by another system, and nothing more is known of it. exit_status: below 0 the signal
    that ended it. n_starts: above 1 it was stopped or killed and gone on with. Paths are relative to the queue.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    state: State
    exit_status: int | None = None
    problem: str = ""
    recipe: str
    recipe_sha256: str
    begun: str | None = None
    ended: str | None = None
    n_starts: int = 0
    trained_seconds: float | None = None
    best_epoch: int | None = None
    val_macro_f1: float | None = None
    val_macro_f1_low: float | None = None
    val_macro_f1_high: float | None = None
    test_macro_f1: float | None = None
    test_macro_f1_low: float | None = None
    test_macro_f1_high: float | None = None
    run: str = ""
    answers: tuple[str, ...] = ()


def read_results(path: Path) -> list[Result]:
    """The rows of the jobs that have ended, in that order. Raises RunError TRI431."""
    if not path.exists():
        return []
    rows = []
    for i, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        try:
            if line.strip():
                rows.append(Result.model_validate_json(line))
        except ValidationError:
            raise error("TRI431", f"line {i} is no result of a job", where=path, got=f"'{line[:60]}'") from None
    return rows


def enter(path: Path, result: Result) -> Result:
    """Adds a row to the table, unless the job has one; the row that stands. Only one may do so. Raises TRI900."""
    rows = read_results(path)
    stands = next((row for row in rows if row.name == result.name), None)
    if stands is None:
        write_text(path, "".join(f"{row.model_dump_json()}\n" for row in (*rows, result)))
    return stands or result
