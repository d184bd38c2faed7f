"""Photos without labels -> training photos labelled by a model, where it is sure of every attribute at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from trifacet.core.errors import error, pick
from trifacet.core.manifest import PERSONS_UNKNOWN, PSEUDO, Manifest, check_manifest, merged_stamps
from trifacet.core.predictions import Predictions, calibrated_probs
from trifacet.core.schema import FloatArray, IntArray, LabelSchema, require_same_schema

LEAST = 0.9  # of every attribute that is not named; contracts of the winning recipes: .8 to .95


@dataclass(frozen=True)
class PseudoLabelled:
    """The labelled manifest with the photos that were taken, how many of each class, and why the others were not."""

    manifest: Manifest
    taken: Mapping[str, int]
    left: Mapping[str, int]

    def __repr__(self) -> str:
        return f"PseudoLabelled({sum(self.taken.values()):,} taken, {sum(self.left.values()):,} left)"


def pseudo_label(
    labelled: Manifest,
    photos: Manifest,
    *,
    predictions: Predictions,
    least: Mapping[str, Sequence[float]] | None = None,
    weight: float = 1.0,
) -> PseudoLabelled:
    """The labelled manifest with those of `photos` of which the model is sure, as training photos of that weight.

    least: by attribute the probability (0..1, after temperature) that the answered class must have, one for all its
    classes or one a class; `LEAST` for an attribute that is not named. All must hold. The label is the class that the
    predictions' rule answers; years are not claimed. Every photo is taken, or left for one reason. Photos of `labelled`
    itself and of people in its val or test are never taken, and what is taken is never val: `split` keeps it in train.

    Raises:
        ConfigError: TRI100, TRI104. PredictionsError: TRI301, TRI302 photos without a prediction.
    """
    schema = labelled.schema
    require_same_schema(schema, predictions.schema, where="predictions")
    needed = check_asked(schema, least=least, weight=weight)
    place = {one: i for i, one in enumerate(predictions.ids)}
    if lacking := [one for one in photos.photo_ids if one not in place]:
        raise error("TRI302", "photos without a prediction", where="predictions", got=f"{len(lacking):,}: {lacking[0]}")
    rows = np.array([place[one] for one in photos.photo_ids], dtype=np.int64)
    told = predictions.rows(rows)
    classes = schema.decode(told.classes)
    sure = [
        _prob(told, name, answered=classes[:, i]) >= needed[name][np.maximum(classes[:, i], 0)]
        for i, name in enumerate(schema.names)
    ]
    reasons = _reasons(labelled, photos, told=told, sure=sure)
    taken = np.array([reason is None for reason in reasons], dtype=bool)
    added = _added(labelled, photos, chosen=taken, classes=classes, predictions=told, weight=weight)
    names = [schema.joint_names[i] for i in told.classes[taken].tolist()]
    return PseudoLabelled(added, dict(Counter(names).most_common()), Counter(filter(None, reasons)))


def check_asked(
    schema: LabelSchema, *, least: Mapping[str, Sequence[float]] | None, weight: float
) -> dict[str, FloatArray]:
    """A threshold for each class of each attribute, and a weight that can be. Raises ConfigError TRI100, TRI104."""
    if not 0 < weight <= 1:
        raise error("TRI104", "must be above 0 and at most 1", where="--weight", got=f"{weight:g}")
    known = dict(zip(schema.names, schema.sizes, strict=True))
    found = {name: np.full(size, LEAST) for name, size in known.items()}
    for name, given in (least or {}).items():
        size = pick(known, name, what="attribute", where="--at-least")
        if len(given) not in (1, size) or not all(0 < value <= 1 for value in given):
            what = f"'{name}' takes one probability for all its classes, or {size}, above 0 and up to 1"
            raise error("TRI104", what, where="--at-least", got=",".join(f"{value:g}" for value in given))
        found[name] = np.broadcast_to(np.asarray(given, dtype=np.float64), (size,))
    return found


def _prob(told: Predictions, name: str, *, answered: IntArray) -> FloatArray:
    """The probability (N,) of the answered class of an attribute, after temperature; NaN where unread."""
    marginal = told.schema.marginal(calibrated_probs(told, told.decision), name)
    return np.take_along_axis(marginal, np.maximum(answered, 0)[:, None], axis=1)[:, 0]


def _reasons(
    labelled: Manifest, photos: Manifest, *, told: Predictions, sure: Sequence[npt.NDArray[np.bool_]]
) -> list[str | None]:
    """Why each photo is left out; None where it is not."""
    known = set(labelled.table["sha256"])
    held_back = set(labelled.split("val", "test").table["person_id"]) - {""}
    table = photos.table.select("sha256", "person_id", "dropped_because")
    reasons: list[str | None] = []
    for i, (sha256, person, dropped) in enumerate(table.iter_rows()):
        unsure = [name for name, column in zip(told.schema.names, sure, strict=True) if not column[i]]
        if dropped is not None or told.errors[i] is not None:
            reasons.append("dropped or not read")
        elif sha256 in known:
            reasons.append("a photo of the labelled manifest")
        elif person in held_back:
            reasons.append("a person of val or test")
        else:
            reasons.append(f"unsure of {', '.join(unsure)}" if unsure else None)
    return reasons


def _added(
    labelled: Manifest,
    photos: Manifest,
    *,
    chosen: npt.NDArray[np.bool_],
    classes: IntArray,
    predictions: Predictions,
    weight: float,
) -> Manifest:
    """The labelled manifest and below it the chosen photos, under sources and ids of their own."""
    schema, by = labelled.schema, predictions.made_by.get("run", "predictions")
    sources = dict(zip(photos.roots, _free(photos.roots, taken=labelled.roots), strict=True))
    ids = _free(photos.photo_ids, taken=labelled.photo_ids)
    confidence = predictions.confidence
    label_sources = [f"{PSEUDO}{by} {p:.3f}" for p in confidence.tolist()]
    own = [c for c in photos.table.columns if c not in (*schema.names, *photos.schema.names)]
    rows = photos.table.select(own).with_columns(
        pl.Series("photo_id", ids, dtype=pl.String()),
        pl.col("source").replace(sources),
        pl.Series("label_source", label_sources, dtype=pl.String()),
        *(
            pl.Series(a.name, [a.classes[max(c, 0)] for c in classes[:, i].tolist()], dtype=pl.String())
            for i, a in enumerate(schema.attributes)
        ),
        pl.lit(None, dtype=pl.Float32).alias("age_years"),
        pl.lit(weight, dtype=pl.Float32).alias("label_weight"),
        pl.lit("train").alias("split"),
        pl.lit(None, dtype=pl.Int32).alias("fold"),
    )
    taken = rows.filter(pl.Series(chosen))
    whole = pl.concat([labelled.table, taken], how="diagonal").select(
        *labelled.table.columns, *(c for c in taken.columns if c not in labelled.table.columns)
    )
    stamps = [f"{taken.height:,} training photos have labels by {by}"] * bool(taken.height)
    stamps += [PERSONS_UNKNOWN] * bool((taken["person_id"] == "").any())
    roots = {**labelled.roots, **{sources[source]: root for source, root in photos.roots.items()}}
    made = replace(labelled, table=whole, roots=roots, stamps=merged_stamps(labelled.stamps, stamps), stage="pseudo")
    check_manifest(made, where="pseudo")
    return made


def _free(names: Iterable[str], *, taken: Iterable[str]) -> list[str]:
    """The names, each another one where it is taken: by those, by one of its own kind, or by one that was given."""
    own, others = list(names), set(taken)
    there, given = {*own, *others}, list[str]()
    for name in own:
        if name in others:
            while name in there:
                name = f"new/{name}"
            there.add(name)
        given.append(name)
    return given
