"""The faces of a manifest's photos, as columns of a new manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from pathlib import Path

import polars as pl

from trifacet.core.errors import error, first_few
from trifacet.core.manifest import CROP_COLUMNS, Crop, Manifest
from trifacet.pixels.decode import Undecodable, decode
from trifacet.pixels.faces import FaceFinder, n_faces

Progress = Callable[[int, int], None]  # photos done, photos in all
Found = tuple[int, Crop | None]  # how many faces count, and the square around the largest

CHUNK = 16  # photos a task
NOWHERE = (None,) * len(CROP_COLUMNS)


def find_faces(manifest: Manifest, *, workers: int | None = None, progress: Progress | None = None) -> Manifest:
    """The manifest with `n_faces` and the crop columns of every photo; crops are null where no face was found.

    Raises:
        ManifestError: TRI204, photos that changed or cannot be decoded any more. MissingExtraError: TRI600.
    """
    paths, finder = manifest.paths, FaceFinder()

    def look(start: int) -> list[Found | str]:
        return [_look(finder, path) for path in paths[start : start + CHUNK]]

    found: list[Found | str] = []
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for chunk in pool.map(look, range(0, len(paths), CHUNK)):
            found += chunk
            if progress:
                progress(len(found), len(paths))
    if failed := [told for told in found if isinstance(told, str)]:
        raise error("TRI204", "photos changed since they were ingested", got=first_few(failed))
    return replace(manifest, table=manifest.table.with_columns(_columns([f for f in found if not isinstance(f, str)])))


def faces_by_class(manifest: Manifest) -> list[tuple[str, int, int, int, int]]:
    """Photos in all, with one face, with several and with none: of each class of the first attribute, then of all."""
    name = manifest.schema.names[0]
    labelled = [(c, manifest.table.filter(pl.col(name) == c)["n_faces"]) for c in manifest.schema.attributes[0].classes]
    parts = [(c, column) for c, column in labelled if len(column)] + [("all", manifest.table["n_faces"])]
    return [(c, len(n), int((n == 1).sum()), int((n > 1).sum()), int((n == 0).sum())) for c, n in parts]


def _look(finder: FaceFinder, path: Path) -> Found | str:
    """How many faces a photo shows and the largest one's crop, or what is wrong with the file."""
    try:
        faces = finder.find(decode(path.read_bytes()))
    except OSError as problem:
        return f"{path} ({problem.strerror})"
    except Undecodable as problem:
        return f"{path} ({problem.status})"
    return n_faces(faces), faces[0].crop() if faces else None


def _columns(found: Sequence[Found]) -> list[pl.Series]:
    numbers = [astuple(crop) if crop else NOWHERE for _, crop in found]
    crops = [pl.Series(name, [row[i] for row in numbers], dtype=pl.Float32()) for i, name in enumerate(CROP_COLUMNS)]
    return [pl.Series("n_faces", [n for n, _ in found], dtype=pl.Int32()), *crops]
