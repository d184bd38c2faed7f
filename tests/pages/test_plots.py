from __future__ import annotations

import re

import numpy as np
import pytest
from markupsafe import Markup

from trifacet.core.evaluation import ReliabilityBin
from trifacet.pages import plots

MASK = [["worn", "incorrect", "not_worn"]]
JOINT = [*MASK, ["male", "female"], ["under_30", "30_to_59", "60_plus"]]


def lines() -> Markup:
    x = np.arange(1.0, 6.0)
    return plots.line_plot(
        [plots.Line("train", x, 1 / x), plots.Line("val", x, 2 / x, is_second=True)], alt="Loss", x_label="epoch"
    )


def powers() -> Markup:
    x = np.array([1e4, 1e5, 1e6, 1e7])
    return plots.line_plot([plots.Line("s", x, x / 1e5)], alt="Seconds", x_label="hashes", is_log=True)


def reliability() -> Markup:
    bins = [ReliabilityBin(0.0, 0.5, 0.4, 0.3, 10), ReliabilityBin(0.5, 1.0, 0.8, 0.9, 30)]
    return plots.reliability_plot(bins, alt="Reliability of mask")


def ages() -> Markup:
    rng = np.random.default_rng(0)
    true = rng.uniform(18, 70, 900)
    return plots.age_plot(true, true + rng.normal(0, 5, 900), cuts=(30, 60), alt="Ages")


def one_histogram() -> Markup:
    return plots.histogram_plot({"n": np.array([1, 5, 2])}, np.arange(4.0), alt="One", x_label="x", cuts=(1.5,))


def two_histograms() -> Markup:
    counts = {"one": np.array([10, 10]), "other": np.array([1, 3])}
    return plots.histogram_plot(counts, np.array([1.0, 10, 100]), alt="Two", x_label="x", is_log=True, is_wide=True)


PLOTS = [
    pytest.param(make, id=make.__name__) for make in (lines, powers, reliability, ages, one_histogram, two_histograms)
]


@pytest.mark.parametrize("make", PLOTS)
def test_a_plot_has_no_colour_of_its_own(make: object) -> None:
    svg = make()  # type: ignore[operator]
    assert re.findall(r"#[0-9a-f]{6}\b", svg) == []
    assert set(re.findall(r"var\(--(\w+)\)", svg)) <= {"ink", "soft", "line", "accent", "second", "faint"}


@pytest.mark.parametrize("make", PLOTS)
def test_a_plot_is_small_labelled_and_drawn_alike_twice(make: object) -> None:
    svg = make()  # type: ignore[operator]
    assert svg == make()  # type: ignore[operator]
    assert len(svg) < 80_000
    assert re.match(r'<svg viewBox="0 0 [\d.]+ [\d.]+" style="max-width:\d+px" role="img" aria-label="\w', svg)
    assert "font-family" not in svg
    assert "<text" in svg


def test_each_dot_of_a_reliability_plot_tells_its_photos() -> None:
    assert re.findall(r"<use [^>]*><title>([^<]+)</title></use>", reliability()) == [
        "10 photos: confidence 0.400, right 0.300",
        "30 photos: confidence 0.800, right 0.900",
    ]


def test_one_histogram_counts_and_of_two_each_has_its_share_and_its_name() -> None:
    one, two = (re.findall(r"<text[^>]*>([^<]+)</text>", make()) for make in (one_histogram, two_histograms))
    assert "4" in one
    assert not any("%" in label for label in one)
    assert {"one", "other", "1", "2", "5", "10"} <= {*two}
    assert any(label.endswith(" %") for label in two)
    assert 'viewBox="0 0 518.4 165.6"' in two_histograms()


def test_plots_on_one_page_share_no_id() -> None:
    one, other = (set(re.findall(r'id="([^"]+)"', svg)) for svg in (reliability(), ages()))
    assert one
    assert other
    assert one & other == set()


def test_every_reference_in_a_plot_is_found_in_it() -> None:
    for svg in (lines(), reliability(), ages()):
        used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
        assert used <= set(re.findall(r' id="([^"]+)"', svg))


def test_a_single_epoch_is_drawn() -> None:
    svg = plots.line_plot([plots.Line("val", np.array([1.0]), np.array([0.5]))], alt="One", x_label="epoch")
    assert "<use" in svg


