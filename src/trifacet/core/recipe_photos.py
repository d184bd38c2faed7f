"""The parts of a recipe about photos: how they are cut, which an epoch has, and how training changes them."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from trifacet.core.errors import nearest
from trifacet.core.policies import KEYED_OPERATIONS, Policy, parse_policies

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A part of a recipe: frozen, closed to unknown keys, and its numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def age_range(text: str) -> tuple[float, float]:
    """The first and last year of `30-49`, `58` or `60+`. Raises ValueError."""
    found = re.fullmatch(r"(\d+)(?:-(\d+)|(\+))?", text.strip())
    if not found:
        raise ValueError(f"years are written 30-49, 58 or 60+, got {text!r}")
    low = float(found[1])
    return low, math.inf if found[3] else float(found[2] or low)


def _years(text: str) -> str:
    age_range(text)
    return text


Years = Annotated[str, AfterValidator(_years)]


class LabelMapSection(Section):
    """What training alone takes the labels for; every score keeps the task's own."""

    age_edges: tuple[float, ...] | None = Field(
        None, description="years that divide the age classes: [30, 58]; of model.age: bands or model.head: joint"
    )
    drop_ages: tuple[Years, ...] = Field((), description="years that are left out as too hard to tell: [28-29, 57-59]")


class DataSection(Section):
    """How a photo becomes the network's input."""

    image_size: tuple[Annotated[int, Field(ge=16, le=2048)], Annotated[int, Field(ge=16, le=2048)]] = Field(
        (150, 150), description="[height, width] in pixels"
    )
    crop: Literal["face", "middle_square", "centre", "none"] = Field(
        "middle_square", description="what part of the photo is used; face: upright, needs the extra [faces]"
    )
    label_map: LabelMapSection = LabelMapSection()
    crop_size: tuple[Positive, Positive] | None = Field(
        None, description="of crop: centre: [height, width], shares of the photo, or pixels of a photo 512 high"
    )
    strict_px: bool = Field(False, description="pixels of crop_size are the photo's own, whatever its height")
    face_scale: Annotated[float, Field(ge=0.5, le=4)] = Field(
        1.25, description="side of the square of crop: face, in sides of the face's box"
    )
    random_crop: tuple[Positive, Positive] | None = Field(
        None, description="training sees a part of the crop at random, [height, width], prediction the middle one"
    )
    normalize: Literal["backbone", "per_image", "dataset"] = Field(
        "backbone", description="by the backbone's statistics; each photo by its own; by those of the training photos"
    )

    @property
    def window(self) -> tuple[int, int] | None:
        """[height, width] of the part that is taken out of a photo in storage; None where it is all taken."""
        return self.image_size if self.random_crop else None

    @property
    def stored_size(self) -> tuple[int, int]:
        """[height, width] in pixels of the crop from which `random_crop` takes the network's input."""
        if self.random_crop is None:
            return self.image_size
        whole = self.crop_size if max(self.random_crop) > 1 else None
        shares = [part / (whole[i] if whole else 1) for i, part in enumerate(self.random_crop)]
        height, width = (n + 2 * round((n / share - n) / 2) for n, share in zip(self.image_size, shares, strict=True))
        return height, width  # as much around the middle on both sides, so that a mirror image's middle is the same

    def check_crops(self) -> None:
        """Refuses crops that contradict each other. Raises ValueError."""
        if (self.crop == "centre") != (self.crop_size is not None):
            raise ValueError("data.crop: centre and data.crop_size need each other")
        for name, size in {"crop_size": self.crop_size, "random_crop": self.random_crop}.items():
            if size and min(size) <= 1 < max(size):
                raise ValueError(f"data.{name} must be two shares up to 1, or two numbers of pixels")
        if self.random_crop and max(self.random_crop) > 1 and (not self.crop_size or max(self.crop_size) <= 1):
            raise ValueError("data.random_crop in pixels needs data.crop: centre and data.crop_size in pixels")
        if self.random_crop and any(stored < n for stored, n in zip(self.stored_size, self.image_size, strict=True)):
            raise ValueError("data.random_crop is larger than data.crop_size, of which it is a part")


