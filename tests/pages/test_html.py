from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import Markup

from trifacet.core.evaluation import Interval
from trifacet.pages import html

VOID = {"meta", "link", "img", "br", "input"}


class Balance(HTMLParser):
    """Says whether every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")


def page(**changes: object) -> str:
    table = html.table_html(["who", "n"], [["<b>one</b>", 1_234]], caption="A & B")
    sections = [html.Section("First", table, "first"), html.Section("Second", Markup("<p>x</p>"), "second", "Why <so>")]
    return html.render_page("A <title>", sections, subtitle="sub & title", **changes)  # type: ignore[arg-type]


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    text = page()
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert re.findall(r"(?:src|href)=\"(?!#|data:)[^\"]*\"|url\(|@import|<script|https?://", text) == []


def test_a_page_escapes_what_it_is_given() -> None:
    text = page(notices=["<i>leak</i>"])
    for raw in ("<b>one", "<title>A <title>", "Why <so>", "<i>leak"):
        assert raw not in text
    assert "&lt;b&gt;one&lt;/b&gt;" in text
    assert "A &amp; B" in text


def test_a_page_closes_what_it_opens() -> None:
    parser = Balance()
    parser.feed(page(notices=["care"]))
    assert (parser.wrong, parser.open) == ([], [])


def test_contents_lead_to_every_section_and_headings_are_in_order() -> None:
    text = page()
    assert re.findall(r'<li><a href="#(\w+)">', text) == re.findall(r'<section id="(\w+)"', text) == ["first", "second"]
    assert re.findall(r"<h(\d)", text) == ["1", "2", "2"]
    assert all(landmark in text for landmark in ("<header", "<nav", "<main", "<footer", 'lang="en"'))


def test_two_sections_with_one_anchor_are_refused() -> None:
    section = html.Section("A", Markup(""), "a")
    with pytest.raises(ValueError, match=r"^anchors of sections must be distinct, got \['a', 'a'\]$"):
        html.render_page("t", [section, section])


def test_notices_stand_before_the_sections() -> None:
    text = page(notices=["persons unknown"])
    assert text.index("Persons unknown.") < text.index('<section id="first"')


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        pytest.param(1234, 3, "1,234", id="whole"),
        pytest.param(np.int64(1234), 3, "1,234", id="whole of numpy"),
        pytest.param(0.71349, 3, "0.713", id="share"),
        pytest.param(np.float32(4.25), 1, "4.2", id="years of numpy"),
        pytest.param(None, 3, "–", id="none"),
        pytest.param(math.nan, 3, "–", id="nan"),
    ],
)
def test_numbers_have_one_form(value: float | None, digits: int, text: str) -> None:
    assert html.number_text(value, digits=digits) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (0.004, "0.4 %"), (0.0994, "9.9 %"), (0.0996, "10 %"), (0.856, "86 %"), (1.0, "100 %"), (None, "–")],
)
def test_small_shares_keep_a_decimal(share: float | None, text: str) -> None:
    assert html.percent_text(share).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(Interval(0.7134, 0.68, 0.74), "0.713 [0.680, 0.740]", id="interval"),
        pytest.param(True, "yes", id="yes"),
        pytest.param("text 5", "text 5", id="text"),
        pytest.param("ab" * 32, f'<code title="{"ab" * 32}">{"ab" * 6}</code>', id="hash"),
    ],
)
def test_a_cell_shows_any_value(value: object, shown: str) -> None:
    assert html.cell_text(value) == shown


def test_an_interval_takes_the_form_of_its_figure() -> None:
    interval = Interval(-0.32, -0.71, 0.18)
    assert (f"{interval:+.1f}", f"{interval}") == ("-0.3 [-0.7, +0.2]", "-0.320 [-0.710, 0.180]")


def test_a_table_has_caption_scopes_and_numbers_right() -> None:
    table = html.table_html(["class", "n", "kind"], [["a", 1, "x"], ["b", None, "y"]], caption="All")
    assert "<caption>All</caption>" in table
    assert re.findall(r'<th scope="col"([^>]*)>', table) == ["", ' class="number"', ""]
    assert re.findall(r'<th scope="row">(\w)', table) == ["a", "b"]
    assert '<td class="number">–</td>' in table


def test_a_card_draws_its_interval_on_the_scale() -> None:
    card = html.figure_card("F1", Interval(0.7, 0.65, 1.2), notes=["9 photos"])
    assert card == html.Card("F1", "0.700", "[0.650, 1.200]", ("9 photos",), (70.0, 65.0, 100.0))


def test_a_picture_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a picture that is not inline SVG needs alt$"):
        html.figure_html("data:image/webp;base64,AA", caption="x")
    assert 'alt="a face"' in html.figure_html("data:image/webp;base64,AA", alt="a face")


def test_empty_groups_of_facts_are_left_out() -> None:
    assert re.findall(r"<h3>(\w+)</h3>", html.facts_html({"Run": {"seed": 1}, "Empty": {}})) == ["Run"]
