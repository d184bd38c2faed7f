"""`trifacet`: the commands by name, and how an error leaves the program."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from trifacet.cli import answers, clean, data, decisions, doctor, ensembles, explore, lists, queue, search, train
from trifacet.cli.command import Command, Group, QueueCommand, TrainCommand
from trifacet.core.errors import TrifacetError

app = typer.Typer(
    name="trifacet",
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with [bold]trifacet demo[/]; `trifacet COMMAND --help` tells more. Docs: README.md and docs/.",
)

START, PHOTOS, MODELS, ANSWERS = (
    "Start here",
    "Photos to a manifest",
    "A manifest to a run",
    "A run to answers and scores",
)
app.command(cls=Command, rich_help_panel=START)(train.demo)
app.command(cls=Command, rich_help_panel=START)(doctor.doctor)
app.command(cls=Command, rich_help_panel=PHOTOS)(data.ingest)
app.command(cls=Command, rich_help_panel=PHOTOS)(data.split)
app.command(cls=Command, rich_help_panel=PHOTOS)(data.faces)
app.command(cls=Command, rich_help_panel=PHOTOS)(explore.explore)
app.command(cls=Command, rich_help_panel=PHOTOS)(clean.audit)
app.command(cls=Command, rich_help_panel=PHOTOS)(clean.review)
app.command(cls=Command, rich_help_panel=PHOTOS)(clean.apply)
app.command(cls=Command, rich_help_panel=PHOTOS)(clean.background)
app.add_typer(decisions.decisions, name="decisions", rich_help_panel=PHOTOS)
app.add_typer(data.cache, name="cache", rich_help_panel=PHOTOS)
app.command("train", cls=TrainCommand, rich_help_panel=MODELS)(train.train)
app.command("queue", cls=QueueCommand, rich_help_panel=MODELS)(queue.queue)
app.command(cls=Command, rich_help_panel=MODELS)(search.search)
app.command(cls=Command, rich_help_panel=MODELS)(ensembles.average)
app.command(cls=Command, rich_help_panel=MODELS)(ensembles.pseudo)
app.command(cls=Command, rich_help_panel=MODELS)(lists.recipes)
app.command(cls=Command, rich_help_panel=MODELS)(lists.backbones)
app.command(cls=Command, rich_help_panel=MODELS)(lists.losses)
app.command("import-config", cls=Command, rich_help_panel=MODELS)(lists.import_config)
app.command("import-weights", cls=Command, rich_help_panel=MODELS)(lists.import_weights)
app.command(cls=Command, rich_help_panel=MODELS)(lists.augmentations)
app.add_typer(lists.config, name="config", rich_help_panel=MODELS)
app.command(cls=Command, rich_help_panel=ANSWERS)(answers.predict)
app.command(cls=Command, rich_help_panel=ANSWERS)(answers.decide)
app.command(cls=Command, rich_help_panel=ANSWERS)(ensembles.ensemble)
app.command(cls=Command, rich_help_panel=ANSWERS)(ensembles.combine)
app.command(cls=Command, rich_help_panel=ANSWERS)(answers.evaluate)
app.command(cls=Command, rich_help_panel=ANSWERS)(answers.compare)
app.command(cls=Command, rich_help_panel=ANSWERS)(answers.submit)


def _version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"trifacet {version('trifacet')}")
        raise typer.Exit


@app.callback()
def trifacet(
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code an error arose.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """From a folder of face photos to an audited dataset, a mask x gender x age classifier, and honest scores."""


def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Lets SIGTERM end a command as Ctrl-C does."""
    raise KeyboardInterrupt  # which typer turns into exit status 130, as a shell expects of Ctrl-C


def main() -> None:
    """Runs the command line; a user's mistake ends in one message and the exit status of its kind, no traceback."""
    signal.signal(signal.SIGTERM, stop)
    # torch reads it once: large tensors on Linux in huge pages, a third faster for networks that wait for memory.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        app()
    except TrifacetError as problem:
        if "--traceback" in sys.argv:
            raise
        from rich.console import Console
        from rich.text import Text

        code, _, rest = str(problem).partition(" ")
        Console(stderr=True, soft_wrap=True).print(Text.assemble((code, "bold red"), " ", rest))
        sys.exit(problem.exit_status)