class SamplerSection(Section):
    """Which photos an epoch has."""

    name: Literal["natural", "balanced", "square_root", "progressive"] = Field(
        "natural", description="as they are; classes alike; in between; from as they are to alike over the epochs"
    )
    by: str = Field("joint", description="the attribute whose classes are meant, or joint")
    share: Annotated[float, Field(gt=0, le=100)] = Field(1.0, description="of the photos that an epoch draws; 2: twice")
    factors: dict[str, tuple[NotNegative, ...]] = Field({}, description="per class, on top of it: {age: [1, 1, 3]}")
    age_factors: dict[Years, NotNegative] = Field({}, description="per years, on top of it: {30-49: 2, 60+: 3}")


class AugmentSection(Section):
    """Random changes of a training photo, each drawn evenly within plus and minus its range."""

    flip: Share = Field(0.5, description="probability of mirroring")
    scale: Annotated[float, Field(ge=0, lt=1)] = Field(0.12, description="zoom, as a share of the size")
    shift: Share = Field(0.06, description="move, as a share of height and width")
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = Field(8.0, description="rotation, in degrees")
    brightness: Share = Field(0.25, description="gain of all channels")
    contrast: Share = Field(0.25, description="gain around the photo's mean")
    saturation: Share = Field(0.30, description="gain around the pixel's grey")
    channel_gain: Share = Field(0.08, description="gain of each channel by itself")
    shear_deg: Annotated[float, Field(ge=0, le=45)] = Field(0.0, description="leaning aside and up, in degrees")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(0.0, description="turn of the circle of colours, .5: half of it")
    gamma: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="power of the brightness, around 1")
    noise: Annotated[float, Field(ge=0, le=128)] = Field(0.0, description="largest standard deviation, of 255")
    turn: Annotated[float, Field(ge=0, lt=0.5)] = Field(0.0, description="warp as of a head turned aside, .45 far")
    erase: Share = Field(0.0, description="probability of a rectangle of one colour over 2 to 20 % of the photo")
    cutout: Share = Field(0.0, description="probability of a square of the photo's mean colour, anywhere")
    cutout_size: Positive = Field(0.3, description="its side: a share of the height, or pixels where above 1")
    grid: Share = Field(0.0, description="probability of columns and rows made wider and narrower")
    elastic: Share = Field(0.0, description="probability of being pulled about smoothly")
    optical: Share = Field(0.0, description="probability of being bent as by a lens")
    blur: Share = Field(0.0, description="probability of Gaussian blur")
    motion_blur: Share = Field(0.0, description="probability of motion blur, in any direction")
    clahe: Share = Field(0.0, description="probability of contrast evened out by regions")
    grey: Share = Field(0.0, description="probability of losing the colours")
    sharpness: Share = Field(0.0, description="probability of edges softened or made harder")
    strength: dict[str, Share] = Field(
        {}, description="of grid to sharpness: share of the largest, which `trifacet augmentations` tells; 1 unnamed"
    )
    policy: Annotated[Literal["none", "rand", "trivial"] | tuple[Policy, ...], BeforeValidator(parse_policies)] = Field(
        "none", description="rand: RandAugment, trivial: TrivialAugment, or a file of searched policies"
    )
    rand_operations: Annotated[int, Field(ge=1, le=4)] = Field(2, description="of rand: operations a photo")
    rand_magnitude: Share = Field(0.3, description="of rand: share of each operation's largest")
    mixup: NotNegative = Field(0.0, description="blend pairs of photos and their losses by Beta(mixup, mixup)")
    cutmix: NotNegative = Field(0.0, description="a box of another photo, of a share by Beta(cutmix, cutmix)")
    half_cutmix: Share = Field(0.0, description="share of batches in which a left or right half is another photo's")
    old_halves: Share = Field(0.0, description="share of batches in which that half is one of the oldest class")
    degrade: Share = Field(0.0, description="probability of lost resolution (up to 3 times) and JPEG marks")
    masks: Share = Field(0.0, description="probability that a bare face gets a drawn mask; needs the extra [faces]")
    mask_kinds: tuple[str, ...] = Field(
        (), description="of surgical, surgical_black, kf94, n95, cloth, patterned, sponge; empty: all"
    )
    occluders: Share = Field(0.0, description="probability that a bare face gets a hand, cup, phone, scarf or hair")

    @field_validator("strength")
    @classmethod
    def _names_operations(cls, strength: dict[str, float]) -> dict[str, float]:
        for name in strength:
            if name not in KEYED_OPERATIONS:
                near = nearest(name, KEYED_OPERATIONS)
                hint = f"did you mean '{near}'?" if near else ", ".join(KEYED_OPERATIONS)
                raise ValueError(f"no operation '{name}' ({hint})")
        return strength
