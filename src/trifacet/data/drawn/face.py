"""The head of a person: outline, ears, skin with its shading, and the marks of age."""

from __future__ import annotations

import numpy as np

from trifacet.data.drawn.person import Person
from trifacet.pixels.shapes import Area, Path, Pen, Points, Rgb, curve, mirrored, mix, moved, oval, shade, tint

EYE_Y = -0.06  # where eyes stand, face units


def outline(person: Person) -> Points:
    """The closed outline of the face, from the top of the head round the chin."""
    s, sag = person.shape, person.marks.jowl
    w, jaw, full = s.width, 0.033 * s.jaw, 0.016 * s.cheek
    chin = 1.0 + 0.022 * s.chin
    return mirrored(
        [
            (0.0, -1.02),
            (0.40, -0.95),
            (w - 0.06, -0.68),
            (w, -0.30),
            (w - 0.01 + full * 0.5, 0.06),
            (w - 0.05 + full, 0.34),
            (w - 0.14 + jaw + full + 0.018 * sag, 0.62),
            (0.43 + jaw + 0.045 * sag, 0.83 + 0.012 * sag),
            (0.17 + 0.6 * jaw, chin - 0.025),
            (0.0, chin),
        ]
    )


def draw_ears(pen: Pen, person: Person) -> None:
    """Draws both ears and any earrings; the face comes over their inner half."""
    size, w = 1 + 0.07 * person.shape.ear + 0.1 * person.marks.jowl, person.shape.width
    for side in (-1.0, 1.0):
        ear = curve(
            [
                (side * (w - 0.05), -0.16),
                (side * (w + 0.09 * size), -0.2 * size),
                (side * (w + 0.13 * size), -0.03),
                (side * (w + 0.08 * size), 0.2 * size),
                (side * (w - 0.01), 0.27 * size),
                (side * (w - 0.08), 0.15),
            ],
            closed=True,
        )
        pen.fill(ear, shade(person.skin_rgb, 0.1))
        inner = [(side * (w + 0.02), -0.1), (side * (w + 0.085 * size), -0.08), (side * (w + 0.05), 0.13 * size)]
        pen.stroke(inner, shade(person.skin_rgb, 0.36), width=0.035)
        if person.earrings:
            pen.fill(oval((side * (w + 0.045), 0.29 * size), 0.04), (232, 196, 112))


def draw_skin(pen: Pen, person: Person, *, light: float) -> Area:
    """Draws the face with soft shading; returns its area, which keeps later shading on the skin.

    `light` is where light comes from, -1 left .. 1 right.
    """
    face, skin, m = outline(person), person.skin_rgb, person.marks
    pen.fill(face, skin)
    clip = pen.area(face)
    dark, pale, w = shade(skin, 0.42), tint(skin, 0.55), person.shape.width
    side = -1.0 if light > 0 else 1.0
    cheek_side = [
        (side * w * 1.1, -0.7),
        (side * w * 0.84, -0.2),
        (side * w * 0.68, 0.45),
        (side * 0.3, 0.95),
        (side * w, 1.1),
    ]
    pen.soft(curve(cheek_side, closed=True), dark, alpha=0.34, blur=0.16, clip=clip)
    pen.soft(
        mirrored([(0.0, 0.93), (0.3, 0.86), (0.5, 0.78), (0.6, 1.1), (0.0, 1.15)]),
        dark,
        alpha=0.3,
        blur=0.08,
        clip=clip,
    )
    pen.soft(
        mirrored([(0.0, -1.1), (0.5, -1.0), (0.75, -0.6), (0.55, -0.62), (0.3, -0.72), (0.0, -0.75)]),
        dark,
        alpha=0.35,
        blur=0.12,
        clip=clip,
    )
    pen.soft(oval((-side * 0.12, -0.5), (0.34, 0.16)), pale, alpha=0.5 - 0.3 * m.hollow, blur=0.16, clip=clip)
    for s in (-1.0, 1.0):
        pen.soft(
            oval((s * 0.42, 0.26), (0.17, 0.12)),
            mix((skin, (226, 92, 84)), 0.5),
            alpha=0.5 * person.blush,
            blur=0.12,
            clip=clip,
        )
        pen.soft(
            oval((s * 0.44, 0.1), (0.13, 0.06), turn=s * -0.3), pale, alpha=0.42 - 0.34 * m.hollow, blur=0.07, clip=clip
        )
        pen.soft(oval((s * 0.52, 0.47), (0.1, 0.22), turn=s * 0.45), dark, alpha=0.42 * m.hollow, blur=0.09, clip=clip)
    return clip


