"""Several predictors that answer together: each makes its own input of a photo, and their answers are voted on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trifacet.core.ensemble import Ensemble, Voting
from trifacet.core.manifest import Crop, merged_stamps
from trifacet.core.predictions import DecisionRule, Float32Array, ImageArray, Predictions, argmax_rule, read_decision
from trifacet.core.predictor import Predictor, near_ties
from trifacet.core.schema import FloatArray, LabelSchema, require_same_schema
from trifacet.prediction import predict_images

Prepared = Mapping[Hashable, Any]  # the input of a photo for each geometry among the members

TIE = 1e-3  # shares of the votes nearer to each other than this are a tie


@dataclass(frozen=True, eq=False)
class Committee:
    """Members and their shares of the answer, which add up to 1. A `Predictor`, of the labels of `schema`.

    A member whose age classes are cut otherwise is cut anew by its year distribution. `exact`: the same committee in
    float32 where this one rounds, for photos whose answer that could change.
    """

    members: tuple[Predictor[Any], ...]
    weights: tuple[float, ...]
    schema: LabelSchema
    decision: DecisionRule
    made_by: dict[str, str]
    voting: Voting = "soft"
    stamps: tuple[str, ...] = field(default=())
    exact: Committee | None = None

    def __repr__(self) -> str:
        return f"Committee({self.made_by['run']!r}, {len(self.members)} members, {self.voting} voting)"

    @property
    def manifest_paths(self) -> tuple[Path, ...]:
        """Where the photos stand that its members were trained on."""
        return tuple(dict.fromkeys(path for member in self.members for path in member.manifest_paths))

    @property
    def has_pictures(self) -> bool:
        """Whether a page of its answers may show photos: where all of its members say so."""
        return all(member.has_pictures for member in self.members)

    @property
    def geometry(self) -> Hashable:
        """What decides how it prepares a photo: that of every member."""
        return tuple(member.geometry for member in self.members)

    @property
    def is_cutting_faces(self) -> bool:
        """Whether any member is shown the square around the face."""
        return any(member.is_cutting_faces for member in self.members)

    def locate(self, image: ImageArray) -> Crop | None:
        """The square around the face of an upright RGB image, found once for all members that ask for it."""
        finder = next((member for member in self.members if member.is_cutting_faces), None)
        return finder.locate(image) if finder else None

    @property
    def same_people(self) -> int:
        """How many photos of a person may answer for each other: as its first member has it."""
        return self.members[0].same_people

    def features(self, inputs: Sequence[Prepared]) -> Float32Array:
        """What the first member sees in prepared inputs."""
        first = self.members[0]
        return first.features([each[first.geometry] for each in inputs])

    def prepare(self, image: ImageArray, crop: Crop | None = None) -> Prepared:
        """The members' inputs of an upright RGB image, one for each geometry among them; threads may call it."""
        different = {member.geometry: member for member in self.members}
        return {geometry: member.prepare(image, crop) for geometry, member in different.items()}

    def probs(self, inputs: Sequence[Prepared]) -> tuple[Float32Array, Float32Array | None]:
        """Joint probabilities (B, K) and the year distribution (B, A; None where a member has none)."""
        joint, years = self._voted(inputs)
        if self.exact is not None and (near := near_ties(joint, self.decision)).size:
            joint[near], sure = self.exact.probs([inputs[i] for i in near])
            if years is not None:
                years[near] = sure
        return joint, years

    def _voted(self, inputs: Sequence[Prepared]) -> tuple[Float32Array, Float32Array | None]:
        joints, years = [], []
        for member in self.members:
            joint, by_year = member.probs([prepared[member.geometry] for prepared in inputs])
            joints.append(recut(joint, by_year, own=member.schema, schema=self.schema))
            years.append(by_year)
        weights = np.array(self.weights)
        return voted(joints, weights=weights, schema=self.schema, voting=self.voting), mean_years(years, weights)

    def threads(self, n: int) -> AbstractContextManager[Executor]:
        """`n` threads that may all call `probs` at once: the first member's."""
        return self.members[0].threads(n)

    def predict(self, images: Sequence[str | Path | ImageArray]) -> Predictions:
        """Predictions for photos on disk and upright RGB images (H, W, 3) uint8, as those of a single model.

        Raises:
            TypeError: something else than paths and such images. ValueError: a path stands twice.
        """
        return predict_images(self, images, stamps=self.stamps)


def committee(members: Sequence[Predictor[Any]]) -> Committee:
    """The plain mean of several predictors, under the labels of the first and the most probable class.

    Raises:
        PredictionsError: TRI301, a member of other labels.
    """
    names = [member.made_by["run"] for member in members]
    schema, rule = members[0].schema, argmax_rule(members[0].schema)
    made = Committee(
        members=tuple(members),
        weights=tuple(1 / len(members) for _ in members),
        schema=schema,
        decision=rule.model_copy(update={"priors": members[0].decision.priors}),
        made_by={"run": " + ".join(names), **_hashes(members)},
        stamps=merged_stamps(*(member.stamps for member in members)),
    )
    return _checked(made, wheres=names)


