"""Photos to predictions: files are decoded by threads while the model reads the batch before."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trifacet.core.manifest import Crop, merged_stamps
from trifacet.core.predictions import Float32Array, ImageArray, Predictions, Predictor
from trifacet.pixels.decode import Undecodable, decode

Progress = Callable[[int, int], None]  # photos done, photos in all
Job = Future[list[ImageArray | str]]

BATCH = 64  # photos a call of the model
AHEAD = 3  # batches decoded in advance: memory stays bounded however many photos there are


@dataclass(frozen=True)
class Photo:
    """A photo to be read; `status` is why it cannot be, where that is known already; `sha256` its content's.

    crop: the square around its face, where that is known already.
    """

    photo_id: str
    path: Path
    status: str | None = None
    sha256: str | None = None
    crop: Crop | None = None


def predict_files(
    model: Predictor,
    photos: Sequence[Photo],
    *,
    workers: int | None = None,
    stamps: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Predictions:
    """Predictions for photos on disk, in their order; one that cannot be read has its status in `errors`."""

    faceless: list[str] = []

    def load(batch: Sequence[Photo]) -> list[ImageArray | str]:
        return [_load(model, photo, faceless=faceless) for photo in batch]

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        jobs = (pool.submit(load, batch) for batch in _parts(photos, BATCH))
        loaded = (job.result() for job in _ahead(jobs, AHEAD))
        made = _predict(model, [p.photo_id for p in photos], loaded=loaded, stamps=stamps, progress=progress)
    told = no_face_stamp(len(faceless), len(photos))
    return replace(made, stamps=merged_stamps(made.stamps, told))


def no_face_stamp(n_faceless: int, n_photos: int) -> tuple[str, ...]:
    """What is said with every score when faces are cut and some photos show none; else nothing."""
    told = f"no face was found in {n_faceless:,} of {n_photos:,} photos: the middle square was shown instead"
    return (told,) if n_faceless else ()


def predict_inputs(
    model: Predictor,
    ids: Sequence[str],
    *,
    inputs: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64],
    stamps: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Predictions:
    """Predictions for inputs that are prepared already, such as a pixel cache: `inputs[rows]` show the photos `ids`."""
    loaded = (list(np.asarray(inputs[part])) for part in _parts(rows, BATCH))
    return _predict(model, ids, loaded=loaded, stamps=stamps, progress=progress)


def _predict(
    model: Predictor,
    ids: Sequence[str],
    *,
    loaded: Iterable[Sequence[ImageArray | str]],
    stamps: tuple[str, ...],
    progress: Progress | None,
) -> Predictions:
    schema = model.schema
    probs = np.full((len(ids), schema.n_joint), np.nan, dtype=np.float32)
    years: Float32Array | None = None
    errors: list[str | None] = []
    for batch in loaded:
        start = len(errors)
        errors += [item if isinstance(item, str) else None for item in batch]
        rows = [start + i for i, item in enumerate(batch) if not isinstance(item, str)]
        if rows:
            joint, by_year = model.probs(np.stack([item for item in batch if not isinstance(item, str)]))
            probs[rows] = joint
            if by_year is not None:
                if years is None:
                    years = np.full((len(ids), by_year.shape[1]), np.nan, dtype=np.float32)
                years[rows] = by_year
        if progress:
            progress(len(errors), len(ids))
    return Predictions(
        ids=list(ids),
        probs=probs,
        age_probs=years,
        errors=errors,
        schema=schema,
        made_by=model.made_by,
        decision=model.decision,
        stamps=stamps,
    )


def _load(model: Predictor, photo: Photo, *, faceless: list[str]) -> ImageArray | str:
    """The prepared input of a photo, or the status that says why there is none; without a face it joins `faceless`."""
    if photo.status is not None:
        return photo.status
    try:
        image = decode(photo.path.read_bytes())
        crop = photo.crop or model.locate(image)
        if crop is None and model.is_cutting_faces:
            faceless.append(photo.photo_id)
        return model.prepare(image, crop)
    except OSError as problem:
        return f"unreadable: {problem.strerror}"
    except Undecodable as problem:
        return problem.status


def _parts(items: Any, size: int) -> Iterator[Any]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _ahead(jobs: Iterable[Job], n: int) -> Iterator[Job]:
    """The jobs in order, each started (by taking it from the iterator) while the `n` before it are being used."""
    waiting: deque[Job] = deque()
    for job in jobs:
        waiting.append(job)
        if len(waiting) > n:
            yield waiting.popleft()
    yield from waiting
