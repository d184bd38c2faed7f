"""Memory of one process each: a cache larger than it may take, and tables of a million rows.

`python -m bench.memory WORK FOLDER N` does one piece of work and prints what it took, as JSON. N: photos, or bits.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.asked import Asked
from bench.figures import ROOT, Figure, figure
from bench.photos import draw_photos
from trifacet.core.files import sha256_file
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.pixels.cache import open_cache
from trifacet.pixels.preprocess import Geometry
from trifacet.stages import split

CACHE = Geometry(256, 192)
SHARE_OF_FILE = 0.25
ROWS_MB = 1000
SAMPLE_SECONDS = 0.01
HASHES_NAME, FOUND_NAME = "hashes.npy", "found.npy"
ROW_WORKS = ("read", "write", "split", "read_predictions", "write_predictions", "evaluate", "slices")


def cache_memory(asked: Asked) -> list[Figure]:
    """The process's own memory (RssAnon), as a share of the file, while it builds a cache and while it reads it."""
    n_bytes = int(np.prod((CACHE.height_px, CACHE.width_px, 3)))
    n = max(int(asked.cache_gb * 1e9) // n_bytes, 1)
    draw_photos(asked.temp / "memory", (384, 512), n_photos=56)
    made = []
    for work in ("build_cache", "read_cache"):
        told = [do(work, asked.temp / "memory", n) for _ in range(1 if work == "build_cache" else asked.rounds)]
        words = f"{work.replace('_', ' ')} of {n * n_bytes / 1e9:.1f} GB"
        made.append(figure("cache_memory", f"{words}, own memory", [t["anon_mb"] for t in told], unit="MB", n=n))
        shares = [t["anon_mb"] * 1e6 / (n * n_bytes) for t in told]
        made.append(figure("cache_memory", f"{words}, own memory", shares, unit="of the file", n=n, must=SHARE_OF_FILE))
    return made


def rows_memory(asked: Asked) -> list[Figure]:
    """The most memory (whole resident set) that a process takes for tables of `n_rows` photos."""
    folder = asked.temp / "rows"
    do("make", folder, asked.n_rows)
    made = []
    for work in ROW_WORKS:
        told = do(work, folder, asked.n_rows)
        words = f"{work.replace('_', ' ')}, a table of {asked.n_rows:,} photos"
        made.append(figure("rows", words, [told["peak_mb"]], unit="MB", n=asked.n_rows, must=ROWS_MB))
        made.append(figure("rows", words, [told["seconds"]], unit="s", n=asked.n_rows))
    return made


def do(work: str, folder: Path, n: int) -> dict[str, float]:
    """What one of WORKS took in a process of its own: seconds, those of a processor, own memory and the most of all."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "bench.memory", work, str(folder), str(n)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _status_mb(name: str) -> float:
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(text.partition(f"{name}:")[2].split()[0]) * 1024 / 1e6


@contextmanager
def _own_memory() -> Iterator[list[float]]:
    """A list of one number that becomes the largest RssAnon of the block, in MB."""
    largest, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            largest[0] = max(largest[0], _status_mb("RssAnon"))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield largest
    finally:
        ended.set()
        thread.join()
        largest[0] = max(largest[0], _status_mb("RssAnon"))


def _open(folder: Path, n: int) -> np.ndarray:
    paths = sorted(folder.rglob("*.jpg"))
    hashes = [sha256_file(path) for path in paths]
    rows = [i % len(paths) for i in range(n)]
    return open_cache([paths[i] for i in rows], [hashes[i] for i in rows], geometry=CACHE, folder=folder / "cache")


def _read(folder: Path, n: int) -> None:
    inputs, rng = _open(folder, n), np.random.default_rng(0)
    for rows in np.array_split(rng.permutation(n), max(n // 64, 1)):
        np.array(inputs[rows]).sum()


def _make(folder: Path, n: int) -> None:
    """A manifest and predictions of `n` photos, seven a person, that nobody ever took."""
    import polars as pl

    from trifacet.core.manifest import Manifest, empty_columns, write_manifest
    from trifacet.core.predictions import Predictions, write_predictions

    rng, schema = np.random.default_rng(0), DEFAULT_SCHEMA
    row = np.arange(n)
    person = row // 7
    years = rng.integers(18, 80, person[-1] + 1)[person].astype(np.float32)
    table = pl.DataFrame({"person": person, "row": row}).select(
        pl.format("{}/{}.jpg", pl.col("person").cast(pl.String).str.zfill(7), pl.col("row") % 7).alias("photo_id"),
        pl.col("person").cast(pl.String).str.zfill(7).alias("person_id"),
        pl.col("row").hash().cast(pl.String).str.zfill(64).alias("sha256"),
    )
    names: dict[str, np.ndarray] = {
        "mask": np.array(schema.attributes[0].classes)[[0, 0, 0, 0, 0, 1, 2]][row % 7],
        "gender": np.array(schema.attributes[1].classes)[person % 2],
        "age": np.array(schema.attributes[2].classes)[schema.attributes[2].band(years)],
    }
    columns = pl.DataFrame(empty_columns(n)).with_columns(
        *table.get_columns(),
        table["photo_id"].alias("path"),
        pl.lit("photos").alias("source"),
        pl.Series("age_years", years),
        *(pl.Series(name, values) for name, values in names.items()),
    )
    write_manifest(folder / "manifest.parquet", Manifest(columns, schema, {"photos": folder}))
    probs = rng.random((n, schema.n_joint), dtype=np.float32)
    probs /= probs.sum(axis=1, keepdims=True)
    ages = rng.random((n, len(schema.year_grid)), dtype=np.float32)
    ages /= ages.sum(axis=1, keepdims=True)
    ids = table["photo_id"].to_list()
    write_predictions(folder / "answers.parquet", Predictions(ids, probs, ages, [None] * n, schema))


def _rewrite_manifest(folder: Path, _: int) -> None:
    from trifacet.core.manifest import read_manifest, write_manifest

    write_manifest(folder / "again.parquet", read_manifest(folder / "manifest.parquet"))


def _read_manifest(folder: Path, _: int) -> None:
    from trifacet.core.manifest import read_manifest

    read_manifest(folder / "manifest.parquet")


def _read_predictions(folder: Path, _: int) -> None:
    from trifacet.core.predictions import read_predictions

    read_predictions(folder / "answers.parquet")


def _rewrite_predictions(folder: Path, _: int) -> None:
    from trifacet.core.predictions import read_predictions, write_predictions

    write_predictions(folder / "again.parquet", read_predictions(folder / "answers.parquet"))


def find_near(folder: Path, radius: int) -> None:
    """Finds the pairs of the hashes that lie in a folder, and leaves their rows (n, 2) there."""
    from trifacet.clean.hamming import joined, near_pairs

    hashes = np.load(folder / HASHES_NAME, mmap_mode="r")
    found = joined(list(near_pairs(hashes, radius=radius, folder=folder)))
    np.save(folder / FOUND_NAME, np.stack([found.first, found.second], axis=1))


def _evaluate(folder: Path, _: int) -> None:
    from trifacet.stages import evaluate

    evaluate(folder / "answers.parquet", folder / "manifest.parquet")


def _slices(folder: Path, _: int) -> None:
    from trifacet.report.slices import slices_of
    from trifacet.stages import evaluate

    slices_of(evaluate(folder / "answers.parquet", folder / "manifest.parquet"))


WORKS: dict[str, Callable[[Path, int], object]] = {
    "build_cache": _open,
    "read_cache": _read,
    "make": _make,
    "read": _read_manifest,
    "write": _rewrite_manifest,
    "split": lambda folder, _: split(folder / "manifest.parquet", folder / "split.parquet", test=0.1),
    "read_predictions": _read_predictions,
    "write_predictions": _rewrite_predictions,
    "evaluate": _evaluate,
    "near_pairs": find_near,
    "slices": _slices,
}


def main(work: str, folder: str, n: str) -> None:
    """Does one piece of work and prints what it took."""
    import time

    start, cpu_start = time.perf_counter(), time.process_time()
    with _own_memory() as largest:
        WORKS[work](Path(folder), int(n))
    spent = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu_start}
    told = {**spent, "anon_mb": largest[0], "peak_mb": _status_mb("VmHWM")}
    print(json.dumps({**told, "pid": os.getpid()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
