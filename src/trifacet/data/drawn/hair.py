"""Hair and headwear: what falls behind the shoulders, and what lies over the forehead and the ears."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trifacet.data.drawn.person import Person
from trifacet.pixels.shapes import Pen, Points, Rgb, curve, lens, mirrored, mix, oval, shade, tint

_ACROSS = (-0.63, -0.43, -0.2, 0.0, 0.2, 0.43, 0.63)  # x of the hairline's knots, share of a face 0.735 wide
# Height of the hairline at those x, from the temple on the left to the one on the right (parted on the left).
HAIRLINES: dict[str, tuple[float, ...]] = {
    "even": (-0.47, -0.64, -0.70, -0.71, -0.70, -0.64, -0.47),
    "side": (-0.50, -0.70, -0.74, -0.66, -0.60, -0.54, -0.40),
    "bangs": (-0.32, -0.39, -0.42, -0.41, -0.43, -0.38, -0.30),
    "curtain": (-0.32, -0.47, -0.64, -0.78, -0.64, -0.47, -0.32),
    "up": (-0.50, -0.66, -0.73, -0.75, -0.73, -0.66, -0.50),
}
_RECEDING = (0.12, 0.30, 0.22, 0.12, 0.22, 0.30, 0.12)


@dataclass(frozen=True)
class Cut:
    """One way to wear hair: its hairline, how far it stands off the head, what falls behind, where the sides end."""

    hairline: str
    volume: float
    back: str = ""
    side_y: float = -0.05
    curly: bool = False


CUTS: dict[str, Cut] = {
    "crop": Cut("even", 0.11),
    "side_part": Cut("side", 0.15),
    "quiff": Cut("up", 0.25),
    "buzz": Cut("even", 0.05),
    "curls": Cut("even", 0.24, side_y=0.02, curly=True),
    "fringe": Cut("bangs", 0.15, side_y=0.05),
    "bob": Cut("curtain", 0.17, "bob", 0.70),
    "long": Cut("side", 0.15, "long", 1.0),
    "wavy": Cut("curtain", 0.20, "wavy", 1.0),
    "bun": Cut("up", 0.12, "bun", 0.0),
    "tail": Cut("bangs", 0.14, "tail", 0.15),
    "beanie": Cut("even", 0.10, side_y=0.05),
    "headscarf": Cut("even", 0.10),
}
_BACKS: dict[str, list[tuple[float, float]]] = {
    "bob": [(0.0, -1.16), (0.56, -1.02), (0.9, -0.55), (0.98, 0.1), (0.95, 0.6),
            (0.8, 0.98), (0.5, 1.0), (0.0, 0.9)],
    "long": [(0.0, -1.14), (0.54, -1.02), (0.88, -0.5), (0.96, 0.2), (1.0, 0.9), (1.02, 1.5),
             (0.86, 1.95), (0.4, 1.9), (0.0, 1.8)],
    "wavy": [(0.0, -1.18), (0.6, -1.04), (0.92, -0.5), (0.94, -0.1), (1.08, 0.3), (0.98, 0.7),
             (1.14, 1.1), (1.0, 1.5), (0.8, 1.8), (0.3, 1.7), (0.0, 1.6)],
}  # fmt: skip
SCARVES: tuple[Rgb, ...] = (
    (92, 120, 138),
    (176, 112, 104),
    (226, 214, 198),
    (70, 74, 96),
    (126, 140, 112),
    (58, 54, 58),
)


def _outer(person: Person) -> list[tuple[float, float]]:
    cut, w = CUTS[person.hair.style], person.shape.width
    v = cut.volume * person.hair.volume * (1 - 0.35 * person.marks.recede)
    high = [(0.0, -1.02 - v), (0.37, -0.95 - 0.92 * v), (w * 0.89 + 0.32 * v, -0.68 - 0.6 * v)]
    return [*high, (w + 0.03 + 0.42 * v, -0.33), (w + 0.03, cut.side_y)]


def _inner(person: Person) -> list[tuple[float, float]]:
    cut, lift = CUTS[person.hair.style], person.marks.recede
    lift *= 0.55 if cut.hairline == "bangs" else 1.0
    heights = HAIRLINES[cut.hairline] if person.hair.part < 0 else HAIRLINES[cut.hairline][::-1]
    wide = person.shape.width / 0.735
    return [(x * wide, y - lift * r) for x, y, r in zip(_ACROSS, heights, _RECEDING, strict=True)]


def _bald(person: Person) -> bool:
    return (
        person.marks.recede > 0.62
        and CUTS[person.hair.style].back == ""
        and person.hair.style not in ("beanie", "headscarf")
    )


def draw_back_hair(pen: Pen, person: Person) -> None:
    """Draws what hangs behind neck and shoulders."""
    hair, cut = person.hair, CUTS[person.hair.style]
    dark = shade(hair.rgb, 0.3)
    if cut.back in _BACKS:
        size = 0.9 + 0.1 * hair.volume
        pen.fill(mirrored([(x * size, y) for x, y in _BACKS[cut.back]]), dark)
        low = cut.side_y * (1.1 if cut.back == "bob" else 1.5)
        for k in range(7):
            x = 0.26 * (k - 3)
            pen.stroke([(x * 0.9, -0.2), (x * 1.06, low / 2), (x, low)], shade(hair.rgb, 0.55), width=0.03, alpha=0.4)
    elif cut.back == "bun":
        pen.fill(oval((0.06 * hair.part, -1.26), (0.31 * hair.volume**0.5, 0.27 * hair.volume**0.5)), dark)
        pen.stroke([(-0.16, -1.3), (0.05, -1.42), (0.24, -1.28)], tint(hair.rgb, 0.18), width=0.05, alpha=0.6)
    elif cut.back == "tail":
        s = hair.part
        pen.fill(
            lens([(s * 0.5, -0.75), (s * 1.0, -0.5), (s * 1.12, 0.3), (s * 0.95, 1.1)], 0.42, start=0.4, end=0.0), dark
        )


def _cap(person: Person) -> Points:
    cut, w = CUTS[person.hair.style], person.shape.width
    end = cut.side_y if cut.back in ("", "bun") else 0.1
    sideburn = [(w - 0.085, min(end, -0.06) - 0.12), (w - 0.02, end)]
    right = [*_outer(person)[:-1], (w + 0.025, end)]
    rim = [*[(-x, y) for x, y in reversed(right[1:])], *right]
    line = [*reversed(sideburn), *reversed(_inner(person)), *[(-x, y) for x, y in sideburn]]
    return np.vstack([curve(rim), curve(line)])


def _tips(pen: Pen, person: Person) -> None:
    """Draws the ends of single locks along the hairline, so that no edge looks cut with a ruler."""
    hair, cut = person.hair, CUTS[person.hair.style]
    line = curve(_inner(person))
    line = line[np.abs(line[:, 0]) < 0.5]
    full = cut.hairline in ("bangs", "side")
    n = 9 if full else 15
    for k in range(n):
        x, y = line[int((k + 0.5) / n * (len(line) - 1))].tolist()
        lean = (0.10 * hair.part if cut.hairline == "side" else 0.03 * (-1) ** k) - 0.06 * x
        reach = (0.045 + 0.03 * math.sin(k * 2.7)) * (1.0 if full else 0.5)
        lock = [(0.94 * x - 2 * lean, y - 0.2), (x - 0.4 * lean, y - 0.05), (x + 0.4 * lean, y + reach)]
        tone = tint(hair.rgb, 0.1) if k % 2 else shade(hair.rgb, 0.12)
        pen.fill(lens(lock, 0.15 if full else 0.06, start=0.25), tone, alpha=1.0 if full else 0.75)


def _ring(pen: Pen, person: Person) -> None:
    w = person.shape.width
    for side in (-1.0, 1.0):
        tuft = [
            (w - 0.12, -0.72),
            (w + 0.02, -0.6),
            (w + 0.09, -0.3),
            (w + 0.04, 0.0),
            (w - 0.03, 0.0),
            (w - 0.07, -0.25),
            (w - 0.12, -0.45),
        ]
        pen.soft(curve([(side * x, y) for x, y in tuft], closed=True), person.hair.root_rgb, alpha=0.95, blur=0.025)
    shine = tint(person.skin_rgb, 0.8)
    pen.soft(oval((-0.15 * person.hair.part, -0.82), (0.2, 0.07)), shine, alpha=0.5, blur=0.07)


def _locks(pen: Pen, person: Person) -> None:
    cut, w, rgb = CUTS[person.hair.style], person.shape.width, person.hair.rgb
    wave = 0.07 if cut.back == "wavy" else 0.0
    for side in (-1.0, 1.0):
        out = [(w - 0.1, -0.66), (w + 0.13, -0.42), (w + 0.17, 0.1), (w + 0.2 + wave, 0.5), (w + 0.1, cut.side_y)]
        back = [(w - 0.04, cut.side_y * 0.92), (w - 0.02 + wave, 0.5), (w - 0.07, 0.1), (w - 0.08, -0.3)]
        pen.fill(curve([(side * x, y) for x, y in [*out, *back]], closed=True), rgb)
        pen.stroke(
            [(side * (w + 0.06), -0.4), (side * (w + 0.08), 0.1), (side * (w + 0.07), cut.side_y * 0.8)],
            tint(rgb, 0.2),
            width=0.03,
            alpha=0.6,
        )


def _strands(pen: Pen, person: Person, *, cap: Points) -> None:
    hair, cut, w = person.hair, CUTS[person.hair.style], person.shape.width
    clip = pen.area(cap)
    top = -1.02 - cut.volume * hair.volume
    for k in range(46 if cut.curly else 0):
        out = (k * 0.618034) % 1  # spread evenly over the cap
        a, r = math.pi * (0.02 + 0.96 * (k * 0.754878 % 1)), 0.5 + 0.42 * out
        x, y = (w + 0.1) * (r + 0.1) * math.cos(a), -0.36 - (0.84 + cut.volume) * r * math.sin(a)
        curl = [(x - 0.055, y + 0.03), (x, y - 0.035), (x + 0.055, y + 0.03)]
        if y < -0.68 or abs(x) > w - 0.06:
            tone = tint(hair.rgb, 0.22) if k % 2 else shade(hair.rgb, 0.35)
            pen.stroke(curl, tone, width=0.028, alpha=0.5)
    for side in (-1.0, 1.0):
        pen.soft(oval((side * (w + 0.0), -0.38), (0.09, 0.32)), hair.root_rgb, alpha=0.9, blur=0.07, clip=clip)
    pen.soft(
        mirrored([(0.0, -0.80), (0.4, -0.72), (w, -0.4), (w, -0.2), (0.5, -0.5), (0.0, -0.62)]),
        shade(hair.rgb, 0.5),
        alpha=0.35,
        blur=0.07,
        clip=clip,
    )
    band = curve(
        [
            (-0.5, top + 0.34),
            (-0.3, top + 0.16),
            (0.1, top + 0.1),
            (0.45, top + 0.26),
            (0.2, top + 0.2),
            (-0.2, top + 0.25),
        ],
        closed=True,
    )
    pen.soft(band, tint(hair.rgb, 0.6), alpha=0.55 - 0.45 * sum(hair.rgb) / 765, blur=0.05, clip=clip)
    if person.hair.style == "buzz" or cut.curly:
        return
    layer = pen.cut(clip)
    start = hair.part * (-0.28 if cut.hairline == "side" else 0.0)
    for k in range(13):
        x = (k - 6) * 0.125
        crown = [(start + 0.25 * (x - start), top + 0.04), (start + 0.8 * (x - start), top + 0.2)]
        rgb = tint(hair.rgb, 0.3) if k % 3 == 0 else shade(hair.rgb, 0.4)
        grey = mix((rgb, (214, 212, 210)), 0.9) if k % 2 and person.marks.grey > 0.25 else rgb
        layer.stroke([*crown, (x * 1.04, -0.62 + 0.5 * x * x)], grey, width=0.024, alpha=0.38)
    pen.put_back(layer, clip)


def _beanie(pen: Pen, person: Person) -> None:
    w, rgb = person.shape.width, SCARVES[int(person.hair.volume * 97) % len(SCARVES)]
    pen.fill(mirrored([(0.0, -1.3), (0.42, -1.2), (w + 0.03, -0.8), (w + 0.07, -0.46), (0.4, -0.5), (0.0, -0.52)]), rgb)
    pen.fill(
        mirrored([(0.0, -0.72), (0.4, -0.7), (w + 0.06, -0.62), (w + 0.09, -0.38), (0.4, -0.46), (0.0, -0.48)]),
        shade(rgb, 0.2),
    )
    for k in range(11):
        x = (k - 5) * 0.15
        pen.stroke(
            [(x, -0.7 + 0.06 * abs(x)), (x * 1.02, -0.47 + 0.08 * abs(x))],
            shade(rgb, 0.45),
            width=0.018,
            alpha=0.7,
            ends=0.6,
        )


def _headscarf(pen: Pen, person: Person) -> None:
    w, rgb = person.shape.width, SCARVES[int(person.hair.volume * 97) % len(SCARVES)]
    rim = mirrored(
        [(0.0, -1.16), (0.5, -1.04), (w + 0.1, -0.62), (w + 0.16, 0.1), (w + 0.08, 0.75), (0.6, 1.2), (0.0, 1.42)]
    )
    hole = mirrored(
        [(0.0, -0.66), (0.36, -0.62), (w - 0.1, -0.36), (w - 0.03, 0.1), (w - 0.1, 0.55), (0.42, 0.86), (0.0, 0.985)]
    )
    pen.fill(np.vstack([rim, rim[:1], hole[:1], hole[::-1], hole[-1:]]), rgb)
    for side in (-1.0, 1.0):
        pen.stroke(
            [(side * 0.3, -1.05), (side * (w + 0.04), -0.4), (side * (w + 0.03), 0.4), (side * 0.5, 1.0)],
            shade(rgb, 0.4),
            width=0.05,
            alpha=0.4,
        )
    pen.stroke([(-0.62, 0.95), (-0.1, 1.18), (0.5, 1.1)], shade(rgb, 0.5), width=0.04, alpha=0.5)


def draw_front_hair(pen: Pen, person: Person) -> None:
    """Draws hair or headwear over the forehead, the ears' straps and the temples."""
    style = person.hair.style
    if style == "headscarf":
        _headscarf(pen, person)
        return
    if _bald(person):
        _ring(pen, person)
        return
    cut, cap = CUTS[style], _cap(person)
    if cut.curly:
        rim = _outer(person)
        around = curve([*[(-x, y) for x, y in reversed(rim[1:])], *rim])[::2]
        for k, (x, y) in enumerate(around.tolist()):
            pen.fill(oval((x * 0.95, y + 0.05), 0.12 + 0.025 * math.sin(k * 2.1), n=14), person.hair.rgb)
        for k, (x, y) in enumerate(curve(_inner(person))[::2].tolist()):
            pen.fill(oval((x, y - 0.02), 0.065 + 0.02 * math.sin(k * 2.3), n=12), person.hair.rgb)
    pen.fill(cap, person.hair.rgb, alpha=0.82 if style == "buzz" else 1.0)
    if style not in ("buzz", "beanie") and not cut.curly:
        _tips(pen, person)
    _strands(pen, person, cap=cap)
    if cut.back in ("bob", "long", "wavy"):
        _locks(pen, person)
    if style == "beanie":
        _beanie(pen, person)
