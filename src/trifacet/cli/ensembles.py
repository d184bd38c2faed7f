"""`trifacet ensemble`, `combine`, `average` and `pseudo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from trifacet.cli.answers import numbers
from trifacet.core.errors import error, pick

if TYPE_CHECKING:
    from trifacet.core.ensemble import Voting


def ensemble(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN ...", help="Finished runs or ensembles; the first's labels count.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The ensemble's folder; it must be new.")],
    weights: Annotated[
        str, typer.Option(metavar="W,W,...", help="One a run, 2,1,1: how much each has to say. Default: all alike.")
    ] = "",
    fit: Annotated[
        bool, typer.Option("--fit", help="Fit weights on out-of-fold predictions, or val, and score on others.")
    ] = False,
    voting: Annotated[
        str, typer.Option(metavar="soft|hard", help="Mean of probabilities, or votes; ties by probability.")
    ] = "soft",
    seed: Annotated[int, typer.Option(min=0, help="Of the folds of people that weights are fitted on.")] = 0,
) -> None:
    """Finished runs to an ensemble: a folder that predict, decide and compare take wherever they take a run.

    Members must know the same photos, split alike. What they say of val, test or out of folds is put together and
    scored at once.
    """
    from trifacet import stages
    from trifacet.cli.tell import tell

    if weights and fit:
        raise error("TRI104", "weights are either given or fitted", where="--fit", got=f"--weights {weights} as well")
    way = cast("Voting", pick({"soft": "soft", "hard": "hard"}, voting, what="voting", where="--voting"))
    given = numbers(weights, where="--weights", like="2,1,1") if weights else []
    made = stages.ensemble(runs, out, weights=given, fit=fit, voting=way, seed=seed)
    tell(made)


def combine(
    predictions: Annotated[
        list[Path],
        typer.Argument(metavar="P P ...", help="Predictions of the same photos, each of a part of the task."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The predictions to write.")] = Path("predictions.parquet"),
) -> None:
    """Predictions of mask, gender and age, from one file each or in any parts, to predictions of all classes.

    Files of the same attributes are averaged first; parts are then multiplied, as independent given the photo.
    """
    from trifacet import stages
    from trifacet.cli import render

    made = stages.combine(predictions, out)
    classes = " x ".join(f"{a.name} {len(a.classes)}" for a in made.schema.attributes)
    render.say(f"{int(made.is_read.sum()):,} photos answered in [bold]{out}[/]: {classes}")
    for stamp in made.stamps:
        render.warn(stamp)


def average(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN ...", help="A run that kept its last epochs, or runs of one network."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The new run's folder.")],
    last: Annotated[int | None, typer.Option(min=2, help="How many of the kept epochs; default all.")] = None,
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Only those whose weights do the mean no harm on val, best first.")
    ] = False,
    apart: Annotated[
        bool, typer.Option("--apart", help="Each run by itself, the mean of its last epochs, into a folder in OUT.")
    ] = False,
) -> None:
    """The mean of weights as a run of its own: as quick as one, often a little better than any.

    Of one run its last epochs (`train.keep_epochs`), of several runs, which began from the same weights, their best.
    """
    from trifacet import stages
    from trifacet.cli import render
    from trifacet.cli.tell import tell_run

    names = [run.absolute().name for run in runs]
    if apart and len(set(names)) < len(names):
        raise error(
            "TRI104", "two runs of one name would be written to one place", where="--apart", got=", ".join(names)
        )
    todo = {out / name: [run] for name, run in zip(names, runs, strict=True)} if apart else {out: runs}
    for place, members in todo.items():
        with render.bars(is_logged=True) as bars:
            made = stages.average(members, place, last=last, greedy=greedy, progress=bars.told)
        tell_run(made)


def pseudo(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A run or an ensemble, or predictions about the photos (.parquet).")
    ],
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="A manifest or folder of photos to be labelled.")],
    data: Annotated[Path, typer.Option(help="The labelled, split manifest that they are added to.")],
    out: Annotated[Path, typer.Option("--out", help="The manifest to write.")] = Path("pseudo.parquet"),
    least: Annotated[
        list[str] | None,
        typer.Option(
            "--at-least",
            metavar="ATTRIBUTE=P,...",
            help="Probability that the class must have, one or one a class: mask=.5,.95,.95; default .9. Repeatable.",
        ),
    ] = None,
    weight: Annotated[float, typer.Option(help="How much a label of these counts in training, beside 1.")] = 1.0,
) -> None:
    """Photos without labels to training photos, where a model is sure of every attribute at once.

    They are never val: `split` and `train --folds` keep them in training. Where they came from stands in
    `label_source`, and every score of what is trained on them says how many there are.
    """
    from trifacet import labelling
    from trifacet.cli import render

    asked = dict(_thresholds(text) for text in least or [])
    with render.bars() as bars:
        made = labelling.pseudo(model, photos, data=data, out=out, least=asked, weight=weight, progress=bars.told)
    n_taken, n_left = sum(made.taken.values()), sum(made.left.values())
    rows = [*made.taken.items(), *((f"left: {why}", n) for why, n in made.left.items())]
    render.show(f"{out}: {n_taken:,} photos taken, {n_left:,} left", ("", "#photos"), [(w, f"{n:,}") for w, n in rows])
    if not n_taken:
        render.warn("not one photo was taken; lower --at-least, or take a surer model")
        return
    render.say(f"next: trifacet train --data {out}")


def _thresholds(text: str) -> tuple[str, list[float]]:
    """The attribute and its classes' probabilities that --at-least names. Raises ConfigError TRI104."""
    name, _, values = text.partition("=")
    return name, numbers(values, where="--at-least", like="mask=.5,.95,.95")
