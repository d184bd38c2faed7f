"""Makes a submission: an answer for every row of the info file, in its order, and a look at whether it is likely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from trifacet.core.answers import Answers, locate, read_csv_texts, read_ids, write_answers
from trifacet.core.errors import error, first_few
from trifacet.core.predictions import DecisionRule, Predictions, chosen_rule, decide
from trifacet.core.schema import DEFAULT_SCHEMA, MISSING, FloatArray, IntArray, LabelSchema, answer_columns

JOINT, LEAK = "joint", "leak"

# docs/log.md, 2026-11-21, "Class shares of answers": right wirings stay under .16 (97.5 %), wrong orders lie above .22
FAR_APART = 0.15
ONE_CLASS = 0.9  # the commonest joint class of the original task is 22 % of the photos, of a balanced one 6 %


class ClassShare(NamedTuple):
    """A class's share of the answers and of the training data, 0..1 each; prior is None where that is not known."""

    name: str
    predicted: float
    prior: float | None


@dataclass(frozen=True, eq=False)
class Submission:
    """Answers in the info file's order; what was filled; class shares per attribute and "joint"; warnings, in words.

    unread: (ImageID, why) of the rows answered by the prior's commonest class because the photo could not be read.
    distance: per name of `shares`, how far the answers' shares lie from training's, 0 (alike) .. 1; None unknown.
    """

    answers: Answers
    unread: tuple[tuple[str, str], ...]
    shares: dict[str, tuple[ClassShare, ...]]
    distance: dict[str, float | None]
    warnings: tuple[str, ...]


def submission(
    predictions: Predictions,
    info: Path,
    *,
    rule: DecisionRule | Literal["argmax"] | None = None,
    fill: bool = False,
    prior: npt.ArrayLike | None = None,
) -> Submission:
    """An answer for every row of `info` (a CSV with ImageID; its other columns are not used).

    rule: None takes the one that the predictions carry. prior: (K,) shares of the joint classes in training; None
    takes the product of the rule's priors per attribute, if it has them. fill answers photos that could not be read
    with the prior's commonest class; without it they are refused.

    Raises:
        PredictionsError: TRI301 a rule of another schema, TRI320 to TRI322 what is wrong with the info file, TRI330
            rows without a prediction, TRI331 photos not read, TRI332 nothing to fill from.
    """
    where, schema = str(info), predictions.schema
    ids = read_ids(read_csv_texts(info), where=where)
    places = locate(ids, predictions.ids)
    if unknown := [one for one, place in zip(ids, places, strict=True) if place == MISSING]:
        raise error(
            "TRI330", f"no prediction for {len(unknown):,} of {len(ids):,} rows", where=where, got=first_few(unknown)
        )
    decision = chosen_rule(predictions, rule)
    classes = decide(predictions, decision)[places]
    is_open = classes == MISSING
    unread = tuple((ids[i], str(predictions.errors[places[i]])) for i in np.flatnonzero(is_open).tolist())
    if unread and not fill:
        got = first_few([f"{one} ({why})" for one, why in unread])
        raise error("TRI331", f"{len(unread):,} of {len(ids):,} photos could not be read", where=where, got=got)
    known = _joint_prior(schema, prior, rule=decision or predictions.decision)
    if unread and known is None:
        raise error("TRI332", f"{len(unread):,} rows are to be filled without a prior", where=where)
    answered = classes[~is_open]
    shares, distance = _shares(answered, schema, prior=known)
    if known is not None:
        classes = np.where(is_open, known.argmax(), classes)
    return Submission(
        answers=Answers(ids, classes, schema),
        unread=unread,
        shares=shares,
        distance=distance,
        warnings=(*_own_classes(schema), *_warnings(shares, distance, n_photos=len(answered))),
    )


def write_submission(path: Path, made: Submission) -> None:
    """Writes `ImageID,ans` with LF line ends, whole or not at all. Raises MachineError TRI900, TRI901."""
    write_answers(path, made.answers)


def refuse_leak(path: Path) -> None:
    """Refuses the second file of kaggle-hpa's `make_submission.py` by its name. Raises ConfigError TRI104."""
    if LEAK in path.name.split("."):
        what = "a 'leak' file replaces the model's answers by ones known from elsewhere, and is not made here"
        do = "Submit what the model answers; if it is that, name the file otherwise."
        raise error("TRI104", what, where="--out", got=f"'{path}'", do=do)


