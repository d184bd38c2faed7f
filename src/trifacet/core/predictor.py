"""What answers about photos: a trained network, or several that answer together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from trifacet.core.manifest import Crop
from trifacet.core.predictions import DecisionRule, Float32Array, ImageArray, margins
from trifacet.core.schema import IntArray, LabelSchema

NEAR = 0.25  # in log scores; of 7,518 answers none was rounded by more (docs/log.md, 2026-11-22)
Input = TypeVar("Input")  # what a predictor makes of a photo before it answers: for a network an (h, w, 3) uint8


class Predictor(Protocol[Input]):
    """Something that reads images. What it makes of a photo is its own affair: `prepare` gives it, `probs` takes it."""

    @property
    def schema(self) -> LabelSchema:
        """The labels it predicts."""
        ...

    @property
    def decision(self) -> DecisionRule:
        """Its own decision rule."""
        ...

    @property
    def made_by(self) -> dict[str, str]:
        """What it is: its name as `run`, and names and hashes that its predictions carry."""
        ...

    @property
    def stamps(self) -> tuple[str, ...]:
        """What goes with every answer of it."""
        ...

    @property
    def manifest_paths(self) -> tuple[Path, ...]:
        """Where the photos stand that it was trained on."""
        ...

    @property
    def has_pictures(self) -> bool:
        """Whether a page of its answers may show photos."""
        ...

    @property
    def geometry(self) -> Hashable:
        """What decides how it prepares a photo: two predictors with the same one prepare the same input."""
        ...

    @property
    def is_cutting_faces(self) -> bool:
        """Whether its input is the square around a photo's face."""
        ...

    def locate(self, image: ImageArray) -> Crop | None:
        """The square around the face, for a predictor that cuts faces; several threads may call it."""
        ...

    def prepare(self, image: ImageArray, crop: Crop | None = None) -> Input:
        """The input of an upright RGB image (H, W, 3) of any size; several threads may call it."""
        ...

    def probs(self, inputs: Sequence[Input]) -> tuple[Float32Array, Float32Array | None]:
        """Joint probabilities (B, K) and the year distribution (B, A) of B prepared inputs."""
        ...

    @property
    def same_people(self) -> int:
        """How many photos a person has at most, where photos of one person answer for each other; 0: they do not."""
        ...

    def features(self, inputs: Sequence[Input]) -> Float32Array:
        """What is seen in B prepared inputs, (B, d): like photos are near each other. It stays in memory."""
        ...

    def threads(self, n: int) -> AbstractContextManager[Executor]:
        """`n` threads that may all call `probs` at once."""
        ...


def near_ties(joint: Float32Array, rule: DecisionRule) -> IntArray:
    """The places of joint probabilities (B, K) whose answer rounding to bfloat16 could change, by the rule or without.

    A temperature below 1 makes the rounding larger, and so the margin that it needs.
    """
    sharpest = min(1.0, *rule.temperature.values()) if rule.temperature else 1.0
    return np.flatnonzero((margins(joint, rule) < NEAR / sharpest) | (margins(joint, None) < NEAR))
