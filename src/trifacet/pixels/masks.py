"""Face masks: their kinds, their patterns, the right way to wear them and the wrong ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trifacet.core.errors import nearest
from trifacet.pixels.shapes import Area, Path, Pen, Points, Rgb, curve, mirrored, mix, moved, oval, shade, tint

WHITE, SKY, BLACK, GREY = (243.0, 244.0, 244.0), (170.0, 208.0, 230.0), (52.0, 52.0, 58.0), (150.0, 156.0, 164.0)
MINT, ROSE, SAND, NAVY = (176.0, 218.0, 200.0), (236.0, 184.0, 190.0), (222.0, 200.0, 170.0), (58.0, 74.0, 112.0)
RED, MUSTARD, OLIVE, LILAC = (186.0, 74.0, 66.0), (222.0, 172.0, 84.0), (124.0, 132.0, 92.0), (182.0, 168.0, 212.0)
BEIGE, BRICK, TEAL = (208.0, 160.0, 128.0), (166.0, 104.0, 78.0), (72.0, 128.0, 130.0)


@dataclass(frozen=True)
class Design:
    """One kind of mask: right half of its outline where it sits when worn well, colours, how it is made and held."""

    half: Sequence[tuple[float, float]]
    colours: Sequence[Rgb]
    finish: str  # pleats, panels, dome, seam, smooth
    patterns: Sequence[str] = ("plain",)
    head_straps: bool = False


_RECTANGLE = (
    (0.0, 0.08),
    (0.18, 0.11),
    (0.44, 0.20),
    (0.67, 0.23),
    (0.685, 0.42),
    (0.62, 0.76),
    (0.36, 1.0),
    (0.12, 1.06),
    (0.0, 1.07),
)
_BOAT = ((0.0, 0.06), (0.15, 0.12), (0.40, 0.28), (0.70, 0.33), (0.72, 0.46), (0.56, 0.84), (0.28, 1.05), (0.0, 1.09))
_CUP = ((0.0, 0.03), (0.2, 0.1), (0.44, 0.26), (0.6, 0.5), (0.57, 0.8), (0.33, 1.05), (0.0, 1.1))
_SEWN = ((0.0, 0.09), (0.2, 0.1), (0.48, 0.21), (0.71, 0.26), (0.70, 0.52), (0.5, 0.88), (0.2, 1.05), (0.0, 1.07))
_SPONGE = ((0.0, 0.06), (0.2, 0.12), (0.46, 0.2), (0.73, 0.06), (0.74, 0.34), (0.56, 0.82), (0.24, 1.04), (0.0, 1.08))
_CLOTHS = (NAVY, RED, MUSTARD, OLIVE, LILAC, TEAL, ROSE, SAND, BRICK, WHITE, BLACK)

MASK_KINDS: dict[str, Design] = {
    "surgical": Design(_RECTANGLE, (SKY, SKY, WHITE, MINT, ROSE, LILAC), "pleats"),
    "surgical_black": Design(_RECTANGLE, (BLACK, GREY, NAVY), "pleats"),
    "kf94": Design(_BOAT, (WHITE, WHITE, BLACK, GREY, SAND), "panels"),
    "n95": Design(_CUP, (WHITE, WHITE, SAND, SKY), "dome", head_straps=True),
    "cloth": Design(_SEWN, (*_CLOTHS, BEIGE), "seam"),
    "patterned": Design(_SEWN, _CLOTHS, "seam", ("dots", "stripes", "checks", "flowers")),
    "sponge": Design(_SPONGE, (BLACK, GREY, SAND, BEIGE, ROSE, TEAL), "smooth"),
}


def check_kinds(names: Sequence[str]) -> str | None:
    """What is wrong with a list of kinds of mask, or None."""
    for name in names:
        if name not in MASK_KINDS:
            near = nearest(name, list(MASK_KINDS))
            return f"no kind of mask '{name}'. " + (
                f"Did you mean '{near}'?" if near else f"Known: {', '.join(MASK_KINDS)}."
            )
    return None


@dataclass(frozen=True)
class Wear:
    """Where a mask sits: `top` and `bottom` in face units, its tilt in radians, the ear it hangs from (0 none)."""

    top: float = 0.08
    bottom: float = 1.08
    tilt: float = 0.0
    hangs: float = 0.0


# way: (share, top, bottom), the shares as seen in photos of masks worn wrongly
WRONG_WAYS: dict[str, tuple[float, float, float]] = {
    "nose_out": (0.68, 0.44, 1.13),
    "mouth_out": (0.22, 0.67, 1.22),
    "under_chin": (0.08, 0.84, 1.34),
    "one_ear": (0.02, 0.08, 1.08),
    "on_neck": (0.0, 1.04, 1.5),
}


def wear_wrongly(rng: np.random.Generator, shares_of: Mapping[str, float] | None = None) -> tuple[str, Wear]:
    """A wrong way to wear a mask, drawn with these shares or those of `WRONG_WAYS`: its name, the mask's place."""
    shares = np.array([(shares_of or {}).get(way, share) for way, (share, _, _) in WRONG_WAYS.items()])
    way = list(WRONG_WAYS)[int(rng.choice(len(shares), p=shares / shares.sum()))]
    _, top, bottom = WRONG_WAYS[way]
    slip = float(rng.uniform(-0.025, 0.05))
    return way, Wear(
        top + slip,
        bottom + slip,
        float(rng.uniform(-0.07, 0.07)),
        float(rng.choice([-1, 1])) if way == "one_ear" else 0.0,
    )


