"""Photos to photos of the same people before another background, beside them, with a manifest of their own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from trifacet.clean.background import Model, Segmenter, find_model
from trifacet.clean.cutouts import (
    JOURNAL_NAME,
    NEW_NAME,
    Done,
    Photo,
    Rejected,
    cut_out,
    done_before,
    photos_of,
    workplace,
)
from trifacet.core.errors import error, first_few
from trifacet.core.files import sha256_file, sha256_json, sync_folder
from trifacet.core.manifest import Manifest, read_manifest, write_manifest
from trifacet.data.archive import is_archive, unpacked
from trifacet.data.ingest import Source, ingest, write_rejects
from trifacet.opening import Progress, open_data, quiet, telling
from trifacet.pixels.fills import fill_name
from trifacet.pixels.scan import available_cores

MANIFEST_NAME, REJECTS_NAME, PHOTOS_NAME = "manifest.parquet", "rejects.csv", "photos"
_REJECTS = {"path": pl.String(), "status": pl.String(), "reason": pl.String()}


@dataclass(frozen=True)
class Backgrounds:
    """The photos before each fill, by its name, what became of the others, and by which model.

    rejects: path, status, reason of each photo without a counterpart, which stands in no manifest. n_before: how many
    photos an earlier, unfinished run had cut out.
    """

    manifests: Mapping[str, Manifest]
    rejects: pl.DataFrame
    model: Model
    n_before: int


def background(
    data: Path | str,
    out: Path | str,
    *,
    model: str,
    sha256: str = "",
    session: str = "",
    fills: Sequence[str] = ("white",),
    workers: int | None = None,
    progress: Progress = quiet,
) -> Backgrounds:
    """Photos to a new folder of the same people before another background: lossless PNGs, and a manifest of them.

    model, sha256, session: as `find_model` takes them. fills: of `pixels.fills`; several make a folder each within out.
    A photo keeps its id, person, labels, split and fold; `derived_from` names the hashes of the photo and the model.
    Until all is done it lies in `OUT.part`, where the same call goes on. Nothing leaves the machine.

    Raises:
        ConfigError: TRI100, TRI104, TRI120 to TRI124. ManifestError: TRI202, TRI203, TRI205. RunError: TRI402.
        MissingExtraError: TRI600. MachineError: TRI900, TRI901.
    """
    data, out = Path(data), Path(out)
    names = _fill_names(fills)
    _check_out(out, data)
    found = find_model(model, sha256=sha256, session=session)
    manifest, lost = _opened(data, progress=progress)
    photos, outside = photos_of(manifest)
    part = out.with_name(f"{out.name}.part")
    homes = {fill: part / NEW_NAME / (fill if len(names) > 1 else "") for fill in names}
    with workplace(part, _settings(photos, found, fills=names)):
        done, n_before, rejected = _cut(photos, found, part=part, homes=homes, workers=workers, progress=progress)
        rejected = [*outside, *rejected]
        if not done:
            got = first_few([f"{one.photo_id} ({one.status}: {one.reason})" for one in rejected], 3)
            raise error("TRI205", "not one photo could be cut out", where=out, got=got, do="Mend the first of them.")
        inputs = {"model": found.sha256} | ({"data": sha256_file(data)} if data.is_file() else {})
        for fill, home in homes.items():
            made = replace(manifest, inputs=inputs, stage="background")
            _write(made, photos, done=done, fill=fill, home=home)
        rejects = pl.concat([_table(rejected), lost])
        write_rejects(part / NEW_NAME / REJECTS_NAME, rejects)
        (part / NEW_NAME).replace(out)
        sync_folder(out.parent)
    shutil.rmtree(part, ignore_errors=True)
    made_at = {fill: out / home.relative_to(part / NEW_NAME) / MANIFEST_NAME for fill, home in homes.items()}
    return Backgrounds({fill: read_manifest(path) for fill, path in made_at.items()}, rejects, found, n_before)


def _fill_names(fills: Sequence[str]) -> tuple[str, ...]:
    """The fills by name, each once. Raises ConfigError TRI104."""
    names = []
    for text in fills:
        try:
            names.append(fill_name(text))
        except ValueError as problem:
            raise error("TRI104", f"no fill '{text}'", where="--fill", do=str(problem)) from None
    return tuple(dict.fromkeys(names))


def _check_out(out: Path, data: Path) -> None:
    """Refuses a place that is taken, or among the photos. Raises RunError TRI402, ConfigError TRI104."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise error("TRI402", "this place is taken", where=out)
    if data.is_dir() and out.absolute().is_relative_to(data.absolute()):
        do = "Name a folder beside them: what is read is never written to."
        raise error("TRI104", "the output lies among the photos", where="--out", got=f"'{out}'", do=do)


