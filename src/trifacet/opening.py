"""What every stage opens first: data and pixels; and whether a recipe fits them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from trifacet.core.config import Resolved
from trifacet.core.errors import error, nearest
from trifacet.core.files import sha256_file
from trifacet.core.manifest import (
    PERSONS_UNKNOWN,
    SPLITS,
    Manifest,
    check_roots,
    merged_stamps,
    read_manifest,
    with_schema,
    write_manifest,
)
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run, RunInfo, create_run, machine, now, open_run, save_run, versions
from trifacet.core.schema import LabelSchema, parse_schema, with_age_edges
from trifacet.data.archive import is_archive, unpacked
from trifacet.data.faces import find_faces, own_finder_stamp
from trifacet.data.ingest import Source, ingest
from trifacet.data.listing import list_photos, told_counts
from trifacet.data.sources import Reading
from trifacet.data.split import split
from trifacet.decision import training_priors
from trifacet.pixels.cache import open_cache
from trifacet.pixels.dress import MASK, MASK_STATES
from trifacet.pixels.faces import no_face_stamp, require_faces
from trifacet.pixels.preprocess import Geometry
from trifacet.prediction import Photo

if TYPE_CHECKING:
    from trifacet.learn.models import Net

Progress = Callable[[str, int, int], None]  # what is being done, photos done, photos in all

TRAIN_PACKAGES = ("torch", "torchvision", "timm", "kornia", "tensorboard")


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


def open_data(data: Path | str | Manifest, *, reading: Reading | None = None, progress: Progress = quiet) -> Manifest:
    """The manifest at `data`, or of the photos in the folder `data`, or the archive, which is unpacked beside itself.

    Raises:
        ManifestError: TRI202, TRI203, TRI205, TRI228 to TRI230. MachineError: TRI900, TRI901.
    """
    if isinstance(data, Manifest):
        return data
    data = Path(data)
    if data.is_dir() or is_archive(data):
        source = unpacked(Source(data), into=None, progress=progress)
        return ingest([source], reading=reading, progress=telling(progress, "looking at photos")).manifest
    if not data.exists():
        raise error("TRI202", "no such folder or manifest", where=str(data), do="Check the path.")
    manifest = read_manifest(data)
    check_roots(manifest, where=str(data))
    return manifest


def ready_to_train(manifest: Manifest, recipe: Recipe) -> Manifest:
    """The manifest as training needs it: the recipe's schema, kept photos, a split, train and val not empty.

    Once for each manifest: attributes that nobody labelled are gone then, and a schema that names them no longer fits.

    Raises:
        ConfigError: TRI100, TRI101, TRI103. ManifestError: TRI200, TRI251. RunError: TRI404. MissingExtraError: TRI600.
    """
    if recipe.label_schema is not None:
        manifest = with_schema(manifest, _recipe_schema(recipe.label_schema, manifest.schema))
    if recipe.model.tasks:
        manifest = with_schema(manifest, manifest.schema.part(recipe.model.tasks, where="model.tasks"))
    return usable(manifest, recipe)


def usable(manifest: Manifest, recipe: Recipe) -> Manifest:
    """The manifest, of the labels that are to be learned, as training needs it; a second time changes nothing.

    Raises:
        ConfigError: TRI101. RunError: TRI404. MissingExtraError: TRI600.
    """
    manifest = manifest.where(pl.col("dropped_because").is_null())
    if manifest.table["split"].is_null().all():
        manifest = split(manifest)
    manifest = _without_unlabelled(manifest.split("train", "val", "test"))
    for name in ("train", "val"):
        rows = manifest.split(name)
        known = rows.classes >= 0
        if len(rows) < 2 or not known.any():
            raise error("TRI404", f"the split '{name}' has no labelled photos to use", got=f"{len(rows)} photos")
        if recipe.model.head == "joint" and not known.all(axis=1).any():
            do = "Use model.head: per_attribute, which learns from the labels there are."
            raise error("TRI404", f"the split '{name}' has no photo with every label", where="model.head: joint", do=do)
    _check_masks(manifest.schema, recipe)
    _check_mixing(manifest.split("train"), recipe)
    return manifest


def _check_mixing(train: Manifest, recipe: Recipe) -> None:
    """Refuses parts of photos pasted where a label is missing, and an oldest class without photos. Raises TRI101."""
    asked = [name for name in ("cutmix", "half_cutmix", "old_halves") if getattr(recipe.augment, name)]
    if not asked:
        return
    schema, where = train.schema, f"augment.{asked[0]}"
    n_lacking = int((train.classes < 0).any(axis=1).sum())
    if n_lacking:
        what = "CutMix shares labels by area, so every training photo needs all of them"
        do = "Label those photos or leave them out, or take augment.mixup or none."
        raise error("TRI101", what, where=where, got=f"{n_lacking:,} of {len(train):,} photos that lack one", do=do)
    age = schema.age
    if recipe.augment.old_halves and (
        age is None or not (train.classes[:, schema.names.index(age.name)] == len(age.classes) - 1).any()
    ):
        got = f"no training photo of '{age.classes[-1]}'" if age else f"the attributes {', '.join(schema.names)}"
        what, do = "halves of the oldest class need photos of it", "Leave out augment.old_halves."
        raise error("TRI101", what, where="augment.old_halves", got=got, do=do)


def _check_masks(schema: LabelSchema, recipe: Recipe) -> None:
    """Refuses to draw on faces where nobody could be found or no label would fit. Raises TRI101, TRI600."""
    asked = [name for name in ("masks", "occluders") if getattr(recipe.augment, name)]
    if not asked:
        return
    require_faces()
    known = {a.name: a.classes for a in schema.attributes}.get(MASK, ())
    if not set(MASK_STATES) <= set(known):
        do = "Leave out augment.masks and augment.occluders."
        what = f"drawing on faces needs an attribute '{MASK}' with the classes {', '.join(MASK_STATES)}"
        raise error("TRI101", what, where=f"augment.{asked[0]}", got=", ".join(known) or "none", do=do)


def _without_unlabelled(manifest: Manifest) -> Manifest:
    """The manifest under a schema without the attributes of which no photo to train on has a label."""
    schema = manifest.schema
    known = [bool((column >= 0).any()) for column in manifest.split("train").classes.T]
    if all(known) or not any(known):
        return manifest
    kept = tuple(attribute for attribute, is_known in zip(schema.attributes, known, strict=True) if is_known)
    answered, others = (
        ", ".join(a.name for a in schema.attributes if (a in kept) is is_kept) for is_kept in (True, False)
    )
    stamp = f"no photo to train on has a label of {others}: this run answers {answered} alone"
    manifest = with_schema(manifest, LabelSchema(attributes=kept, years=schema.years))
    return replace(manifest, stamps=merged_stamps(manifest.stamps, (stamp,)))


def start_from(init: Path, *, sha256: str) -> Callable[[Net], None]:
    """What puts the weights of the run `init` into a net, where they have that hash. Raises TRI400, TRI403."""
    from trifacet.learn.predictor import load_init

    run = open_run(init)
    if sha256_file(run.weights_path()) != sha256:
        raise error("TRI403", "the weights that this run started from have changed", where=str(init))
    return load_init(run)


def with_faces(manifest: Manifest, recipe: Recipe, *, progress: Progress) -> Manifest:
    """The manifest with the face of every photo, where the recipe cuts by it; looked for where nobody has yet.

    Raises:
        MissingExtraError: TRI600. ManifestError: TRI204. ConfigError: TRI126.
    """
    if recipe.data.crop != "face":
        return manifest
    require_faces()
    if manifest.table["n_faces"].null_count():
        manifest = find_faces(manifest, progress=telling(progress, "finding faces")).manifest
    told = no_face_stamp(int((manifest.table["n_faces"] == 0).sum()), len(manifest))
    return replace(manifest, stamps=merged_stamps(manifest.stamps, told, own_finder_stamp(manifest)))


def new_run(out: Path, recipe: Resolved[Recipe], *, manifest: Manifest, inputs: Mapping[str, str] | None = None) -> Run:
    """A run directory with everything that is known before training; a seed `random` is drawn here. Raises TRI402.

    inputs: what it starts from besides its manifest; the record that names the manifest, the last, holds them too.
    """
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
    return save_run(run, inputs={"manifest": sha256_file(run.manifest_path), **(inputs or {})})


def open_inputs(manifest: Manifest, geometry: Geometry, *, progress: Progress) -> npt.NDArray[np.uint8]:
    """The manifest's photos as inputs (N, h, w, 3) uint8, from the pixel cache. Raises TRI204, TRI9xx."""
    return open_cache(
        manifest.paths,
        manifest.table["sha256"].to_list(),
        geometry=geometry,
        crops=manifest.crops if geometry.crop == "face" else None,
        progress=telling(progress, "decoding photos"),
    )


