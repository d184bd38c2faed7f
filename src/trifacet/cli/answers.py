"""`trifacet predict`, `decide`, `evaluate` and `submit`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from trifacet.cli import official
from trifacet.cli.data import EdgesOption, SchemaOption, open_schema
from trifacet.core.errors import error, first_few
from trifacet.core.files import check_suffix

if TYPE_CHECKING:
    from trifacet.core.predictions import DecisionRule, Predictions
    from trifacet.core.predictor import Predictor
    from trifacet.submission import Submission

PREDICTIONS = "predictions.parquet"

DecisionOption = Annotated[
    str, typer.Option("--decision", metavar="RULE|argmax", help="Another decision.json, or argmax; default its own.")
]


def open_rule(text: str) -> DecisionRule | Literal["argmax"] | None:
    """What --decision asks for. Raises PredictionsError TRI300."""
    from trifacet.core.predictions import read_decision

    return None if not text else "argmax" if text == "argmax" else read_decision(Path(text))


def _tell_fast(model: Predictor[Any], device: str, *, is_asked: bool) -> None:
    """Says where --fast changes nothing."""
    from trifacet.cli import render
    from trifacet.learn.device import choose_device

    if is_asked and "precision" not in model.made_by:
        name = choose_device(device)
        render.warn(f"--fast: {name} does not compute bfloat16 in hardware here; answers are float32 as ever")


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
    typer.Option(
        "--fast", help="bfloat16 where the machine computes it: half the time, the same answers, rounded probabilities."
    ),
]


SamePeople = Annotated[
    int,
    typer.Option(
        metavar="N", min=0, help="Photos that look like one person, up to N, share gender and age: the score tells."
    ),
]


def predict(
    models: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN ... DATA", help="A run, an ensemble, or several as their mean; last the photos."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The predictions to write (predictions.parquet); a .csv is for reading."),
    ] = None,
    form: Annotated[
        str, typer.Option(metavar="answers|probabilities", help="Of a .csv: Id,P00,P01,...; a file a --split.")
    ] = "answers",
    tta: Annotated[
        str, typer.Option(metavar="FORM", help="Views to average: none, flip, crops, random:K, flips4, d4.")
    ] = "",
    fast: FastOption = False,
    same_people: SamePeople = 0,
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

    DATA is a manifest, or a folder or archive of photos, labelled or not. A .parquet holds all, as evaluate and submit
    want it; a .csv is for reading: class names, age, confidence.
    """
    from trifacet import stages
    from trifacet.cli import render
    from trifacet.closing import save_probabilities
    from trifacet.opening import require_train

    refuse_tta(tta)
    runs = _runs(models[:-1] or models if models else [])
    data = photos_at(models[-1] if models and len(models) > 1 else None)
    out = out or official.place(official.OUTPUT, PREDICTIONS) or Path(PREDICTIONS)
    check_form(form, out, inputs=[data])
    rule = open_rule(decision)
    require_train()
    from trifacet.learn.predictor import load_model

    pictures = False if no_pictures else None
    loaded = load_model(runs, device=device, tta=tta or None, pictures=pictures, is_fast=fast, same_people=same_people)
    _tell_fast(loaded, device, is_asked=fast)
    table = out if form == "answers" else None
    with render.bars() as bars:
        made = stages.predict(
            loaded, data, out=table, rule=rule, splits=split or [], page=page, progress=bars.told, tell=render.warn
        )
    written = [out] if table else save_probabilities(made, data, out=out, splits=split or [])
    _tell_answered(made, written, page)


def _runs(given: Sequence[Path]) -> list[Path]:
    """The runs that answer; of a folder of runs the newest finished one. Raises ConfigError TRI104, none."""
    from trifacet.cli import render

    found = []
    for asked in given or [official.needed(None, official.MODEL, what="RUN")]:
        if (run := official.newest_run(asked)) != asked:
            render.say(f"the newest finished run of {asked}: [bold]{run}[/]")
        found.append(run)
    return found


