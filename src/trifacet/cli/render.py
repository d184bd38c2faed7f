"""What commands draw in a terminal: progress, tables, figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from trifacet.core.evaluation import Evaluation, Interval
    from trifacet.learn.train import Tick

LOGGED_HEAD_EPOCHS = 5

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Bars:
    """Live bars, one per thing that is being done; where stderr is no terminal, a line when each begins, if asked."""

    def __init__(self, progress: Progress, *, is_logged: bool) -> None:
        self.progress = progress
        self.is_logged = is_logged and progress.disable
        self.tasks: dict[str, TaskID] = {}

    def told(self, what: str, done: int, total: int) -> None:
        """Moves the bar called `what`."""
        self._announce(what)
        self._move(what, done, total, "")

    def ticked(self, tick: Tick) -> None:
        """Moves the bar of an epoch; a finished epoch leaves a line behind."""
        names = {"head": "head", "all": "whole net", "second": "second stage", "features": "computing features"}
        what = " ".join(filter(None, (tick.of, names.get(tick.phase, tick.phase))))
        if tick.phase in ("head", "all", "second"):
            what = f"{what} {tick.epoch}/{tick.n_epochs}"
        else:
            self._announce(what)
        speed = "" if math.isnan(tick.images_per_second) else f"{tick.images_per_second:,.0f} images/s"
        loss = "" if math.isnan(tick.loss) else f"  loss {tick.loss:.3f}"
        self._move(what, tick.n_done, tick.n_photos, speed + loss)
        if not math.isnan(tick.val_macro_f1):
            self.progress.remove_task(self.tasks.pop(what))
            self._tell_epoch(tick, what, speed)

    def _tell_epoch(self, tick: Tick, what: str, speed: str) -> None:
        """A line for a finished epoch; in a log not one for each of the head's many quick ones."""
        if tick.phase in ("head", "second") and self.progress.disable:
            if tick.epoch % LOGGED_HEAD_EPOCHS and tick.epoch != tick.n_epochs:
                return
            speed = ""  # of features that are computed already: it says nothing of photos
        line = f"  {what:<{16 + len(tick.of)}} val macro F1 {tick.val_macro_f1:.3f}  [dim]{speed}[/]"
        self.progress.console.print(line.removesuffix("  [dim][/]"))

    def _announce(self, what: str) -> None:
        """A line where no bar will be seen, once."""
        if self.is_logged and what not in self.tasks:
            self.progress.console.print(what)

    def _move(self, what: str, done: int, total: int, note: str) -> None:
        if what not in self.tasks:
            self.tasks[what] = self.progress.add_task(what, total=total, note=note)
        self.progress.update(self.tasks[what], completed=done, total=total, note=note)


@contextmanager
def bars(*, is_logged: bool = False) -> Iterator[Bars]:
    """Progress bars on stderr, so that what a command prints can be piped; where it is no terminal none.

    is_logged: in place of bars a line when each thing begins, for what takes minutes.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        yield Bars(progress, is_logged=is_logged)


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table under its title."""
    say(f"[bold]{escape(title)}[/]")  # by itself: a table would wrap it at its own width
    out.print(table(columns, rows))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table to print; columns whose name begins with `#` hold numbers and stand to the right."""
    made = Table(header_style="dim", box=None, pad_edge=False)
    for name in columns:
        made.add_column(name.lstrip("#"), justify="right" if name.startswith("#") else "left", overflow="fold")
    for row in rows:
        made.add_row(*(escape(str(cell)) for cell in row))
    return made


def say(text: str = "") -> None:
    """Prints a line of rich markup on stdout."""
    out.print(text, soft_wrap=True)


def warn(text: str) -> None:
    """Prints a warning on stderr."""
    err.print(f"[bold yellow]Note[/] {escape(text)}", soft_wrap=True)


def figure(interval: Interval | None) -> str:
    """A figure with its interval, `0.713 [0.681, 0.742]`; a dash where it cannot be known."""
    return f"{interval:.3f}" if interval else "-"


def scores(evaluation: Evaluation, name: str) -> None:
    """Prints an evaluation: stamps first, then the headline, the attributes and what it rests on."""
    for stamp in evaluation.stamps:
        warn(stamp)
    people = "people unknown" if evaluation.n_people is None else f"{evaluation.n_people:,} people"
    named = {"all labels": evaluation.joint, **evaluation.attributes}
    rows = [(what, figure(s.macro_f1), figure(s.accuracy), f"{s.n_photos:,}") for what, s in named.items() if s]
    title = f"{name}: {evaluation.n_photos:,} photos of {people}; 95 % intervals by {evaluation.interval_by}"
    show(title, ("", "#macro F1", "#accuracy", "#photos"), rows)
    if evaluation.age:
        age = evaluation.age
        say(f"age: off by {age.mae_years:.1f} years on average, bias {age.bias_years:+.1f} years (n {age.n_photos:,})")
    if evaluation.joint and evaluation.joint.n_absent:
        say(f"{evaluation.joint.n_absent} of {len(evaluation.joint.classes)} classes have no photo and count as F1 0")
    if evaluation.n_unread:
        warn(f"{evaluation.n_unread:,} photos could not be read and count as wrong")