def probabilities_csv(predictions: Predictions, labels: Mapping[str, int] | None = None) -> str:
    """The probabilities of K joint classes as kaggle-hpa writes them, four decimals, LF line ends.

    Without labels `Id,P00,P01,...`, a row a photo in their order, cells empty where a photo could not be read. With
    labels (joint class by id) `L00,...,P00,...` and no id: rows of the photos that are read and labelled alone.
    """
    names = answer_columns(predictions.schema)[0]
    table = pl.DataFrame(
        {f"P{name[2:]}": pl.Series(p, nan_to_null=True) for name, p in zip(names, predictions.probs.T, strict=True)}
    )
    if labels is None:
        table = pl.DataFrame({"Id": list(predictions.ids)}).hstack(table)
    else:
        known = np.array([labels.get(one, MISSING) for one in predictions.ids])
        told = pl.DataFrame({f"L{name[2:]}": (known == k).astype(np.int8) for k, name in enumerate(names)})
        table = told.hstack(table).filter((known != MISSING) & predictions.is_read)
    return table.write_csv(float_precision=4, line_terminator="\n")


def _joint_prior(schema: LabelSchema, prior: npt.ArrayLike | None, *, rule: DecisionRule | None) -> FloatArray | None:
    if prior is not None:
        shares = np.asarray(prior, dtype=np.float64)
        if shares.shape != (schema.n_joint,) or (shares < 0).any() or not shares.sum() > 0:
            raise ValueError(f"prior must hold {schema.n_joint} shares of at least 0, got {prior}")
        return np.asarray(shares / shares.sum())
    if rule is None or set(rule.priors) != set(schema.names):
        return None
    return np.asarray(schema.joint({name: np.array([shares]) for name, shares in rule.priors.items()})[0])


def _shares(
    answered: IntArray, schema: LabelSchema, *, prior: FloatArray | None
) -> tuple[dict[str, tuple[ClassShare, ...]], dict[str, float | None]]:
    """Shares of the answers beside the prior's, and their total variation distance."""
    predicted = np.bincount(answered, minlength=schema.n_joint) / max(len(answered), 1)
    joints = [predicted] if prior is None else [predicted, prior]
    tables = {name: schema.marginal(np.stack(joints), name) for name in schema.names} | {JOINT: np.stack(joints)}
    classes = {a.name: a.classes for a in schema.attributes} | {JOINT: schema.joint_names}
    shares, distance = dict[str, tuple[ClassShare, ...]](), dict[str, float | None]()
    for name, rows in tables.items():
        beside = [None] * len(classes[name]) if prior is None else rows[1].tolist()
        shares[name] = tuple(map(ClassShare, classes[name], rows[0].tolist(), beside))
        distance[name] = None if prior is None else float(np.abs(rows[0] - rows[1]).sum() / 2)
    return shares, distance


def _own_classes(schema: LabelSchema) -> tuple[str, ...]:
    """That the answers are not the usual 0-17, where they are not."""
    if schema.sizes == DEFAULT_SCHEMA.sizes and schema.names == DEFAULT_SCHEMA.names:
        return ()
    return (f"ans counts the {schema.n_joint} classes of {' x '.join(schema.names)}, not the usual 18.",)


def _warnings(
    shares: dict[str, tuple[ClassShare, ...]], distance: dict[str, float | None], *, n_photos: int
) -> tuple[str, ...]:
    """What looks wrong, in words. Rows that are shuffled, or two classes equally common that are swapped, do not show.

    Shares of n photos drawn from the prior itself lie about sum sqrt(p (1 - p) / n) / 2 from it; twice that is allowed
    on top of FAR_APART, so that few photos do not warn by chance.
    """
    said = []
    for name, far in distance.items():
        if far is None or not n_photos or name == JOINT:
            continue
        prior = np.array([share.prior for share in shares[name]], dtype=np.float64)
        chance = float(np.sqrt(prior * (1 - prior) / n_photos).sum() / 2)
        if far > FAR_APART + 2 * chance:
            told = ", ".join(f"{s.name} {s.predicted:.0%} (training {s.prior:.0%})" for s in shares[name])
            said.append(
                f"{name} is answered with other shares than in training: {told}. If the photos are not that different, "
                f"check the order of the labels, the crop and the colour channels."
            )
    top = max(shares[JOINT], key=lambda share: share.predicted)
    if top.predicted > ONE_CLASS:
        said.append(
            f"{top.predicted:.0%} of the answers are {top.name}. A model that sees its photos differently than in "
            f"training often answers one class only: check the run and the photos."
        )
    return tuple(said)
