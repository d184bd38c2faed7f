"""What hides a part of a face and is no mask: scarves, cups, hands, phones, strands of hair."""

from __future__ import annotations

import numpy as np

from trifacet.pixels import masks
from trifacet.pixels.shapes import Pen, Rgb, curve, mirrored, moved, oval, shade, tint

# Clothes, scarves and cups share the colours of masks, so that a patch of sky blue says nothing by itself.
COLOURS: tuple[Rgb, ...] = (
    masks.WHITE, masks.SKY, masks.BLACK, masks.GREY, masks.NAVY, masks.RED, masks.MUSTARD, masks.OLIVE, masks.LILAC,
    masks.ROSE, masks.SAND, masks.MINT, masks.TEAL, masks.BRICK, (92, 70, 92), (226, 140, 110), (64, 92, 84),
)  # fmt: skip


def draw_scarf(pen: Pen, rgb: Rgb, *, high: float) -> None:
    """Draws a scarf wound round the neck, its upper edge at `high`."""
    wrap = mirrored(
        [
            (0.0, high + 0.1),
            (0.38, high + 0.02),
            (0.62, high - 0.04),
            (0.72, high + 0.22),
            (0.5, high + 0.5),
            (0.0, high + 0.6),
        ]
    )
    pen.soft(moved(wrap, (0.0, 0.04)), (50, 30, 30), alpha=0.4, blur=0.07)
    pen.fill(wrap, rgb)
    pen.fill(
        curve([(0.1, high + 0.45), (0.42, high + 0.4), (0.46, high + 1.3), (0.12, high + 1.35)], closed=True),
        shade(rgb, 0.12),
    )
    for k in range(3):
        y = high + 0.17 + 0.13 * k
        pen.stroke([(-0.62, y - 0.06), (-0.1, y + 0.06), (0.6, y - 0.05)], shade(rgb, 0.45), width=0.03, alpha=0.55)


def draw_cup(pen: Pen, rgb: Rgb, *, skin: Rgb, x: float, y: float) -> None:
    """Draws a hand that holds a cup, its rim around (x, y)."""
    pen.soft(
        [(x - 0.3, y), (x + 0.3, y), (x + 0.24, y + 0.75), (x - 0.24, y + 0.75)], (50, 30, 26), alpha=0.35, blur=0.07
    )
    pen.fill([(x - 0.28, y), (x + 0.28, y), (x + 0.22, y + 0.72), (x - 0.22, y + 0.72)], rgb)
    pen.fill([(x - 0.31, y - 0.05), (x + 0.31, y - 0.05), (x + 0.29, y + 0.06), (x - 0.29, y + 0.06)], shade(rgb, 0.22))
    pen.fill(
        [(x + 0.12, y + 0.06), (x + 0.28, y + 0.06), (x + 0.22, y + 0.72), (x + 0.1, y + 0.72)],
        shade(rgb, 0.4),
        alpha=0.35,
    )
    pen.fill(
        curve(
            [
                (x + 0.1, y + 0.3),
                (x + 0.42, y + 0.25),
                (x + 0.56, y + 0.7),
                (x + 0.9, y + 1.7),
                (x + 0.3, y + 1.7),
                (x + 0.1, y + 0.8),
            ],
            closed=True,
        ),
        shade(skin, 0.16),
    )
    for k in range(4):
        f = y + 0.2 + 0.135 * k
        pen.stroke(
            [(x + 0.42, f + 0.06), (x + 0.1, f - 0.01), (x - 0.2 + 0.03 * k, f + 0.03)],
            shade(skin, 0.38),
            width=0.165,
            ends=0.75,
        )
        pen.stroke(
            [(x + 0.42, f + 0.05), (x + 0.1, f - 0.015), (x - 0.19 + 0.03 * k, f + 0.025)], skin, width=0.145, ends=0.75
        )


