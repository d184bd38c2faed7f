"""The label schema: attributes with their classes, age edges, the year grid; joint ids <-> classes per attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from trifacet.core.errors import error, pick
from trifacet.core.files import parse_yaml, sha256_json, yaml_reason

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

MISSING = -1  # class id of a label that is not known


class Attribute(BaseModel):
    """One thing a label says: its name and its ordered class names.

    `edges` (years, ascending) make it the age attribute: class i holds ages in [edges[i-1], edges[i]).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    classes: tuple[str, ...]
    edges: tuple[float, ...] | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if not self.name.isidentifier():
            raise ValueError(f"attribute name must be a plain word, got {self.name!r}")
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"{self.name}: needs at least two distinct classes, got {list(self.classes)}")
        if self.edges is not None:
            if len(self.edges) != len(self.classes) - 1:
                raise ValueError(f"{self.name}: {len(self.classes)} classes need {len(self.classes) - 1} edges")
            if any(low >= high for low, high in pairwise(self.edges)):
                raise ValueError(f"{self.name}: edges must ascend, got {list(self.edges)}")
        return self

    def ids(self, names: Sequence[str | None]) -> IntArray:
        """Class ids (N,) int64 of class names; None gives MISSING.

        Raises:
            ConfigError: TRI100, a name outside the schema.
        """
        table = {name: i for i, name in enumerate(self.classes)}
        return np.array(
            [MISSING if name is None else pick(table, name, what=f"{self.name} class") for name in names],
            dtype=np.int64,
        )

    def band(self, years: npt.ArrayLike) -> IntArray:
        """Class ids (N,) int64 of ages in years; NaN gives MISSING. Only for the attribute with edges."""
        if self.edges is None:
            raise ValueError(f"attribute {self.name!r} has no age edges")
        values = np.asarray(years, dtype=np.float64)
        return np.where(np.isnan(values), MISSING, np.digitize(values, np.asarray(self.edges))).astype(np.int64)


