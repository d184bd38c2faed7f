"""Operations by name, and the policies that choose among them: which, how likely, how much, for each photo alone."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from trifacet.core.errors import pick
from trifacet.core.policies import Step
from trifacet.core.recipe_photos import AugmentSection
from trifacet.learn import colours, warps

N_STEPS = 4  # operations that a policy may do on a photo
SLOT = 6  # draws of an operation: whether, how much, and four of its own
POLICY_DRAWS = N_STEPS * (1 + SLOT)  # before each operation, which


class Operation(Protocol):
    """Changed photos of float (B, 3, H, W) in 0..255, amounts (B,) in -1..1 and random (B, 4) in 0..1."""

    def __call__(self, photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
        """The changed photos, not yet kept within 0..255."""


# Each has its line in `trifacet.core.policies.OPERATIONS`, which is there without torch.
OPERATIONS: dict[str, Operation] = {
    "identity": colours.identity,
    "shear_x": warps.shear_x,
    "shear_y": warps.shear_y,
    "shift_x": warps.shift_x,
    "shift_y": warps.shift_y,
    "shift": warps.shift,
    "rotate": warps.rotate,
    "zoom": warps.zoom,
    "grid": warps.grid,
    "elastic": warps.elastic,
    "optical": warps.optical,
    "brightness": colours.brightness,
    "contrast": colours.contrast,
    "saturation": colours.saturation,
    "hue": colours.hue,
    "gamma": colours.gamma,
    "posterize": colours.posterize,
    "solarize": colours.solarize,
    "equalize": colours.equalize,
    "autocontrast": colours.autocontrast,
    "invert": colours.invert,
    "grey": colours.grey,
    "clahe": colours.clahe,
    "sharpness": colours.sharpness,
    "blur": colours.blur,
    "motion_blur": colours.motion_blur,
    "noise": colours.noise,
    "cutout": colours.cutout,
}

# Source: Cubuk et al. 2020, RandAugment; Müller & Hutter 2021, TrivialAugment, over the same operations.
RAND_OPERATIONS = (
    "identity", "autocontrast", "equalize", "rotate", "solarize", "saturation", "posterize", "contrast", "brightness",
    "sharpness", "shear_x", "shear_y", "shift_x", "shift_y",
)  # fmt: skip


def operate(photos: Tensor, name: str, *, places: Tensor, amount: Tensor, random: Tensor) -> None:
    """Changes the photos at `places` (b,) in place, by amounts (b,) and random (b, 4); the others are not computed."""
    if len(places):
        made = pick(OPERATIONS, name, what="operation")(photos[places], amount, random=random)
        photos[places] = made.clamp(0, 255)


def follow_policy(photos: Tensor, draws: Tensor, *, ranges: AugmentSection) -> None:
    """Changes photos in place as `ranges.policy` says; draws (B, POLICY_DRAWS) in 0..1.

    rand: `rand_operations` of them, each at exactly `rand_magnitude`, in either direction. trivial: one, by any amount.
    Else one sub-policy of all, drawn evenly: each of its two with its probability, by up to its magnitude.
    """
    slots = draws.view(len(photos), N_STEPS, 1 + SLOT)
    chances = slots[:, :, :3].cpu().tolist()  # which, whether, how much
    choices, is_searched = _choices(ranges), not isinstance(ranges.policy, str)
    for place in range(2 if is_searched else {"rand": ranges.rand_operations, "trivial": 1}.get(str(ranges.policy), 0)):
        done: dict[str, list[tuple[int, float]]] = {}
        for i, photo in enumerate(chances):
            chosen = choices[min(int(photo[0 if is_searched else place][0] * len(choices)), len(choices) - 1)]
            name, probability, magnitude = chosen[place if is_searched else 0]
            if photo[place][1] < probability:
                signed = 2 * photo[place][2] - 1
                exact = magnitude if signed >= 0 else -magnitude
                done.setdefault(name, []).append((i, exact if ranges.policy == "rand" else magnitude * signed))
        for name in sorted(done):
            places = torch.tensor([i for i, _ in done[name]], device=photos.device)
            amount = torch.tensor([amount for _, amount in done[name]], device=photos.device)
            operate(photos, name, places=places, amount=amount, random=slots[places, place, 3:])


def _choices(ranges: AugmentSection) -> list[tuple[Step, ...]]:
    """What a policy chooses among, evenly: pairs of operations, or single ones."""
    if not isinstance(ranges.policy, str):
        return [sub_policy for policy in ranges.policy for sub_policy in policy]
    magnitude = ranges.rand_magnitude if ranges.policy == "rand" else 1.0
    return [((name, 1.0, magnitude),) for name in RAND_OPERATIONS]
