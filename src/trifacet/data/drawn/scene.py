"""One photo of a drawn person: background, clothes, pose, light and camera around the face, put together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from trifacet.data.drawn import clothes, face, features, hair
from trifacet.data.drawn.person import Person
from trifacet.pixels import masks, occluders
from trifacet.pixels.shapes import SUPERSAMPLE, Pen, Rgb, View, mix, oval, shade, tint

PHOTO_NAMES = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")

_WALLS: tuple[Rgb, ...] = (
    (244, 226, 204), (232, 212, 196), (214, 226, 222), (204, 216, 230), (238, 206, 190),
    (222, 218, 236), (246, 236, 214),
    (196, 208, 190), (180, 196, 206), (228, 190, 170), (150, 166, 176), (120, 134, 148),
    (206, 168, 140), (240, 240, 236), (96, 108, 122),
)  # fmt: skip
BACKDROPS = ("plain", "circles", "window", "stripes", "leaves", "shelf")


@dataclass(frozen=True)
class Shot:
    """What differs between two photos of one person."""

    view: View
    body: View
    look: features.Look
    light: float  # -1 from the left .. 1 from the right


def _one(rng: np.random.Generator, table: tuple[Rgb, ...], *, spread: float = 9.0) -> Rgb:
    r, g, b = np.clip(np.array(table[int(rng.integers(len(table)))]) + rng.normal(0, spread, 3), 18, 250).tolist()
    return (r, g, b)


def _pose(rng: np.random.Generator, size_px: tuple[int, int]) -> Shot:
    width, height = size_px
    u = rng.uniform(-1, 1, 12)
    unit = 0.262 * height * math.exp(0.15 * u[0])
    x, y = width * (0.5 + 0.08 * u[1]), height * (0.445 + 0.055 * u[2])
    turn, yaw = 0.13 * u[3] * abs(u[4]) ** 0.5, 0.42 * u[5] * abs(u[6]) ** 0.5
    view = View(x, y, unit, turn, yaw, 0.1 * float(u[7]))
    down = 1.1 * unit  # the body hangs below the head's pivot, so a tilted head keeps its neck
    base_x, base_y = x - math.sin(turn) * down, y + math.cos(turn) * down
    lean = turn * 0.25
    body = View(base_x + math.sin(lean) * down, base_y - math.cos(lean) * down, unit, lean)
    smile = float(np.clip(rng.normal(0.52, 0.3), 0, 1))
    look = features.Look(
        smile,
        bool(smile > 0.55 and u[8] > -0.3),
        float(u[9]) * 0.7,
        float(u[10]),
        max(float(u[11]), 0.0),
        0.25 * float(rng.random()) ** 3,
    )
    return Shot(view, body, look, float(rng.choice([-1.0, 1.0])))


def _background(rng: np.random.Generator, size_px: tuple[int, int]) -> Image.Image:
    wall, other = _one(rng, _WALLS), _one(rng, _WALLS)
    width, height = size_px
    ends = [tint(wall, 0.35), mix((shade(wall, 0.16), other), 0.25)]
    if rng.random() < 0.4:
        ends.reverse()
    column = np.linspace(ends[0], ends[1], height).astype(np.uint8)
    image = Image.fromarray(column[:, None]).resize(size_px, Image.Resampling.NEAREST)
    pen = Pen.on(image, View(0, 0, width))  # units of the picture's width
    tall, kind = height / width, BACKDROPS[int(rng.integers(len(BACKDROPS)))]
    accent = mix((other, wall), 0.35)
    if kind == "circles":
        for _ in range(4):
            x, y, r = rng.uniform((0, 0, 0.08), (1, tall, 0.34)).tolist()
            pen.fill(oval((x, y), r), accent, alpha=0.4)
    elif kind == "window":
        x, y = rng.uniform((-0.15, 0.02), (0.6, 0.25))
        pen.fill([(x, y), (x + 0.52, y), (x + 0.52, y + 0.8), (x, y + 0.8)], tint(accent, 0.75), alpha=0.9)
        for bar in (0.0, 0.25, 0.5):
            pen.fill(
                [(x + bar, y), (x + bar + 0.025, y), (x + bar + 0.025, y + 0.8), (x + bar, y + 0.8)], shade(wall, 0.25)
            )
        pen.fill([(x, y + 0.36), (x + 0.52, y + 0.36), (x + 0.52, y + 0.385), (x, y + 0.385)], shade(wall, 0.25))
    elif kind == "stripes":
        slant, step = float(rng.uniform(-0.4, 0.4)), float(rng.uniform(0.12, 0.26))
        for x in np.arange(-0.7, 1.7, step):
            pen.fill(
                [(x, 0), (x + step * 0.5, 0), (x + step * 0.5 + slant, tall), (x + slant, tall)], accent, alpha=0.4
            )
    elif kind == "leaves":
        green = mix(((112, 144, 112), accent), 0.35)
        for _ in range(9):
            x, y, a = rng.uniform((-0.05, 0.1, -2.4), (1.05, tall, -0.7))
            reach = float(rng.uniform(0.18, 0.34))
            pen.stroke(
                [
                    (x, y),
                    (x + reach * 0.6 * math.cos(a), y + reach * 0.5 * math.sin(a)),
                    (x + reach * math.cos(a), y + reach * math.sin(a)),
                ],
                shade(green, float(rng.uniform(0, 0.3))),
                width=0.09,
                alpha=0.8,
            )
    elif kind == "shelf":
        y = float(rng.uniform(0.12, 0.5))
        for x in np.arange(-0.05, 1.05, 0.075):
            top = y - float(rng.uniform(0.12, 0.22))
            pen.fill(
                [(x, top), (x + 0.06, top), (x + 0.06, y), (x, y)],
                mix((_one(rng, occluders.COLOURS), wall), 0.4),
                alpha=0.85,
            )
        pen.fill([(0, y), (1, y), (1, y + 0.03), (0, y + 0.03)], shade(wall, 0.4))
    return image


_BRIGHTEST = 1.4  # how much light can add; light is kept as 0..255 shares of it
_BELL = np.array([NormalDist().inv_cdf((k + 0.5) / 256) for k in range(256)])


def _camera(image: Image.Image, shot: Shot, *, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    small = image.reduce(SUPERSAMPLE)
    if rng.random() < 0.2:
        small = small.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.0))))
    across, down = np.linspace(-1, 1, 24)[None], np.linspace(-1, 1, 32)[:, None]
    strength, tilt, fall = rng.uniform((0.02, -0.08, 0.0), (0.13, 0.08, 0.1)).tolist()
    light = (1 + shot.light * strength * across) * (1 - tilt * down) - fall * (across**2 + down**2) / 2
    light *= math.exp(rng.normal(-0.05, 0.08)) / _BRIGHTEST
    lamp = Image.fromarray(np.clip(light * 255, 0, 255).astype(np.uint8)).resize(small.size, Image.Resampling.BICUBIC)
    warmth = float(rng.normal(0.008, 0.022))
    steps = np.arange(256) * _BRIGHTEST
    tones = np.concatenate([steps * (1 + warmth), steps * (1 + 0.2 * warmth), steps * (1 - warmth)])
    lit = ImageChops.multiply(small, Image.merge("RGB", (lamp, lamp, lamp))).point(np.clip(tones, 0, 255).tolist())
    noise = (128.5 + _BELL * rng.uniform(0.6, 2.8)).astype(np.uint8)  # of the film, the same in all three channels
    speckle = noise[np.frombuffer(rng.bytes(small.width * small.height), np.uint8)]
    grain = Image.frombuffer("L", small.size, speckle.tobytes(), "raw", "L", 0, 1)
    return np.array(ImageChops.add(lit, Image.merge("RGB", (grain, grain, grain)), offset=-128))


def draw_photo(
    person: Person, kind: str, *, seed: int = 0, size_px: tuple[int, int] = (384, 512)
) -> npt.NDArray[np.uint8]:
    """One photo of `person`, (height, width, 3) uint8 RGB: the same arguments give the same pixels.

    `kind` is one of `PHOTO_NAMES`: five photos with the mask worn well, one worn wrongly, one without. `size_px` is
    (width, height).
    """
    if kind not in PHOTO_NAMES:
        raise ValueError(f"expected one of {', '.join(PHOTO_NAMES)}, got {kind!r}")
    rng = np.random.default_rng([seed, person.index, 2, PHOTO_NAMES.index(kind)])
    size = (size_px[0] * SUPERSAMPLE, size_px[1] * SUPERSAMPLE)
    shot = _pose(rng, size)
    image = _background(rng, size)
    head, body = Pen.on(image, shot.view), Pen.on(image, shot.body)
    width = person.shape.width
    hair.draw_back_hair(head, person)
    clothes.draw_neck(body, head, person=person, light=shot.light)
    garment = list(clothes.GARMENTS)[int(rng.integers(len(clothes.GARMENTS)))]
    broad = 1.06 + 0.9 * (person.shape.neck - 0.43) + 0.05 * float(rng.normal())
    rgb = _one(rng, occluders.COLOURS)
    while sum(abs(a - b) for a, b in zip(rgb, person.skin_rgb, strict=True)) < 75:  # nobody looks undressed
        rgb = _one(rng, occluders.COLOURS)
    clothes.draw_garment(body, person, kind=garment, rgb=rgb, broad=broad)
    scarf, cup = rng.random(2).tolist()
    if scarf < 0.09:
        occluders.draw_scarf(body, _one(rng, occluders.COLOURS), high=1.06 + float(rng.uniform(-0.03, 0.12)))
    face.draw_ears(head, person)
    clip = face.draw_skin(head, person, light=shot.light)
    face.draw_marks(head, person, clip=clip)
    features.draw_beard(head, person, clip=clip)
    features.draw_mouth(head, person, look=shot.look, clip=clip)
    features.draw_nose(head, person, light=shot.light, clip=clip)
    features.draw_eyes(head, person, look=shot.look, clip=clip)
    mask, rgb = masks.choose_mask(rng)
    wear = masks.Wear(
        0.08 + float(rng.uniform(-0.04, 0.04)), 1.08 + float(rng.uniform(-0.02, 0.04)), float(rng.uniform(-0.05, 0.05))
    )
    if kind == "incorrect_mask":
        _, wear = masks.wear_wrongly(rng)
    over = person.hair.style == "headscarf" or wear.hangs != 0  # where a mask lies over hair or headscarf
    if over:
        hair.draw_front_hair(head, person)
    if kind != "normal":
        masks.draw_straps(head, masks.MASK_KINDS[mask], rgb=rgb, wear=wear, width=width)
        masks.draw_mask(head, mask, rgb=rgb, wear=wear, width=width, rng=rng)
    if not over:
        hair.draw_front_hair(head, person)
    features.draw_glasses(head, person)
    if cup < (0.07 if kind == "normal" else 0.05):
        occluders.draw_cup(
            body,
            _one(rng, occluders.COLOURS),
            skin=person.skin_rgb,
            x=float(rng.uniform(-0.25, 0.25)),
            y=float(rng.uniform(0.45, 1.6) if kind == "normal" else rng.uniform(1.0, 1.6)),
        )
    return _camera(image, shot, rng=rng)
