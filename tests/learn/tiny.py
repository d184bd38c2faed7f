"""A data set of forty small photos that can be learned, and runs that train on it in a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.core import tiny
from trifacet.core.config import resolve, set_layer
from trifacet.core.manifest import Manifest
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run, RunInfo, create_run
from trifacet.core.schema import DEFAULT_SCHEMA, LabelSchema

SMALL = (
    "model.backbone=baseline_cnn",
    "model.hidden=16",
    "model.dropout=[0.1, 0.1]",
    "data.image_size=[24, 24]",
    "data.crop=none",
    "train.batch_size=16",
    "train.head_batch_size=32",
    "train.head_epochs=2",
    "train.epochs=3",
    "train.device=cpu",
    "train.amp=off",
    "train.memory_format=channels_last",  # so that two runs agree to the last bit
    "optim.lr=1e-3",
    "track.tensorboard=false",
)
FACES = (*SMALL, "model.backbone=face_resnet10", "data.image_size=[33, 33]", "train.amp=auto")


def photos(n: int = 40, *, side: int = 24, schema: LabelSchema = DEFAULT_SCHEMA) -> tuple[Manifest, np.ndarray]:
    """A manifest, a person a photo, and its photos: the first attribute is their colour, the last their brightness.

    Every joint class of the default stands in train (the first 27 of 40), the rest is val.
    """
    rng = np.random.default_rng(0)
    classes = schema.decode(np.arange(n) % schema.n_joint)
    images = rng.integers(60, 100, (n, side, side, 3))
    for i, row in enumerate(classes):
        images[i, :, :, row[0] % 3] += 70
        images[i] += 30 * row[-1]
    labels = [[a.classes[c] for a, c in zip(schema.attributes, row, strict=True)] for row in classes]
    columns: dict[str, list[Any]] = {
        "person_id": [f"p{i}" for i in range(n)],
        "split": ["train" if i < n * 2 // 3 + 1 else "val" for i in range(n)],
    }
    if schema.age is not None and schema.age.edges is not None:
        cuts = [schema.years[0], *schema.age.edges, schema.years[1]]
        column = schema.names.index(schema.age.name)
        columns["age_years"] = [(cuts[c] + cuts[c + 1]) / 2 for c in classes[:, column]]
    return tiny.manifest(labels, schema=schema, **columns), images.clip(0, 255).astype(np.uint8)


def recipe(sets: Sequence[str] = (), *, base: Sequence[str] = SMALL) -> Recipe:
    """The recipe of a tiny run with `sets` laid over it."""
    return resolve(Recipe, [set_layer(base), set_layer(sets)]).settings


def new_run(path: Path, sets: Sequence[str] = (), *, base: Sequence[str] = SMALL, schema=DEFAULT_SCHEMA) -> Run:
    """A run that is about to train by that recipe."""
    settings = recipe(sets, base=base)
    return create_run(
        path,
        RunInfo(
            name=path.name,
            created="2026-01-01T00:00:00+00:00",
            seed=settings.train.seed,
            recipe=settings,
            label_schema=schema,
            priors={},
            n_photos={},
            n_persons={},
            inputs={"manifest": "ab" * 32},
        ),
    )