@dataclass(frozen=True)
class Asked:
    """The photos to predict on, their manifest's stamps, and what a person should be told of files left out."""

    photos: list[Photo]
    stamps: tuple[str, ...] = ()
    note: str = ""


def open_photos(data: Path, splits: Sequence[str], *, progress: Progress) -> Asked:
    """The photos to predict on: a manifest's, or all of a folder or archive, those that cannot be read last.

    Raises:
        ManifestError: TRI202, TRI203, TRI205 no photo, or no such split.
    """
    if data.is_dir() or is_archive(data):
        if splits:
            raise error("TRI205", f"no split '{splits[0]}' in a folder", where=str(data), do="Pass its split manifest.")
        source = unpacked(Source(data), into=None, progress=progress)
        listing = list_photos(source, progress=telling(progress, "looking at photos"))
        photos = [Photo(p.photo_id, p.file, p.status or None, p.sha256) for p in listing.photos]
        return Asked(photos, note=f"left out: {told_counts(listing.left_out)}" if listing.left_out else "")
    manifest = open_data(data)
    if splits:
        check_splits(manifest, splits, where=str(data))
        manifest = manifest.split(*splits)
    hashes = manifest.table["sha256"].to_list()
    photos = [
        Photo(photo_id, path, sha256=sha256, crop=crop)
        for photo_id, path, sha256, crop in zip(manifest.photo_ids, manifest.paths, hashes, manifest.crops, strict=True)
    ]
    if not photos:
        raise error("TRI205", "no photos to predict on", where=str(data))
    about_split = [stamp for stamp in manifest.stamps if stamp != PERSONS_UNKNOWN]  # of persons, the truth will tell
    return Asked(photos, merged_stamps(about_split))


