"""Photos without labels to training photos: a model answers, and where it is sure its answers are labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trifacet.core.ensemble import fingerprint_of, open_member
from trifacet.core.files import check_suffix, sha256_file
from trifacet.core.manifest import Manifest, write_manifest
from trifacet.core.predictions import Predictions, read_predictions
from trifacet.core.predictor import Predictor
from trifacet.data.pseudo import PseudoLabelled, pseudo_label
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
    `data` is refused: what it learned there would come back by its labels. least, weight: see `pseudo_label`.

    Raises:
        ConfigError: TRI100, TRI104. RunError: TRI400, TRI401, TRI409. PredictionsError: TRI301, TRI302.
    """
    if out:
        check_suffix(Path(out), ".parquet", what="a manifest")
    labelled, asked = open_data(data, progress=progress), open_data(photos, progress=progress)
    told, about = _told(Path(model), labelled, photos=asked, progress=progress)
    made = pseudo_label(labelled, asked, predictions=told, least=least, weight=weight)
    if out:
        inputs = {**(made.manifest.inputs or {}), "pseudo_labels_by": about}
        write_manifest(Path(out), replace(made.manifest, inputs=inputs))
    return made


def _told(model: Path, labelled: Manifest, *, photos: Manifest, progress: Progress) -> tuple[Predictions, str]:
    """What the model says of the photos, and the sha256 of what said it."""
    if model.suffix == ".parquet":
        return read_predictions(model), sha256_file(model)
    require_train()
    from trifacet.learn.predictor import load_model

    member = open_member(model)
    check_unseen(member, labelled)
    ids, hashes = photos.photo_ids, photos.table["sha256"].to_list()
    asked = [
        Photo(one, path, sha256=sha256, crop=crop)
        for one, path, sha256, crop in zip(ids, photos.paths, hashes, photos.crops, strict=True)
    ]
    loaded: Predictor[Any] = load_model(model)
    told = predict_files(loaded, asked, stamps=loaded.stamps, progress=telling(progress, "predicting"))
    return told.with_decision(loaded.decision), fingerprint_of(member)