class LabelSchema(BaseModel):
    """Ordered attributes and the grid of whole years on which age is predicted.

    The joint id is mixed radix, first attribute slowest: for the default, `mask*6 + gender*3 + age`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    attributes: tuple[Attribute, ...]
    years: tuple[int, int] = (0, 100)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [a.name for a in self.attributes]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"attributes need distinct names, got {names}")
        if sum(a.edges is not None for a in self.attributes) > 1:
            raise ValueError("only one attribute may have age edges")
        if not 0 <= self.years[0] < self.years[1] <= 150:
            raise ValueError(f"years must be [first, last] within 0..150, got {list(self.years)}")
        if (age := self.age) is not None and age.edges is not None:
            if age.edges[0] <= self.years[0] or age.edges[-1] > self.years[1]:
                raise ValueError(f"age edges {list(age.edges)} must lie on the year grid {list(self.years)}")
            if any(edge != int(edge) for edge in age.edges):
                raise ValueError(f"age edges must be whole years, got {list(age.edges)}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes' names, in order."""
        return tuple(a.name for a in self.attributes)

    @property
    def age(self) -> Attribute | None:
        """The attribute with age edges, or None."""
        return next((a for a in self.attributes if a.edges is not None), None)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of classes per attribute."""
        return tuple(len(a.classes) for a in self.attributes)

    @property
    def n_joint(self) -> int:
        """K, the number of joint classes."""
        return int(np.prod(self.sizes))

    @property
    def year_grid(self) -> IntArray:
        """The whole years (A,) of an age distribution, ascending; empty when no attribute has edges."""
        return np.arange(self.years[0], self.years[1] + 1) if self.age else np.arange(0)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that differ whenever a name, an order, an edge or the year grid does."""
        return sha256_json(self.model_dump(mode="json"))[:16]

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the K joint classes, such as `worn/male/under_30`."""
        classes = self.decode(np.arange(self.n_joint))
        return tuple("/".join(a.classes[c] for a, c in zip(self.attributes, row, strict=True)) for row in classes)

    def attribute(self, name: str) -> Attribute:
        """The attribute called `name`. Raises ConfigError TRI100 with the nearest name."""
        return pick({a.name: a for a in self.attributes}, name, what="attribute")

    def part(self, names: Sequence[str], *, where: str = "") -> LabelSchema:
        """The schema of these attributes alone, in the order they have here. Raises ConfigError TRI100."""
        known = {a.name: a for a in self.attributes}
        chosen = [pick(known, name, what="attribute", where=where) for name in names]
        return LabelSchema(attributes=tuple(a for a in self.attributes if a in chosen), years=self.years)

    def encode(self, classes: npt.ArrayLike) -> IntArray:
        """Joint ids (N,) int64 of class ids (N, attributes); MISSING where any class is."""
        rows = np.asarray(classes, dtype=np.int64).reshape(-1, len(self.attributes))
        if (rows < MISSING).any() or (rows >= np.array(self.sizes)).any():
            raise ValueError(f"class ids must lie in -1..size-1 with sizes {self.sizes}")
        joint = np.zeros(len(rows), dtype=np.int64)
        for column, size in zip(rows.T, self.sizes, strict=True):
            joint = joint * size + column
        return np.where((rows == MISSING).any(axis=1), MISSING, joint)

    def decode(self, joint: npt.ArrayLike) -> IntArray:
        """Class ids (N, attributes) int64 of joint ids (N,) in 0..K-1; a MISSING row for MISSING."""
        ids = np.asarray(joint, dtype=np.int64).reshape(-1)
        if (ids < MISSING).any() or (ids >= self.n_joint).any():
            raise ValueError(f"joint ids must lie in -1..{self.n_joint - 1}")
        rows = np.stack(np.unravel_index(np.maximum(ids, 0), self.sizes), axis=1).astype(np.int64)
        rows[ids == MISSING] = MISSING
        return rows

    def marginal(self, probs: FloatArray, name: str) -> FloatArray:
        """Probabilities (N, C) of one attribute from joint probabilities (N, K)."""
        position = self.names.index(name)
        others = tuple(i + 1 for i in range(len(self.sizes)) if i != position)
        return np.asarray(np.asarray(probs).reshape(len(probs), *self.sizes).sum(axis=others))

    def joint(self, marginals: Mapping[str, FloatArray]) -> FloatArray:
        """Joint probabilities (N, K) of independent attributes, the product of their (N, C)."""
        first, *rest = (np.asarray(marginals[name]) for name in self.names)
        for other in rest:
            first = (first[:, :, None] * other[:, None, :]).reshape(len(first), -1)
        return first

    def spread(self, name: str, values: FloatArray) -> FloatArray:
        """Values (N, C) of one attribute's classes copied onto the joint classes, (N, K)."""
        return values[:, self.decode(np.arange(self.n_joint))[:, self.names.index(name)]]

    def band_probs(self, age_probs: FloatArray) -> FloatArray:
        """Probabilities (N, C) of the age classes: the mass of the year distribution (N, A) between the edges."""
        if self.age is None:
            raise ValueError("this schema has no age attribute")
        bands = self.age.band(self.year_grid)
        return np.stack([age_probs[:, bands == c].sum(axis=1) for c in range(len(self.age.classes))], axis=1)


def answer_columns(schema: LabelSchema) -> tuple[list[str], dict[str, list[str]], list[str]]:
    """Names of the columns that hold probabilities: of the joint classes, of each attribute's classes, of the years."""
    width = max(2, len(str(schema.n_joint - 1)))
    joint = [f"p_{k:0{width}d}" for k in range(schema.n_joint)]
    marginals = {a.name: [f"p_{a.name}_{c}" for c in range(len(a.classes))] for a in schema.attributes}
    return joint, marginals, [f"p_age_{year:03d}" for year in schema.year_grid]


