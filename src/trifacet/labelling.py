"""Photos without labels to training photos: a model answers, and where it is sure its answers are labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trifacet.core.ensemble import Ensemble, fingerprint_of, open_member
from trifacet.core.errors import error
from trifacet.core.files import sha256_file
from trifacet.core.manifest import Manifest, write_manifest
from trifacet.core.predictions import Predictions, read_predictions
from trifacet.core.predictor import Predictor
from trifacet.core.run import Run
from trifacet.core.schema import require_same_schema
from trifacet.core.tables import check_place
from trifacet.data.pseudo import PseudoLabelled, check_asked, pseudo_label
from trifacet.opening import Progress, open_data, quiet, require_train, telling
from trifacet.prediction import Photo, predict_files
from trifacet.teaching import check_unseen


def pseudo(
    model: Path | str,
    photos: Manifest | Path | str,
    *,
    data: Manifest | Path | str,
    out: Path | str | None = None,
    least: Mapping[str, Sequence[float]] | None = None,
    weight: float = 1.0,
    progress: Progress = quiet,
) -> PseudoLabelled:
    """A labelled, split manifest (`data`) with those of `photos` that a run or an ensemble is sure of, for training.

    model: a run, an ensemble, or a file of predictions about the photos. A run that was trained on the val or test of
    `data` is refused: what it learned there would come back by its labels; and one of which nobody knows what it was
    trained on. least, weight: see `pseudo_label`. What is asked is checked before any photo is looked at.

    Raises:
        ConfigError: TRI100, TRI104. RunError: TRI400, TRI401, TRI404, TRI409. PredictionsError: TRI301, TRI302.
    """
    if out:
        check_place(Path(out), ".parquet", kind="manifest", inputs=[model, photos, data])
    labelled = open_data(data, progress=progress)
    if labelled.table["split"].is_null().all():
        do = "Run `trifacet split` first: whom the model knows must not become val or test later."
        raise error("TRI404", "the labelled manifest has no split", where="--data", do=do)
    check_asked(labelled.schema, least=least, weight=weight)
    model = Path(model)
    member = None if model.suffix == ".parquet" else _open_unseeing(model, labelled)
    asked = open_data(photos, progress=progress)
    told = _told(member, asked, progress=progress) if member else read_predictions(model)
    about = fingerprint_of(member) if member else sha256_file(model)
    made = pseudo_label(labelled, asked, predictions=told, least=least, weight=weight)
    if out:
        inputs = {**(made.manifest.inputs or {}), "pseudo_labels_by": about}
        write_manifest(Path(out), replace(made.manifest, inputs=inputs))
    return made


def _open_unseeing(model: Path, labelled: Manifest) -> Run | Ensemble:
    """The run or ensemble, of the manifest's labels, that is known not to have seen its val or test.

    Raises:
        RunError: TRI400, TRI401, TRI409. PredictionsError: TRI301. MissingExtraError: TRI600.
    """
    require_train()
    member = open_member(model)
    require_same_schema(labelled.schema, member.info.label_schema, where=str(model))
    if not member.manifest_path.is_file():  # of an imported run
        do = (
            f"Predict to a file and label by that: trifacet predict {model} PHOTOS --out answers.parquet, then "
            "trifacet pseudo answers.parquet PHOTOS."
        )
        what = "nobody knows what these weights were trained on, photos of val or test maybe"
        raise error("TRI409", what, where=str(model), do=do)
    check_unseen(member, labelled)
    return member


def _told(member: Run | Ensemble, photos: Manifest, *, progress: Progress) -> Predictions:
    """What the model says of the photos, by its own rule."""
    from trifacet.learn.predictor import load_model

    ids, hashes = photos.photo_ids, photos.table["sha256"].to_list()
    asked = [
        Photo(one, path, sha256=sha256, crop=crop)
        for one, path, sha256, crop in zip(ids, photos.paths, hashes, photos.crops, strict=True)
    ]
    loaded: Predictor[Any] = load_model(member.path)
    told = predict_files(loaded, asked, stamps=loaded.stamps, progress=telling(progress, "predicting"))
    return told.with_decision(loaded.decision)
