"""`trifacet search`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trifacet.cli.train import RecipeName, Sets
from trifacet.core.errors import error

if TYPE_CHECKING:
    from rich.console import Console

    from trifacet.trials.folder import Search
    from trifacet.trials.study import Row


def search(
    recipe: RecipeName = None,
    data: Annotated[
        Path | None, typer.Option(help="A manifest or labelled photos; without a split 20 % of the people are val.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The search's folder; it must be new.")] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="A setting to search: optim.lr=log:1e-5..1e-3, augment.mixup=0..0.4, model.backbone=a|b. Repeatable.",
        ),
    ] = None,
    policies: Annotated[bool, typer.Option("--policies", help="Search policies of augmentation instead.")] = False,
    trials: Annotated[int | None, typer.Option(help="How many, the recipe as it is among them. Default: 20.")] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="MINUTES", min=0, help="Begin no trial after this time.")
    ] = None,
    sets: Sets = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn; the recipe's own seed is the same in all.")] = 0,
    keep_all: Annotated[
        bool, typer.Option("--keep-all", help="Keep every trial's weights, not the best's alone.")
    ] = False,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with this search; more --trials too.")
    ] = None,
) -> None:
    """A recipe and what may change in it to a better recipe, by training trials and scoring them on val.

    Each trial is a run; one below the median of the others is stopped early. DIR/best.yaml is the result. Ctrl-C
    stops; --resume goes on where it was.
    """
    from trifacet import searching
    from trifacet.cli import render
    from trifacet.trials.folder import SearchPlan

    rows: list[Row] = []
    live: dict[str, Any] = {"timeout_minutes": timeout}
    with _resumable(resume or out), render.bars() as bars:
        live |= {"progress": bars.told, "on_tick": bars.ticked, "on_trial": _telling(bars.progress.console, rows)}
        if resume:
            if recipe or data or out or over or policies or sets or keep_all:
                what = "goes on with the search as it is: of the other options only --trials and --timeout go with it"
                raise error("TRI104", what, where="--resume")
            made = searching.resume_search(resume, n_trials=trials, **live)
        else:
            if data is None or out is None:
                raise error("TRI104", "--data and --out are needed", where="search")
            plan = SearchPlan(
                over=tuple(over or ()),
                sets=tuple(sets or ()),
                has_policies=policies,
                n_trials=20 if trials is None else trials,
                seed=seed,
                keep="all" if keep_all else "best",
            )
            made = searching.search(recipe or "quick", data=data, out=out, plan=plan, **live)
    _tell(made, rows)


@contextmanager
def _resumable(place: Path | None) -> Iterator[None]:
    """Tells how to go on when a search is stopped, or fails, after it began."""
    from trifacet.cli import render

    try:
        yield
    except BaseException:
        if place and (place / "search.json").is_file():
            render.err.print(f"Go on with: [bold]trifacet search --resume {place}[/]", soft_wrap=True)
        raise


def _telling(console: Console, rows: list[Row]) -> Callable[[Row], None]:
    """What adds a row to the table of trials, above the bars, and to `rows`, when a trial ends."""
    from rich.markup import escape

    from trifacet.trials.page import changes_words

    best = float("-inf")

    def tell(row: Row) -> None:
        nonlocal best
        rows.append(row)
        score = "     -" if row.score is None else f"{row.score:6.4f}"
        is_best = row.state == "finished" and row.score is not None and row.score > best
        if is_best and row.score is not None:
            best = row.score
        mark = "[bold green]*[/]" if is_best else " "
        line = f"{row.number:>5} {score} {mark} {row.state:<8} {row.seconds / 60:6.1f} min  "
        console.print(f"{line}{escape(row.problem or changes_words(row))}", soft_wrap=True)

    return tell


def _tell(search: Search, rows: list[Row]) -> None:
    """What a search came to, and what to do with it; its journal may be another process's by now."""
    from trifacet.cli import render
    from trifacet.trials.page import changes_words, counts_words
    from trifacet.trials.study import best_row

    if not (best := best_row(rows)):
        render.say(f"no trial was trained yet; go on with: trifacet search --resume {search.path}")
        return
    done = sorted((r for r in rows if r.state == "finished"), key=lambda r: (-(r.score or 0), r.number))
    shown = [(r.number, f"{r.score:.4f}", f"{r.seconds / 60:.1f}", changes_words(r)) for r in done[:10]]
    title = f"{search.path}: {counts_words(rows)}"
    render.show(title, ("#trial", "#macro F1 on val", "#minutes", "changes"), shown)
    for line in search.best_path.read_text(encoding="utf-8").splitlines():
        if "flatters" in line:
            render.warn(line.removeprefix("# "))
    if best.number == 0:
        render.warn("no trial was better than the recipe as it is")
    render.say(f"report: [bold]{search.report_path}[/]")
    render.say(f"next: trifacet train {search.best_path} --data DATA")