def _placed(points: Path, wear: Wear, *, width: float) -> Points:
    p = np.asarray(points, dtype=np.float64)
    if wear.hangs:  # turned by a quarter and half folded, below the ear
        y = (p[:, 0] * 0.78) + 0.66
        x = wear.hangs * (width + 0.06 - (p[:, 1] - 0.58) * 0.5)
        return np.stack([x, y], 1)
    y = wear.top + (p[:, 1] - 0.08) * (wear.bottom - wear.top)
    narrow = 1 - 0.16 * np.clip(y - 0.85, 0, 0.5) / 0.5 * (wear.top > 0.3)
    x = p[:, 0] * narrow * width / 0.735
    c, s = math.cos(wear.tilt), math.sin(wear.tilt)
    return np.stack([x * c - (y - 0.6) * s, x * s + (y - 0.6) * c + 0.6], 1)


def draw_straps(pen: Pen, design: Design, *, rgb: Rgb, wear: Wear, width: float) -> None:
    """Draws the loops round the ears, under the hair."""
    cord = mix((rgb, (250, 250, 250)), 0.6) if sum(rgb) > 300 else tint(rgb, 0.15)
    if wear.hangs:
        s = wear.hangs
        for foot in (0.16, -0.12):
            pen.stroke(
                [(s * (width + 0.1), -0.12), (s * (width + 0.15), 0.02), (s * (width + 0.06 + foot), 0.2)],
                cord,
                width=0.03,
                ends=0.9,
            )
        return
    high, low = design.half[3], design.half[-3]
    for s in (-1.0, 1.0):
        a, b = _placed([(s * high[0] * 0.99, high[1] + 0.03), (s * low[0], low[1])], wear, width=width)
        pen.stroke(
            [tuple(a), (s * (width + 0.03), (a[1] - 0.12) / 2), (s * (width + 0.09), -0.12)],
            cord,
            width=0.028,
            ends=0.9,
        )
        pen.stroke(
            [tuple(b), (s * (width + 0.0), b[1] * 0.55 + 0.06), (s * (width + 0.07), 0.18)], cord, width=0.028, ends=0.9
        )


def _pattern(
    pen: Pen, name: str, *, rgb: Rgb, area: Area, put: Callable[[Path], Points], rng: np.random.Generator
) -> None:
    if name == "plain":
        return
    layer = pen.cut(area)
    ink = tint(rgb, 0.72) if sum(rgb) < 480 else shade(rgb, 0.45)
    step = float(rng.uniform(0.13, 0.2))
    xs, ys = np.arange(-0.78, 0.8, step), np.arange(0.02, 1.2, step)
    if name in ("stripes", "checks"):
        for y in ys:
            layer.fill(put([(-0.8, y), (0.8, y), (0.8, y + step * 0.42), (-0.8, y + step * 0.42)]), ink, alpha=0.7)
    if name == "checks":
        for x in xs:
            layer.fill(put([(x, 0.0), (x + step * 0.42, 0.0), (x + step * 0.42, 1.2), (x, 1.2)]), ink, alpha=0.5)
    if name in ("dots", "flowers"):
        for k, y in enumerate(ys):
            for x in xs + (step / 2 if k % 2 else 0):
                if name == "dots":
                    layer.fill(put(oval((x, y), step * 0.24, n=14)), ink)
                    continue
                for petal in range(5):
                    a = petal * 1.2566 + k
                    layer.fill(
                        put(oval((x + 0.22 * step * math.cos(a), y + 0.22 * step * math.sin(a)), 0.17 * step, n=9)), ink
                    )
                layer.fill(put(oval((x, y), 0.12 * step, n=9)), MUSTARD)
    pen.put_back(layer, area)


