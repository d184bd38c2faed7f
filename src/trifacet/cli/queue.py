"""`trifacet queue`: a folder of recipes, trained one after another, with a table of what becomes of them."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trifacet.cli import answers, official
from trifacet.cli.command import Command
from trifacet.core.errors import error, first_few

if TYPE_CHECKING:
    from rich.table import Table

    from trifacet.queue.folder import Job, Queue
    from trifacet.queue.results import Result
    from trifacet.queue.view import Line
    from trifacet.queue.work import Step, Told

N_ENDED, N_WAITING = 12, 8  # lines of the live table
COLUMNS = ("", "state", "#epochs", "val macro F1", "test macro F1", "#minutes", "")


def queue(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The queue: recipes wait in DIR/queued.")],
    data: Annotated[Path | None, typer.Option(help="What all are trained on: a split manifest, best.")] = None,
    is_watching: Annotated[
        bool, typer.Option("--watch/--once", help="Wait for more, or leave when all is done (the default).")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Jobs at a time. Default: one a GPU, each with its own; on a CPU one.")
    ] = None,
    then: Annotated[
        str,
        typer.Option(
            "--then", metavar="predict --data DATA ...", help="Do this with each run; all words after it belong to it."
        ),
    ] = "",
    configs: Annotated[
        Path | None,
        typer.Option("--take-over", metavar="CONFIGS", help="Copy system 1's configs/queue and configs/ends into DIR."),
    ] = None,
    is_shown: Annotated[bool, typer.Option("--show", help="Print the table of the queue and leave.")] = False,
) -> None:
    """Recipes dropped into DIR/queued are trained one after another; old JSON configs count as recipes as they are.

    By name, 2 before 10. Each moves on to running/, then done/ or failed/ with its log and exit status, leaves its run
    in runs/ and one row in results.jsonl. Stopped or killed, it goes on where it was.
    """
    from trifacet.opening import open_data, require_train
    from trifacet.queue.folder import open_queue
    from trifacet.queue.work import Plan, work, worker_gpus

    if configs:
        _take_over(folder, configs)
        return
    if is_shown:
        if not (folder / "queued").is_dir():
            raise error("TRI104", "there is no queue", where=folder, do="Drop recipes into DIR/queued first.")
        _show(open_queue(folder))
        return
    require_train()
    place = official.needed(data, official.TRAIN, what="--data (a manifest or a folder of labelled photos)")
    if place.suffix == ".parquet" or not place.exists():
        open_data(place)  # before every job fails of it
    after = _after(then)
    opened = open_queue(folder)
    gpus = worker_gpus(_n_gpus(), workers, allowed=os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    plan = Plan((_training(place), *after), gpus, is_watching=is_watching)
    with _telling(opened) as told:
        ended = work(opened, plan, told=told)
    _tell_end(opened, ended)


def _training(data: Path) -> Step:
    return lambda job: _job(job, "train", job.recipe, job.run, data)


def _job(job: Job, *words: object) -> list[str]:
    """The command line of a job's process. -P: no file of the folder one stands in takes a module's place."""
    return [sys.executable, "-P", "-m", "trifacet.cli.job", *map(str, (job.folder, *words))]


def _after(then: str) -> tuple[Step, ...]:
    """What --then asks for, checked now and not after a night's training. Raises ConfigError TRI104; TRI202, TRI205."""
    from trifacet.opening import check_splits, open_data

    if not then:
        return ()
    what, *words = shlex.split(then)
    if what != "predict":
        raise error("TRI104", "takes predict and its options", where="--then", got=f"'{what}'")
    own = [word for word in words if word.partition("=")[0] in ("--out", "--page")]
    if own:
        do = f"Leave out {own[0]}."
        raise error("TRI104", "answers stand beside each job", where="--then predict", got=own[0], do=do)
    data, rest = _without_data(words)
    command = typer.main.get_command(_predict)
    given = command.make_context("queue --then predict", ["RUN", str(data), *rest]).params
    if more := given["models"][2:]:
        what, do = "answers about the photos of one --data, with each run alone", "Leave it out."
        raise error("TRI104", what, where="--then predict", got=f"'{more[0]}' as well", do=do)
    answers.photos_at(data)
    if given["split"]:
        check_splits(open_data(data), given["split"], where=str(data))
    name = "predictions.csv" if given["form"] == "probabilities" else answers.PREDICTIONS
    answers.refuse_tta(given["tta"])
    answers.check_form(given["form"], Path("JOB") / name)
    answers.open_rule(given["decision"])
    return (lambda job: _job(job, "predict", job.run, data, "--out", job.folder / name, *rest),)


