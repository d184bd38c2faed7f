"""`trifacet train` and `demo`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trifacet.core.errors import error

if TYPE_CHECKING:
    from trifacet.core.run import Run
    from trifacet.learn.preview import DryRun


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="[RECIPE]", help="`trifacet recipes` lists them; or a file.")
    ] = "quick",
    data: Annotated[Path | None, typer.Option(help="A manifest, or a folder of labelled photos.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; it must be new.")] = None,
    name: Annotated[str, typer.Option(help="Instead of --out: runs/NAME, numbered when it is taken.")] = "",
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: train.epochs=8.")
    ] = None,
    init: Annotated[Path | None, typer.Option(help="Start from the weights of this run.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run from its newest checkpoint.")] = None,
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="One batch: shapes, loss, and a picture of what the network sees.")
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Tell where the time and the memory went.")] = False,
) -> None:
    """A manifest to a finished run: weights, answers on val and test, a decision rule, scores and a report.

    A folder of photos is ingested and split on the way (20 % of the people are val). Ctrl-C stops after
    the step at work; --resume goes on.
    """
    from trifacet import stages
    from trifacet.cli import render
    from trifacet.core.run import numbered
    from trifacet.opening import open_data, open_recipe, require_train

    require_train()  # before a folder of photos is ingested for nothing
    if resume:
        if data or out or name or sets or init or is_dry:
            raise error("TRI104", "goes on with the run as it is, so no other option goes with it", where="--resume")
        with _resumable(resume), render.bars() as bars:
            run = stages.resume(resume, progress=bars.told, on_tick=bars.ticked, profile=profile)
    elif data is None:
        raise error("TRI104", "is needed: a manifest or a folder of labelled photos", where="--data")
    else:
        resolved = open_recipe(recipe, sets or [])
        with render.bars() as bars:
            manifest = open_data(data, progress=bars.told)
        if is_dry:
            _tell_dry_run(stages.dry_run(resolved, manifest), out or Path("dry-run.png"))
            return
        place = out or numbered(Path("runs"), name or Path(recipe).stem)
        with _resumable(place), render.bars() as bars:
            run = stages.train(
                resolved,
                data=manifest,
                out=place,
                init=init,
                progress=bars.told,
                on_tick=bars.ticked,
                profile=profile,
            )
    _tell_run(run)
    if profile:
        _tell_profile(run)


def demo(
    out: Annotated[Path, typer.Option("--out", help="A new folder for all that the demo makes.")] = Path("demo"),
    recipe: Annotated[str, typer.Option(help="`instant` or `quick`.")] = "instant",
    people: Annotated[int, typer.Option(min=20, help="People drawn to train on, and as many to answer about.")] = 300,
    seed: Annotated[int, typer.Option(help="Another seed, other people.")] = 0,
) -> None:
    """Draw faces, train on them, answer for people never seen, score and submit. No download, a few minutes."""
    from trifacet import stages
    from trifacet.cli import render
    from trifacet.core.run import numbered

    place = numbered(out.parent, out.name)
    render.say(f"Drawing {2 * people:,} people, seven photos each, into [bold]{place}[/]; then the whole way.")
    with render.bars() as bars:
        made = stages.demo(place, recipe=recipe, n_people=people, seed=seed, progress=bars.told, on_tick=bars.ticked)
    render.scores(made.evaluation, "people never seen")
    for warning in made.submission.warnings:
        render.warn(warning)
    render.say("These faces are drawn: the figures show that the path works, not how it does on real photos.\n")
    for what, path in (
        ("report", made.report_path),
        ("training report", made.run.report_path),
        ("photos by answer", made.page_path),
        ("submission", made.submission_path),
        ("photos", made.drawn.root),
    ):
        render.say(f"{what:>17}  [bold]{path}[/]")
    render.say(
        f"\nNext: [bold]trifacet train --data YOUR_PHOTOS[/], or [bold]trifacet predict {made.run.path} FOLDER[/]"
    )


@contextmanager
def _resumable(run: Path) -> Iterator[None]:
    """Tells how to go on when training is stopped or fails after it began."""
    from trifacet.cli import render
    from trifacet.core.run import open_run

    try:
        yield
    except BaseException:
        if (run / "run.json").is_file() and open_run(run).info.status in ("interrupted", "failed"):
            render.err.print(f"Go on with: [bold]trifacet train --resume {run}[/]", soft_wrap=True)
        raise


def _tell_run(run: Run) -> None:
    from trifacet.cli import render
    from trifacet.core.files import read_json

    scores = read_json(run.scores_path)
    rows = []
    for split, score in scores.items():
        people = "unknown" if score["n_people"] is None else f"{score['n_people']:,}"
        rows.append(
            (split, *(_figure(score[key]) for key in ("macro_f1", "accuracy")), f"{score['n_photos']:,}", people)
        )
    best = f"best epoch {run.info.best.epoch}, " if run.info.best else ""
    title = f"{run.path}: {best}trained {run.info.seconds / 60:.1f} minutes"
    render.out.print(render.table(title, ("", "#macro F1", "#accuracy", "#photos", "#people"), rows))
    for stamp in run.info.stamps:
        render.warn(stamp)
    if "test" not in scores:
        render.say(
            "[dim]val picked the epoch and the decision rule, so it flatters; `split --test 0.2` keeps an exam[/]"
        )
    render.say(f"report: [bold]{run.report_path}[/]\nnext: trifacet predict {run.path} PHOTOS --out answers.parquet")


def _tell_profile(run: Run) -> None:
    from trifacet.cli import render
    from trifacet.core.files import read_jsonl
    from trifacet.report.profile import memory_facts, time_profile

    for phase, parts in time_profile(read_jsonl(run.metrics_path)).items():
        whole = sum(parts.values())
        rows = [(part, f"{seconds:,.1f}", f"{seconds / whole:.1%}") for part, seconds in parts.items()]
        title = f"Epochs of {phase}: {whole:,.0f} seconds"
        render.out.print(render.table(title, ("", "#seconds", "#share"), rows))
    for what, size in memory_facts(run.info.machine).items():
        render.say(f"{what}: {size}")


def _figure(figure: dict[str, float] | None) -> str:
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]" if figure else "-"


def _tell_dry_run(dry: DryRun, picture: Path) -> None:
    from trifacet.cli import render
    from trifacet.closing import save_picture

    path = picture if picture.suffix == ".png" else picture.with_name(f"{picture.name}.png")
    save_picture(path, dry.picture)
    rows = [
        ("input", " x ".join(map(str, dry.input_shape))),
        *((f"answer {name}", " x ".join(map(str, shape))) for name, shape in dry.outputs.items()),
        ("parameters", f"{dry.n_parameters:,}, {dry.n_trained:,} of them trained"),
        ("loss", f"{dry.loss:.3f}, of even odds {dry.chance_loss:.3f}"),
        ("picture", path),
    ]
    render.out.print(render.table("One batch", ("", ""), rows))
