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
    from trifacet.core.ensemble import Ensemble
    from trifacet.core.manifest import Manifest
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
    is_dry: Dry = False,
    profile: Annotated[bool, typer.Option("--profile", help="Tell where the time and the memory went.")] = False,
    no_pictures: NoPictures = False,
) -> None:
    """A manifest to a finished run: weights, answers on val and test, a decision rule, scores and a report.

    A folder of photos is ingested and split on the way (20 % of the people are val). Ctrl-C stops after the step at
    work; --resume goes on.
    """
    from trifacet import stages
    from trifacet.cli import render
    from trifacet.core.run import open_run
    from trifacet.opening import open_data, open_recipe, ready_to_train, require_train

    require_train()  # before a folder of photos is ingested for nothing
    if resume:
        if recipe or data or out or name or sets or init or folds or keep_val or is_dry or no_pictures:
            what = "goes on with the run as it is, so no recipe and no other option goes with it"
            raise error("TRI104", what, where="--resume")
        with _resumable(resume), render.bars(is_logged=True) as bars:
            made = stages.resume(resume, progress=bars.told, on_tick=bars.ticked, profile=profile)
        _tell(made, is_profiled=profile)
        return
    if (data := data or official.place(official.TRAIN)) is None:
        raise _no_data(recipe)
    if keep_val and not folds:
        raise error("TRI104", "goes with --folds alone", where="--keep-val")
    if profile and folds:
        raise error("TRI104", "is of one run: leave out --folds", where="--profile")
    place = _place(out, name=name, recipe=recipe or "quick")
    resolved = open_recipe(recipe or "quick", [*(sets or []), *["report.pictures=false"] * no_pictures])
    if init:
        open_run(init)  # before a folder of photos is ingested for nothing
    with render.bars(is_logged=True) as bars:
        found = open_data(data, progress=bars.told)
    if is_dry:
        dry = stages.dry_run(resolved, found, init=init)
        _tell_dry_run(dry, out, shows=resolved.settings.report.pictures)
        return
    if not folds and found.table["split"].is_null().all():
        found = ready_to_train(found, resolved.settings)
        _tell_split(found)
    with _resumable(place), render.bars(is_logged=True) as bars:
        live: dict[str, Any] = {"out": place, "init": init, "progress": bars.told, "on_tick": bars.ticked}
        run: Run | Ensemble
        if folds:
            run = stages.train_folds(resolved, data=found, folds=folds, keep_val=keep_val, **live)
        else:
            run = stages.train(resolved, data=found, profile=profile, **live)
    _tell(run, is_profiled=profile)


def _tell(run: Run | Ensemble, *, is_profiled: bool) -> None:
    """What a training came to; a run stands as the baseline has it, too."""
    from trifacet.core.run import Run

    if isinstance(run, Run):
        official.write_beside(run)
        tell_run(run, is_profiled=is_profiled)
    else:
        tell_folds(run)


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
    seed: Annotated[int, typer.Option(help="Another seed, other people.")] = 0,
) -> None:
    """Draw faces, train on them, answer for people never seen, score and submit. No download, a few minutes."""
    from trifacet import demonstration
    from trifacet.cli import render
    from trifacet.core.run import numbered
    from trifacet.opening import open_recipe, require_train

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
    from trifacet.core.run import FOLDS, open_run

    try:
        yield
    except BaseException as problem:
        if isinstance(problem, TrifacetError) and problem.code in ("TRI400", "TRI408"):
            raise  # nothing that can be read is here, or somebody is at it
        is_begun = (run / FOLDS).is_file() and not (run / "ensemble.json").is_file()
        if is_begun or ((run / "run.json").is_file() and open_run(run).info.status in ("interrupted", "failed")):
            render.err.print(f"Go on with: [bold]trifacet train --resume {run}[/]", soft_wrap=True)
        raise


def _tell_split(manifest: Manifest) -> None:
    """Says how data without a split were divided."""
    from trifacet.cli import render

    parts = {name: manifest.split(name) for name in ("train", "val")}
    counts = [
        f"{name} {len(rows):,} photos" + ("" if rows.n_persons is None else f" of {rows.n_persons:,} people")
        for name, rows in parts.items()
    ]
    render.warn(
        f"the data had no split, so they were divided here: {', '.join(counts)}; `trifacet split` gives control"
    )