def seated(ensemble: Ensemble, members: Sequence[Predictor[Any]]) -> Committee:
    """The members of an ensemble that have a share, its way of voting and its decision rule. Raises TRI300, TRI301."""
    info, heard = ensemble.info, ensemble.heard
    made = Committee(
        members=tuple(members),
        weights=tuple(member.weight for member in heard),
        schema=info.label_schema,
        decision=read_decision(ensemble.decision_path),
        made_by={"run": info.name, **_hashes(members)},
        voting=info.voting,
        stamps=info.stamps,
    )
    return _checked(made, wheres=[member.name for member in heard])


def _hashes(members: Sequence[Predictor[Any]]) -> dict[str, str]:
    parts = [(key, what) for member in members for key, what in member.made_by.items() if key != "run"]
    settings = {key: what for key, what in parts if not key.startswith("weights")}
    hashes = [what for key, what in parts if key.startswith("weights")]
    return {f"weights_{i}": what for i, what in enumerate(hashes)} | settings


def _checked(made: Committee, *, wheres: Sequence[str]) -> Committee:
    for member, where in zip(made.members, wheres, strict=True):
        require_cut(made.schema, member.schema, where=where)
    return made


def require_cut(schema: LabelSchema, own: LabelSchema, *, where: str, has_years: bool = True) -> None:
    """Refuses labels that differ from `schema` in more than where age is cut. Raises PredictionsError TRI301.

    has_years: whether there is a year distribution, without which no age can be cut anew.
    """
    attributes = own.attributes
    if has_years and own.years == schema.years and schema.age is not None:
        names = [schema.age if a.edges is not None and a.name == schema.age.name else a for a in attributes]
        attributes = tuple(names)
    require_same_schema(schema, LabelSchema(attributes=attributes, years=own.years), where=where)


def recut(joint: Float32Array, years: Float32Array | None, *, own: LabelSchema, schema: LabelSchema) -> Float32Array:
    """Joint probabilities (N, K) of `schema` from those of `own`, which differs in where age is cut at most.

    The mass of the year distribution (N, A) between the new edges takes the place of the old classes' probabilities.

    Raises:
        PredictionsError: TRI301, the cut differs and there is no year distribution.
    """
    if own.age == schema.age:
        return joint
    if years is None:
        require_same_schema(schema, own, where="ensemble")
        raise ValueError("schemas of one cut differ in it")
    at = [a.edges is not None for a in own.attributes].index(True) + 1
    others = np.asarray(joint).reshape(len(joint), *own.sizes).sum(axis=at, keepdims=True)
    bands = schema.band_probs(years)
    shape = [1] * (len(own.sizes) + 1)
    shape[0], shape[at] = bands.shape
    return np.asarray(others * bands.reshape(shape), dtype=np.float32).reshape(len(joint), -1)


def ballots(joint: FloatArray, *, schema: LabelSchema, voting: Voting) -> list[FloatArray]:
    """What one member casts (N, C) for each thing that is voted on; the members' mean decides by its largest entry.

    soft: its probabilities of the joint classes. hard: for each attribute a vote for its own answer, and beside it
    `TIE` times its probabilities, which settle a tie of that attribute and nothing else.
    """
    if voting == "soft":
        return [np.asarray(joint, dtype=np.float64)]
    cast = []
    for name, size in zip(schema.names, schema.sizes, strict=True):
        probs = schema.marginal(np.asarray(joint, dtype=np.float64), name)
        cast.append((1 - TIE) * np.eye(size)[np.nan_to_num(probs).argmax(axis=1)] + TIE * probs)
    return cast


def counted(cast: Sequence[FloatArray], *, schema: LabelSchema, voting: Voting) -> FloatArray:
    """Joint probabilities (N, K) of the mean ballots."""
    return cast[0] if voting == "soft" else schema.joint(dict(zip(schema.names, cast, strict=True)))


def voted(
    joints: Sequence[FloatArray], *, weights: FloatArray, schema: LabelSchema, voting: Voting = "soft"
) -> Float32Array:
    """The joint probabilities (N, K) that members' (N, K) come to; a row with NaN in any of them stays NaN.

    weights: (M,) shares of the members, or (N, M) of each photo's own; they add up to 1.
    """
    shares = np.broadcast_to(weights, (len(joints[0]), len(joints)))
    cast = [ballots(joint, schema=schema, voting=voting) for joint in joints]
    means = [
        np.asarray(sum(share[:, None] * one for share, one in zip(shares.T, part, strict=True)))
        for part in zip(*cast, strict=True)
    ]
    return counted(means, schema=schema, voting=voting).astype(np.float32)


def mean_years(years: Sequence[FloatArray | None], weights: FloatArray) -> Float32Array | None:
    """The members' mean year distribution (N, A); None where one has none. weights: (M,) or (N, M), adding up to 1."""
    known = [y for y in years if y is not None]
    if len(known) != len(years):
        return None
    shares = np.broadcast_to(weights, (len(known[0]), len(known)))
    parts = [share[:, None] * np.asarray(y, dtype=np.float64) for share, y in zip(shares.T, known, strict=True)]
    return np.asarray(sum(parts), dtype=np.float32)
