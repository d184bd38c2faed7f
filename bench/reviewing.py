"""The review page in a real Chromium, driven by its keys as fast as it goes, over a table of 100,000 photos."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from bench.asked import Asked
from bench.figures import Figure, figure
from bench.photos import draw_photos
from trifacet.clean.store import open_store
from trifacet.core.decisions import VERDICT, Decision
from trifacet.core.manifest import Manifest, write_manifest
from trifacet.data.ingest import ingest

if TYPE_CHECKING:
    from playwright.sync_api import Page

N_ROWS, N_PHOTOS, N_OF_PERSON = 100_000, 280, 7
SIZE_PX = (384, 512)
N_BEFORE = 20_000  # rulings of each of two reviewers that the store holds already
N_RULINGS, N_UNCOUNTED = 120, 10  # of a round, and of its start
A_MINUTE, KEY_MS = 60, 100  # what has to be reached, and to be stayed under
KEYS = ("q", "w", "1", "2", "a", "Enter", "x", "c")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# The ms from each key to the frame in which the next photo stands there whole.
WATCH = """
window.taken = [];
let pressed = null, row = null;
addEventListener("keydown", () => { pressed = performance.now(); row = document.body.dataset.row; }, true);
const look = () => {
    const photo = document.getElementById("photo");
    if (pressed !== null && document.body.dataset.row !== row && photo.complete && photo.naturalWidth) {
        window.taken.push(performance.now() - pressed);
        pressed = null;
    }
    requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
SHOWN = """() => new Promise((done) => {
    const look = () => document.getElementById("photo")?.naturalWidth ? done() : requestAnimationFrame(look);
    look();
})"""
NEXT = """(n) => new Promise((done) => {
    const look = () => window.taken.length > n ? done() : requestAnimationFrame(look);
    look();
})"""


def reviewing(asked: Asked) -> list[Figure]:
    """Rulings a minute by a script at the page, and ms from a key to the next photo: median and 95th of a hundred."""
    data, store = _data(asked.temp / "review")
    of = f"a table of {N_ROWS:,} photos"
    rates, median, late = [], [], []
    with _served(data, store) as url, _page() as page:
        for number in range(asked.rounds):
            taken, seconds = _ruled(page, url, who=f"script {number}")
            rates.append(60 * len(taken) / seconds)
            median.append(float(np.percentile(taken, 50)))
            late.append(float(np.percentile(taken, 95)))
    n = N_RULINGS - N_UNCOUNTED
    return [
        figure("review", f"rulings by script, {of}", rates, unit="a minute", n=n, must=A_MINUTE),
        figure("review", f"key to next photo, median, {of}", median, unit="ms", n=n, must=KEY_MS),
        figure("review", f"key to next photo, 95th of 100, {of}", late, unit="ms", n=n, must=KEY_MS),
    ]


def _data(folder: Path) -> tuple[Path, Path]:
    """A manifest of many rows, which show a few hundred drawn photos, and a store with rulings of two reviewers."""
    drawn = ingest([draw_photos(folder, SIZE_PX, n_photos=N_PHOTOS).folder]).manifest
    rows = pl.int_range(N_ROWS, eager=True)
    table = drawn.table[(rows % len(drawn)).to_list()].with_columns(
        photo_id=pl.format("{}.jpg", rows), person_id=pl.format("{}", rows // N_OF_PERSON)
    )
    manifest: Manifest = replace(drawn, table=table)
    write_manifest(folder / "manifest.parquet", manifest)
    store = open_store(folder / "rulings.db", about={"schema": manifest.schema.fingerprint})
    for who in ("ann", "bob"):
        store.add([Decision(who=who, subject=f"{i}.jpg", attribute=VERDICT, new="unsure") for i in range(N_BEFORE)])
    return folder / "manifest.parquet", folder / "rulings.db"


@contextmanager
def _served(data: Path, store: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "trifacet", "review", str(data), "--decisions", str(store), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
        finally:
            process.kill()


@contextmanager
def _page() -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(which, CHROMIUM)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(WATCH)
        yield page
        browser.close()


def _ruled(
    page: Page, url: str, *, who: str, clock: Callable[[], float] = time.perf_counter
) -> tuple[list[float], float]:
    """The ms from each counted key to the next photo, and the seconds of all of them."""
    page.goto(url)
    page.evaluate(f"localStorage.setItem('trifacet-who', JSON.stringify({who!r}))")
    page.reload()
    page.evaluate(SHOWN)
    start = clock()
    for done in range(N_RULINGS):
        if done == N_UNCOUNTED:
            start = clock()
        page.keyboard.press(KEYS[done % len(KEYS)])
        page.evaluate(NEXT, done)
    seconds = clock() - start
    return list(page.evaluate("window.taken"))[N_UNCOUNTED:], seconds