def age_attribute(edges: Sequence[float]) -> Attribute:
    """The age attribute with these edges, its classes named by their years (`under_30`, `30_to_59`, `60_plus`)."""
    cuts = [int(e) for e in edges]
    if not cuts or any(cut != e for cut, e in zip(cuts, edges, strict=True)):
        raise ValueError(f"age edges must be whole years, got {list(edges)}")
    middle = [f"{low}_to_{high - 1}" for low, high in pairwise(cuts)]
    classes = (f"under_{cuts[0]}", *middle, f"{cuts[-1]}_plus")
    return Attribute(name="age", classes=classes, edges=tuple(float(c) for c in cuts))


DEFAULT_SCHEMA = LabelSchema(
    attributes=(
        Attribute(name="mask", classes=("worn", "incorrect", "not_worn")),
        Attribute(name="gender", classes=("male", "female")),  # apparent gender, as annotated
        age_attribute((30, 60)),
    )
)


def encode_multi_class(*labels: int) -> int:
    """The class 0..17, `mask*6 + gender*3 + age`, of a mask, a gender and an age label, as the baseline's function.

    >>> encode_multi_class(2, 1, 0)
    15
    """
    return int(DEFAULT_SCHEMA.encode(labels).item())


def decode_multi_class(multi_class_label: int) -> tuple[int, int, int]:
    """Mask, gender and age class of a class 0..17 of the default schema, as the baseline's function of this name.

    >>> decode_multi_class(15)
    (2, 1, 0)
    """
    mask, gender, age = DEFAULT_SCHEMA.decode([multi_class_label])[0].tolist()
    return mask, gender, age


def with_age_edges(schema: LabelSchema, edges: Sequence[float]) -> LabelSchema:
    """The same schema with the age cut moved; the classes are renamed after the new edges.

    Raises:
        ConfigError: TRI103, no age attribute or edges that do not ascend.
    """
    if schema.age is None:
        raise error("TRI103", "this schema has no age attribute, so its edges cannot move")
    try:
        moved = age_attribute(edges)
        moved = moved.model_copy(update={"name": schema.age.name})
        return LabelSchema(
            attributes=tuple(moved if a.edges is not None else a for a in schema.attributes), years=schema.years
        )
    except (ValueError, TypeError, OverflowError) as problem:
        raise error("TRI103", f"age edges are not usable: {_reason(problem)}") from None


def parse_schema(content: Any, *, where: str) -> LabelSchema:
    """The schema described by a mapping (as in `schema.yaml`).

    Raises:
        ConfigError: TRI103, what does not fit.
    """
    try:
        return LabelSchema.model_validate(content)
    except ValueError as problem:
        raise error("TRI103", f"not a usable label schema: {_reason(problem)}", where=where) from None


def read_schema(path: Path | str) -> LabelSchema:
    """The schema in a YAML or JSON file. Raises ConfigError TRI102, TRI103."""
    try:
        return parse_schema(parse_yaml(Path(path).read_text(encoding="utf-8")), where=str(path))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as problem:
        raise error("TRI102", "no schema can be read here", where=str(path), got=yaml_reason(problem)) from None


def require_same_schema(one: LabelSchema, other: LabelSchema, *, where: str) -> None:
    """Refuses two schemas that score differently. Raises PredictionsError TRI301."""
    if one.fingerprint != other.fingerprint:
        raise error("TRI301", f"another label schema: {_difference(one, other)}", where=where)


def _difference(one: LabelSchema, other: LabelSchema) -> str:
    """The first thing in which two schemas differ, as `other` has it and as `one` does."""
    if one.names != other.names:
        return f"attributes {', '.join(other.names)} instead of {', '.join(one.names)}"
    for ours, theirs in zip(one.attributes, other.attributes, strict=True):
        if ours.classes != theirs.classes:
            return f"{ours.name} is {', '.join(theirs.classes)} instead of {', '.join(ours.classes)}"
        if ours.edges != theirs.edges:
            return f"{ours.name} has the edges {list(theirs.edges or ())} instead of {list(ours.edges or ())}"
    (first, last), (wanted, to) = other.years, one.years
    return f"years {first} to {last} instead of {wanted} to {to}"


def _reason(problem: Exception) -> str:
    errors = getattr(problem, "errors", None)
    if errors is None:
        return str(problem)
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, "))))
        for e in errors()
    )
