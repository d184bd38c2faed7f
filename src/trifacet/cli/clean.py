"""`trifacet audit`, `review`, `apply`, `background`: what looks wrong in a dataset, and what people do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trifacet.core.errors import count_text, first_few


def audit(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A manifest, or a folder of photos.")],
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="[OTHER]", help="More data, such as what a model is tried on: copies, and what differs."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The new folder: findings.parquet, findings.csv, index.html.")] = (
        Path("audit")
    ),
    oof: Annotated[
        Path | None,
        typer.Option(metavar="PREDICTIONS", help="predictions/oof.parquet of `train --folds`: doubt the labels, too."),
    ] = None,
    no_pictures: Annotated[bool, typer.Option("--no-pictures", help="A page without a pixel of a photo.")] = False,
) -> None:
    """Find what looks wrong: damaged files, copies, hard photos, faces, and labels that a model does not believe.

    Nothing is changed: findings are a table and a page, worst first, for a person to rule on. Labels are doubted only
    by answers of models that never saw the person (`train --folds`); that needs the extra `audit` (cleanlab).
    """
    from trifacet import stages
    from trifacet.auditing import FINDINGS_NAME
    from trifacet.cli import render
    from trifacet.core.findings import KINDS

    with render.bars() as bars:
        found = stages.audit(data, out, other=other, oof=oof, pictures=not no_pictures, progress=bars.told)
    rows = []
    for kind in KINDS:
        part = found.findings.table.filter(kind=kind)
        if len(part):
            rows.append((kind.replace("_", " "), f"{part['is_issue'].sum():,}", f"{len(part):,}"))
    render.show(str(out), ("finding", "#to look at", "#in all"), rows)
    for note in (*found.findings.stamps, *found.notes):
        render.warn(note)
    render.say(f"page: [bold]{out / 'index.html'}[/]")
    render.say(f"next: trifacet review {data} --decisions rulings.db --findings {out / FINDINGS_NAME}")


def review(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A manifest, or a folder of photos.")],
    decisions: Annotated[Path, typer.Option("--decisions", metavar="STORE", help="The store of rulings, made if new.")],
    findings: Annotated[
        Path | None, typer.Option(metavar="FINDINGS", help="findings.parquet of `trifacet audit`: these come first.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where to serve; any other address than this machine's own asks for a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    names: Annotated[
        list[str] | None, typer.Option("--name", help="What else browsers call this machine; repeatable.")
    ] = None,
    blind: Annotated[
        bool,
        typer.Option("--blind", help="Hide why a photo is shown, and what a model proposes, until it is answered."),
    ] = False,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Show links that leave the folder.")] = False,
) -> None:
    """A local page on which people rule on photos, keyboard first: flag, confirm, say what is right, settle.

    Every ruling is on the disk before the next photo shows; photos and the manifest are never changed
    (`trifacet apply` makes a new one). Several reviewers may work at once. Needs the extra `review`.
    """
    from trifacet.cli import render
    from trifacet.ruling import open_desk, require_review

    require_review()
    from trifacet.serve.review import Served, serve_review

    with render.bars() as bars:
        desk = open_desk(data, decisions, findings=findings, is_following_links=follow_links, progress=bars.told)

    def ready(served: Served) -> None:
        render.say(f"review {count_text(len(desk.ids), 'photo')} at [bold]{served.url}[/]")
        render.say(f"rulings go to {decisions}; end with Ctrl-C")

    try:
        serve_review(desk, host=host, port=port, is_blind=blind, names=names or (), ready=ready)
    except KeyboardInterrupt:
        render.say(f"next: trifacet apply {data} --decisions {decisions} --out clean.parquet")
        raise


def apply(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A manifest, or a folder of photos.")],
    decisions: Annotated[
        Path, typer.Option("--decisions", metavar="STORE", help="A store of rulings, or a CSV of them.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The manifest to write; beside it a CSV of what changed.")],
    skip: Annotated[bool, typer.Option("--skip", help="Leave out decisions that do not fit, and list them.")] = False,
) -> None:
    """A new manifest with what people ruled; photos and the given manifest stay as they are.

    A decision counts only where its `old` is the label that stands. What reviewers see differently is not applied.
    """
    from trifacet import stages
    from trifacet.cli import render
    from trifacet.ruling import changes_path

    with render.bars() as bars:
        made = stages.apply(data, decisions, out=out, skip=skip, progress=bars.told)
    counts = (
        made.changes.group_by("attribute", "old", "new")
        .len()
        .sort("len", "attribute", "old", "new", descending=[True, False, False, False])
    )
    rows = [(a, old or "–", new or "–", f"{n:,}") for a, old, new, n in counts.iter_rows()]
    render.show(str(out), ("attribute", "from", "to", "#photos"), rows)
    for one in made.refused[:20]:
        render.warn(f"left out: {one.decision.scope} {one.decision.subject}: {one.why}")
    if len(made.refused) > 20:
        render.warn(f"left out: {len(made.refused):,} in all")
    if made.disagreements:
        told = first_few([rulings[0].subject for rulings in made.disagreements])
        render.warn(f"not applied, because reviewers see it differently: {told}")
    if made.mixed:
        render.warn(f"these people have more than one gender or age now: {first_few(made.mixed)}")
    if made.n_so_already:
        render.say(f"{count_text(made.n_so_already, 'decision')} said what stood already")
    render.say(f"{count_text(len(made.changes), 'change')} in [bold]{changes_path(out)}[/]")


def background(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A manifest, or a folder of photos.")],
    model: Annotated[
        str, typer.Option("--model", metavar="NAME|PATH", help="A model that rembg keeps on this machine, or a file.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The new folder: photos/, manifest.parquet, rejects.csv.")],
    sha256: Annotated[str, typer.Option("--sha256", metavar="HEX", help="What the file at PATH must hash to.")] = "",
    session: Annotated[
        str, typer.Option("--session", metavar="NAME", help="What runs the file at PATH; default u2net_custom.")
    ] = "",
    fills: Annotated[
        list[str] | None,
        typer.Option(
            "--fill",
            metavar="FILL",
            help="white, black, grey, mean, blur, transparent or a colour as RRGGBB; default white; repeatable.",
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Photos worked on at once; default the cores.")] = None,
) -> None:
    """The same people before another background, as photos of their own (PNG) beside the originals.

    Person, labels, split and fold stay; each row says of which photo, and by which model. The same command goes on
    where it was stopped. Nothing is downloaded and no photo leaves the machine. Needs the extra `background` (rembg).
    """
    from trifacet import stages
    from trifacet.cli import render

    wanted = fills or ["white"]
    with render.bars() as bars:
        made = stages.background(
            data, out, model=model, sha256=sha256, session=session, fills=wanted, workers=workers, progress=bars.told
        )
    photos = next(iter(made.manifests.values())).table
    rows = []
    for of in ("photo", "face"):
        shares = photos["x_kept_share" if of == "photo" else "x_face_kept_share"].drop_nulls()
        if len(shares):
            rows.append((of, *(f"{shares.quantile(q) or 0:.0%}" for q in (0, 0.5, 1)), f"{len(shares):,}"))
    render.show(str(out), ("kept of each", "#least", "#median", "#most", "#photos"), rows)
    render.say(f"{count_text(len(photos), 'photo')} before {', '.join(made.manifests)}")
    if made.n_before:
        render.say(f"{made.n_before:,} of them had been cut out before")
    if len(made.rejects):
        render.warn(f"{len(made.rejects):,} files have no counterpart: {out / 'rejects.csv'} says why")
