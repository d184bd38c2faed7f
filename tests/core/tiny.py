"""Small manifests and predictions that the tests of the ground and of the learn room stand on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from trifacet.core.manifest import Manifest, empty_columns
from trifacet.core.schema import DEFAULT_SCHEMA, Attribute, LabelSchema, age_attribute

FOUR_BANDS = LabelSchema(
    attributes=(Attribute(name="mask", classes=("on", "off")), age_attribute((13, 20, 60))), years=(0, 90)
)  # two mask classes, no gender, four age bands

Labels = Sequence[Sequence[str | None]]


def manifest(
    labels: Labels,
    *,
    schema: LabelSchema = DEFAULT_SCHEMA,
    root: Path = Path("/photos"),
    stamps: tuple[str, ...] = (),
    **columns: list[Any],
) -> Manifest:
    """One photo a row of `labels` (a class name or None per attribute), called 0.jpg, 1.jpg, ...; persons unknown."""
    n = len(labels)
    table = empty_columns(n)
    table["photo_id"] = pl.Series([f"{i}.jpg" for i in range(n)], dtype=pl.String())
    table["path"] = table["photo_id"]
    table["sha256"] = pl.Series([f"{i:064x}" for i in range(n)], dtype=pl.String())
    table["source"] = pl.Series(["made"] * n, dtype=pl.String())
    for name, values in columns.items():
        table[name] = pl.Series(values, dtype=table[name].dtype)
    for i, attribute in enumerate(schema.attributes):
        table[attribute.name] = pl.Series([row[i] for row in labels], dtype=pl.String())
    return Manifest(pl.DataFrame(table), schema, {"made": root}, stamps=stamps)


def random_probs(n: int, schema: LabelSchema, *, seed: int = 0) -> np.ndarray:
    """Joint probabilities (n, K) float32 that sum to 1."""
    return np.random.default_rng(seed).dirichlet(np.ones(schema.n_joint), n).astype(np.float32)
