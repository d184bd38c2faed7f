"""Photos mixed with photos, and their losses with them: MixUp, CutMix and its vertical halves.

How the photos of a step are mixed is a function of (seed, epoch, step) alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trifacet.core.recipe_photos import AugmentSection
from trifacet.core.schema import IntArray, LabelSchema
from trifacet.learn.losses import Labels

Rows = npt.NDArray[np.int64]
Box = tuple[float, float, float, float]  # top, left, bottom, right, as shares of height and width
Load = Callable[[Rows], tuple[Tensor, Labels]]  # examples -> photos and labels
Change = Callable[[Tensor, Rows], Tensor]  # photos, their examples -> augmented photos


@dataclass(frozen=True)
class Mixing:
    """How a recipe mixes photos; `oldest`: the examples whose halves are pasted where it asks for them."""

    ranges: AugmentSection
    oldest: Rows


@dataclass(frozen=True)
class Mix:
    """How one step's photos are mixed: `share` of each is its own, the rest its partner's.

    box: the part that is the partner's; None blends the two all over. partners: examples that are pasted; None pastes
    the next photo of the batch, the first following the last.
    """

    share: float = 1.0
    box: Box | None = None
    partners: Rows | None = None


def make_mixing(ranges: AugmentSection, schema: LabelSchema, *, classes: IntArray) -> Mixing | None:
    """The mixing of a recipe for training photos of these classes (N, attributes); None where it mixes nothing."""
    if not (ranges.mixup or ranges.cutmix or ranges.half_cutmix or ranges.old_halves):
        return None
    oldest: Rows = np.empty(0, dtype=np.int64)
    if ranges.old_halves and schema.age is not None:
        oldest = np.flatnonzero(classes[:, schema.names.index(schema.age.name)] == len(schema.age.classes) - 1)
    return Mixing(ranges, oldest.astype(np.int64))


def draw_mix(rng: np.random.Generator, mixing: Mixing | None, *, n_photos: int) -> Mix:
    """How the photos of one step are mixed. Where both MixUp and CutMix are asked for, each has every other step."""
    if mixing is None:
        return Mix()
    ranges = mixing.ranges
    if ranges.half_cutmix or ranges.old_halves:
        chance, left = rng.random(), 0.5 * int(rng.integers(2))
        half = (0.0, left, 1.0, left + 0.5)
        if chance < ranges.old_halves:
            return Mix(0.5, half, rng.choice(mixing.oldest, size=n_photos))
        if chance < ranges.old_halves + ranges.half_cutmix:
            return Mix(0.5, half)
    is_cut = ranges.cutmix and (not ranges.mixup or rng.random() < 0.5)
    if not is_cut:
        return Mix(float(rng.beta(ranges.mixup, ranges.mixup)) if ranges.mixup else 1.0)
    side = float(np.sqrt(1 - rng.beta(ranges.cutmix, ranges.cutmix)))
    middle = rng.random(2)
    (top, left), (bottom, right) = np.clip(middle - side / 2, 0, 1).tolist(), np.clip(middle + side / 2, 0, 1).tolist()
    return Mix(1 - (bottom - top) * (right - left), (top, left, bottom, right))


def mixed(
    photos: Tensor, labels: Labels, *, mix: Mix, load: Load, change: Change
) -> tuple[Tensor, Labels | None, float]:
    """The photos (B, 3, H, W) of a step as mixed, the labels of their partners, and the share of a photo's own.

    The share is that of whole pixels. Source: Zhang et al. 2018, mixup: Beyond empirical risk minimization; Yun et al.
    2019, CutMix: Regularization strategy to train strong classifiers with localizable features.
    """
    if mix.share == 1:
        return photos, None, 1.0
    if mix.partners is None:
        following = torch.arange(len(photos), device=photos.device).roll(-1)
        partners, others = photos[following], labels.rows(following.to(labels.classes.device))
    else:
        partners, others = load(mix.partners)
        partners = change(partners, mix.partners)
    if mix.box is None:
        return mix.share * photos + (1 - mix.share) * partners, others, mix.share
    height, width = photos.shape[2:]
    top, left, bottom, right = (round(place * n) for place, n in zip(mix.box, (height, width) * 2, strict=True))
    made = photos.clone()
    made[:, :, top:bottom, left:right] = partners[:, :, top:bottom, left:right]
    return made, others, 1 - (bottom - top) * (right - left) / (height * width)
