"""Pages in a real Chromium: silent, self-contained, within their width, open to all, readable in dark and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.clean.faced import MIDDLE, PLAIN, faces
from tests.core.tiny import manifest
from tests.report.example import RUN_INFO, attention, compared, example, history, scored, source_columns
from trifacet import stages
from trifacet.clean.faces_page import faces_page
from trifacet.clean.page import PAIRED, audit_page
from trifacet.clean.quality import face_findings
from trifacet.core.findings import KINDS, Finding, Findings, findings_table
from trifacet.core.manifest import CROP_COLUMNS, LEAK, write_manifest
from trifacet.data.drawn import draw_dataset
from trifacet.data.faces import faces_by_class
from trifacet.pages.contact import marked_thumbnail_uri, thumbnail_uri
from trifacet.report import evaluation_report, predictions_page
from trifacet.report.compare import comparison_page

pytestmark = pytest.mark.browser

ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

WIDTHS_PX = (360, 768, 1440)
PAPER_PX = 703  # 186 mm: A4 within the margins of page.css, at 96 px an inch
PAGES = (
    "run",
    "evaluation",
    "photos",
    "names",
    "compare",
    "explore",
    "beside",
    "audit",
    "audit_names",
    "faces",
    "faces without pictures",
)

# Elements that reach beyond the window, unless a box that scrolls by itself holds them.
BEYOND = """() => [...document.querySelectorAll('body *')].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width && !e.closest('.scroll, .skip') && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map(e => `${e.tagName}.${e.className.baseVal ?? e.className} ${e.getBoundingClientRect().right}`)"""

# The lowest contrast (WCAG 2) between a text and the colours laid behind it.
CONTRAST = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const over = layers => {
        for (const layer of layers) { canvas.fillStyle = layer; canvas.fillRect(0, 0, 1, 1); }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = rgb => rgb.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    let worst = [21, ''];
    const walker = document.createTreeWalker(document.querySelector('body'), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode, e = text.parentElement;
        if (!text.data.trim() || !e.getClientRects().length) continue;
        const layers = [];
        for (let a = e; a; a = a.parentElement) layers.unshift(getComputedStyle(a).backgroundColor);
        const style = getComputedStyle(e), colour = e.closest('svg') ? style.fill : style.color;
        const [one, other] = [light(over(layers)), light(over([...layers, colour]))];
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < worst[0]) worst = [ratio, text.data.trim()];
    }
    return worst;
}"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where a page of each kind lies."""
    folder = tmp_path_factory.mktemp("pages")
    thumbnail = thumbnail_uri(np.random.default_rng(0).integers(90, 160, (96, 72, 3), dtype=np.uint8))
    predictions, _ = example(60)
    measured, shown = source_columns(scored()), dict.fromkeys(predictions.ids, thumbnail)
    texts = {
        "run": evaluation_report(
            {"val": scored(20, seed=3), "test": replace(measured, stamps=(LEAK,))},
            title="A name without any place to break it " + "x" * 60,
            history=history(),
            run_info=RUN_INFO,
            thumbnails=shown,
            attention=attention(measured, picture=thumbnail),
        ),
        "evaluation": evaluation_report({"labels.csv": measured}, title="Scores of answers.parquet against labels.csv"),
        "photos": predictions_page(
            predictions, dict.fromkeys(predictions.ids[:-9], thumbnail), title="Predictions", prior=[1 / 18] * 18
        ),
        "names": predictions_page(predictions, None, title="Predictions without pictures"),
        "compare": comparison_page(compared(), measured_on="test"),
        **explored(folder),
        "audit": _audited(thumbnail),
        "audit_names": _audited(None),
        "faces": searched_page(is_pictured=True),
        "faces without pictures": searched_page(is_pictured=False),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


def explored(folder: Path) -> dict[str, str]:
    """The page of a dataset of people in folds, its faces known, and of two, one of them with a name that is long."""
    draw_dataset(folder / "drawn", n_train_people=8, n_eval_people=4, size_px=(48, 64), workers=1)
    data = stages.split(stages.ingest([folder / "drawn/train"]).manifest, val=0.2, test=0.2, folds=2)
    crops = [pl.lit(v, pl.Float32()).alias(name) for name, v in zip(CROP_COLUMNS, (8, 16, 40, 48, 3), strict=True)]
    write_manifest(
        folder / "s.parquet", replace(data, table=data.table.with_columns(*crops, n_faces=pl.lit(1, pl.Int32())))
    )
    other = folder / f"{'a_name_without_any_place_to_break_it' * 3}.parquet"
    stages.ingest([folder / "drawn/eval"], other)
    made = {"explore": None, "beside": other}
    return {
        name: stages.explore(folder / "s.parquet", folder / name, other=beside).page_path.read_text(encoding="utf-8")
        for name, beside in made.items()
    }


def _audited(thumbnail: str | None) -> str:
    """The page of an audit that found something of every kind, about photos with long names."""
    ids = [f"{i:06d}_a_folder_with_a_name_that_nothing_breaks_{'x' * 40}/mask{i}.jpg" for i in range(9)]
    made = manifest([("worn", "male", "under_30")] * 9, photo_id=ids)
    found = [
        Finding(ids[i], kind, i / 9, other_id=ids[8] if kind in PAIRED else "", detail="cut, mirrored, alike by 0.97")
        for kind in KINDS
        for i in range(8)
    ]
    shown = None if thumbnail is None else dict.fromkeys(ids[:-2], thumbnail)
    findings = Findings(findings_table(found), made.schema, stamps=(LEAK,))
    counts, notes = {"ok": 9, "truncated": 2}, ("28 photos of test have no answer",)
    return audit_page(findings, made, counts=counts, thumbnails=shown, title=f"Audit of {'x' * 90}", notes=notes)


def searched_page(*, is_pictured: bool) -> str:
    """The page of a search for faces with a finding of each kind."""
    rng = np.random.default_rng(0)
    ordinary = [
        (float(side), side**2 / 1e4, s, t, t / 2) for side, s, t in rng.uniform((30, 1, 0), (60, 2, 30), (40, 3))
    ]
    found = faces(
        [None, (5.0, 5.0, 9.0), (-20.0, 20.0, 60.0), *[MIDDLE] * 42],
        n_faces=[0, 1, 1, 3, *[1] * 41],
        looks=[(None,) * 5, *[PLAIN] * 2, (50.0, 0.25, 0.001, 70.0, None), PLAIN, *ordinary],
    )
    findings = Findings(findings_table(face_findings(found)), found.schema)
    image = rng.integers(90, 160, (96, 144, 3), dtype=np.uint8)
    uri = marked_thumbnail_uri(image, np.array([[20, 20, 60, 60]]), points=np.full((1, 6, 2), 40.0), n_strong=1)
    return faces_page(
        findings,
        found,
        by_class=faces_by_class(found),
        finder="a_module_with_a_long_name.of_ones_own:find_all_faces_of_a_photo",
        thumbnails=dict.fromkeys(found.photo_ids[:-1], uri) if is_pictured else None,
        title="Faces in photos",
        notes=("a note",),
    )


def opened(browser: Browser, path: Path, *, width: int, scheme: str) -> tuple[Page, list[str]]:
    """The open page, and what it said on the console or asked of the network."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.set_default_timeout(0)  # no clock decides: a busy machine is not a fault of the page
    noise: list[str] = []
    page.on("console", lambda message: noise.append(f"console: {message.text}"))
    page.on("pageerror", lambda problem: noise.append(f"error: {problem}"))
    page.on("request", lambda asked: noise.append(asked.url) if not asked.url.startswith(("data:", "file:")) else None)
    page.goto(path.as_uri())
    return page, noise


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_silent_and_keeps_within_its_width(
    browser: Browser, pages: dict[str, Path], name: str, scheme: str
) -> None:
    page, noise = opened(browser, pages[name], width=WIDTHS_PX[0], scheme=scheme)
    try:
        for width in WIDTHS_PX:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert page.evaluate(BEYOND) == [], width
        assert noise == []
    finally:
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_every_text_can_be_read(browser: Browser, pages: dict[str, Path], name: str, scheme: str) -> None:
    page, _ = opened(browser, pages[name], width=1440, scheme=scheme)
    try:
        ratio, text = page.evaluate(CONTRAST)
        assert ratio >= 4.5, text
    finally:
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_open_to_all(browser: Browser, pages: dict[str, Path], name: str, scheme: str) -> None:
    page, _ = opened(browser, pages[name], width=1440, scheme=scheme)
    try:
        found = Axe().run(page).response
    finally:
        page.close()
    assert len(found["passes"]) > 20  # it did look
    faults = [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in found["violations"]]
    assert faults == []


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_or_dark_on_paper(browser: Browser, pages: dict[str, Path], name: str) -> None:
    page, _ = opened(browser, pages[name], width=PAPER_PX, scheme="dark")
    try:
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth") == PAPER_PX
        assert page.evaluate(BEYOND.replace("!e.closest('.scroll, .skip') && ", "")) == []
        ratio, text = page.evaluate(CONTRAST)
        assert ratio >= 4.5, text
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length") == 0
    finally:
        page.close()


@pytest.mark.parametrize("n_people", [60, 600])  # counts of two and of three digits
def test_no_table_scrolls_on_a_desktop(browser: Browser, tmp_path: Path, n_people: int) -> None:
    (tmp_path / "report.html").write_text(evaluation_report({"test": scored(n_people)}, title="t"), encoding="utf-8")
    page, _ = opened(browser, tmp_path / "report.html", width=1100, scheme="light")
    beyond = """() => [...document.querySelectorAll('.scroll')].filter(e => e.querySelector('.confusion'))
        .map(e => [e.scrollWidth - e.clientWidth, e.clientWidth])"""
    try:
        for width in (1040, 1087, 1100, 1200, 1279, 1281, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            found = page.evaluate(beyond)
            assert len(found) == 4
            assert [pair for pair in found if pair[0] > 0] == [], width
            every = page.evaluate(
                "() => [...document.querySelectorAll('.scroll')].map(e => e.scrollWidth - e.clientWidth)"
            )
            assert width < 1100 or max(every) <= 0, width
    finally:
        page.close()


def test_dark_mode_and_print_change_paper_and_plots(browser: Browser, pages: dict[str, Path]) -> None:
    page, _ = opened(browser, pages["run"], width=1440, scheme="dark")
    colours = """() => [getComputedStyle(document.body).backgroundColor,
                        getComputedStyle(document.querySelector('svg text')).fill]"""
    try:
        dark = page.evaluate(colours)
        page.emulate_media(color_scheme="light")
        light = page.evaluate(colours)
        page.emulate_media(color_scheme="dark", media="print")
        printed = page.evaluate(colours)
    finally:
        page.close()
    assert dark == ["rgb(19, 22, 25)", "rgb(166, 174, 182)"]
    assert light == ["rgb(250, 249, 246)", "rgb(89, 97, 107)"]
    assert printed == ["rgb(255, 255, 255)", "rgb(89, 97, 107)"]


def test_the_network_is_closed_even_to_what_slips_in(browser: Browser, tmp_path: Path, pages: dict[str, Path]) -> None:
    spoiled = tmp_path / "spoiled.html"
    text = pages["photos"].read_text(encoding="utf-8")
    spoiled.write_text(
        text.replace("</main>", '<img src="http://127.0.0.1:9/x.png"><script>document.title="ran"</script></main>')
    )
    page, noise = opened(browser, spoiled, width=768, scheme="light")
    try:
        assert page.title() == "Predictions"
        assert len([line for line in noise if "Content Security Policy" in line]) == 2, noise
    finally:
        page.close()


def test_the_page_of_faces_has_a_section_for_each_kind_and_shows_whole_photos(
    browser: Browser, pages: dict[str, Path]
) -> None:
    page, _ = opened(browser, pages["faces"], width=1440, scheme="light")
    try:
        kinds = page.evaluate("[...document.querySelectorAll('[id^=kind-]:not([id$=-title])')].map(e => e.id)")
        expected = ("no_face", "several_faces", "cut_face", "small_face", "blurred_face", "turned_face")
        assert kinds == [f"kind-{kind}" for kind in expected]
        assert page.evaluate("document.querySelectorAll('#measures svg').length") == 5
        fits = page.evaluate("[...document.querySelectorAll('.photos img')].map(e => getComputedStyle(e).objectFit)")
        assert set(fits) == {"contain"}
        assert len(fits) >= 6
    finally:
        page.close()
