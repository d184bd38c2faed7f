"""One self-contained HTML page from sections, and its parts: tables, figures, cards, facts.

Every number that a page shows passes through `number_text` or `Interval`'s own format; every text is escaped.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from trifacet.core.evaluation import Interval

if TYPE_CHECKING:
    from jinja2 import Environment

NOTHING = "–"  # stands where a figure cannot be known

HASH_DIGITS = 64  # a sha256 in hex: shown by its first SHOWN_DIGITS, whole when pointed at
SHOWN_DIGITS = 12


class Number(str):
    """A number, or one with its interval, already in words: it stands right in a column, as other numbers do."""

    __slots__ = ()


@dataclass(frozen=True)
class Section:
    """A part of a page: its heading, its HTML, the anchor its link in the contents leads to, a sentence under it."""

    title: str
    html: Markup
    anchor: str
    note: str = ""


@dataclass(frozen=True)
class Card:
    """A headline figure: `value` large, `interval` under it, `notes` (n, unit) small, a line each.

    span: value, low and high in percent of the scale's width, drawn as a bar; None for no bar.
    """

    label: str
    value: str
    interval: str = ""
    notes: tuple[str, ...] = ()
    span: tuple[float, float, float] | None = None


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("trifacet.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def part(macro: str, **values: Any) -> Markup:
    """The HTML of one macro of `templates/parts.html.jinja`, its values escaped."""
    return Markup(getattr(_environment().get_template("parts.html.jinja").module, macro)(**values))


def render_page(
    title: str,
    sections: Sequence[Section],
    *,
    subtitle: str = "",
    notices: Sequence[str] = (),
    footer: str = "This page holds all that it shows: it loads nothing and runs no script.",
) -> str:
    """A whole HTML page, self-contained: its own policy forbids scripts and the network.

    `notices` stand loud above the first section. Two sections with one anchor are a ValueError.
    """
    anchors = [section.anchor for section in sections]
    if len(set(anchors)) != len(anchors):
        raise ValueError(f"anchors of sections must be distinct, got {anchors}")
    style = files("trifacet.pages").joinpath("templates/page.css").read_text(encoding="utf-8")
    page = _environment().get_template("page.html.jinja")
    made_by = f"Made by trifacet {version('trifacet')}."
    return page.render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        notices=notices,
        footer=f"{made_by} {footer}".strip(),
        css=Markup(style),
    )


def number_text(value: float | numbers.Real | None, *, digits: int = 3) -> str:
    """A number in words of a page: whole numbers with thousands, others with `digits` decimals, a dash for none."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{int(value):,}" if isinstance(value, numbers.Integral) else f"{float(value):,.{digits}f}"


def percent_text(share: float | None) -> str:
    """A share of 0..1 in percent: `86 %`; one decimal under 10 %, so that small shares differ."""
    if share is None or math.isnan(share):
        return NOTHING
    return f"{100 * share:.{1 if 0 < share < 0.0995 else 0}f}\N{NO-BREAK SPACE}%"


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def readable(name: str) -> str:
    """A class name as a person would write it: `not_worn` -> `not worn`, `worn/male` -> `worn, male`."""
    return name.replace("_", " ").replace("/", ", ")


def cell_text(value: object, *, digits: int = 3) -> str:
    """What a cell shows of any value: markup as it is, numbers and intervals formatted, a dash for None."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, Interval):
        return f"{value:.{digits}f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, numbers.Real):
        return number_text(value, digits=digits)
    text = str(value)
    if len(text) == HASH_DIGITS and all(c in "0123456789abcdef" for c in text):
        return Markup('<code title="{}">{}</code>').format(text, text[:SHOWN_DIGITS])
    return text


def _is_number(value: object) -> bool:
    return isinstance(value, (numbers.Real, Interval, Number)) and not isinstance(value, bool)


def table_html(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str, note: str = "", digits: int = 3
) -> Markup:
    """A table with a caption; the first column heads its rows; columns that hold numbers stand right.

    digits: decimals of numbers that are not whole.
    """
    cells = [list(row) for row in rows]
    numeric = [any(_is_number(row[i]) for row in cells) for i in range(len(columns))]
    shown = [[cell_text(value, digits=digits) for value in row] for row in cells]
    return part("table", columns=columns, rows=shown, caption=caption, is_numeric=numeric, note=note)


def meter_html(share: float) -> Markup:
    """A share of 0..1 as a number on a bar of that length."""
    return part("bar", percent=round(100 * min(max(share, 0.0), 1.0), 1), text=number_text(float(share)))


def share_html(share: float) -> Markup:
    """A share of 0..1 in percent on a bar of that length."""
    return part("bar", percent=round(100 * min(max(share, 0.0), 1.0), 1), text=percent_text(share))


def figure_html(picture: Markup | str, *, caption: str = "", alt: str = "") -> Markup:
    """A figure: `picture` is inline SVG (Markup, with its own label) or a data URI, which needs `alt` in words."""
    if not alt and not isinstance(picture, Markup):
        raise ValueError("a picture that is not inline SVG needs alt")
    return part("figure", picture=picture, alt=alt, caption=caption)


def cards_html(cards: Sequence[Card]) -> Markup:
    """Headline figures side by side, the first one emphasised."""
    return part("cards", cards=cards)


def figure_card(
    label: str,
    interval: Interval,
    *,
    notes: Sequence[str],
    digits: int = 3,
    scale: tuple[float, float] | None = (0, 1),
) -> Card:
    """The card of a figure with its interval, drawn on `scale` (None: not drawn)."""
    value, _, between = f"{interval:.{digits}f}".partition(" ")
    span = None
    if scale is not None:
        low, high = scale
        percents = [round(100 * min(max((v - low) / (high - low), 0.0), 1.0), 2) for v in interval]
        span = (percents[0], percents[1], percents[2])
    return Card(label, value, between, tuple(notes), span)


def facts_html(facts: Mapping[str, Mapping[str, object]]) -> Markup:
    """Named groups of facts, each a list of what and which."""
    groups = [(name, [(key, cell_text(value)) for key, value in rows.items()]) for name, rows in facts.items() if rows]
    return part("facts", groups=groups)


def heading_html(text: str) -> Markup:
    """A small heading within a section."""
    return Markup("<h3>{}</h3>").format(text)


def name_html(name: str) -> Markup:
    """A name somebody gave, to stand where the page writes capitals: as it is written, broken where it is long."""
    return Markup('<span class="name">{}</span>').format(name)


def notes_html(lines: Sequence[str]) -> Markup:
    """Sentences as a list."""
    return part("notes", lines=lines)


def side_by_side(*blocks: Markup, at_least_rem: float = 0) -> Markup:
    """Blocks beside each other where there is room, else under each other.

    at_least_rem: equal columns of at least this width; 0 gives each block the width that it needs.
    """
    return part("side_by_side", blocks=blocks, at_least_rem=at_least_rem)


def below(*blocks: Markup) -> Markup:
    """Blocks under each other with space between; empty ones are left out."""
    kept = [block for block in blocks if block]
    return Markup("").join([*kept[:1], *(Markup('<div class="block">{}</div>').format(block) for block in kept[1:])])
