"""`trifacet explore`: what a dataset is, or in what two differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def explore(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A manifest, or a folder of photos.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="[OTHER]", help="More data, to be shown beside the first.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The new folder; index.html in it is the page.")] = Path("explore"),
    per_class: Annotated[int, typer.Option(min=1, max=200, help="Photos shown of each class.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Another seed shows other photos.")] = 0,
    no_pictures: Annotated[bool, typer.Option("--no-pictures", help="A page without a pixel of a photo.")] = False,
) -> None:
    """One page of what is in a dataset: people and photos by class, ages, what a cut would do, splits, how photos look.

    With pictures: a mean face and photos of each class. Of two datasets the page shows in what they differ, and by how
    much. It opens without a network, and shows faces: think before you share it. Nothing is changed.
    """
    from trifacet import stages
    from trifacet.cli import render
    from trifacet.data.explore_page import notices

    with render.bars() as bars:
        made = stages.explore(
            data,
            out,
            other=other,
            seed=seed,
            n_per_class=per_class,
            pictures=not no_pictures,
            progress=bars.told,
        )
    rows = []
    for each in made.data:
        known = each.manifest.table["person_id"].filter(each.manifest.table["person_id"] != "")
        people = f"{known.n_unique():,}" if len(known) else "unknown"
        rows.append((each.name, f"{len(each.manifest):,}", people, f"{each.n_unread:,}"))
    render.show(str(out), ("data", "#photos", "#people", "#not readable"), rows)
    for each in made.data:
        for note in (*each.remarks, *notices(each)):
            render.warn(f"in {each.name}: {note}" if other else note)
    render.say(f"page: [bold]{made.page_path}[/]")