def draw_hand(pen: Pen, *, skin: Rgb, x: float, y: float, side: float) -> None:
    """Draws a hand before the face, its finger tips around (x, y); it comes from below, from `side` -1 or 1."""
    palm = [
        (x + side * 0.05, y + 0.3),
        (x + side * 0.5, y + 0.2),
        (x + side * 0.62, y + 0.7),
        (x + side * 0.9, y + 1.8),
        (x + side * 0.3, y + 1.8),
        (x + side * 0.08, y + 0.8),
    ]
    pen.soft(moved(curve(palm, closed=True), (0.03, 0.05)), (50, 30, 26), alpha=0.4, blur=0.07)
    pen.fill(curve(palm, closed=True), shade(skin, 0.1))
    for k in range(4):
        foot, tip = (
            (x + side * (0.42 - 0.1 * k), y + 0.42),
            (x + side * (0.3 - 0.17 * k), y - 0.16 + 0.06 * abs(k - 1.5)),
        )
        for thick, rgb in ((0.17, shade(skin, 0.4)), (0.145, skin)):
            pen.stroke([foot, ((foot[0] + tip[0]) / 2 + 0.02, (foot[1] + tip[1]) / 2), tip], rgb, width=thick, ends=0.7)
        pen.fill(oval((tip[0], tip[1] + 0.03), (0.04, 0.05)), tint(skin, 0.4), alpha=0.6)


def draw_phone(pen: Pen, rgb: Rgb, *, skin: Rgb, x: float, y: float, side: float) -> None:
    """Draws a phone held up before the face, its middle at (x, y)."""
    draw_hand(pen, skin=skin, x=x + side * 0.1, y=y + 0.15, side=side)
    body = [(x - 0.26, y - 0.5), (x + 0.26, y - 0.5), (x + 0.26, y + 0.5), (x - 0.26, y + 0.5)]
    pen.fill(body, shade(rgb, 0.5))
    pen.fill([(px * 0.92 + x * 0.08, py * 0.96 + y * 0.04) for px, py in body], rgb)
    pen.fill(oval((x - 0.15, y - 0.38), 0.05), (24, 24, 28))


BEARD = ((-0.66, 0.25), (-0.5, 0.42), (-0.24, 0.47), (0.0, 0.43), (0.24, 0.47), (0.5, 0.42), (0.66, 0.25))


def draw_beard(pen: Pen, rgb: Rgb, *, rng: np.random.Generator) -> None:
    """Draws a beard of some length over cheeks, lip and chin, the mouth left free."""
    long, thick = float(rng.uniform(1.02, 1.35)), float(rng.uniform(0.35, 0.9))
    low = [(0.6, 0.7), (0.36, 0.7 * long + 0.22), (0.0, long), (-0.36, 0.7 * long + 0.22), (-0.6, 0.7)]
    outline = curve([*BEARD, *low], closed=True)
    lip = oval((0.0, 0.56), (0.2, 0.055))
    pen.soft(outline, shade(rgb, 0.2), alpha=thick, blur=0.05)
    x, y = rng.uniform(-0.62, 0.62, 130), rng.uniform(0.34, long, 130)
    is_within = (y > 0.42 + 0.1 * np.cos(6 * x)) & (np.abs(x) < 0.68 - 0.5 * np.maximum(y - 0.7, 0)) & (y < long)
    for u, v in zip(x[is_within].tolist(), y[is_within].tolist(), strict=True):
        tone = tint(rgb, 0.25) if rng.random() < 0.4 else shade(rgb, 0.4)
        pen.stroke([(u, v), (u * 1.02, v + 0.05), (u * 1.05, v + 0.11)], tone, width=0.025, alpha=thick)
    pen.soft(lip, (150, 84, 80), alpha=0.85, blur=0.02)


def draw_strands(pen: Pen, rgb: Rgb, *, side: float, wide: float) -> None:
    """Draws hair that falls over one side of the face, `wide` units of it."""
    for k in range(9):
        x = side * (0.86 - wide * k / 9)
        bend = side * 0.06 * (k % 3 - 1)
        tone = tint(rgb, 0.16) if k % 2 else shade(rgb, 0.3)
        pen.stroke(
            [(x + side * 0.1, -0.95), (x + bend, -0.1), (x - bend, 0.9), (x + bend, 1.5)], tone, width=0.12, ends=0.6
        )