def photos_at(given: Path | None) -> Path:
    """The photos to predict on. Raises ConfigError TRI104, none, or a run in their place."""
    from trifacet.core.ensemble import is_ensemble

    data = official.needed(given, official.EVAL, what="DATA")
    if is_ensemble(data) or (data / "run.json").is_file():
        raise error("TRI104", "the last must be photos: a manifest, a folder or an archive", got=f"the run '{data}'")
    return data


def _tell_answered(made: Predictions, written: Sequence[Path], page: Path | None) -> None:
    from trifacet.cli import render

    if written[0].suffix.lower() == ".csv":
        render.warn(f"{written[0]} is for reading; evaluate and submit want a .parquet, with the probabilities")
    places = ", ".join(f"[bold]{path}[/]" for path in written) + (f", a page in [bold]{page}[/]" if page else "")
    render.say(f"{int(made.is_read.sum()):,} photos answered in {places}")
    _tell_unread(made)


def refuse_tta(text: str) -> None:
    """Refuses what --tta does not know, and says what is senseless for faces. Raises ConfigError TRI104."""
    from trifacet.cli import render
    from trifacet.core.tta import check_tta, tta_warning

    try:
        warning = tta_warning(check_tta(text or "none"))
    except ValueError as problem:
        raise error("TRI104", str(problem), where="--tta") from None
    if warning:
        render.warn(warning)


def check_form(form: str, out: Path, *, inputs: Sequence[Path] = ()) -> None:
    """Refuses a form that is none, and a place that does not fit it or is taken. Raises ConfigError TRI100, TRI104."""
    from trifacet.core.errors import pick
    from trifacet.core.tables import check_place
    from trifacet.submission import refuse_leak

    endings = pick({"answers": (".parquet", ".csv"), "probabilities": (".csv",)}, form, what="form", where="--form")
    check_place(out, *endings, kind="predictions" if form == "answers" else "probabilities", inputs=inputs)
    refuse_leak(out)


def decide(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run or an ensemble.")],
    out: Annotated[Path, typer.Option("--out", help="The rule to write.")] = Path("decision.json"),
    on: Annotated[Path | None, typer.Option(help="Fit on these predictions instead of the run's val.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Their truth: a manifest or a CSV.")] = None,
    match_rates: Annotated[
        bool, typer.Option("--match-rates", help="Answer classes as often as the labels have them: thresholds.")
    ] = False,
    rates: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SHARES", help="The same, by shares that are known: mask=5,1,1; may be repeated."),
    ] = None,
) -> None:
    """Fit how probabilities become answers: temperatures, and how far rare classes are favoured (tau).

    Argmax is kept unless another rule is better on people it was not fitted on. Give the file to --decision.
    """
    from trifacet import stages
    from trifacet.cli import render

    if on and not truth and not rates:
        raise error("TRI104", "--truth is needed beside --on: the labels of those photos")
    known = dict(_shares(text) for text in rates or [])
    rule = stages.decide(run, out, on=on, truth=truth, rates=known if match_rates or rates else None)
    names = rule.label_schema.names
    people = "people unknown" if rule.n_persons is None else f"{rule.n_persons:,} people"
    title = f"{out}: fitted on {rule.fitted_on}, {rule.n_photos:,} photos of {people}"
    if rule.bias:
        cells = [
            (n, *(", ".join(f"{x:.1%}" for x in rule.notes[n][k]) for k in ("rates", "answered"))) for n in rule.bias
        ]
        render.show(title, ("", "#wanted shares", "#answered"), cells)
        return
    rows = [(name, f"{rule.temperature.get(name, 1):.2f}", f"{rule.tau.get(name, 0):.2f}") for name in names]
    render.show(title, ("", "#temperature", "#tau"), rows)


def _shares(text: str) -> tuple[str, list[float]]:
    """The attribute and its classes' shares that --rates names. Raises ConfigError TRI104."""
    name, _, values = text.partition("=")
    return name, numbers(values, where="--rates", like="mask=5,1,1")


def numbers(text: str, *, where: str, like: str) -> list[float]:
    """Numbers with commas between. Raises ConfigError TRI104."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise error(
            "TRI104", f"takes numbers with commas between, such as {like}", where=where, got=f"'{text}'"
        ) from None


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
