"""`trifacet audit`: what looks wrong in a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def audit(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A manifest, or a folder of photos.")],
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
    from trifacet.cli import render
    from trifacet.core.findings import KINDS

    with render.bars() as bars:
        found = stages.audit(data, out, oof=oof, pictures=not no_pictures, progress=bars.told)
    rows = []
    for kind in KINDS:
        part = found.findings.table.filter(kind=kind)
        if len(part):
            rows.append((kind.replace("_", " "), f"{part['is_issue'].sum():,}", f"{len(part):,}"))
    render.show(str(out), ("finding", "#to look at", "#in all"), rows)
    for note in (*found.findings.stamps, *found.notes):
        render.warn(note)
    render.say(f"page: [bold]{out / 'index.html'}[/]")
