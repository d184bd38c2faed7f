"""Runs that teach another one: what they answer about the photos it is trained on, found once and kept in the run.

Folds teach what each of them says of people it never saw. Other runs know the photos, and say little but their labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from trifacet.core.ensemble import Ensemble, fingerprint_of, open_member
from trifacet.core.errors import error
from trifacet.core.manifest import Manifest, read_manifest
from trifacet.core.predictions import Predictions, read_predictions, write_predictions
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run, save_run
from trifacet.core.schema import FloatArray, LabelSchema, require_same_schema
from trifacet.opening import Progress, open_inputs, telling, with_faces
from trifacet.prediction import predict_inputs

TEACHERS = "teachers"  # the name that their answers have among a run's predictions


def open_teachers(recipe: Recipe, manifest: Manifest) -> list[Run | Ensemble]:
    """The runs and folds in `loss.teachers`, fit to teach about these photos.

    Raises:
        RunError: TRI400, TRI401 no finished run; TRI409, trained on photos of val or test, or folds that do not know
            the photos. PredictionsError: TRI301, a teacher that lacks an attribute of the
            run, or has other classes.
    """
    teachers = [open_member(Path(path)) for path in recipe.loss.teachers]
    for teacher in teachers:
        known = _told_of(teacher.info.label_schema, manifest.schema)
        require_same_schema(known, manifest.schema, where=str(teacher.path))
        if isinstance(teacher, Ensemble):
            _check_told(teacher, manifest)
        check_unseen(teacher, manifest)
    return teachers


def taught(run: Run, manifest: Manifest, *, progress: Progress) -> tuple[Run, dict[str, FloatArray]]:
    """The run and its teachers' mean answers by attribute: (N, classes or years) in the manifest's order.

    They speak of the training photos alone; the rest is NaN. `joint` holds the joint probabilities. They are asked once
    and their answers kept in the run, so that a resumed training learns from the same ones. Empty without teachers.
    """
    if not run.info.recipe.loss.teachers:
        return run, {}
    path = run.predictions_path(TEACHERS)
    if not path.exists():
        teachers = open_teachers(run.info.recipe, manifest)
        told = {f"teacher_{i}_weights": fingerprint_of(teacher) for i, teacher in enumerate(teachers)}
        run = save_run(run, inputs={**run.info.inputs, **told})
        write_predictions(path, _mean([_answers(t, manifest.split("train"), progress=progress) for t in teachers]))
    answers = read_predictions(path)
    place = {photo_id: i for i, photo_id in enumerate(manifest.photo_ids)}
    rows = [place[photo_id] for photo_id in answers.ids]
    age = manifest.schema.age
    parts: dict[str, FloatArray] = {**answers.marginals, "joint": answers.probs}
    if age is not None and answers.age_probs is not None:
        parts[age.name] = answers.age_probs
    return run, {name: _spread(part, rows, n_photos=len(manifest)) for name, part in parts.items()}


def _mean(answers: list[Predictions]) -> Predictions:
    years = [a.age_probs for a in answers if a.age_probs is not None]
    return replace(
        answers[0],
        probs=np.mean([a.probs for a in answers], axis=0),
        age_probs=np.mean(years, axis=0) if len(years) == len(answers) else None,
    )


def _spread(part: FloatArray, rows: Sequence[int], *, n_photos: int) -> FloatArray:
    whole = np.full((n_photos, part.shape[1]), np.nan, dtype=np.float32)
    whole[rows] = part
    return whole


def _answers(teacher: Run | Ensemble, manifest: Manifest, *, progress: Progress) -> Predictions:
    """What a teacher says of every photo of a manifest, in its order."""
    from trifacet.learn.predictor import open_model

    if isinstance(teacher, Ensemble):
        known = read_predictions(teacher.predictions_path("oof"))
        place = {photo_id: i for i, photo_id in enumerate(known.ids)}
        known = known.rows(np.array([place[photo_id] for photo_id in manifest.photo_ids], dtype=np.int64))
        return known.part(manifest.schema.names)
    manifest = with_faces(manifest, teacher.info.recipe, progress=progress)
    model = open_model(teacher)
    inputs = open_inputs(manifest, model.geometry, progress=progress)
    told = telling(progress, f"asking {teacher.info.name}")
    answers = predict_inputs(
        model, manifest.photo_ids, inputs=inputs, rows=np.arange(len(manifest), dtype=np.int64), progress=told
    )
    return answers.part(manifest.schema.names)


def _told_of(schema: LabelSchema, wanted: LabelSchema) -> LabelSchema:
    """What a teacher of `schema` may teach a run of `wanted`: those of its attributes that the run has."""
    shared = [name for name in schema.names if name in wanted.names]
    return schema.part(shared) if shared else schema


def _check_told(teacher: Ensemble, manifest: Manifest) -> None:
    """Refuses an ensemble that has no answer out of folds about each photo to train on. Raises TRI409."""
    path, wanted = teacher.predictions_path("oof"), manifest.split("train").photo_ids
    there = set(read_predictions(path, keeps_years=False).ids) if path.is_file() else set[str]()
    if lacking := [photo_id for photo_id in wanted if photo_id not in there]:
        got = f"{len(lacking):,} of {len(wanted):,} photos to train on have none"
        do = "Train them on the same manifest with `trifacet train --folds 5 --keep-val`."
        raise error("TRI409", "no answers out of folds about these photos", where=str(teacher.path), got=got, do=do)


def check_unseen(teacher: Run | Ensemble, manifest: Manifest) -> None:
    """Refuses a teacher that was trained on photos of this manifest's val or test: it would whisper. Raises TRI409."""
    if isinstance(teacher, Ensemble) and teacher.info.folded is None:
        for member in teacher.info.members:
            check_unseen(open_member(teacher.member_path(member)), manifest)
        return
    if not teacher.manifest_path.is_file():
        raise error(
            "TRI409",
            "nobody knows what these weights were trained on, photos of val or test maybe",
            where=str(teacher.path),
        )
    trained = read_manifest(teacher.manifest_path).split("train", *["val"] * isinstance(teacher, Ensemble))
    seen = set(trained.table["sha256"])
    held_back = manifest.split("val", "test").table["sha256"]
    n = sum(sha256 in seen for sha256 in held_back)
    if n:
        got = f"{n:,} of {len(held_back):,} photos"
        raise error("TRI409", "this teacher was trained on photos of val or test", where=str(teacher.path), got=got)