def draw_marks(pen: Pen, person: Person, *, clip: Area) -> None:
    """Draws what the years leave: lines, bags, jowls, spots; and freckles, which they do not."""
    m, skin = person.marks, person.skin_rgb
    _forehead(pen, person)
    for side in (-1.0, 1.0):
        _beside_eye(pen, person, side=side, clip=clip)
        _cheek(pen, person, side=side, clip=clip)
    for x, y, size in person.blemishes[: round(18 * min(m.spots, 1))]:
        pen.fill(oval((x, y), (0.019 * size + 0.007, 0.016 * size + 0.006), n=12), shade(skin, 0.5), alpha=0.34)
    for x, y, size in person.blemishes if person.freckles else ():
        dot = oval((x * 0.95, 0.16 + 0.28 * y), 0.011 * size, n=8)
        pen.fill(dot, shade(skin, 0.45), alpha=0.25 + 0.3 * person.freckles)


def _line(pen: Pen, points: Path, *, skin: Rgb, deep: float, width: float = 0.032) -> None:
    """Draws one wrinkle: fine and faint at `deep` 0.1, a shadowed furrow with a lit rim at 1."""
    if deep > 0.02:
        seen = min(0.2 + 0.7 * deep, 0.85) * min(deep / 0.12, 1.0)
        pen.stroke(moved(np.asarray(points), (0.0, 0.018)), tint(skin, 0.5), width=width, alpha=0.36 * seen)
        pen.stroke(points, shade(skin, 0.68), width=width * (0.55 + 0.55 * min(deep, 1.2)), alpha=seen)


def _forehead(pen: Pen, person: Person) -> None:
    m, skin = person.marks, person.skin_rgb
    for k, y in enumerate((-0.42, -0.51, -0.60, -0.69)):  # the lowest comes first: bangs hide the others
        reach = 0.38 - 0.05 * k
        left, right = [(-reach, y + 0.03), (-reach * 0.4, y - 0.01)], [(reach * 0.5, y - 0.012), (reach, y + 0.03)]
        _line(pen, [*left, (0.0, y + 0.012), *right], skin=skin, deep=m.forehead * 1.1 - 0.13 * k)
    for s in (-1.0, 1.0):
        _line(pen, [(s * 0.045, -0.34), (s * 0.035, -0.25), (s * 0.05, -0.17)], skin=skin, deep=1.1 * m.forehead - 0.35)


def _beside_eye(pen: Pen, person: Person, *, side: float, clip: Area) -> None:
    m, skin = person.marks, person.skin_rgb
    for k, (x, y) in enumerate(((0.69, -0.05), (0.70, -0.13), (0.68, 0.04), (0.63, 0.11))):
        bend = (side * 0.62, (y + EYE_Y) / 2)
        start = (side * (0.56 - 0.01 * k), EYE_Y + 0.25 * (y - EYE_Y))
        _line(pen, [start, bend, (side * x, y)], skin=skin, deep=1.15 * m.crow - 0.14 * k, width=0.026)
    bag = [(side * 0.18, EYE_Y + 0.1), (side * 0.33, EYE_Y + 0.2), (side * 0.5, EYE_Y + 0.1)]
    under = mix((shade(skin, 0.5), (116, 78, 104)), 0.3)
    puff = curve([*bag, (side * 0.33, EYE_Y + 0.085)], closed=True)
    pen.soft(puff, under, alpha=min(0.1 * (m.bags > 0) + 0.65 * m.bags, 0.75), blur=0.035, clip=clip)
    _line(pen, bag, skin=skin, deep=0.95 * m.bags, width=0.028)
    _line(pen, moved(np.array(bag), (0.0, 0.06)), skin=skin, deep=1.2 * m.bags - 0.5, width=0.026)
    pen.soft(oval((side * 0.66, -0.3), (0.08, 0.16)), shade(skin, 0.5), alpha=0.4 * m.hollow, blur=0.07, clip=clip)


def _cheek(pen: Pen, person: Person, *, side: float, clip: Area) -> None:
    m, skin = person.marks, person.skin_rgb
    fold = [(side * 0.17, 0.25), (side * 0.25, 0.34), (side * 0.305, 0.46), (side * (0.3 + 0.02 * m.jowl), 0.58)]
    full = curve([*fold, (side * 0.42, 0.5), (side * 0.36, 0.3)], closed=True)
    pen.soft(full, tint(skin, 0.3), alpha=0.35 * m.cheek_fold, blur=0.05, clip=clip)
    _line(pen, fold, skin=skin, deep=m.cheek_fold)
    _line(pen, [(side * 0.27, 0.64), (side * 0.3, 0.72), (side * 0.28, 0.8)], skin=skin, deep=0.9 * m.jowl)
    _line(pen, [(side * 0.44, 0.3), (side * 0.49, 0.42), (side * 0.47, 0.54)], skin=skin, deep=m.jowl - 0.5)
    pen.soft(oval((side * 0.44, 0.74), (0.13, 0.1)), shade(skin, 0.5), alpha=0.5 * m.jowl, blur=0.06, clip=clip)
    pen.soft(oval((side * 0.43, 0.66), (0.1, 0.07)), tint(skin, 0.35), alpha=0.3 * m.jowl, blur=0.06, clip=clip)
