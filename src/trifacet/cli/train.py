"""`trifacet train` and `demo`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trifacet.cli import official
from trifacet.core.errors import TrifacetError, error

if TYPE_CHECKING:
    from trifacet.choosing import Networks
    from trifacet.core.config import Resolved
    from trifacet.core.ensemble import Ensemble
    from trifacet.core.manifest import Manifest
    from trifacet.core.recipe import Recipe
    from trifacet.core.run import Run
    from trifacet.learn.preview import DryRun

NoPictures = Annotated[bool, typer.Option("--no-pictures", help="No photo in the report, pictures/ or TensorBoard.")]
RecipeName = Annotated[
    str | None, typer.Argument(metavar="RECIPE", help="`trifacet recipes` lists them; or a file. Default: quick.")
]
Name = Annotated[str, typer.Option(metavar="NAME", help="Instead of --out: runs/NAME, numbered when it is taken.")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: train.epochs=8.")]
Init = Annotated[Path | None, typer.Option(metavar="RUN", help="Start from the weights of this run.")]
Resume = Annotated[Path | None, typer.Option(metavar="RUN", help="Go on with this run from its newest checkpoint.")]
Folds = Annotated[
    int | None, typer.Option(min=2, help="A run for each fold of the people outside test; all answer together.")
]
KeepVal = Annotated[
    bool, typer.Option("--keep-val", help="With --folds: leave val out, so that the folds may teach a run with it.")
]
Each = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=A|B|...", help="A network for each value of a setting; all answer together."),
]
Dry = Annotated[
    bool, typer.Option("--dry-run", help="One batch: shapes, loss, and a picture of what the network sees.")
]
RECIPE_ENDINGS = (".yaml", ".yml", ".json")


def train(
    recipe: RecipeName = None,
    data: Annotated[Path | None, typer.Option(help="A manifest, or a folder or archive of labelled photos.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; it must be new.")] = None,
    name: Name = "",
    sets: Sets = None,
    init: Init = None,
    resume: Resume = None,
    folds: Folds = None,
    keep_val: KeepVal = False,
    each: Each = None,
    is_dry: Dry = False,
    profile: Annotated[bool, typer.Option("--profile", help="Tell where the time and the memory went.")] = False,
    no_pictures: NoPictures = False,
) -> None:
    """A manifest to a finished run: weights, answers on val and test, a decision rule, scores and a report.

    A folder of photos is ingested and split on the way (20 % of the people are val). Ctrl-C stops after the step at
    work; --resume goes on.
    """
    from trifacet import stages, varying
    from trifacet.choosing import open_recipes
    from trifacet.cli import render
    from trifacet.cli.tell import tell, tell_split
    from trifacet.core.run import open_run
    from trifacet.data.split import in_folds, one_fold
    from trifacet.opening import open_data, require_train

    require_train()  # before a folder of photos is ingested for nothing
    made: Run | Ensemble
    live: dict[str, Any]
    if resume:
        others = [recipe, data, out, name, sets, init, folds, keep_val, each, is_dry, no_pictures]
        tell(_gone_on(resume, others, profile=profile), is_profiled=profile)
        return
    if (data := data or official.place(official.TRAIN)) is None:
        raise _no_data(recipe)
    changes = [*(sets or []), *["report.pictures=false"] * no_pictures]
    networks = open_recipes(recipe or "quick", changes, each=_one_each(each or []))
    _require_together(folds=folds, n_networks=len(networks), keep_val=keep_val, profile=profile)
    place = _place(out, name=name, recipe=recipe or "quick")
    if init:
        open_run(init)  # before a folder of photos is ingested for nothing
    with render.bars(is_logged=True) as bars:
        found = open_data(data, progress=bars.told)
    if is_dry:
        shown = one_fold(in_folds(found, folds, keep_val=keep_val), 0) if folds else found
        _dry_run(networks, shown, init=init, picture=out or Path("dry-run.png"))
        return
    if not folds and found.table["split"].is_null().all():
        tell_split(found := stages.split(found))
    with _resumable(place), render.bars(is_logged=True) as bars:
        live = {"data": found, "out": place, "init": init, "progress": bars.told, "on_tick": bars.ticked}
        if len(networks) > 1:
            made = varying.train_variants(networks, folds=folds, keep_val=keep_val, **live)
        elif folds:
            made = stages.train_folds(networks[""], folds=folds, keep_val=keep_val, **live)
        else:
            made = stages.train(networks[""], profile=profile, **live)
    tell(made, is_profiled=profile)


def _one_each(each: Sequence[str]) -> str:
    """The one setting that varies, "" where none does. Raises ConfigError TRI104, several."""
    if len(each) > 1:
        do = "Name the networks in a recipe, each with its settings: docs/how-to/ensembles.md."
        raise error("TRI104", "one setting varies, not several", where="--each", got="; ".join(each), do=do)
    return "".join(each)


def _gone_on(run: Path, others: Sequence[object], *, profile: bool) -> Run | Ensemble:
    """What was stopped at `run`, trained to its end. Raises ConfigError TRI104, another option stands beside it."""
    from trifacet.cli import render
    from trifacet.resuming import resume

    if any(others):
        what = "goes on with the run as it is, so no recipe and no other option goes with it"
        raise error("TRI104", what, where="--resume")
    with _resumable(run), render.bars(is_logged=True) as bars:
        return resume(run, progress=bars.told, on_tick=bars.ticked, profile=profile)


def _require_together(*, folds: int | None, n_networks: int, keep_val: bool, profile: bool) -> None:
    """Refuses options that do not go with each other. Raises ConfigError TRI104."""
    if keep_val and not folds:
        raise error("TRI104", "goes with --folds alone", where="--keep-val")
    if profile and (folds or n_networks > 1):
        several = "--folds" if folds else f"{n_networks} networks"
        raise error("TRI104", "is of one run alone", where="--profile", got=several)


def _place(out: Path | None, *, name: str, recipe: str) -> Path:
    if out and name:
        raise error("TRI104", "goes instead of --out: one of them names the run", where="--name")
    return out or official.run_place(name, recipe)


def _no_data(recipe: str | None) -> TrifacetError:
    is_data = recipe is not None and Path(recipe).exists() and Path(recipe).suffix not in RECIPE_ENDINGS
    do = f"Did you mean `--data {recipe}`?" if is_data else ""
    return error("TRI104", "--data is needed: a manifest or a folder of labelled photos", do=do)


def demo(
    out: Annotated[Path, typer.Option("--out", help="A new folder for all that the demo makes.")] = Path("demo"),
    recipe: Annotated[str, typer.Option(metavar="RECIPE", help="`instant` or `quick`.")] = "instant",
    people: Annotated[int, typer.Option(min=20, help="People drawn to train on, and as many to answer about.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other people.")] = 0,
) -> None:
    """Draw faces, train on them, answer for people never seen, score and submit. No download, a few minutes."""
    from trifacet import demonstration
    from trifacet.choosing import open_recipe
    from trifacet.cli import render
    from trifacet.core.run import numbered
    from trifacet.opening import require_train

    require_train()
    open_recipe(recipe)  # before anybody is drawn
    place = numbered(out.parent, out.name)
    render.say(f"Drawing {2 * people:,} people, seven photos each, into [bold]{place}[/]; then the whole way.")
    with render.bars(is_logged=True) as bars:
        told, ticked = bars.told, bars.ticked
        made = demonstration.demo(place, recipe=recipe, n_people=people, seed=seed, progress=told, on_tick=ticked)
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
    from trifacet.core.run import open_run, several_under_way

    try:
        yield
    except BaseException as problem:
        if isinstance(problem, TrifacetError) and problem.code in ("TRI400", "TRI408"):
            raise  # nothing that can be read is here, or somebody is at it
        if several_under_way(run) or (
            (run / "run.json").is_file() and open_run(run).info.status in ("interrupted", "failed")
        ):
            render.err.print(f"Go on with: [bold]trifacet train --resume {run}[/]", soft_wrap=True)
        raise


def _dry_run(networks: Networks, data: Manifest, *, init: Path | None, picture: Path) -> None:
    """One batch of each network, where all can be trained on these photos."""
    from trifacet import stages, varying
    from trifacet.core.files import keep_inputs
    from trifacet.several import start_inputs, start_of

    if len(networks) > 1:
        varying.ready_together(networks, data, start=start_of(start_inputs(init)))
    for i, (name, one) in enumerate(networks.items()):
        place = picture.with_name(f"{picture.name.removesuffix('.png')}{f'-{i + 1}' * (i > 0)}.png")
        keep_inputs(place, *data.paths)
        _tell_dry_run(stages.dry_run(one, data, init=init), one, path=place, network=name)


def _tell_dry_run(dry: DryRun, recipe: Resolved[Recipe], *, path: Path, network: str) -> None:
    from trifacet.cli import render
    from trifacet.picturing import save_picture

    if shows := recipe.settings.report.pictures:
        save_picture(path, dry.picture)
    rows = [
        ("input", " x ".join(map(str, dry.input_shape))),
        *((f"answer {name}", " x ".join(map(str, shape))) for name, shape in dry.outputs.items()),
        ("parameters", f"{dry.n_parameters:,}, {dry.n_trained:,} of them trained"),
        ("loss", f"{dry.loss:.3f}, of even odds {dry.chance_loss:.3f}"),
        ("picture", path if shows else "none: report.pictures is false"),
    ]
    render.show(f"One batch of {network}" if network else "One batch", ("", ""), rows)
