"""The faces of a manifest's photos, as columns of a new manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

import polars as pl

from trifacet.core.errors import error, first_few
from trifacet.core.manifest import CROP_COLUMNS, FACE_COLUMNS, FINDER, Crop, Manifest
from trifacet.pixels.decode import Undecodable, decode
from trifacet.pixels.faces import n_faces
from trifacet.pixels.finders import BUILT_IN, Finder, UnusableAnswer, open_finder
from trifacet.pixels.pose import SeenFace, measure_faces, see_face

Progress = Callable[[int, int], None]  # photos done, photos in all

CHUNK = 16  # photos a task
ALL_FAILED = 64  # photos of which a finder has answered for none before it is given up
NOWHERE = (None,) * len(CROP_COLUMNS)


@dataclass(frozen=True)
class Found:
    """How many faces of a photo count, the square around the largest, what that is like, and what is wrong.

    look: as of `measure_faces`. changed: what is wrong with the file. unusable: what is wrong with the finder's answer,
    which counts as no face.
    """

    n_faces: int = 0
    crop: Crop | None = None
    look: Sequence[float] | None = None
    changed: str = ""
    unusable: str = ""


@dataclass(frozen=True)
class Searched:
    """The manifest with its faces, and why the finder's answer could not be used, of each photo where it could not."""

    manifest: Manifest
    unusable: Mapping[str, str] = field(default_factory=dict)


def find_faces(
    manifest: Manifest,
    *,
    finder: Finder | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Searched:
    """The manifest with `n_faces`, the crop columns and the face columns of every photo, null where no face was found.

    finder: the built-in one where none is given. Its name and hash stand among the manifest's inputs.

    Raises:
        ConfigError: TRI125, a finder that answers for no photo; TRI126, columns of the source that have these names.
        ManifestError: TRI204, photos that changed or cannot be decoded any more. MissingExtraError: TRI600.
    """
    _keep_columns(manifest)
    finder = finder or open_finder()
    found = _found(manifest.paths, finder, workers=workers, progress=progress)
    if failed := [one.changed for one in found if one.changed]:
        raise error("TRI204", "photos changed since they were ingested", got=first_few(failed))
    unusable = {photo: one.unusable for photo, one in zip(manifest.photo_ids, found, strict=True) if one.unusable}
    if found and len(unusable) == len(found):
        raise _useless(finder, found)
    inputs = {name: what for name, what in (manifest.inputs or {}).items() if not name.startswith(FINDER)}
    inputs[f"{FINDER}{finder.name}"] = finder.sha256
    return Searched(replace(manifest, table=manifest.table.with_columns(_columns(found)), inputs=inputs), unusable)


def faces_by_class(manifest: Manifest) -> list[tuple[str, int, int, int, int]]:
    """Photos in all, with one face, with several and with none: of each class of the first attribute, then of all."""
    name = manifest.schema.names[0]
    labelled = [(c, manifest.table.filter(pl.col(name) == c)["n_faces"]) for c in manifest.schema.attributes[0].classes]
    parts = [(c, column) for c, column in labelled if len(column)] + [("all", manifest.table["n_faces"])]
    return [(c, len(n), int((n == 1).sum()), int((n > 1).sum()), int((n == 0).sum())) for c, n in parts]


def finder_of(manifest: Manifest) -> str:
    """The name of what found the manifest's faces; "" where nobody looked, or where that was not told."""
    names = (name.removeprefix(FINDER) for name in manifest.inputs or {} if name.startswith(FINDER))
    return next(names, "")


def own_finder_stamp(manifest: Manifest) -> tuple[str, ...]:
    """What is said with every score where a finder of the user's own found the faces that a run is shown; else none."""
    name = finder_of(manifest)
    if name in ("", BUILT_IN):
        return ()
    return (f"faces were found by {name}: photos without a square in their manifest are cut by the built-in finder",)


def _keep_columns(manifest: Manifest) -> None:
    """Refuses to write over columns of the source: nobody looked for faces, and there are columns of these names."""
    theirs = [name for name in FACE_COLUMNS if name in manifest.table.columns]
    if theirs and manifest.table["n_faces"].is_null().all():
        named = first_few([name.removeprefix("x_") for name in theirs])
        raise error("TRI126", "columns of the source have names of measures of faces", got=named)


def _found(
    paths: Sequence[Path], finder: Finder, *, workers: int | None = None, progress: Progress | None = None
) -> list[Found]:
    def look(start: int) -> list[Found]:
        looked = [_look(finder, path) for path in paths[start : start + CHUNK]]
        measured = iter(measure_faces([seen for _, seen in looked if seen]).tolist())
        return [replace(one, look=next(measured)) if seen else one for one, seen in looked]

    found: list[Found] = []
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for chunk in pool.map(look, range(0, len(paths), CHUNK)):
            found += chunk
            if len(found) == ALL_FAILED and all(one.unusable for one in found):
                pool.shutdown(wait=False, cancel_futures=True)
                raise _useless(finder, found)
            if progress:
                progress(len(found), len(paths))
    return found


def _useless(finder: Finder, found: Sequence[Found]) -> Exception:
    what = f"'{finder.name}' gives no usable answer about any of the first {len(found):,} photos"
    return error("TRI125", what, where="--finder", got=found[0].unusable)


def _look(finder: Finder, path: Path) -> tuple[Found, SeenFace | None]:
    """The faces of a photo and the largest of them, or what is wrong with the file or with the finder's answer."""
    try:
        image = decode(path.read_bytes())
        faces = finder.find(image)
    except OSError as problem:
        return Found(changed=f"{path} ({problem.strerror})"), None
    except Undecodable as problem:
        return Found(changed=f"{path} ({problem.status})"), None
    except UnusableAnswer as problem:
        return Found(unusable=str(problem)), None
    if not faces:
        return Found(), None
    return Found(n_faces(faces), faces[0].crop()), see_face(image, faces[0])


def _columns(found: Sequence[Found]) -> list[pl.Series]:
    crops = [astuple(one.crop) if one.crop else NOWHERE for one in found]
    looks = [one.look or (None,) * len(FACE_COLUMNS) for one in found]
    return [
        pl.Series("n_faces", [one.n_faces for one in found], dtype=pl.Int32()),
        *(_numbers(name, [row[i] for row in crops]) for i, name in enumerate(CROP_COLUMNS)),
        *(_numbers(name, [row[i] for row in looks]) for i, name in enumerate(FACE_COLUMNS)),
    ]


def _numbers(name: str, values: Sequence[float | None]) -> pl.Series:
    return pl.Series(name, values, dtype=pl.Float32()).fill_nan(None)
