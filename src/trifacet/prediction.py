"""Photos to predictions: each thread decodes a batch and answers it, so that no core waits for another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trifacet.core.manifest import Crop, merged_stamps
from trifacet.core.predictions import Float32Array, ImageArray, Predictions
from trifacet.core.predictor import Input, Predictor
from trifacet.measure.people import as_people, group_people
from trifacet.pixels.decode import Undecodable, decode
from trifacet.pixels.faces import no_face_stamp
from trifacet.pixels.scan import available_cores

Progress = Callable[[int, int], None]  # photos done, photos in all
Parts = tuple[Float32Array, Float32Array | None, Float32Array | None]  # joint, years and features of photos
Answered = tuple[list[str | None], Parts | None]  # errors of a batch; what is said of those that were read

BATCH = 32  # photos a call of the model
AHEAD = 2  # batches that wait for a thread: memory stays bounded however many photos there are


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


@dataclass(frozen=True)
class _Unread:
    """In place of a photo's input: why there is none."""

    why: str


def predict_files(
    model: Predictor[Input],
    photos: Sequence[Photo],
    *,
    workers: int | None = None,
    stamps: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Predictions:
    """Predictions for photos on disk, in their order; one that cannot be read has its status in `errors`."""
    faceless: list[None] = []

    def load(photo: Photo) -> Input | _Unread:
        if photo.status:
            return _Unread(photo.status)
        return _load(model, photo.path, crop=photo.crop, faceless=faceless)

    ids = [photo.photo_id for photo in photos]
    made = _predict(model, ids, batches=_parts(photos, BATCH), load=_each(load), workers=workers, progress=progress)
    return replace(made, stamps=merged_stamps(stamps, made.stamps, no_face_stamp(len(faceless), len(photos))))


def predict_images(
    model: Predictor[Input], images: Sequence[str | Path | ImageArray], *, stamps: tuple[str, ...] = ()
) -> Predictions:
    """Predictions for photos on disk, called by their paths, and upright RGB arrays, called by their places.

    Raises:
        TypeError: something else than paths and such arrays. ValueError: a path stands twice.
    """
    _check_images(images)
    faceless: list[None] = []
    ids = [str(image) if isinstance(image, str | Path) else str(i) for i, image in enumerate(images)]
    load = _each(lambda image: _load(model, image, faceless=faceless))
    made = _predict(model, ids, batches=_parts(images, BATCH), load=load)
    return replace(made, stamps=merged_stamps(stamps, made.stamps, no_face_stamp(len(faceless), len(images))))


def _check_images(images: Sequence[object]) -> None:
    """Refuses what is neither a path nor an RGB array. Raises TypeError."""
    expected = "paths (str or Path) or upright RGB arrays (H, W, 3) uint8"
    if isinstance(images, str | Path):
        raise TypeError(f"expected a list of {expected}, got one path; write [{str(images)!r}]")
    for i, image in enumerate(images):
        if isinstance(image, np.ndarray):
            is_rgb = image.ndim == 3 and image.shape[2] == 3 and image.size and image.dtype == np.uint8
            got = "" if is_rgb else f"an array {image.shape} {image.dtype}"
        else:
            got = "" if isinstance(image, str | Path) else type(image).__name__
        if got:
            raise TypeError(f"expected {expected}, got {got} at {i}")


def predict_inputs(
    model: Predictor[ImageArray],
    ids: Sequence[str],
    *,
    inputs: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64],
    stamps: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Predictions:
    """Predictions for inputs that are prepared already, such as a pixel cache: `inputs[rows]` show the photos `ids`."""
    batches = _parts(rows, BATCH)
    made = _predict(model, ids, batches=batches, load=lambda part: list(np.asarray(inputs[part])), progress=progress)
    return replace(made, stamps=merged_stamps(stamps, made.stamps))


def _predict(
    model: Predictor[Input],
    ids: Sequence[str],
    *,
    batches: Iterable[Any],
    load: Callable[[Any], Sequence[Input | _Unread]],
    workers: int | None = None,
    progress: Progress | None = None,
) -> Predictions:
    schema, n = model.schema, workers or available_cores()
    probs = np.full((len(ids), schema.n_joint), np.nan, dtype=np.float32)
    years: Float32Array | None = None
    features: Float32Array | None = None
    errors: list[str | None] = []

    def answer(batch: Any) -> Answered:
        loaded = load(batch)
        failed = [item.why if isinstance(item, _Unread) else None for item in loaded]
        inputs = [item for item in loaded if not isinstance(item, _Unread)]
        if not inputs:
            return failed, None
        return failed, (*model.probs(inputs), model.features(inputs) if model.same_people else None)

    with model.threads(n) as pool:
        jobs = (pool.submit(answer, batch) for batch in batches)
        for job in _ahead(jobs, n + AHEAD):
            failed, parts = job.result()
            rows = [len(errors) + i for i, wrong in enumerate(failed) if wrong is None]
            errors += failed
            if parts is not None:
                probs[rows] = parts[0]
                years, features = (
                    _filled(whole, part, rows=rows, n=len(ids))
                    for whole, part in zip((years, features), parts[1:], strict=True)
                )
            if progress:
                progress(len(errors), len(ids))
    made = Predictions(
        ids=list(ids),
        probs=probs,
        age_probs=years,
        errors=errors,
        schema=schema,
        made_by=model.made_by,
        decision=model.decision,
    )
    if features is None:
        return made
    return as_people(made, group_people(features, n_photos=model.same_people))


def _filled(
    whole: Float32Array | None, part: Float32Array | None, *, rows: Sequence[int], n: int
) -> Float32Array | None:
    """The table of `n` photos with these rows filled in, made with the first part of it."""
    if part is None:
        return whole
    if whole is None:
        whole = np.full((n, part.shape[1]), np.nan, dtype=np.float32)
    whole[rows] = part
    return whole


def _load(
    model: Predictor[Input], image: str | Path | ImageArray, *, crop: Crop | None = None, faceless: list[None]
) -> Input | _Unread:
    """The prepared input of a photo, or the status that says why there is none; one without a face is counted."""
    try:
        pixels = decode(Path(image).read_bytes()) if isinstance(image, str | Path) else image
        crop = crop or model.locate(pixels)
        if crop is None and model.is_cutting_faces:
            faceless.append(None)
        return model.prepare(pixels, crop)
    except OSError as problem:
        return _Unread(f"unreadable: {problem.strerror}")
    except Undecodable as problem:
        return _Unread(problem.status)


def _each(load: Callable[[Any], Input | _Unread]) -> Callable[[Sequence[Any]], Sequence[Input | _Unread]]:
    return lambda batch: [load(item) for item in batch]


def _parts(items: Any, size: int) -> Iterator[Any]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _ahead(jobs: Iterable[Future[Answered]], n: int) -> Iterator[Future[Answered]]:
    """The jobs in order, each started (by taking it from the iterator) while the `n` before it are being used."""
    waiting: deque[Future[Answered]] = deque()
    for job in jobs:
        waiting.append(job)
        if len(waiting) > n:
            yield waiting.popleft()
    yield from waiting
