"""The pictures of a run: grids of inputs and answers, a report's photos, and where the network looks in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl
from PIL import Image

from trifacet.core.evaluation import Evaluation
from trifacet.core.files import atomic_path, read_jsonl
from trifacet.core.manifest import Manifest
from trifacet.core.predictions import ImageArray, Predictions
from trifacet.core.run import Run
from trifacet.core.schema import IntArray
from trifacet.core.truth import Truth
from trifacet.pages.contact import heat_image, thumbnail_uri
from trifacet.report.material import Attention, Look, photos_to_show

if TYPE_CHECKING:
    from trifacet.learn.predictor import Model

GRID = 6  # cells along each side of a map: one holds an eye, or the mouth, of a face that fills the picture
N_MAPPED, PLACES = 200, 9  # photos of a mean map, and how many of the 36 cells are covered in each
MAP_SECONDS = 20.0  # or a twentieth of the training, where that is longer: both are little beside what went before
FAINTEST = 0.05  # a fall of the probability that still does not glow fully: nothing should look like much


def save_pictures(
    run: Run, manifest: Manifest, *, inputs: npt.NDArray[np.uint8], answers: Predictions, truth: Truth
) -> None:
    """Grids of augmented inputs and of answers on val, into the run's folder and to its trackers."""
    from trifacet.learn.preview import N_SHOWN, answer_grid, input_grid
    from trifacet.learn.track import open_trackers

    train_rows, val_rows = (spread(rows_of(manifest, name), N_SHOWN) for name in ("train", "val"))
    shown = manifest.where(pl.int_range(pl.len()).is_in(train_rows.tolist()))
    places = spread(np.arange(len(answers)), N_SHOWN)
    pictures = {
        "inputs": input_grid(shown, inputs[train_rows], recipe=run.info.recipe, seed=run.info.seed),
        "answers": answer_grid(answers, places, truth=truth.joint, images=inputs[val_rows]),
    }
    step = int(read_jsonl(run.metrics_path)[-1]["step"])
    with open_trackers(run, run.info.recipe.track, step=step) as trackers:
        for name, picture in pictures.items():
            save_picture(run.pictures_dir / f"{name}.png", picture)
            for tracker in trackers:
                tracker.picture(name, picture, step=step)


def save_picture(path: Path, picture: ImageArray) -> None:
    """Writes a PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


@dataclass(frozen=True, eq=False)
class Shown:
    """What a report's pictures are made from: a model, its answers on one split and their scores, photos and pixels.

    has_pictures: whether a photo's pixels may be seen in the report.
    """

    model: Model
    answers: Predictions
    scores: Evaluation
    manifest: Manifest
    inputs: npt.NDArray[np.uint8]
    has_pictures: bool = True

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Where each photo's pixels lie."""
        return {photo_id: row for row, photo_id in enumerate(self.manifest.photo_ids)}

    def pixels(self, ids: Sequence[str]) -> ImageArray:
        """The inputs (n, h, w, 3) uint8 of these photos."""
        return np.asarray(self.inputs[np.array([self.row_of[photo_id] for photo_id in ids], dtype=np.int64)])

    @property
    def thumbnails(self) -> dict[str, str]:
        """Data URIs of the photos that the report shows, by photo id."""
        ids = photos_to_show(self.scores)["photo_id"].to_list()
        return {photo_id: thumbnail_uri(picture) for photo_id, picture in zip(ids, self.pixels(ids), strict=True)}

    def classes(self, ids: Sequence[str]) -> IntArray:
        """The answered class ids (n, attributes) of these photos."""
        place_of = {photo_id: place for place, photo_id in enumerate(self.answers.ids)}
        return self.answers.schema.decode(self.answers.classes[[place_of[photo_id] for photo_id in ids]])


def attention_of(shown: Shown, *, seconds: float) -> Attention:
    """Where the network looks: on the whole, over photos evenly spread, and in each photo that the report shows.

    Both stop after half of `seconds`, at fewer photos; a network too slow for them has maps of a few.
    """
    from trifacet.learn.attention import occlusion, shared_places

    read = shown.scores.photos.filter(pl.col("error").is_null())
    rows = np.random.default_rng(0).permutation(spread(np.arange(read.height), N_MAPPED))
    ids, persons = read["photo_id"][rows].to_list(), read["person_id"][rows].to_list()
    pixels, places = shown.pixels(ids), shared_places(len(ids), grid=GRID, n_places=PLACES)
    answers = shown.classes(ids)
    drops, _ = occlusion(shown.model, pixels, answers=answers, places=places, grid=GRID, seconds=seconds / 2)
    n, (height, width) = len(drops), pixels.shape[1:3]
    mean = thumbnail_uri(pixels[:n].mean(axis=0).astype(np.uint8), height_px=height)
    looks = _looks(shown, seconds=seconds / 2) if shown.has_pictures else {}
    return Attention(drops, places[:n], GRID, persons[:n], height / width, looks, mean if shown.has_pictures else "")


def _looks(shown: Shown, *, seconds: float) -> dict[str, Look]:
    """Where it looks in each photo that the report shows: for the label it got wrong, or else is least sure of."""
    from trifacet.learn.attention import all_places, occlusion

    rows, names = photos_to_show(shown.scores), shown.model.schema.names
    ids = rows["photo_id"].to_list()
    pixels, answers, places = shown.pixels(ids), shown.classes(ids), all_places(len(ids), grid=GRID)
    drops, plain = occlusion(shown.model, pixels, answers=answers, places=places, grid=GRID, seconds=seconds)
    looks = {}
    for row, picture, falls, probs in zip(rows.iter_rows(named=True), pixels, drops, plain, strict=False):
        wrong = [i for i, name in enumerate(names) if row[f"true_{name}"] not in (None, row[f"predicted_{name}"])]
        which = wrong[0] if wrong else int(probs.argmin())
        heat = np.maximum(falls[:, which], 0.0).reshape(GRID, GRID)
        deepest = float(heat.max())
        uri = thumbnail_uri(heat_image(picture, heat / max(deepest, FAINTEST)))
        looks[row["photo_id"]] = Look(uri, names[which], deepest)
    return looks


def rows_of(manifest: Manifest, split: str) -> npt.NDArray[np.int64]:
    """Where a split's photos lie in the manifest."""
    return np.flatnonzero((manifest.table["split"] == split).to_numpy()).astype(np.int64)


def spread(rows: npt.NDArray[np.int64], n_shown: int) -> npt.NDArray[np.int64]:
    """At most `n_shown` of the rows, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(n_shown, len(rows))).astype(np.int64)]