def _finish(pen: Pen, design: Design, *, rgb: Rgb, area: Area, put: Callable[[Path], Points]) -> None:
    dark, pale = shade(rgb, 0.34), tint(rgb, 0.6) if sum(rgb) < 690 else (255.0, 255.0, 255.0)
    if sum(rgb) < 240:
        dark, pale = (20.0, 20.0, 24.0), (112.0, 114.0, 124.0)
    edge = mirrored(design.half)
    if design.finish == "pleats":
        for y in (0.36, 0.54, 0.72):
            row = [(-0.68, y + 0.02), (-0.35, y + 0.055), (0.0, y + 0.07), (0.35, y + 0.055), (0.68, y + 0.02)]
            pen.soft(
                put(np.vstack([curve(row), moved(curve(row), (0.0, 0.07))[::-1]])),
                dark,
                alpha=0.4,
                blur=0.02,
                clip=area,
            )
            pen.stroke(put(row), dark, width=0.02, alpha=0.7, ends=0.7)
            pen.stroke(put([(x, y - 0.022) for x, y in row]), pale, width=0.018, alpha=0.75, ends=0.7)
        pen.stroke(put([(-0.2, 0.135), (0.0, 0.11), (0.2, 0.135)]), dark, width=0.02, alpha=0.5)
    elif design.finish == "panels":
        upper = [(-0.71, 0.39), (-0.3, 0.44), (0.0, 0.42), (0.3, 0.44), (0.71, 0.39)]
        for row in (upper, [(-0.62, 0.56), (-0.3, 0.75), (0.0, 0.79), (0.3, 0.75), (0.62, 0.56)]):
            pen.stroke(put(row), dark, width=0.022, alpha=0.75, ends=0.6)
            pen.stroke(put([(x, y - 0.022) for x, y in row]), pale, width=0.018, alpha=0.8, ends=0.6)
        pen.soft(put([(-0.3, 0.78), (0.3, 0.78), (0.25, 1.1), (-0.25, 1.1)]), dark, alpha=0.32, blur=0.08, clip=area)
    elif design.finish == "dome":
        rim = [(x * 0.9, 0.58 + (y - 0.58) * 0.9) for x, y in edge.tolist()]
        pen.stroke(put(rim), dark, width=0.016, alpha=0.5, ends=0.9)
        pen.fill(put(oval((0.17, 0.66), 0.115)), dark, alpha=0.55)
        pen.fill(put(oval((0.165, 0.65), 0.095)), pale, alpha=0.9)
        pen.stroke(put([(-0.14, 0.12), (0.0, 0.085), (0.14, 0.12)]), GREY, width=0.036, alpha=0.9, ends=0.8)
    elif design.finish == "seam":
        pen.stroke(put([(0.0, 0.1), (0.035, 0.5), (0.0, 1.05)]), dark, width=0.024, alpha=0.75, ends=0.8)
        for s in (-1.0, 1.0):
            pen.stroke(
                put([(s * 0.62, 0.27), (s * 0.625, 0.45), (s * 0.55, 0.74)]), dark, width=0.02, alpha=0.6, ends=0.8
            )
    else:
        pen.stroke(put([(0.0, 0.08), (0.025, 0.5), (0.0, 1.06)]), dark, width=0.018, alpha=0.45)
    for s in (-1.0, 1.0):
        pen.soft(
            put([(s * 0.5, 0.2), (s * 0.8, 0.2), (s * 0.75, 0.7), (s * 0.4, 1.1), (s * 0.38, 0.95), (s * 0.55, 0.65)]),
            dark,
            alpha=0.55,
            blur=0.09,
            clip=area,
        )
    pen.soft(put([(-0.3, 0.93), (0.3, 0.93), (0.4, 1.2), (-0.4, 1.2)]), dark, alpha=0.5, blur=0.07, clip=area)
    pen.soft(put(oval((-0.1, 0.4), (0.2, 0.15))), pale, alpha=0.5, blur=0.12, clip=area)
    for s in (-1.0, 1.0):
        pen.stroke(put([(s * 0.42, 0.3), (s * 0.52, 0.38), (s * 0.56, 0.5)]), dark, width=0.018, alpha=0.35)


def draw_mask(pen: Pen, kind: str, *, rgb: Rgb, wear: Wear, width: float, rng: np.random.Generator) -> None:
    """Draws one mask of a kind of `MASK_KINDS` on a face `width` units wide (half), with its shadow on the skin."""
    design = MASK_KINDS[kind]
    worn = pen.seen(depth=0.0 if wear.hangs else 0.10 if wear.top < 0.6 else 0.0)

    def put(points: Path) -> Points:
        return _placed(points, wear, width=width)

    body = put(mirrored(design.half))
    worn.soft(moved(body, (0.0, 0.03)), (60, 30, 26), alpha=0.34, blur=0.05)
    worn.fill(body, rgb)
    area = worn.area(body)
    _pattern(worn, design.patterns[int(rng.integers(len(design.patterns)))], rgb=rgb, area=area, put=put, rng=rng)
    _finish(worn, design, rgb=rgb, area=area, put=put)
    if design.head_straps and not wear.hangs:
        for s in (-1.0, 1.0):
            a, b = put([(s * 0.54, 0.4), (s * 0.56, 0.72)])
            for end, y in ((a, -0.42), (b, 0.34)):
                pen.stroke(
                    [tuple(end), (s * (width - 0.06), (end[1] + y) / 2), (s * (width + 0.07), y)],
                    SAND,
                    width=0.034,
                    ends=0.9,
                )


def choose_mask(rng: np.random.Generator, kinds: Sequence[str] = tuple(MASK_KINDS)) -> tuple[str, Rgb]:
    """One of these kinds of mask and one of its colours, a little off."""
    kind = kinds[int(rng.integers(len(kinds)))]
    colours = MASK_KINDS[kind].colours
    rgb = colours[int(rng.integers(len(colours)))]
    r, g, b = (float(np.clip(v + rng.normal(0, 5), 20, 248)) for v in rgb)
    return kind, (r, g, b)
