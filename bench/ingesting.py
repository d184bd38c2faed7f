"""Ingest beside Pillow's decoding of each photo once."""

from __future__ import annotations

from PIL import Image

from bench.asked import Asked
from bench.figures import Figure
from bench.photos import Photos
from bench.rounds import PER_CORE, Part, Ratio, figures_of, rates_of
from trifacet.stages import ingest

TIMES, TIMES_LARGE = 1.7, 3.0  # what ingest has to reach: on any photos, on drawn ones of 384 x 512
LARGE = "drawn 384x512"


def ingesting(asked: Asked) -> list[Figure]:
    """Photos per second of the whole command on all cores, and of one core, beside Pillow decoding each once."""
    return [figure for photos in asked.photos for figure in _beside_pillow(photos, asked)]


def _beside_pillow(photos: Photos, asked: Asked) -> list[Figure]:
    def decoded() -> int:
        for path in photos.paths:
            Image.open(path).convert("RGB").load()
        return len(photos.paths)

    def ingested(workers: int | None) -> Part:
        return lambda: len(ingest([photos.folder], asked.temp / "ingested.parquet", workers=workers).manifest)

    n, must = len(photos.paths), TIMES_LARGE if photos.name == LARGE else TIMES
    rates = rates_of({"Pillow decode": decoded, "ingest": ingested(None)}, rounds=asked.rounds)
    command = [Ratio("ingest", "Pillow decode", must)]
    made = figures_of("ingest", rates, ratios=command, of=f"the command, {photos.name}", n=n)
    rates = rates_of({"Pillow decode": decoded, "ingest": ingested(1)}, rounds=asked.rounds, clock=PER_CORE)
    core = [Ratio("ingest", "Pillow decode")]
    return made + figures_of("ingest", rates, ratios=core, of=f"one core, {photos.name}", n=n)