_predict = typer.Typer()
_predict.command(cls=Command)(answers.predict)


def _without_data(words: Sequence[str]) -> tuple[Path, list[str]]:
    """What --data names, and the other words. Raises ConfigError TRI104, none, or nothing is there."""
    for i, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == "--data" and (equals or i + 1 < len(words)):
            data = Path(value if equals else words[i + 1])
            if not data.exists():
                raise error("TRI104", "no such photos", where="--then predict --data", got=f"'{data}'")
            return data, [*words[:i], *words[i + 1 + (not equals) :]]
    raise error("TRI104", "needs --data: the photos to answer about", where="--then predict")


def _n_gpus() -> int:
    if not any(Path("/dev", name).exists() for name in ("nvidiactl", "dxg", "kfd")):  # saves asking torch
        return 0
    from trifacet.doctor import probe_torch

    return sum(device["name"].startswith("cuda") for device in probe_torch().get("devices", []))


def _take_over(folder: Path, configs: Path) -> None:
    from trifacet.cli import render
    from trifacet.queue.folder import open_queue
    from trifacet.queue.takeover import take_over

    made = take_over(open_queue(folder), configs)
    if made.elsewhere:
        render.warn("what lies in ends was trained there, well or not: failed configs were moved there, too")
    for names, what in (
        (made.queued, "to be trained"),
        (made.elsewhere, "done elsewhere, without scores"),
        (made.known, "here already"),
    ):
        render.say(f"{len(names)} {what}" + (f": {first_few(names)}" if names else ""))
    render.say(f"next: trifacet queue {folder} --data DATA")


@contextmanager
def _telling(opened: Queue) -> Iterator[Told]:
    """Who is told how the queue goes: a live table, and a line for each event above it."""
    from rich.live import Live
    from rich.markup import escape

    from trifacet.cli import render
    from trifacet.queue.work import Told

    styles = {"failed": "red", "paused": "yellow", "left alone": "yellow"}

    def event(what: str, name: str, more: str) -> None:
        style = styles.get(what, "bold")
        words = " ".join(filter(None, (f"[{style}]{what}[/]", escape(name), escape(" ".join(more.split())))))
        render.err.print(words, soft_wrap=True)

    if not render.err.is_terminal:
        yield Told(event)
        return
    with Live(console=render.err, transient=True, auto_refresh=False) as live:
        yield Told(event, _looking(opened, live.update))


def _looking(opened: Queue, update: Callable[..., None]) -> Callable[[], None]:
    from trifacet.queue.view import lines

    return lambda: update(_table(lines(opened, n_ended=N_ENDED, n_waiting=N_WAITING)), refresh=True)


def _table(shown: Sequence[Line]) -> Table:
    from dataclasses import astuple

    from trifacet.cli import render

    return render.table(COLUMNS, map(astuple, shown))


def _show(opened: Queue) -> None:
    """Prints the whole table, and why jobs failed."""
    from trifacet.cli import render
    from trifacet.queue.folder import left_behind
    from trifacet.queue.results import read_results
    from trifacet.queue.view import lines

    render.say(f"[bold]{opened.path}[/]")
    render.out.print(_table(lines(opened, stopped=left_behind(opened))))
    for row in read_results(opened.results_path):
        if row.problem:
            render.warn(f"{row.name}: {' '.join(row.problem.split())}")


def _tell_end(opened: Queue, ended: Sequence[Result]) -> None:
    """The table, where everything lies; raises RunError TRI430 where a job of this command failed."""
    from trifacet.cli import render

    if not ended:
        render.say(f"nothing waits in {opened.at('queued')}: drop recipes there")
        return
    _show(opened)
    render.say(f"results: [bold]{opened.results_path}[/]")
    failed = [row.name for row in ended if row.state == "failed"]
    if failed:
        what = f"{len(failed)} of {len(ended)} jobs failed"
        do = f"{opened.at('failed')}/NAME/log.txt tells why; mend a recipe and move it back into queued/."
        raise error("TRI430", what, where=opened.path, got=first_few(failed), do=do)