def _opened(data: Path, *, progress: Progress) -> tuple[Manifest, pl.DataFrame]:
    """The manifest of the data, and the files (path, status, reason) that are no photo of it."""
    if not (data.is_dir() or is_archive(data)):
        return open_data(data, progress=progress), pl.DataFrame(schema=_REJECTS)
    source = unpacked(Source(data), into=None, progress=progress)
    made = ingest([source], progress=telling(progress, "looking at photos"))
    return made.manifest, made.rejects.select(*_REJECTS)


def _settings(photos: Sequence[Photo], model: Model, *, fills: Sequence[str]) -> dict[str, Any]:
    """What must be the same for a folder to be gone on with: the same photos would come out."""
    return {
        "photos": sha256_json([(p.photo_id, p.sha256, p.source, p.name, str(p.crop)) for p in photos]),
        "model": model.sha256,
        "session": model.session,
        "fills": list(fills),
        "rembg": version("rembg"),
    }


def _cut(
    photos: Sequence[Photo],
    model: Model,
    *,
    part: Path,
    homes: Mapping[str, Path],
    workers: int | None,
    progress: Progress,
) -> tuple[dict[str, Done], int, list[Rejected]]:
    """What is cut out now and was before, how many were before, and what could not be."""
    folders = {fill: home / PHOTOS_NAME for fill, home in homes.items()}
    done = done_before(part, photos, folders=folders)
    n_before, rejected = len(done), list[Rejected]()
    todo = [photo for photo in photos if photo.photo_id not in done]
    told = telling(progress, "cutting people out")
    if todo:
        results = cut_out(
            todo,
            Segmenter(model),
            folders=folders,
            journal=part / JOURNAL_NAME,
            workers=workers or available_cores(),
        )
        for result in results:
            if isinstance(result, Done):
                done[result.photo_id] = result
            else:
                rejected.append(result)
            told(len(done) + len(rejected), len(photos))
    return done, n_before, rejected


def _write(manifest: Manifest, photos: Sequence[Photo], *, done: Mapping[str, Done], fill: str, home: Path) -> None:
    """The manifest of the counterparts before one fill, in the order of the photos."""
    model = (manifest.inputs or {})["model"]
    kept = [(photo, done[photo.photo_id]) for photo in photos if photo.photo_id in done]
    table = manifest.table.filter(pl.col("photo_id").is_in([photo.photo_id for photo, _ in kept])).with_columns(
        pl.Series("path", [photo.name for photo, _ in kept], dtype=pl.String),
        pl.Series("sha256", [one.made[fill] for _, one in kept], dtype=pl.String),
        pl.Series("derived_from", [f"photo={photo.sha256} model={model}" for photo, _ in kept], dtype=pl.String),
        pl.lit(fill).alias("x_background"),
        pl.Series("x_kept_share", [one.kept_share for _, one in kept], dtype=pl.Float32),
        pl.Series("x_face_kept_share", [one.face_share for _, one in kept], dtype=pl.Float32),
    )
    roots = {table["source"][i]: home / PHOTOS_NAME / photo.source for i, (photo, _) in enumerate(kept)}
    write_manifest(home / MANIFEST_NAME, replace(manifest, table=table, roots=roots))


def _table(rejected: Sequence[Rejected]) -> pl.DataFrame:
    rows = [(one.photo_id, one.status, one.reason) for one in rejected]
    return pl.DataFrame(rows, schema=_REJECTS, orient="row")
