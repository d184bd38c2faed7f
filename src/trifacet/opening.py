"""What every stage opens first: data, recipes, pixels; and whether they fit each other."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from trifacet.core.config import Resolved, read_layer, resolve, set_layer
from trifacet.core.errors import error, pick
from trifacet.core.files import sha256_file
from trifacet.core.manifest import (
    PERSONS_UNKNOWN,
    Manifest,
    check_roots,
    merged_stamps,
    read_manifest,
    with_schema,
    write_manifest,
)
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run, RunInfo, create_run, machine, now, save_run, versions
from trifacet.core.schema import LabelSchema, parse_schema, with_age_edges
from trifacet.data.ingest import ingest
from trifacet.data.sources import Reading
from trifacet.data.split import split
from trifacet.decision import training_priors
from trifacet.learn.backbones import check_backbone
from trifacet.pixels.cache import open_cache
from trifacet.pixels.preprocess import Geometry
from trifacet.prediction import Photo

Progress = Callable[[str, int, int], None]  # what is being done, photos done, photos in all

NOT_ASKED = ("ignored", "extra", "wrong_type")  # files that nobody would expect an answer for
TRAIN_PACKAGES = ("torch", "torchvision", "timm", "tensorboard")


def quiet(*_: object) -> None:
    """The progress of somebody who does not look."""


def telling(progress: Progress, what: str) -> Callable[[int, int], None]:
    """`progress` for one thing that is being done."""
    return lambda done, n_photos: progress(what, done, n_photos)


def require_train() -> None:
    """Refuses what needs the extra [train] where it is absent. Raises MissingExtraError TRI600."""
    absent = [package for package in TRAIN_PACKAGES if find_spec(package) is None]
    if absent:
        do = "Install it with `pip install 'trifacet[train]'`; `trifacet doctor` shows what is there."
        raise error("TRI600", "this needs the extra [train]", got=f"no {', '.join(absent)}", do=do)


def recipe_paths() -> dict[str, Path]:
    """The recipes in the package, by name."""
    folder = Path(str(files("trifacet") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def open_recipe(name: str | Path | Resolved[Recipe] = "quick", sets: Sequence[str] = ()) -> Resolved[Recipe]:
    """A recipe of the package by its name, or of a file, with `key=value` changes. Raises ConfigError TRI100 to 104."""
    if isinstance(name, Resolved):
        return name
    path = Path(name)
    if path.suffix not in (".yaml", ".yml", ".json"):
        do = "See `trifacet recipes`; a file ends in .yaml or .json."
        path = pick(recipe_paths(), str(name), what="recipe", do=do)
    return resolve(Recipe, [read_layer(path), set_layer(sets)], checks={"model.backbone": check_backbone})


def open_data(data: Path | str | Manifest, *, reading: Reading | None = None, progress: Progress = quiet) -> Manifest:
    """The manifest at `data`, or of the photos in the folder `data`. Raises ManifestError TRI203, TRI205."""
    if isinstance(data, Manifest):
        return data
    data = Path(data)
    if data.is_dir():
        return ingest([data], reading=reading, progress=telling(progress, "looking at photos")).manifest
    manifest = read_manifest(data)
    check_roots(manifest, where=str(data))
    return manifest


def ready_to_train(manifest: Manifest, recipe: Recipe) -> Manifest:
    """The manifest as training needs it: the recipe's schema, kept photos, a split, train and val not empty.

    Raises:
        ConfigError: TRI103. ManifestError: TRI200, TRI251. RunError: TRI404.
    """
    if recipe.label_schema is not None:
        manifest = with_schema(manifest, _recipe_schema(recipe.label_schema, manifest.schema))
    manifest = manifest.where(pl.col("dropped_because").is_null())
    if manifest.table["split"].is_null().all():
        manifest = split(manifest)
    manifest = manifest.split("train", "val", "test")
    for name in ("train", "val"):
        rows = manifest.split(name)
        known = rows.classes >= 0
        if len(rows) < 2 or not known.any():
            raise error("TRI404", f"the split '{name}' has no labelled photos to use", got=f"{len(rows)} photos")
        if recipe.model.head == "joint" and not known.all(axis=1).any():
            do = "Use model.head: per_attribute, which learns from the labels there are."
            raise error("TRI404", f"the split '{name}' has no photo with every label", where="model.head: joint", do=do)
    return manifest


def new_run(out: Path, recipe: Resolved[Recipe], *, manifest: Manifest) -> Run:
    """A run directory with everything that is known before training; a seed `random` is drawn here. Raises TRI402."""
    wanted = recipe.settings.train.seed
    splits = {name: manifest.split(name) for name in ("train", "val", "test")}
    info = RunInfo(
        name=out.name,
        created=now(),
        seed=secrets.randbelow(2**31) if wanted == "random" else wanted,
        recipe=recipe.settings,
        origins=recipe.origins,
        label_schema=manifest.schema,
        priors=training_priors(splits["train"].classes, manifest.schema),
        n_photos={name: len(rows) for name, rows in splits.items()},
        n_persons={name: rows.n_persons for name, rows in splits.items()},
        stamps=manifest.stamps,
        versions=versions(),
        machine=machine(),
    )
    run = create_run(out, info)
    write_manifest(run.manifest_path, manifest)
    return save_run(run, inputs={"manifest": sha256_file(run.manifest_path)})


def check_answers_path(path: Path) -> None:
    """Refuses a place for predictions that is neither a .parquet nor a .csv. Raises ConfigError TRI104."""
    if path.suffix.lower() not in (".parquet", ".csv"):
        do = "A .parquet is what evaluate and submit want; a .csv is for reading."
        raise error("TRI104", "must end in .parquet or .csv", where="--out", got=f"'{path}'", do=do)


def open_inputs(manifest: Manifest, geometry: Geometry, *, progress: Progress) -> npt.NDArray[np.uint8]:
    """The manifest's photos as inputs (N, h, w, 3) uint8, from the pixel cache. Raises TRI204, TRI9xx."""
    hashes = manifest.table["sha256"].to_list()
    return open_cache(manifest.paths, hashes, geometry=geometry, progress=telling(progress, "decoding photos"))


def open_photos(data: Path, splits: Sequence[str], *, progress: Progress) -> tuple[list[Photo], tuple[str, ...]]:
    """The photos to predict on, with the stamps of their manifest; what a folder's scan refused comes last.

    Raises:
        ManifestError: TRI203, TRI205.
    """
    if not data.is_dir():
        manifest, refused = open_data(data), []
    else:
        found = ingest([data], progress=telling(progress, "looking at photos"))
        manifest = found.manifest
        asked = found.rejects.filter(~pl.col("status").is_in(NOT_ASKED))
        refused = [Photo(path, data / path, status) for path, status in asked.select("path", "status").iter_rows()]
    if splits:
        manifest = manifest.split(*splits)
    photos = [Photo(photo_id, path) for photo_id, path in zip(manifest.photo_ids, manifest.paths, strict=True)]
    if not photos:
        raise error("TRI205", "no photos to predict on", where=str(data), got=f"splits {', '.join(splits) or 'all'}")
    about_split = [stamp for stamp in manifest.stamps if stamp != PERSONS_UNKNOWN]  # of persons, the truth will tell
    return photos + refused, merged_stamps(about_split)


def _recipe_schema(content: Mapping[str, object], schema: LabelSchema) -> LabelSchema:
    edges = content.get("age_edges")
    if set(content) == {"age_edges"} and isinstance(edges, list):
        return with_age_edges(schema, edges)
    return parse_schema(content, where="schema")
