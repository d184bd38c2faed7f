"""The head of a person: outline, ears, skin with its shading, and the marks of age."""

from __future__ import annotations

from PIL import Image

from trifacet.data.drawn.person import Person
from trifacet.data.drawn.shapes import Pen, Points, curve, mirrored, mix, oval, shade, tint

EYE_Y = -0.06  # where eyes stand, face units


def outline(person: Person) -> Points:
    """The closed outline of the face, from the top of the head round the chin."""
    s, sag = person.shape, person.marks.jowl
    w, jaw, full = s.width, 0.028 * s.jaw, 0.016 * s.cheek
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


def draw_skin(pen: Pen, person: Person, *, light: float) -> Image.Image:
    """Draws the face with soft shading; returns its stencil (mode L), which keeps later shading on the skin.

    `light` is where light comes from, -1 left .. 1 right.
    """
    face, skin, m = outline(person), person.skin_rgb, person.marks
    pen.fill(face, skin)
    clip = pen.stencil(face)
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
    pen.soft(oval((-side * 0.12, -0.5), (0.34, 0.16)), pale, alpha=0.4, blur=0.16, clip=clip)
    for s in (-1.0, 1.0):
        pen.soft(
            oval((s * 0.42, 0.26), (0.17, 0.12)),
            mix((skin, (226, 92, 84)), 0.5),
            alpha=0.5 * person.blush,
            blur=0.12,
            clip=clip,
        )
        pen.soft(
            oval((s * 0.44, 0.1), (0.13, 0.06), turn=s * -0.3), pale, alpha=0.3 - 0.12 * m.hollow, blur=0.07, clip=clip
        )
        pen.soft(oval((s * 0.52, 0.47), (0.1, 0.22), turn=s * 0.45), dark, alpha=0.42 * m.hollow, blur=0.09, clip=clip)
    return clip


def draw_marks(pen: Pen, person: Person, *, clip: Image.Image) -> None:
    """Draws what the years leave: lines, bags, jowls, spots; and freckles, which they do not."""
    m, skin = person.marks, person.skin_rgb
    line, dark = shade(skin, 0.62), shade(skin, 0.5)
    for k, y in enumerate((-0.64, -0.54, -0.45)):
        reach, deep = 0.36 - 0.05 * k, m.forehead * (1.0 - 0.12 * k) - 0.12 * k
        row = [
            (-reach, y + 0.03),
            (-reach * 0.4, y - 0.01),
            (0.0, y + 0.012),
            (reach * 0.5, y - 0.012),
            (reach, y + 0.03),
        ]
        pen.stroke(row, line, width=0.013 + 0.017 * max(deep, 0), alpha=min(0.75 * max(deep, 0.0), 0.7))
    if m.forehead > 0.45:
        for s in (-1.0, 1.0):
            pen.stroke(
                [(s * 0.045, -0.34), (s * 0.035, -0.25), (s * 0.05, -0.19)],
                line,
                width=0.02,
                alpha=0.7 * (m.forehead - 0.3),
            )
    for s in (-1.0, 1.0):
        for k, (x, y) in enumerate(((0.70, -0.14), (0.715, -0.05), (0.69, 0.04))):
            start = (s * 0.575, EYE_Y + 0.02 * (k - 1))
            pen.stroke([start, (s * 0.62, (y + EYE_Y) / 2), (s * x * 0.985, y)], line, width=0.02, alpha=0.75 * m.crow)
        fold = [(s * 0.17, 0.25), (s * 0.25, 0.34), (s * 0.305, 0.46), (s * (0.3 + 0.02 * m.jowl), 0.58)]
        pen.soft(
            curve([*fold, (s * 0.42, 0.5), (s * 0.36, 0.3)], closed=True),
            tint(skin, 0.3),
            alpha=0.35 * m.cheek_fold,
            blur=0.05,
            clip=clip,
        )
        pen.stroke(fold, line, width=0.012 + 0.02 * m.cheek_fold, alpha=min(0.72 * m.cheek_fold, 0.75))
        bag = [(s * 0.19, EYE_Y + 0.1), (s * 0.33, EYE_Y + 0.185), (s * 0.49, EYE_Y + 0.1)]
        under = mix((dark, (120, 84, 110)), 0.25)
        pen.soft(
            curve([*bag, (s * 0.33, EYE_Y + 0.09)], closed=True), under, alpha=0.55 * m.bags, blur=0.035, clip=clip
        )
        pen.stroke(bag, line, width=0.018, alpha=0.62 * m.bags)
        if m.bags > 0.6:
            pen.stroke([(x, y + 0.055) for x, y in bag], line, width=0.016, alpha=0.8 * (m.bags - 0.5))
        pen.stroke([(s * 0.27, 0.64), (s * 0.3, 0.72), (s * 0.28, 0.8)], line, width=0.024, alpha=0.7 * m.jowl)
        pen.soft(oval((s * 0.44, 0.74), (0.13, 0.1)), dark, alpha=0.5 * m.jowl, blur=0.06, clip=clip)
        pen.soft(oval((s * 0.43, 0.66), (0.1, 0.07)), tint(skin, 0.35), alpha=0.3 * m.jowl, blur=0.06, clip=clip)
    for x, y, size in person.blemishes[: round(16 * min(m.spots, 1))]:
        pen.fill(oval((x, y), (0.017 * size + 0.006, 0.014 * size + 0.005), n=12), shade(skin, 0.5), alpha=0.3)
    if person.freckles:
        for x, y, size in person.blemishes:
            pen.fill(
                oval((x * 0.95, 0.16 + 0.28 * y), 0.011 * size, n=8),
                shade(skin, 0.45),
                alpha=0.25 + 0.3 * person.freckles,
            )