def tell_run(run: Run, *, is_profiled: bool = False) -> None:
    """A finished run's scores, what to know of them, and what comes next."""
    from trifacet.cli import render
    from trifacet.core.files import read_json

    scores = read_json(run.scores_path)
    is_part = bool(run.info.recipe.model.tasks)
    best = f"best epoch {run.info.best.epoch}, " if run.info.best else ""
    title = f"{run.path}: {best}trained {run.info.seconds / 60:.1f} minutes"
    _show_scores(scores, title, names=run.info.label_schema.names, is_part=is_part)
    if words := why_other_than_logged(run, scores["val"]["macro_f1"]):
        render.say(f"[dim]{words}[/]")
    for note in (*run.info.stamps, *run.info.notes):
        render.warn(note)
    if "test" not in scores:
        render.say(
            "[dim]val picked the epoch and the decision rule, so it flatters; `split --test 0.2` keeps an exam[/]"
        )
    then = "; then `trifacet combine` with what the others say" if is_part else ""
    render.say(
        f"report: [bold]{run.report_path}[/]\nnext: trifacet predict {run.path} PHOTOS --out answers.parquet{then}"
    )
    if is_profiled:
        _tell_profile(run)


def tell_folds(folds: Ensemble) -> None:
    """The scores of finished folds, how far they are apart, and what comes next."""
    from trifacet.cli import render
    from trifacet.core.files import read_json
    from trifacet.folding import spread_text

    title = f"{folds.path}: trained {folds.info.seconds / 60:.1f} minutes"
    is_part = folds.info.folded is not None and bool(folds.info.folded.recipe.model.tasks)
    _show_scores(read_json(folds.scores_path), title, names=folds.info.label_schema.names, is_part=is_part)
    render.say(f"folds: {spread_text(folds.info)}")
    for note in (*folds.info.stamps, *folds.info.notes):
        render.warn(note)
    render.say(f"report: [bold]{folds.path / 'report/index.html'}[/]")
    render.say(f"next: trifacet predict {folds.path} PHOTOS --out answers.parquet")


def _show_scores(scores: dict[str, Any], title: str, *, names: Sequence[str], is_part: bool) -> None:
    from trifacet.cli import render

    rows = []
    for split, score in scores.items():
        people = "unknown" if score["n_people"] is None else f"{score['n_people']:,}"
        counts = (f"{score['n_photos']:,}", people)
        rows.append((f"{split} {' x '.join(names)}" if is_part else split, *_figures(score), *counts))
        # Where no photo has every label the attributes tell what can be known; of parts of the task each counts.
        if score["macro_f1"] is None or (is_part and len(names) > 1):
            rows += [(f"{split} {name}", *_figures(score[name]), "", "") for name in names]
    render.show(title, ("", "#macro F1", "#accuracy", "#photos", "#people"), rows)


def _tell_profile(run: Run) -> None:
    from trifacet.cli import render
    from trifacet.core.files import read_jsonl
    from trifacet.report.profile import memory_facts, time_profile

    for phase, parts in time_profile(read_jsonl(run.metrics_path)).items():
        whole = sum(parts.values())
        rows = [(part, f"{seconds:,.1f}", f"{seconds / whole:.1%}") for part, seconds in parts.items()]
        title = f"Epochs of {phase}: {whole:,.0f} seconds"
        render.show(title, ("", "#seconds", "#share"), rows)
    for what, size in memory_facts(run.info.machine).items():
        render.say(f"{what}: {size}")


def why_other_than_logged(run: Run, figure: dict[str, float] | None) -> str:
    """Why val's macro F1 differs from the best epoch's, in words; "" where it does not."""
    best, decide = run.info.best, run.info.recipe.decide
    if best is None or figure is None or f"{best.macro_f1:.3f}" == f"{figure['value']:.3f}":
        return ""
    views = {"none": [], "flip": ["the mirrored photo averaged in"]}
    added = views.get(decide.tta, [f"the views of tta {decide.tta} averaged in"])
    added = added + ["the run's decision rule"] * (decide.fit != "argmax")
    logged = f"epoch {best.epoch} had {best.macro_f1:.3f} on val by the most probable class"
    return f"{logged}; the table is with {' and '.join(added)}" if added else ""


def _figures(score: dict[str, Any]) -> tuple[str, str]:
    return _figure(score["macro_f1"]), _figure(score["accuracy"])


def _figure(figure: dict[str, float] | None) -> str:
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]" if figure else "-"


def _tell_dry_run(dry: DryRun, out: Path | None, *, shows: bool) -> None:
    from trifacet.cli import render
    from trifacet.picturing import save_picture

    picture = out or Path("dry-run.png")
    path = picture.with_name(f"{picture.name.removesuffix('.png')}.png")
    if shows:
        save_picture(path, dry.picture)
    rows = [
        ("input", " x ".join(map(str, dry.input_shape))),
        *((f"answer {name}", " x ".join(map(str, shape))) for name, shape in dry.outputs.items()),
        ("parameters", f"{dry.n_parameters:,}, {dry.n_trained:,} of them trained"),
        ("loss", f"{dry.loss:.3f}, of even odds {dry.chance_loss:.3f}"),
        ("picture", path if shows else "none: report.pictures is false"),
    ]
    render.show("One batch", ("", ""), rows)