def check_splits(manifest: Manifest, splits: Sequence[str], *, where: str) -> None:
    """Refuses splits that the manifest has not. Raises ManifestError TRI205."""
    there = [name for name in SPLITS if (manifest.table["split"] == name).any()]
    for name in splits:
        if name not in there:
            near = nearest(name, there)
            do = f"Did you mean '{near}'?" if near else "Take one of them." if there else "Run `trifacet split` first."
            known = f"there are {', '.join(there)}" if there else "the manifest is not split"
            raise error("TRI205", f"no split '{name}'; {known}", where=where, do=do)


TRAINED_ON = "the run was trained on"  # what a stamp says of answers that prove nothing


def seen_in_training(photos: Sequence[Photo], manifest_paths: Sequence[Path]) -> tuple[str, ...]:
    """A stamp where photos are those that a run was trained on, or chosen by, as its manifest tells; else nothing."""
    trained, chosen = set[str](), set[str]()
    for path in filter(Path.is_file, manifest_paths):
        table = read_manifest(path).table
        trained |= set(table.filter(split="train")["sha256"])
        chosen |= set(table.filter(split="val")["sha256"])
    counts = {
        TRAINED_ON: sum(photo.sha256 in trained for photo in photos),
        "its epoch and rule were chosen on": sum(photo.sha256 in chosen - trained for photo in photos),
    }
    parts = [f"{words} {n:,}" for words, n in counts.items() if n]
    return (
        (f"of the {len(photos):,} photos answered {' and '.join(parts)}: a score over them flatters",) if parts else ()
    )


def _recipe_schema(content: Mapping[str, object], schema: LabelSchema) -> LabelSchema:
    edges = content.get("age_edges")
    if set(content) == {"age_edges"} and isinstance(edges, list):
        return with_age_edges(schema, edges)
    return parse_schema(content, where="schema")
