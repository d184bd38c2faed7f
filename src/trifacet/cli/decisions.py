"""`trifacet decisions`: what people ruled, as files that people and other tools read, and safe copies of it."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from trifacet.cli.command import Command, Group
from trifacet.core.errors import count_text, error, first_few, pick

if TYPE_CHECKING:
    from trifacet.core.decisions import Source

decisions = typer.Typer(
    cls=Group, help="What people ruled: to and from CSV, Label Studio, FiftyOne and CVAT; safe copies; known errors."
)

DataArgument = Annotated[Path, typer.Argument(metavar="DATA", help="A manifest, or a folder of photos.")]
RulingsArgument = Annotated[Path, typer.Argument(metavar="STORE", help="A store of rulings; with --form also a CSV.")]
StoreArgument = Annotated[Path, typer.Argument(metavar="STORE", help="A store of rulings.")]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DATA", help="The photos: a manifest, or a folder. Not for csv.")
]


@decisions.command("export", cls=Command)
def export_decisions(
    store: RulingsArgument,
    out: Annotated[Path, typer.Option("--out", help="What to write: .csv, .json, .xml; a folder for fiftyone.")],
    form: Annotated[str, typer.Option(help="csv, label-studio, fiftyone or cvat.")] = "csv",
    data: DataOption = None,
    findings: Annotated[
        Path | None, typer.Option(metavar="FINDINGS", help="Photos of these findings, too, and why. Not for csv.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every photo, not only ruled ones. Not for csv.")] = False,
    images: Annotated[
        str, typer.Option(metavar="PREFIX", help="What Label Studio's addresses begin with, before a photo's path.")
    ] = "/data/local-files/?d=",
    events: Annotated[
        bool, typer.Option("--events", help="csv: every event, also what was taken back, instead of what counts.")
    ] = False,
) -> None:
    """What reviewers agree on, or settled: a CSV that `trifacet apply` takes, or another tool's form.

    Label Studio is given each reviewer's answers as annotations, the labels as they stand as predictions, and beside it
    the labelling interface (.config.xml).
    """
    from trifacet.cli import render

    if form == "csv":
        if data is not None or findings is not None or everything:
            raise error("TRI104", "--data, --findings and --all are for the other forms", where="--form", got="'csv'")
        _export_csv(store, out, events=events)
        return
    if data is None or events:
        what = "needs the photos" if data is None else "has no --events"
        raise error("TRI104", f"the form {form} {what}", where="--data" if data is None else "--form")
    from trifacet import exchanging

    how = exchanging.ExportAs(form=form, is_all=everything, images=images)
    with render.bars() as bars:
        told = exchanging.export_form(store, data, out=out, how=how, findings=findings, progress=bars.told)
    render.say(f"{count_text(told.n_rulings, 'ruling')} on {count_text(told.n_photos, 'photo')} in [bold]{out}[/]")
    if told.unsaid:
        kinds = first_few(sorted({f"{d.scope} {d.attribute}" for d in told.unsaid}))
        render.warn(f"{count_text(len(told.unsaid), 'decision')} cannot be said in this form: {kinds}")
    _warn_of_differing(told.n_differing)


def _export_csv(store: Path, out: Path, *, events: bool) -> None:
    from trifacet import ruling
    from trifacet.cli import render

    told = ruling.export_rulings(store, out, is_all=events)
    render.say(f"{count_text(len(told.decisions), 'decision')} in [bold]{out}[/]")
    _warn_of_differing(0 if events else len(told.disagreements))


def _warn_of_differing(n: int) -> None:
    from trifacet.cli import render

    if n:
        render.warn(f"left out: {count_text(n, 'label')} that reviewers see differently; settle them first")


@decisions.command("import", cls=Command)
def import_decisions(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What another tool, or somebody's script, wrote.")],
    data: Annotated[Path, typer.Option("--data", metavar="DATA", help="The photos: a manifest, or a folder.")],
    out: Annotated[Path, typer.Option("--out", metavar="STORE", help="A store, made if new; or a new .csv.")],
    form: Annotated[str, typer.Option(help="auto, csv, classes, label-studio, fiftyone or cvat.")] = "auto",
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="KEY=NAME",
            help="What the file calls a thing (path=img_path), what a word means (gender:F=female), or a YAML file; "
            "repeatable.",
        ),
    ] = None,
    who: Annotated[str, typer.Option(help="Who ruled, where the file does not tell; default the file's name.")] = "",
    certainty: Annotated[str, typer.Option(help="How sure they are, in a word, where the file does not tell.")] = "",
    source: Annotated[str, typer.Option(help="human, model or rule, where the file does not tell.")] = "human",
    confirmations: Annotated[
        bool, typer.Option("--confirmations", help="Keep what agrees with the given label as a ruling, too.")
    ] = False,
) -> None:
    """Rulings out of another tool's file: where it differs from the given label. The file is taken whole or not at all.

    Photos are found by the longest ending of their path. What is in the store already is not added again. Form
    `classes` takes numbers in a table as this schema's joint ids (mask * 6 + gender * 3 + age).
    """
    from trifacet import exchanging
    from trifacet.cli import render

    pick(dict.fromkeys(("human", "model", "rule")), source, what="source", where="--source")
    how = exchanging.ImportAs(form, maps or (), who, certainty, cast("Source", source), confirmations)
    with render.bars() as bars:
        made = exchanging.import_rulings(file, data, out=out, how=how, progress=bars.told)
    counts: dict[tuple[str, str, str, str], int] = {}
    for one in made.decisions:
        key = (one.who, one.attribute, one.old or "–", one.new or "–")
        counts[key] = counts.get(key, 0) + 1
    rows = sorted(((*key, f"{n:,}") for key, n in counts.items()), key=lambda row: row[:-1])
    render.show(str(out), ("who", "attribute", "from", "to", "#rulings"), rows)
    render.say(f"{count_text(len(made.decisions), 'ruling')} ({made.form}) in [bold]{out}[/]")
    told = {
        "agree with the given label": made.n_agreed,
        "were there already": made.n_there,
        "are about what their author ruled on by hand, which stands": made.n_own,
    }
    for what, n in told.items():
        if n:
            render.say(f"{n:,} {what}")
    for note in made.notes:
        render.warn(note)


@decisions.command("known", cls=Command)
def known_decisions(
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", help="The CSV to write, for `trifacet apply --decisions`.")],
    certainty: Annotated[str, typer.Option(help="certain; likely: those too; disputed: all of them.")] = "certain",
) -> None:
    """The label errors of the original dataset that people found, as far as they are about this data. Changes nothing.

    Only people whose folder and label are as listed are meant; others of the same number are left alone.
    """
    from trifacet import exchanging
    from trifacet.cli import render

    with render.bars() as bars:
        found = exchanging.write_known(data, out, certainty=certainty, progress=bars.told)
    render.say(f"{len(found.decisions):,} corrections in [bold]{out}[/]")
    if found.n_done:
        render.say(f"{found.n_done:,} stand already")
    if found.absent:
        render.say(f"{len(found.absent):,} of these people are not in this data")
    for one in found.other:
        render.warn(f"left out: {one}")


@decisions.command("backup", cls=Command)
def back_up_decisions(store: StoreArgument, out: Annotated[Path, typer.Option("--out", help="The new file.")]) -> None:
    """A copy of a store as it is at one moment, also while people review. `trifacet decisions restore` puts it back."""
    from trifacet import ruling
    from trifacet.cli import render

    ruling.back_up(store, out)
    render.say(f"copied to [bold]{out}[/]")


@decisions.command("restore", cls=Command)
def restore_decisions(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="What `trifacet decisions backup` wrote.")],
    out: Annotated[Path, typer.Option("--out", metavar="STORE", help="The new store; nothing may be there.")],
) -> None:
    """A store out of a backup, which is checked first. No store is ever overwritten, and the backup stays as it is."""
    from trifacet import exchanging
    from trifacet.cli import render

    n_events = exchanging.restore(backup, out)
    render.say(f"{count_text(n_events, 'event')} restored to [bold]{out}[/]")


@decisions.command("agreement", cls=Command)
def tell_agreement(store: StoreArgument) -> None:
    """How far reviewers agree beyond chance: Cohen's kappa of each two, Krippendorff's alpha of more.

    1 is full agreement, 0 what chance would bring. Photos are those that both ruled on by themselves: what settled a
    disagreement is left out. A kappa of few photos, or of labels that are nearly all alike, says little.
    """
    from trifacet import ruling
    from trifacet.cli import render

    found = ruling.agreement(store)
    rows = [
        (
            a.attribute,
            ", ".join(a.reviewers),
            f"{a.n_photos:,}",
            f"{a.same:.1%}",
            "–" if isnan(a.kappa) else f"{a.kappa:.3f}",
        )
        for a in found
    ]
    render.show(str(store), ("attribute", "reviewers", "#photos", "#the same", "#kappa, of more alpha"), rows)
    if not found:
        render.say("No two reviewers have ruled on the same photo yet.")
