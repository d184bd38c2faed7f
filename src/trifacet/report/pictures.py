"""Sections of photos: the surest mistakes and the least certain answers, each with where the network looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from trifacet.core.errors import count_text
from trifacet.core.evaluation import Evaluation
from trifacet.pages import html
from trifacet.pages.contact import PhotoTile, photo_grid_html
from trifacet.report.material import N_SHOWN, Material, least_certain, sure_mistakes


def mistakes(material: Material) -> html.Section | None:
    """The wrong answers given with the most confidence, as pictures; only where thumbnails are given."""
    return _photos(material, sure_mistakes, anchor="mistakes", words=("wrong answer", "most confident"))


def uncertain(material: Material) -> html.Section | None:
    """The answers with the least confidence, as pictures; only where thumbnails are given."""
    return _photos(material, least_certain, anchor="uncertain", words=("answer", "least certain"))


TITLES = {"mistakes": "Where it is sure and wrong", "uncertain": "Where it is least sure"}


def _photos(
    material: Material, choose: Callable[[Evaluation], pl.DataFrame], *, anchor: str, words: tuple[str, str]
) -> html.Section | None:
    chosen, (what, most) = choose(material.main), words
    rows = chosen.filter(pl.col("photo_id").is_in(list(material.thumbnails))).head(N_SHOWN)
    if rows.is_empty():
        return None
    tiles = [_tile(row, material) for row in rows.iter_rows(named=True)]
    all_of = count_text(chosen.height, what)
    which = f"The {len(tiles)} {most} of {all_of}" if len(tiles) < chosen.height else f"{all_of}, the {most} first"
    note = f"{which}: confidence, then truth and answer where they differ."
    if any(tile.beside for tile in tiles):
        note += (
            " Beside a photo: where covering a part of it lowers the probability of the answer that is named, "
            "the brighter the more, and by how much at most."
        )
        if not all(tile.beside for tile in tiles):
            note += " The time for maps was up before the others were mapped."
    return html.Section(TITLES[anchor], photo_grid_html(tiles), anchor, note)


def _tile(row: dict[str, Any], material: Material) -> PhotoTile:
    names = [html.readable(name) for name in material.main.schema.joint_names]
    true, answer = (
        None if row[key] is None else names[int(str(row[key]))] for key in ("true_joint", "predicted_joint")
    )
    photo_id, confidence = str(row["photo_id"]), float(str(row["confidence"]))
    differ = () if true is None else _differing(true, str(answer))
    look = material.attention.looks.get(photo_id) if material.attention else None
    told = (f"{look.attribute}: down {look.deepest:.2f}",) if look else ()
    said = f"true {true or 'not known'}, answered {answer}"
    return PhotoTile(
        uri=material.thumbnails[photo_id],
        alt=f"{photo_id}: {said}",
        lines=(html.percent_text(confidence), *(differ or (("right", answer) if true else (answer,))), *told),
        beside=look.uri if look else "",
        beside_alt=f"Where the network looks for {look.attribute}" if look else "",
    )


def _differing(true: str, answered: str) -> tuple[str, ...]:
    pairs = zip(true.split(", "), answered.split(", "), strict=True)
    return tuple(f"{one} → {other}" for one, other in pairs if one != other)