def test_a_label_is_escaped() -> None:
    svg = plots.line_plot([plots.Line("a<b", np.array([1.0, 2]), np.array([1.0, 2]))], alt='<"&', x_label="x")
    assert 'aria-label="&lt;&#34;&amp;"' in svg


def cells(table: str) -> list[tuple[str, str, str]]:
    found = re.findall(r'<td class="cell([^"]*)"(?: style="--s:([\d.]+)%")?[^>]*>([^<]*)', table)
    return [(kind.strip(), shade, text) for kind, shade, text in found]


def test_a_small_matrix_shows_counts_shares_and_shade() -> None:
    counts = np.array([[8, 1, 0], [0, 4, 0], [0, 0, 0]])
    table = plots.confusion_html(counts, MASK, caption="Mask", unanswered=np.array([1, 0, 0]))
    shown = cells(table)
    assert shown[:4] == [("right", "89", "8"), ("", "32", "1"), ("", "", "0"), ("", "", "0")]
    assert shown[4] == ("right", "100", "4")
    assert re.findall(r'<td class="n">(\d+)</td>', table) == ["10", "4", "0"]
    assert "80\N{NO-BREAK SPACE}%" in table
    assert 'title="true worn; predicted incorrect: 1 of 10"' in table


def test_a_joint_matrix_has_a_head_per_attribute() -> None:
    counts = np.diag(np.arange(18)) + np.eye(18, k=1, dtype=int)
    table = plots.confusion_html(counts, JOINT, caption="All")
    shown = cells(table)
    assert len(shown) == 324
    assert [text for kind, _, text in shown if kind.startswith("right")][1:] == [str(i) for i in range(1, 18)]
    assert table.count('rowspan="6"') == 3
    assert table.count('rowspan="3"') == 6 + 2  # the corner and the head of n
    assert table.count('colspan="6"') == 3
    assert 'title="true worn, male, under 30; predicted worn, male, 30 to 59: 1 of 1"' in table


def test_a_matrix_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^expected counts \(3, 3\), got \(2, 2\)$"):
        plots.confusion_html(np.eye(2, dtype=int), MASK, caption="Mask")


def test_bars_stand_beside_their_prior() -> None:
    table = plots.share_bars_html({"worn": 30, "not_worn": 10}, caption="Answers", prior=[0.5, 0.5])
    assert re.findall(r"<span style=\"width:([\d.]+)%", table) == ["100.0", "33.3"]
    assert re.findall(r"<i style=\"left:([\d.]+)%", table) == ["66.0", "66.0"]
    assert "not worn" in table


def test_bars_of_nothing_are_drawn() -> None:
    assert "–" not in plots.share_bars_html({"worn": 0}, caption="Answers")


def test_a_map_marks_high_cells_names_their_values_and_leaves_unknown_ones_out() -> None:
    values = np.array([[0.0, 0.2], [0.1, np.nan]])
    svg = plots.map_plot(values, alt="Map", aspect=1.5, middle=0.5)
    assert re.match(r'<svg class="map" viewBox="0 0 240.0 360.0"', svg)
    cells = re.findall(r'y="([\d.]+)" width="120.0" height="180.0" fill="var\(--heat\)" fill-opacity="([\d.]+)"', svg)
    assert cells == [("0.0", "0.0"), ("0.0", "0.85"), ("180.0", "0.42")]
    assert re.findall(r"<title>([^<]+)</title>", svg) == ["0.000", "0.200", "0.100"]
    assert 'x="60.0" y="90.0" width="120.0" height="180.0" fill="none"' in svg
    assert "<image" not in svg
    assert '<image href="data:image/png;base64,AA"' in plots.map_plot(
        values, alt="Map", backdrop="data:image/png;base64,AA"
    )
    assert 'fill-opacity="0.0"' in plots.map_plot(np.zeros((2, 2)), alt="Nothing")


def test_powers_of_ten_are_told_in_few_characters() -> None:
    told = re.findall(r">([\d.]+[kMG]?)<", powers())
    assert told == ["10k", "100k", "1M", "10M", "0.1", "1", "10", "100"]
