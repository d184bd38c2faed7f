"""`trifacet predict`, `decide`, `evaluate` and `submit`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trifacet.cli import official
from trifacet.cli.data import EdgesOption, SchemaOption, open_schema
from trifacet.core.errors import error, first_few
from trifacet.core.files import check_suffix

if TYPE_CHECKING:
    from trifacet.core.predictions import DecisionRule, Predictions
    from trifacet.learn.predictor import Model
    from trifacet.submission import Submission

PREDICTIONS = "predictions.parquet"

DecisionOption = Annotated[
    str, typer.Option("--decision", metavar="RULE|argmax", help="Another decision.json, or argmax; default its own.")
]


def open_rule(text: str) -> DecisionRule | Literal["argmax"] | None:
    """What --decision asks for. Raises PredictionsError TRI300."""
    from trifacet.core.predictions import read_decision

    return None if not text else "argmax" if text == "argmax" else read_decision(Path(text))


def _tell_fast(model: Model, is_asked: bool) -> None:
    """Says where --fast changes nothing."""
    from trifacet.cli import render

    if is_asked and "precision" not in model.made_by:
        render.warn(f"--fast: {model.device} does not compute bfloat16 in hardware here; answers are float32 as ever")


def _tell_unread(made: Predictions) -> None:
    """Names photos that have no answer, and says what goes with every answer."""
    from trifacet.cli import render

    unread = [f"{i} ({e})" for i, e in zip(made.ids, made.errors, strict=True) if e]
    if unread:
        render.warn(f"{len(unread):,} photos could not be read: {first_few(unread)}")
    for stamp in made.stamps:
        render.warn(stamp)


FastOption = Annotated[
    bool,
    typer.Option("--fast", help="bfloat16 where the machine computes it: half the time, answers a little rounded."),
]


def predict(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="The folder of a run.")] = None,
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DATA", help="A manifest, or a folder or archive of photos, labelled or not."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The predictions to write (predictions.parquet); a .csv is for reading."),
    ] = None,
    tta: Annotated[
        str, typer.Option(metavar="flip|none", help="flip (mirror image averaged in) or none; default the recipe's.")
    ] = "",
    fast: FastOption = False,
    decision: DecisionOption = "",
    split: Annotated[
        list[str] | None, typer.Option(metavar="SPLIT", help="Only these splits of a manifest; may be repeated.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    page: Annotated[
        Path | None, typer.Option(help="Also write a page of the photos by answer, the least certain first.")
    ] = None,
    no_pictures: Annotated[
        bool, typer.Option("--no-pictures", help="No photo on the page, as of a run trained so: names alone.")
    ] = False,
) -> None:
    """Photos to class probabilities, the age distribution, and answers. Every photo asked for is in the result.

    A .parquet holds all of it, as evaluate and submit want it; a .csv is for reading: class names, age and confidence.
    """
    from trifacet import stages
    from trifacet.cli import render
    from trifacet.opening import require_train

    if tta not in ("", "none", "flip"):
        raise error("TRI104", "must be flip or none", where="--tta", got=f"'{tta}'")
    asked = official.needed(run, official.MODEL, what="RUN")
    if (run := official.newest_run(asked)) != asked:
        render.say(f"the newest finished run of {asked}: [bold]{run}[/]")
    data = official.needed(data, official.EVAL, what="DATA")
    out = out or official.place(official.OUTPUT, PREDICTIONS) or Path(PREDICTIONS)
    check_suffix(out, ".parquet", ".csv", what="predictions")
    rule = open_rule(decision)
    require_train()
    from trifacet.learn.predictor import load_model

    pictures = False if no_pictures else None
    loaded = load_model(run, device=device, tta=tta or None, pictures=pictures, is_fast=fast)  # type: ignore[arg-type]
    _tell_fast(loaded, fast)
    with render.bars() as bars:
        made = stages.predict(
            loaded, data, out=out, rule=rule, splits=split or [], page=page, progress=bars.told, tell=render.warn
        )
    if out.suffix.lower() == ".csv":
        render.warn(f"{out} is for reading; evaluate and submit want a .parquet, with the probabilities")
    n_read = int(made.is_read.sum())
    render.say(f"{n_read:,} photos answered in [bold]{out}[/]" + (f", a page in [bold]{page}[/]" if page else ""))
    _tell_unread(made)


def decide(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    out: Annotated[Path, typer.Option("--out", help="The rule to write.")] = Path("decision.json"),
    on: Annotated[Path | None, typer.Option(help="Fit on these predictions instead of the run's val.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Their truth: a manifest or a CSV.")] = None,
) -> None:
    """Fit how probabilities become answers: temperatures, and how far rare classes are favoured (tau).

    Argmax is kept unless another rule is better on people it was not fitted on. Give the file to --decision.
    """
    from trifacet import stages
    from trifacet.cli import render

    if on and not truth:
        raise error("TRI104", "--truth is needed beside --on: the labels of those photos")
    rule = stages.decide(run, out, on=on, truth=truth)
    names = rule.label_schema.names
    rows = [(name, f"{rule.temperature.get(name, 1):.2f}", f"{rule.tau.get(name, 0):.2f}") for name in names]
    people = "people unknown" if rule.n_persons is None else f"{rule.n_persons:,} people"
    title = f"{out}: fitted on {rule.fitted_on}, {rule.n_photos:,} photos of {people}"
    render.show(title, ("", "#temperature", "#tau"), rows)


def evaluate(
    predictions: Annotated[
        Path | None, typer.Argument(metavar="PREDICTIONS", help="Predictions, or a submission CSV.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="A manifest, or a CSV with ImageID and any of ans, mask, gender, age.")
    ] = None,
    is_official: Annotated[
        bool, typer.Option("--official", help="Print the original evaluation's JSON; joins by row where it must.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    report: Annotated[Path | None, typer.Option(help="Also write a report page.")] = None,
    decision: DecisionOption = "",
    by_row: Annotated[bool, typer.Option("--by-row", help="The truth has no ids: join by row; stamped.")] = False,
    subset: Annotated[bool, typer.Option("--subset", help="Leave out photos that the truth does not name.")] = False,
    schema: SchemaOption = None,
    age_edges: EdgesOption = "",
) -> None:
    """Scores with intervals by person: macro F1 over all classes, accuracy, per attribute, age error."""
    import json

    from trifacet import stages
    from trifacet.cli import render

    asked = open_schema(schema, age_edges) if schema or age_edges else None
    rule = open_rule(decision)
    predictions = official.needed(predictions, official.OUTPUT, "output.csv", what="PREDICTIONS")
    truth = official.needed(truth, official.TRUTH, "gt.csv", what="--truth")
    by_row = by_row or is_official
    if report:
        check_suffix(report, ".html", what="a page")
    made = stages.evaluate(predictions, truth, schema=asked, rule=rule, by_row=by_row, subset=subset, report=report)
    if as_json or is_official:
        typer.echo(json.dumps(official.official_json(made) if is_official else made.as_json(), indent=2))
        return
    render.scores(made, predictions.name)
    if report:
        render.say(f"report: [bold]{report}[/]")


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN ...", help="Finished runs; the first is compared with.")
    ],
    on: Annotated[str, typer.Option(metavar="val|test", help="Which split; default test, where all have one.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Also write a page.")] = None,
) -> None:
    """Runs side by side: scores, what they took, paired differences, and where their recipes differ."""
    from trifacet import stages
    from trifacet.cli import render
    from trifacet.report import compare as report

    if out:
        check_suffix(out, ".html", what="a page")
    made = stages.compare(runs, on=on, out=out)
    words = {"run", "machine", "that is", "setting", *(run.name for run in made)}

    def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        named = [column if column in words else f"#{column}" for column in columns]
        render.show(title, named, [["-" if cell is None else cell for cell in row] for row in rows])

    show(f"Scores on {made[0].measured_on}", report.SCORE_COLUMNS, report.score_rows(made))
    show("\nWhat they took", report.COST_COLUMNS, report.cost_rows(made))
    show(f"\nCompared with {made[0].name}", report.GAIN_COLUMNS, report.gain_rows(made))
    differences = report.recipe_differences([run.info for run in made])
    show(
        "\nWhere they differ", ("setting", *(run.name for run in made)), [(key, *values) for key, values in differences]
    )
    if out:
        render.say(f"\npage: [bold]{out}[/]")


def submit(
    predictions: Annotated[
        Path | None, typer.Argument(metavar="PREDICTIONS", help="Predictions on the photos that info.csv names.")
    ] = None,
    info: Annotated[Path | None, typer.Option(help="The CSV with ImageID whose rows are to be answered.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The submission to write (output.csv).")] = None,
    decision: DecisionOption = "",
    fill: Annotated[
        bool, typer.Option("--fill", help="Answer photos that could not be read by training's commonest class.")
    ] = False,
) -> None:
    """Predictions to `ImageID,ans` in the order of info.csv, every row answered, and a look at whether it is likely."""
    from trifacet import stages
    from trifacet.cli import render

    predictions = official.needed(predictions, official.OUTPUT, PREDICTIONS, what="PREDICTIONS")
    info = official.needed(info, official.EVAL, "info.csv", what="--info")
    out = out or official.place(official.OUTPUT, "output.csv") or Path("output.csv")
    made = stages.submit(predictions, info, out=out, rule=open_rule(decision), fill=fill)
    _tell_shares(made)
    render.say(f"{len(made.answers.ids):,} rows in [bold]{out}[/]")
    if made.unread:
        named = ", ".join(f"{i} ({why})" for i, why in made.unread[:5])
        render.warn(f"{len(made.unread):,} photos could not be read and were filled: {named}")
    for warning in made.warnings:
        render.warn(warning)


def _tell_shares(made: Submission) -> None:
    from trifacet.cli import render

    for name, shares in made.shares.items():
        if name == "joint":
            continue
        rows = [(s.name, f"{s.predicted:.1%}", "-" if s.prior is None else f"{s.prior:.1%}") for s in shares]
        render.show(name, ("", "#answers", "#training"), rows)
