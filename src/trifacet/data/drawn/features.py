"""What a face looks out with: eyes, brows, nose, mouth, and what may stand before them: beard and glasses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trifacet.data.drawn.face import EYE_Y
from trifacet.data.drawn.person import Person
from trifacet.pixels.shapes import (
    Area,
    Path,
    Pen,
    Points,
    band,
    curve,
    lens,
    mirrored,
    mix,
    moved,
    oval,
    shade,
    tint,
)

BROW_Y, NOSE_Y, MOUTH_Y = -0.27, 0.30, 0.545


@dataclass(frozen=True)
class Look:
    """What a face does on one photo."""

    smile: float  # 0 calm .. 1 broad
    teeth: bool
    gaze_x: float  # -1 left .. 1 right
    gaze_y: float
    raised: float  # brows, 0..1
    lids: float  # how far the upper lids hang, 0..1


def _between(points: Points, upper: Points, *, lower: Points) -> Points:
    top = np.interp(points[:, 0], upper[:, 0], upper[:, 1])
    low = np.interp(points[:, 0], lower[:, 0], lower[:, 1])
    return np.stack([np.clip(points[:, 0], upper[0, 0], upper[-1, 0]), np.clip(points[:, 1], top, low)], 1)


def _eye(pen: Pen, person: Person, *, look: Look, side: float) -> None:
    s, m = person.shape, person.marks
    middle, wide = 0.335 + 0.012 * s.eye_gap, 0.16 + 0.006 * s.eye
    droop = min(m.droop, 1.2)
    tall = (0.106 + 0.008 * s.eye) * (1 - 0.1 * m.hollow) * (1 - 0.28 * droop - 0.5 * look.lids - 0.14 * look.smile)
    tilt = 0.016 * s.eye_tilt + 0.006 - 0.02 * droop  # +: the outer corner stands higher
    inner, outer = (-wide, 0.012 + 0.5 * tilt), (wide, 0.012 - tilt)

    def place(points: Path) -> Points:
        drawn = np.asarray(points, dtype=np.float64)  # as the eye on the right, outwards is +
        return np.stack([side * (middle + drawn[:, 0]), EYE_Y + drawn[:, 1]], 1)

    lid = [inner, (-wide * 0.5, -tall * 0.82), (0.0, -tall), (wide * 0.6, -tall * (0.74 - 0.25 * droop)), outer]
    low = [inner, (-wide * 0.4, tall * 0.62), (wide * 0.3, tall * 0.66), outer]
    upper, lower = curve(lid), curve(low)
    pen.fill(place(np.vstack([upper, lower[::-1]])), mix(((252, 249, 246), (236, 222, 204)), 0.7 * m.bags))
    x, y = side * 0.03 * look.gaze_x, -0.012 + 0.012 * look.gaze_y
    radius = 0.087 + 0.003 * s.eye
    for r, rgb in (
        (radius, shade(person.iris_rgb, 0.5)),
        (radius * 0.84, person.iris_rgb),
        (radius * 0.45, (24.0, 18.0, 18.0)),
    ):
        pen.fill(place(_between(oval((x, y), r), upper, lower=lower)), rgb)
    pen.fill(
        place(np.vstack([upper, moved(upper[::-1], (0.0, 0.028))])), (70, 48, 46), alpha=0.3
    )  # the lid's shadow on the eye
    pen.fill(place(_between(oval((x - side * 0.026, y - 0.03), 0.021, n=12), upper, lower=lower)), (255, 255, 255))
    ink = mix((shade(person.skin_rgb, 0.85), (30, 20, 20)), 0.5 + 0.5 * person.makeup)
    pen.fill(place(lens(lid, 0.03 + 0.022 * person.makeup, start=0.3, end=0.5)), ink)
    pen.fill(place(lens(low, 0.013)), shade(person.skin_rgb, 0.6), alpha=0.7)
    if person.makeup:
        lash = [(wide * 0.7, -tall * 0.6), (wide * 1.1, -0.025 - tilt), (wide * 1.32, -0.07 - tilt)]
        pen.fill(place(lens(lash, 0.034)), ink, alpha=person.makeup)
    sink = 0.05 * droop
    crease = [
        (-wide * 0.85, -0.03),
        (-wide * 0.2, -tall - 0.045),
        (wide * 0.5, -tall - 0.03 + 0.4 * sink),
        (wide * 1.08, -0.03 + sink),
    ]
    ridge = 0.3 + 0.35 * s.fold + 0.25 * droop
    pen.fill(place(lens(crease, 0.015 + 0.012 * droop)), shade(person.skin_rgb, 0.58), alpha=ridge)


def draw_eyes(pen: Pen, person: Person, *, look: Look, clip: Area) -> None:
    """Draws eyes and brows, with the shadow of the sockets and of make-up."""
    s, m = person.shape, person.marks
    thick = max(0.066 + 0.018 * s.brow, 0.03) * (1 - 0.3 * m.thin_brows)
    lift = -0.05 * look.raised + 0.025 * m.droop
    arch = 0.055 + 0.012 * s.brow_arch
    for side in (-1.0, 1.0):
        socket = oval((side * 0.335, EYE_Y - 0.1), (0.19, 0.075))
        pen.soft(
            socket,
            mix((shade(person.skin_rgb, 0.35), (150, 84, 100)), 0.5 * person.makeup),
            alpha=0.3 + 0.25 * person.makeup,
            blur=0.05,
            clip=clip,
        )
        _eye(pen, person, look=look, side=side)
        y = BROW_Y + lift
        brow = [
            (side * 0.155, y - 0.005),
            (side * 0.27, y - arch * 0.8),
            (side * 0.42, y - arch),
            (side * 0.565, y + 0.015 + 0.03 * m.droop),
        ]
        pen.fill(lens(brow, thick, start=0.75, end=0.1), person.hair.brow_rgb, alpha=0.92 - 0.4 * min(m.thin_brows, 1))


def draw_nose(pen: Pen, person: Person, *, light: float, clip: Area) -> None:
    """Draws the nose: a shaded side, a lit tip, nostrils."""
    s, skin = person.shape, person.skin_rgb
    wide, y = (
        0.135 + 0.013 * s.nose + 0.012 * person.marks.jowl,
        NOSE_Y + 0.018 * s.nose_length + 0.015 * person.marks.jowl,
    )
    nose, side = pen.seen(depth=0.16), -1.0 if light > 0 else 1.0
    flank = [
        (side * 0.05, -0.2),
        (side * 0.085, 0.0),
        (side * wide * 1.1, y - 0.08),
        (side * wide, y),
        (side * 0.03, y),
        (side * 0.04, 0.0),
    ]
    nose.soft(curve(flank, closed=True), shade(skin, 0.5), alpha=0.42, blur=0.035, clip=clip)
    nose.soft(oval((0.0, y + 0.04), (wide * 0.9, 0.035)), shade(skin, 0.5), alpha=0.5, blur=0.035, clip=clip)
    nose.soft(oval((-side * 0.015, y - 0.32), (0.028, 0.2)), tint(skin, 0.7), alpha=0.42, blur=0.04, clip=clip)
    nose.soft(oval((-side * 0.025, y - 0.065), (0.055, 0.045)), tint(skin, 0.75), alpha=0.6, blur=0.03, clip=clip)
    line = shade(skin, 0.62)
    for s_ in (-1.0, 1.0):
        nose.stroke(
            [(s_ * (wide - 0.02), y - 0.085), (s_ * (wide + 0.008), y - 0.03), (s_ * (wide - 0.03), y + 0.012)],
            line,
            width=0.02,
            alpha=0.6,
        )
        nose.fill(
            lens([(s_ * 0.035, y + 0.018), (s_ * 0.07, y - 0.005), (s_ * (wide - 0.03), y + 0.012)], 0.03),
            shade(skin, 0.85),
            alpha=0.75,
        )
    nose.stroke([(-0.045, y + 0.02), (0.0, y + 0.035), (0.045, y + 0.02)], line, width=0.016, alpha=0.6)


def draw_mouth(pen: Pen, person: Person, *, look: Look, clip: Area) -> None:
    """Draws the lips, parted over a row of teeth where the person laughs."""
    s, m, lip = person.shape, person.marks, person.lip_rgb
    wide = 0.235 + 0.012 * s.mouth + 0.05 * look.smile
    full = max(1 + 0.15 * s.lips, 0.5) * (1 - 0.34 * min(m.thin_lips, 1.2))
    y, up = (
        MOUTH_Y,
        0.012 + 0.08 * look.smile - 0.022 * m.jowl,
    )  # how far the corners stand above (or hang below) the middle
    gap = 0.075 * look.smile if look.teeth else 0.0
    corner = (wide, y - up)
    seam = [(-wide, y - up), (-wide * 0.5, y - up * 0.3), (0.0, y), (wide * 0.5, y - up * 0.3), corner]
    below = [
        (-wide, y - up),
        (-wide * 0.5, y - up * 0.3 + gap * 0.8),
        (0.0, y + gap),
        (wide * 0.5, y - up * 0.3 + gap * 0.8),
        corner,
    ]
    bow = [corner, (wide * 0.55, y - 0.05 * full - up * 0.5), (0.06, y - 0.078 * full), (0.0, y - 0.06 * full)]
    top = [*bow, *[(-px, py) for px, py in reversed(bow[:-1])]]
    base = [
        (-wide, y - up),
        (-wide * 0.5, y + gap + 0.07 * full - up * 0.4),
        (0.0, y + gap + 0.1 * full),
        (wide * 0.5, y + gap + 0.07 * full - up * 0.4),
        corner,
    ]
    pen.soft(
        oval((0.0, y + gap + 0.13 * full + 0.02), (wide * 0.55, 0.025)),
        shade(person.skin_rgb, 0.5),
        alpha=0.4,
        blur=0.03,
        clip=clip,
    )
    if gap > 0.01:
        pen.fill(np.vstack([curve(seam), curve(below)[::-1]]), (96, 36, 40))
        teeth = np.vstack([curve(seam), (curve(seam) * (0.98, 1) + (0, min(gap * 0.66, 0.05)))[::-1]])
        pen.fill(_between(teeth, curve(seam), lower=curve(below)), mix(((253, 250, 245), (238, 226, 200)), m.bags))
    pen.fill(np.vstack([curve(seam), curve(top)]), shade(lip, 0.14))
    pen.fill(np.vstack([curve(below), curve(base)[::-1]]), lip)
    pen.soft(oval((0.02, y + gap + 0.052 * full), (wide * 0.3, 0.014)), tint(lip, 0.6), alpha=0.5, blur=0.02, clip=clip)
    pen.stroke(seam, shade(lip, 0.75), width=0.02, alpha=0.85)
    for side in (-1.0, 1.0):
        pen.stroke(
            [
                (side * (wide - 0.01), y - up - 0.02),
                (side * (wide + 0.028), y - up),
                (side * (wide + 0.02), y - up + 0.04),
            ],
            shade(person.skin_rgb, 0.6),
            width=0.018,
            alpha=0.5,
        )


_FULL = [
    (0.0, 0.40), (0.16, 0.41), (0.3, 0.5), (0.47, 0.48), (0.63, 0.28), (0.735, -0.02), (0.74, 0.36), (0.6, 0.82),
    (0.3, 1.09), (0.0, 1.14),
]  # fmt: skip
_MOUSTACHE = [(0.0, 0.43), (0.12, 0.40), (0.24, 0.46), (0.34, 0.6), (0.27, 0.6), (0.14, 0.52), (0.0, 0.505)]
_CHIN = [(0.0, 0.73), (0.13, 0.7), (0.24, 0.62), (0.3, 0.64), (0.27, 0.86), (0.15, 1.06), (0.0, 1.08)]
BEARD_AREAS: dict[str, Sequence[Sequence[tuple[float, float]]]] = {
    "none": (),
    "stubble": (_FULL,),
    "moustache": (_MOUSTACHE,),
    "goatee": (_MOUSTACHE, _CHIN),
    "full": (_FULL,),
}


def draw_beard(pen: Pen, person: Person, *, clip: Area) -> None:
    """Draws the beard under the mouth, which is drawn after it."""
    rgb, wide = person.beard_rgb, person.shape.width / 0.735
    for area in BEARD_AREAS[person.beard]:
        shape = mirrored(area) * (wide, 1.0)
        if person.beard == "stubble":
            pen.soft(shape, mix((rgb, person.skin_rgb), 0.25), alpha=0.42, blur=0.06, clip=clip)
        else:
            pen.soft(shape, rgb, alpha=0.96, blur=0.022)
    if person.beard == "full":
        for k in range(11):
            x = (k - 5) * 0.1
            hair = [(x * 0.9, 0.8 - 0.5 * x * x), (x, 0.94 - 0.5 * x * x), (x * 0.94, 1.06 - 0.7 * x * x)]
            pen.stroke(hair, shade(rgb, 0.3) if k % 2 else tint(rgb, 0.2), width=0.018, alpha=0.4)


def draw_glasses(pen: Pen, person: Person) -> None:
    """Draws glasses with a faint reflection; they stand over a mask's upper edge."""
    if person.glasses == "none":
        return
    rim, front = person.glasses_rgb, pen.seen(depth=0.14)
    for side in (-1.0, 1.0):
        x, y = side * 0.335, EYE_Y + 0.03
        if person.glasses == "round":
            lens_outline = oval((x, y), (0.235, 0.225), n=40)
        else:
            corners = [
                (0.235, -0.13),
                (0.22, 0.1),
                (0.12, 0.185),
                (-0.1, 0.18),
                (-0.2, 0.08),
                (-0.215, -0.13),
                (0.0, -0.165),
            ]
            lens_outline = curve([(x + side * cx, y + cy) for cx, cy in corners], closed=True)
        front.fill(lens_outline, (226, 240, 246), alpha=0.08)
        front.fill(
            [(x - 0.14, y + 0.09), (x - 0.02, y - 0.13), (x + 0.03, y - 0.13), (x - 0.09, y + 0.1)],
            (255, 255, 255),
            alpha=0.08,
        )
        ring = np.vstack([lens_outline, lens_outline[:2]])
        if person.glasses == "half":
            ring = ring[ring[:, 1] < y + 0.02]
            ring = ring[np.argsort(ring[:, 0])]
        front.fill(band(ring, 0.03), rim)
        front.stroke(
            [(side * 0.555, y - 0.08), (side * 0.66, y - 0.09), (side * (person.shape.width + 0.04), y - 0.05)],
            rim,
            width=0.034,
            ends=0.9,
        )
    front.stroke([(-0.11, EYE_Y + 0.01), (0.0, EYE_Y - 0.03), (0.11, EYE_Y + 0.01)], rim, width=0.034, ends=0.9)
