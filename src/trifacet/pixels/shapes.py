"""Vector drawing in face units: smooth curves, tapered strokes and soft shading on a Pillow image.

A face unit is half the height of a head; the origin lies between the eyes and the nose, x grows to the right, y down.
Everything stays a curve until the last moment, so turning, scaling and moving a face costs nothing and blurs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Rgb = tuple[float, float, float]  # 0..255 each
Points = npt.NDArray[np.float64]  # (N, 2), x and y
Path = Points | Sequence[tuple[float, float]]

FAINT = 0.015  # an alpha that nobody sees
SUPERSAMPLE = 2  # drawn at twice the size and averaged down: smooth edges at a quarter of the cost of 4x


def mix(pair: tuple[Rgb, Rgb], share: float) -> Rgb:
    """The first colour of `pair` at share 0, the second at share 1."""
    first, second = pair
    share = min(max(share, 0.0), 1.0)
    return (
        first[0] + (second[0] - first[0]) * share,
        first[1] + (second[1] - first[1]) * share,
        first[2] + (second[2] - first[2]) * share,
    )


def shade(rgb: Rgb, amount: float) -> Rgb:
    """A warm darker tone of `rgb` (0 the same, 1 nearly black-brown)."""
    return mix((rgb, (rgb[0] * 0.42, rgb[1] * 0.27, rgb[2] * 0.27)), amount)


def tint(rgb: Rgb, amount: float) -> Rgb:
    """A warm lighter tone of `rgb` (0 the same, 1 cream)."""
    return mix((rgb, (255, 246, 232)), amount)


def _weights(steps: int) -> Points:
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None]
    return np.hstack(
        [
            -0.5 * t + t**2 - 0.5 * t**3,
            1 - 2.5 * t**2 + 1.5 * t**3,
            0.5 * t + 2 * t**2 - 1.5 * t**3,
            -0.5 * t**2 + 0.5 * t**3,
        ]
    )


_STEPS = _weights(6)


def curve(points: Path, *, closed: bool = False) -> Points:
    """A smooth line through `points` (Catmull-Rom), about six points a segment."""
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        around = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        around = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    four = np.stack([around[:-3], around[1:-2], around[2:-1], around[3:]], axis=1)  # (segments, 4, 2)
    line = (_STEPS @ four).reshape(-1, 2)
    return line if closed else np.concatenate([line, knots[-1:]])


def mirrored(right: Path) -> Points:
    """A closed smooth outline from its right half, given from the top to the bottom of the middle line."""
    half = np.asarray(right, dtype=np.float64)
    left = half[::-1] * (-1, 1)
    inner = left[1:] if abs(half[-1, 0]) < 1e-9 else left
    inner = inner[:-1] if abs(half[0, 0]) < 1e-9 else inner
    return curve(np.vstack([half, inner]), closed=True)


def flipped(points: Path) -> Points:
    """The mirror image of `points` on the other side of the face."""
    return np.asarray(points, dtype=np.float64) * (-1, 1)


def moved(points: Points, by: tuple[float, float]) -> Points:
    """`points` shifted by (dx, dy)."""
    return np.asarray(points + np.array(by))


@cache
def _circle(n: int) -> Points:
    t = np.linspace(0, 2 * math.pi, n, endpoint=False)
    return np.stack([np.cos(t), np.sin(t)], 1)


def oval(centre: tuple[float, float], r: float | tuple[float, float], *, turn: float = 0.0, n: int = 28) -> Points:
    """An ellipse around `centre` of radius `r` (or one for each axis), turned by `turn` radians."""
    rx, ry = r if isinstance(r, tuple) else (r, r)
    c, s = math.cos(turn), math.sin(turn)
    return np.asarray(_circle(n) @ np.array(((rx * c, rx * s), (-ry * s, ry * c))) + np.array(centre))


@cache
def _bulge(n: int) -> tuple[Points, Points]:
    along = np.linspace(0, 1, n)[:, None]
    return along, np.sin(math.pi * along)


def band(line: Points, width: Points | float) -> Points:
    """The outline of a band along a dense line, `width` (a number, or one a point) thick."""
    step = np.empty_like(line)
    step[1:-1], step[0], step[-1] = line[2:] - line[:-2], line[1] - line[0], line[-1] - line[-2]
    normal = step[:, ::-1] * (-0.5, 0.5) / (np.hypot(step[:, :1], step[:, 1:]) + 1e-9) * width
    return np.concatenate([line + normal, (line - normal)[::-1]])


def lens(points: Path, width: float, *, start: float = 0.0, end: float = 0.0) -> Points:
    """The outline of a smooth stroke, `width` thick in its middle and tapering to these shares of it at the ends."""
    line = curve(points)
    along, bulge = _bulge(len(line))
    ends = start + (end - start) * along
    return band(line, width * (ends + (1 - ends) * bulge))


@dataclass(frozen=True)
class View:
    """Where a head stands in the picture: centre and unit in pixels, in-plane `turn`, `yaw` and `pitch` in radians.

    bulge: how far its middle stands out of the plane of its outline, in units.
    """

    x_px: float
    y_px: float
    unit_px: float
    turn: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    bulge: float = 0.5

    def at(self, points: Path, depth: float = 0.0) -> Points:
        """Pixels (N, 2) of points on the head; `depth` is how far they stand out of it (a nose, a mask)."""
        p = np.asarray(points, dtype=np.float64)
        x, y = p[:, 0], p[:, 1]
        if self.yaw or self.pitch:
            out = self.bulge * np.sqrt(np.clip(1 - (x / 0.92) ** 2 - (y / 1.45) ** 2, 0, 1)) + depth
            x, y = x * math.cos(self.yaw) + out * math.sin(self.yaw), y + out * math.sin(self.pitch)
        c, s = math.cos(self.turn) * self.unit_px, math.sin(self.turn) * self.unit_px
        pixels = np.empty_like(p)
        pixels[:, 0], pixels[:, 1] = self.x_px + x * c - y * s, self.y_px + x * s + y * c
        return pixels


@dataclass(frozen=True)
class Area:
    """A part of an image: the box it lies in and a mask of that size (mode L), 255 inside."""

    box: tuple[int, int, int, int]
    mask: Image.Image


@dataclass(frozen=True)
class Pen:
    """Draws on one image through one view. The image changes; the pen does not."""

    image: Image.Image
    view: View
    opaque: ImageDraw.ImageDraw
    glaze: ImageDraw.ImageDraw
    depth: float = 0.0

    @classmethod
    def on(cls, image: Image.Image, view: View) -> Pen:
        """A pen for an RGB image."""
        return cls(image, view, ImageDraw.Draw(image), ImageDraw.Draw(image, "RGBA"))

    def seen(self, view: View | None = None, *, depth: float | None = None) -> Pen:
        """The same image through another view or at another depth."""
        return replace(self, view=view or self.view, depth=self.depth if depth is None else depth)

    def fill(self, points: Path, rgb: Rgb, *, alpha: float = 1.0) -> None:
        """Fills a closed outline."""
        outline = list(map(tuple, self.view.at(points, self.depth).tolist()))
        colour = (round(rgb[0]), round(rgb[1]), round(rgb[2]))
        if alpha >= 1:
            self.opaque.polygon(outline, fill=colour)
        elif alpha > FAINT:
            self.glaze.polygon(outline, fill=(*colour, round(255 * alpha)))

    def stroke(self, points: Path, rgb: Rgb, *, width: float, alpha: float = 1.0, ends: float = 0.0) -> None:
        """Draws a smooth tapered stroke through `points`, `width` units thick."""
        if alpha > FAINT:
            self.fill(lens(points, width, start=ends, end=ends), rgb, alpha=alpha)

    def area(self, outline: Path) -> Area:
        """What lies inside a closed outline."""
        pixels = self.view.at(outline, self.depth)
        x0, y0 = np.floor(np.clip(pixels.min(0), 0, self.image.size)).astype(int).tolist()
        x1, y1 = np.ceil(np.clip(pixels.max(0) + 1, 0, self.image.size)).astype(int).tolist()
        mask = Image.new("L", (max(x1 - x0, 1), max(y1 - y0, 1)), 0)
        ImageDraw.Draw(mask).polygon(list(map(tuple, (pixels - (x0, y0)).tolist())), fill=255)
        return Area((x0, y0, x0 + mask.width, y0 + mask.height), mask)

    def cut(self, area: Area) -> Pen:
        """A pen on a copy of what lies in the area's box; `put_back` brings what it drew back, inside the area only."""
        view = replace(self.view, x_px=self.view.x_px - area.box[0], y_px=self.view.y_px - area.box[1])
        return Pen.on(self.image.crop(area.box), view).seen(depth=self.depth)

    def put_back(self, piece: Pen, area: Area) -> None:
        """Brings what a `cut` pen drew back into this image."""
        self.image.paste(piece.image, area.box, area.mask)

    def soft(self, points: Path, rgb: Rgb, *, alpha: float, blur: float, clip: Area | None = None) -> None:
        """Fills an outline with edges blurred over `blur` units, only inside `clip`."""
        blur_px = max(blur * self.view.unit_px, 1.0)
        pixels = self.view.at(points, self.depth)
        low, high = np.floor(pixels.min(0) - 2 * blur_px), np.ceil(pixels.max(0) + 2 * blur_px)
        limits = clip.box if clip else (0, 0, *self.image.size)
        x0, y0 = max(int(low[0]), limits[0]), max(int(low[1]), limits[1])
        x1, y1 = min(int(high[0]), limits[2]), min(int(high[1]), limits[3])
        if alpha <= FAINT or x1 - x0 < 2 or y1 - y0 < 2:
            return
        scale = min(1.0, 2.0 / blur_px)  # blurred shapes hold no detail: draw them small
        size = np.ceil((high - low) * scale).astype(int) + 1
        small = Image.new("L", (int(size[0]), int(size[1])), 0)
        outline = list(map(tuple, ((pixels - low) * scale).tolist()))
        ImageDraw.Draw(small).polygon(outline, fill=round(255 * min(alpha, 1.0)))
        once = ImageFilter.BoxBlur(blur_px * scale * 0.6)
        seen = ((x0 - low[0]) * scale, (y0 - low[1]) * scale, (x1 - low[0]) * scale, (y1 - low[1]) * scale)
        mask = small.filter(once).filter(once).resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, box=seen)
        if clip is not None:
            at = (x0 - clip.box[0], y0 - clip.box[1], x1 - clip.box[0], y1 - clip.box[1])
            mask = ImageChops.multiply(mask, clip.mask.crop(at))
        self.image.paste((round(rgb[0]), round(rgb[1]), round(rgb[2])), (x0, y0, x1, y1), mask)
