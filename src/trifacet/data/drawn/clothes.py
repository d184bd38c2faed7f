"""What stands below and before the face: neck, clothes, a scarf, a hand with a cup."""

from __future__ import annotations

import numpy as np

from trifacet.data.drawn import face
from trifacet.data.drawn.person import Person
from trifacet.pixels.shapes import Pen, Rgb, curve, flipped, mirrored, moved, shade, tint


def draw_neck(pen: Pen, head: Pen, *, person: Person, light: float) -> None:
    """Draws the neck under the head, with the shadow of the chin and the lines of age."""
    n, skin, m = person.shape.neck, person.skin_rgb, person.marks
    top = (head.view.at([(-n, 0.5), (n, 0.5)]) - (pen.view.x_px, pen.view.y_px)) / pen.view.unit_px
    trunk = [
        tuple(top[0]),
        (-n, 1.1),
        (-n - 0.1, 1.32),
        (-0.8, 1.5),
        (-0.6, 1.9),
        (0.6, 1.9),
        (0.8, 1.5),
        (n + 0.1, 1.32),
        (n, 1.1),
        tuple(top[1]),
    ]
    pen.fill(curve(trunk), shade(skin, 0.08))
    clip = pen.area(curve(trunk))
    side = -1.0 if light > 0 else 1.0
    pen.soft(
        curve([(side * n, 0.7), (side * 0.18, 0.9), (side * 0.2, 1.5), (side * (n + 0.3), 1.5)], closed=True),
        shade(skin, 0.5),
        alpha=0.35,
        blur=0.1,
        clip=clip,
    )
    head.soft(moved(face.outline(person) * (0.9, 1.0), (0.0, 0.16)), shade(skin, 0.6), alpha=0.62, blur=0.07, clip=clip)
    for k, y in enumerate((1.13, 1.24)):
        pen.stroke(
            [(-n * 0.9, y - 0.03), (0.0, y + 0.03), (n * 0.9, y - 0.03)],
            shade(skin, 0.6),
            width=0.018,
            alpha=0.12 + 0.4 * m.neck - 0.1 * k,
        )
    for s in (-1.0, 1.0):
        pen.stroke(
            [(s * 0.14, 1.02), (s * 0.1, 1.25), (s * 0.05, 1.45)],
            shade(skin, 0.55),
            width=0.028,
            alpha=0.6 * max(m.neck - 0.25, 0),
        )


# How deep each garment is open at the neck, face units.
GARMENTS: dict[str, float] = {
    "tee": 1.5, "vneck": 1.86, "shirt": 1.62, "hoodie": 1.5, "turtleneck": 1.3, "blazer": 1.95, "sweater": 1.42,
}  # fmt: skip


def draw_garment(pen: Pen, person: Person, *, kind: str, rgb: Rgb, broad: float) -> None:
    """Draws a garment of `GARMENTS`; `broad` is half the width of the shoulders, face units."""
    n, deep, dark = person.shape.neck, GARMENTS[kind], shade(rgb, 0.45)
    low = (n * 0.45, deep - 0.26) if deep > 1.7 else (n * 0.75, deep - 0.1)
    edge = [(n + 0.1, 1.3), (n + 0.34, 1.4), (broad, 1.6), (broad + 0.2, 1.9), (broad + 0.28, 2.5), (broad + 0.3, 3.4)]
    right = curve([(0.0, deep), low, *edge, (0.0, 3.4)])
    body = np.vstack([right, flipped(right)[::-1]])
    pen.fill(body, rgb)
    clip = pen.area(body)
    for s in (-1.0, 1.0):
        sleeve = [(broad - 0.18, 1.75), (broad - 0.26, 2.4), (broad - 0.1, 3.0), (broad + 0.4, 2.4)]
        pen.soft(curve([(s * x, y) for x, y in sleeve], closed=True), dark, alpha=0.45, blur=0.12, clip=clip)
        pen.stroke(
            [(s * (broad - 0.2), 1.95), (s * (broad - 0.3), 2.3), (s * (broad - 0.26), 2.8)],
            dark,
            width=0.04,
            alpha=0.6,
        )
    pen.soft(
        mirrored([(0.0, 1.3), (n + 0.3, 1.36), (n + 0.1, 1.62), (0.0, 1.7)]), dark, alpha=0.35, blur=0.1, clip=clip
    )
    if kind in ("tee", "sweater", "vneck"):
        hem = [(-n - 0.1, 1.3), (-low[0], low[1]), (0.0, deep), low, (n + 0.1, 1.3)]
        pen.stroke(hem, shade(rgb, 0.25), width=0.075, ends=0.35)
    elif kind == "turtleneck":
        pen.fill(
            mirrored([(0.0, 1.16), (n * 0.7, 1.13), (n + 0.05, 1.05), (n + 0.12, 1.35), (0.0, 1.5)]), tint(rgb, 0.08)
        )
        pen.stroke([(-n - 0.1, 1.33), (0.0, 1.47), (n + 0.1, 1.33)], dark, width=0.03, alpha=0.7, ends=0.6)
    elif kind == "hoodie":
        _hood(pen, n, rgb=rgb)
    else:
        _collar(pen, person, kind=kind, rgb=rgb)


def _hood(pen: Pen, n: float, *, rgb: Rgb) -> None:
    for s in (-1.0, 1.0):
        half = [(0.02, 1.62), (n - 0.1, 1.3), (n + 0.2, 1.16), (n + 0.32, 1.42), (0.3, 1.72)]
        pen.fill(curve([(s * x, y) for x, y in half], closed=True), tint(rgb, 0.1))
        pen.stroke([(s * 0.16, 1.66), (s * 0.19, 1.9), (s * 0.17, 2.15)], tint(rgb, 0.7), width=0.03, ends=0.9)


def _collar(pen: Pen, person: Person, *, kind: str, rgb: Rgb) -> None:
    n = person.shape.neck
    inner = tint(rgb, 0.85) if kind == "blazer" else tint(rgb, 0.12)
    if kind == "blazer":
        pen.fill([(-n * 0.9, 1.36), (n * 0.9, 1.36), (0.0, 2.3)], inner)
        pen.fill([(-n * 0.45, 1.3), (n * 0.45, 1.3), (0.0, 1.66)], shade(person.skin_rgb, 0.12))
    for s in (-1.0, 1.0):
        tip = (s * 0.03, 1.64 if kind == "shirt" else 1.7)
        pen.fill([(s * n * 0.8, 1.22), (s * (n + 0.14), 1.3), (s * (n + 0.02), 1.66), tip], inner)
        if kind == "blazer":
            lapel = [(n + 0.1, 1.3), (n + 0.34, 1.5), (0.34, 2.05), (0.02, 2.35), (0.1, 1.95)]
            pen.fill([(s * x, y) for x, y in lapel], shade(rgb, 0.16))
    pen.stroke([(0.0, 1.66), (0.0, 2.4), (0.0, 3.4)], shade(rgb, 0.45), width=0.025, alpha=0.6, ends=0.9)
