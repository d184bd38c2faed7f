"""Masks and other things drawn on the faces of photos: what a network must tell apart and seldom sees.

A drawing is laid over a head model that is turned as the face is (from its six points), takes on the photo's light,
and changes no pixel beside itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from trifacet.core.predictions import ImageArray
from trifacet.pixels import masks, occluders
from trifacet.pixels.masks import MASK_KINDS, Wear, choose_mask
from trifacet.pixels.shapes import SUPERSAMPLE, Pen, Rgb, View

FaceArray = npt.NDArray[np.float32]

MASK, MASK_STATES = "mask", ("worn", "incorrect", "not_worn")  # the attribute that a drawing changes, and its classes

# The six points on a head, in face units (94 mm: the pupils are 63 mm apart); z points at the camera, 0 at the eyes.
HEAD = np.array(
    [
        (-0.335, -0.06, 0.0),
        (0.335, -0.06, 0.0),
        (0.0, 0.30, 0.40),
        (0.0, 0.56, 0.18),
        (-0.77, 0.05, -0.95),
        (0.77, 0.05, -0.95),
    ]
)
BULGE = 0.75  # of a head whose ears lie .95 behind its eyes; flatter, because the far cheek is not hidden
STEEPEST = math.radians(55)  # a face turned further shows one eye only, and its points are guesses

# Ways to wear a mask wrongly and their shares: more under the chin than people do, because there networks err.
WAYS: dict[str, float] = {"nose_out": 0.42, "mouth_out": 0.18, "under_chin": 0.2, "on_neck": 0.15, "one_ear": 0.05}


HAIR: tuple[Rgb, ...] = ((40, 30, 26), (70, 50, 38), (110, 76, 50), (196, 160, 110), (150, 146, 142), (215, 212, 208))


@dataclass(frozen=True)
class Dressed:
    """A photo (H, W, 3) uint8 with a drawing on it: what was drawn, and the mask class that it shows now."""

    image: ImageArray
    what: str
    shows: str


def view_of(points: FaceArray) -> View:
    """The head under six points (6, 2) in pixels: eyes, nose tip, mouth, ears, as `FaceFinder` gives them."""
    eyes = points[1] - points[0]
    turn = math.atan2(float(eyes[1]), float(eyes[0]))
    cos, sin = math.cos(turn), math.sin(turn)
    level = points.astype(float) @ np.array([[cos, -sin], [sin, cos]])
    across = np.linalg.lstsq(np.column_stack([HEAD[:, 0], HEAD[:, 2], np.ones(6)]), level[:, 0], rcond=None)[0]
    down = np.linalg.lstsq(np.column_stack([HEAD[:4, 1], np.ones(4)]), level[:4, 1], rcond=None)[0]
    unit = max(float((math.hypot(across[0], across[1]) + down[0]) / 2), 1.0)
    yaw = min(max(math.atan2(across[1], across[0]), -STEEPEST), STEEPEST)
    middle = float(across[2]) - unit * BULGE * math.sin(yaw), float(down[1])
    centre = np.array(middle) @ np.array([[cos, sin], [-sin, cos]])
    return View(float(centre[0]), float(centre[1]), unit, turn, yaw, bulge=BULGE)


def put_mask(
    image: ImageArray, points: FaceArray, *, rng: np.random.Generator, kinds: Sequence[str] = tuple(MASK_KINDS)
) -> Dressed:
    """A face with a mask of one of `kinds` on it, well or wrongly worn in equal shares."""
    kind, rgb = choose_mask(rng, kinds)
    tilt, way = float(rng.normal(0, 0.05)), "worn"
    wear = Wear(0.08 + float(rng.uniform(-0.06, 0.06)), 1.08 + float(rng.uniform(-0.04, 0.08)), tilt)
    if rng.random() < 0.5:
        way, wear = masks.wear_wrongly(rng, WAYS)
    width = 0.735 * float(rng.uniform(0.92, 1.08))

    def draw(pen: Pen, rgb: Rgb) -> None:
        masks.draw_straps(pen, MASK_KINDS[kind], rgb=rgb, wear=wear, width=width)
        masks.draw_mask(pen, kind, rgb=rgb, wear=wear, width=width, rng=rng)

    drawn = _drawn(image, view_of(points), rgb=rgb, draw=draw, rng=rng)
    return Dressed(drawn, f"{kind} {way}", "worn" if way == "worn" else "incorrect")


def put_occluder(
    image: ImageArray, points: FaceArray, *, rng: np.random.Generator, may_be_bearded: bool = False
) -> Dressed:
    """A bare face with something before it that is no mask; or with a beard, on those who may have one."""
    view = view_of(points)
    rgb = occluders.COLOURS[int(rng.integers(len(occluders.COLOURS)))]
    skin, side = _skin(image, view), float(rng.choice([-1, 1]))
    x, y = float(rng.uniform(-0.25, 0.25)), float(rng.uniform(0.35, 0.9))
    things: dict[str, Callable[[Pen, Rgb], None]] = {
        "scarf": lambda pen, rgb: occluders.draw_scarf(pen, rgb, high=float(rng.uniform(0.95, 1.3))),
        "cup": lambda pen, rgb: occluders.draw_cup(pen, rgb, skin=skin, x=x, y=y),
        "hand": lambda pen, _: occluders.draw_hand(pen, skin=skin, x=x + side * 0.2, y=y, side=side),
        "phone": lambda pen, rgb: occluders.draw_phone(pen, rgb, skin=skin, x=side * 0.6, y=y - 0.2, side=side),
        "strands": lambda pen, rgb: occluders.draw_strands(pen, rgb, side=side, wide=float(rng.uniform(0.2, 0.7))),
    }
    if may_be_bearded:
        things["beard"] = lambda pen, rgb: occluders.draw_beard(pen, rgb, rng=rng)
    what = list(things)[int(rng.integers(len(things)))]
    if what in ("strands", "beard"):
        rgb = HAIR[int(rng.integers(len(HAIR)))]
    return Dressed(_drawn(image, view, rgb=rgb, draw=things[what], rng=rng), what, "not_worn")


def _drawn(
    image: ImageArray, view: View, *, rgb: Rgb, draw: Callable[[Pen, Rgb], None], rng: np.random.Generator
) -> ImageArray:
    """The image with what `draw` draws in about `rgb`, in the photo's own light, a little blurred and grainy."""
    light = _light(image, view)
    gain = float(np.clip(light.mean() / 150, 0.3, 1.15) * rng.uniform(0.85, 1.15))
    height, width = image.shape[:2]
    picture = Image.fromarray(image)
    large = picture.resize((width * SUPERSAMPLE, height * SUPERSAMPLE), Image.Resampling.BILINEAR)
    before = np.asarray(large, dtype=np.float32)
    large = large.copy()
    seen = View(
        (view.x_px + 0.5) * SUPERSAMPLE, (view.y_px + 0.5) * SUPERSAMPLE, view.unit_px * SUPERSAMPLE,
        view.turn, view.yaw, view.pitch, view.bulge,
    )  # fmt: skip
    draw(Pen.on(large, seen), (rgb[0] * gain, rgb[1] * gain, rgb[2] * gain))
    change = Image.fromarray((np.abs(np.asarray(large, np.float32) - before).max(2) > 0).astype(np.uint8) * 255)
    blur = ImageFilter.GaussianBlur(float(rng.uniform(0.2, 1.0)))
    share = np.asarray(change.resize((width, height), Image.Resampling.BOX).filter(blur), np.float32)[..., None] / 255
    drawn = np.asarray(large.resize((width, height), Image.Resampling.BOX).filter(blur), np.float32)
    lit = drawn * np.clip(light / max(float(light.mean()), 1), 0.6, 1.3)[..., None]
    lit += rng.normal(0, float(rng.uniform(0, 5)), (height, width, 1)).astype(np.float32)
    return np.asarray(np.clip(image * (1 - share) + lit * share, 0, 255), dtype=np.uint8)


def _light(image: ImageArray, view: View) -> npt.NDArray[np.float32]:
    """The photo's brightness (H, W), 0..255, without its details: how the face is lit."""
    grey = Image.fromarray(image).convert("L").filter(ImageFilter.GaussianBlur(view.unit_px * 0.5))
    return np.asarray(grey, dtype=np.float32)


def _skin(image: ImageArray, view: View) -> Rgb:
    """The colour of the cheeks."""
    height, width = image.shape[:2]
    cheeks = np.round(view.at([(-0.4, 0.25), (0.4, 0.25), (-0.35, 0.35), (0.35, 0.35)])).astype(int)
    found = image[np.clip(cheeks[:, 1], 0, height - 1), np.clip(cheeks[:, 0], 0, width - 1)].mean(0)
    return float(found[0]), float(found[1]), float(found[2])
