"""Who is drawn: stable looks of a person, with cues of gender and age that overlap as they do in life.

No cue decides alone. Each age mark follows the age a person *looks*, which differs from the true age, and has a noise
of its own besides; each gender cue is a shifted bell curve. So the labels are exact and the exam is still hard.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trifacet.pixels.shapes import Rgb, mix

# Where these come from: calibrated on three drawings of 300 people (docs/log.md, drawn exam), so that a frozen face
# trunk with a small head reaches a macro F1 of .80-.95 and people of 60 and over stay the hardest age class.
AGE_NOISE_YEARS = 1.0  # how far the age a person looks lies from the true one (standard deviation)
MARK_NOISE_YEARS = 2.0  # how far each single mark (a wrinkle, grey hair) lies from the age a person looks
GENDER_PULL = 3.5  # distance of men and women in each continuous cue, in its standard deviations

AGE_RANGE = (18.0, 80.0)
# Density of ages: 45 % under 30, 43 % from 30 to 59, 12 % from 60. As in the original task, many are about 20 or 55 and
# few near 30, and there is no step at either edge.
_AGE_KNOTS = (
    (18, 5.2), (21, 5.6), (25, 3.9), (28, 1.6), (32, 0.9), (38, 1.2), (46, 1.6), (53, 2.0), (58, 1.5), (62, 0.9),
    (70, 0.65), (80, 0.15),
)  # fmt: skip

SKINS: tuple[Rgb, ...] = (
    (254, 223, 200), (250, 213, 187), (244, 200, 170), (238, 188, 152), (226, 171, 132), (210, 152, 112),
    (190, 131, 92), (166, 108, 74), (142, 88, 60), (118, 71, 50), (96, 57, 42), (80, 48, 38),
)  # fmt: skip
HAIRS: tuple[Rgb, ...] = (
    (36, 30, 33), (48, 36, 34), (70, 46, 36), (98, 66, 46), (134, 92, 60), (172, 128, 80), (208, 170, 112),
    (166, 84, 48),
)  # fmt: skip
DYES: tuple[Rgb, ...] = (
    (70, 46, 36), (120, 52, 52), (44, 34, 36), (150, 92, 54), (196, 148, 92), (216, 182, 132),
    (92, 60, 110), (206, 120, 130),
)  # fmt: skip
IRISES: tuple[Rgb, ...] = ((62, 40, 30), (84, 54, 34), (110, 76, 44), (98, 116, 84), (84, 122, 150), (104, 118, 128))
GREY: Rgb = (202, 200, 199)

# style: (share among men, share among women)
HAIR_STYLES: dict[str, tuple[float, float]] = {
    "crop": (0.26, 0.02), "side_part": (0.23, 0.02), "quiff": (0.14, 0.005), "buzz": (0.10, 0.01),
    "curls": (0.11, 0.07), "fringe": (0.08, 0.05), "bob": (0.015, 0.23), "long": (0.02, 0.22), "wavy": (0.015, 0.17),
    "bun": (0.01, 0.09), "tail": (0.005, 0.07), "headscarf": (0.0, 0.035), "beanie": (0.03, 0.01),
}  # fmt: skip
BEARDS: dict[str, float] = {"none": 0.42, "stubble": 0.24, "moustache": 0.08, "goatee": 0.10, "full": 0.16}
GLASSES: dict[str, float] = {"none": 0.78, "round": 0.08, "square": 0.09, "half": 0.05}


@dataclass(frozen=True)
class Shape:
    """Forms that stay: face units, or standard deviations around an ordinary face where no unit is named."""

    width: float  # half width of the face, units
    jaw: float
    chin: float
    cheek: float
    eye: float
    eye_gap: float
    eye_tilt: float
    fold: float  # 0 single lid .. 1 deep crease
    brow: float
    brow_arch: float
    nose: float
    nose_length: float
    lips: float
    mouth: float
    ear: float
    neck: float  # half width, units


@dataclass(frozen=True)
class Marks:
    """What the years leave behind, 0 (not there) .. about 1.2 (deep)."""

    forehead: float
    crow: float
    cheek_fold: float
    bags: float
    droop: float
    jowl: float
    neck: float
    thin_lips: float
    hollow: float
    spots: float
    grey: float
    recede: float
    thin_brows: float


@dataclass(frozen=True)
class Hair:
    """How the hair is cut and coloured; `rgb` already holds the grey."""

    style: str
    rgb: Rgb
    root_rgb: Rgb  # temples and roots, where grey shows first
    brow_rgb: Rgb
    part: float  # -1 left .. 1 right
    volume: float


@dataclass(frozen=True)
class Person:
    """One drawn person: labels known exactly, looks the same on every photo."""

    index: int
    gender: str  # male, female
    age_years: int
    skin_rgb: Rgb
    blush: float
    lip_rgb: Rgb
    iris_rgb: Rgb
    shape: Shape
    marks: Marks
    hair: Hair
    beard: str
    beard_rgb: Rgb
    glasses: str
    glasses_rgb: Rgb
    makeup: float  # 0 none .. 1 lashes, shadow and lipstick
    earrings: bool
    freckles: float
    blemishes: tuple[
        tuple[float, float, float], ...
    ]  # x, y in face units, size; freckles, moles and age spots lie here


def _age_quantile(share: float) -> float:
    ages, density = np.array(_AGE_KNOTS, dtype=np.float64).T
    grid = np.linspace(ages[0], ages[-1], 621)
    mass = np.cumsum(np.interp(grid, ages, density))
    return float(np.interp(share, (mass - mass[0]) / (mass[-1] - mass[0]), grid))


def _labels(seed: int, index: int) -> tuple[str, float]:
    # Two irrational steps fill the square evenly, so any number of people has the stated shares, whatever the seed.
    start = np.random.default_rng([seed, 77]).random(2)
    age_share = (start[0] + index * 0.7548776662466927) % 1.0
    gender_share = (start[1] + index * 0.5698402909980532) % 1.0
    return ("male" if gender_share < 0.46 else "female"), _age_quantile(float(age_share))


def _one_of(shares: dict[str, float], u: float) -> str:
    names, weights = list(shares), np.cumsum(list(shares.values()))
    return names[min(int(np.searchsorted(weights / weights[-1], u)), len(names) - 1)]


def _marks(looks_years: float, noise: np.ndarray, *, u: np.ndarray, gender: str) -> Marks:
    def rise(k: int, *, start: float, end: float, power: float = 1.0) -> float:
        years = looks_years + MARK_NOISE_YEARS * float(noise[k])
        return float(min(max((years - start) / (end - start), 0.0), 1.25) ** power)

    greying = 1 / (1 + math.exp(-(looks_years + MARK_NOISE_YEARS * float(noise[10]) - 58.5) / 3.2))
    balding = rise(11, start=24, end=76) * (float(u[1]) ** 0.8 if gender == "male" else 0.3 * float(u[1]))
    early = {"start": 27.5, "power": 0.45}  # what shows from the late twenties on and slows down later
    return Marks(
        forehead=rise(0, end=66, **early),
        crow=rise(1, end=64, **early),
        cheek_fold=rise(2, end=64, **early),
        bags=rise(3, end=66, **early),
        hollow=rise(8, end=68, **early),
        thin_lips=rise(7, start=22, end=76),
        droop=rise(4, start=42, end=72),
        jowl=rise(5, start=46, end=70),
        neck=rise(6, start=40, end=70),
        spots=rise(9, start=49, end=70) * (0.5 + 0.5 * float(u[0])),
        grey=greying,
        recede=min(balding, 1.0),
        thin_brows=rise(12, start=45, end=72),
    )


def _hair(gender: str, style_u: float, *, u: np.ndarray, z: np.ndarray, marks: Marks, skin: float) -> Hair:
    style = _one_of({name: shares[gender == "female"] for name, shares in HAIR_STYLES.items()}, style_u)
    darkest = 0.25 + 0.75 * (1 - skin) ** 1.5  # fair hair is rare on dark skin
    natural = HAIRS[min(int(u[0] ** 1.3 * darkest * len(HAIRS)), len(HAIRS) - 1)]
    dyed = u[1] < (0.12 + 0.12 * marks.grey if gender == "female" else 0.03 + 0.06 * marks.grey)
    early_grey = 0.45 if u[2] < 0.01 else 0.0
    bleached = u[3] < 0.01  # young people with silver hair exist too
    grey = max(marks.grey, early_grey)
    white = mix((GREY, (244, 242, 238)), max(grey - 0.75, 0) * 2 * u[4])
    root = mix((natural, white), grey)
    rgb = DYES[int(u[5] * len(DYES))] if dyed else mix((natural, white), grey * 0.94)
    rgb = mix((natural, (214, 212, 214)), 0.8) if bleached else rgb
    return Hair(
        style=style,
        rgb=rgb,
        root_rgb=mix((rgb, root), 0.6) if dyed else mix((rgb, white), 0.45 * grey),
        brow_rgb=mix((mix((natural, (40, 30, 28)), 0.25), GREY), 0.75 * grey),
        part=-1.0 if u[6] < 0.5 else 1.0,
        volume=float(np.clip(1 + 0.22 * z[0], 0.6, 1.5)),
    )


def _shape(z: np.ndarray, u: np.ndarray, *, sign: float, marks: Marks) -> Shape:
    pull = sign * GENDER_PULL / 2  # +: female
    return Shape(
        width=float(np.clip(0.735 + 0.022 * z[0] - 0.012 * pull, 0.66, 0.8)),
        jaw=float(z[1] - pull),
        chin=float(0.8 * z[2] - 0.6 * pull),
        cheek=float(0.7 * z[3] + 0.5 * (0.5 - marks.hollow)),
        eye=float(z[4] + pull),
        eye_gap=float(z[5]),
        eye_tilt=float(z[6]),
        fold=float(u[0]),
        brow=float(z[7] - pull),
        brow_arch=float(z[8] + pull),
        nose=float(z[9] - 0.7 * pull),
        nose_length=float(z[10]),
        lips=float(z[11] + pull),
        mouth=float(z[12]),
        ear=float(z[13]),
        neck=float(np.clip(0.43 + 0.03 * z[14] - 0.028 * pull, 0.32, 0.54)),
    )


def draw_person(seed: int, index: int = 0, *, age_years: float | None = None, gender: str | None = None) -> Person:
    """The person number `index` of drawing `seed`: the same arguments give the same person everywhere.

    `age_years` (18..80) and `gender` replace the drawn labels and nothing else, so one person can be seen growing old.
    """
    drawn_gender, drawn_age = _labels(seed, index)
    gender, years = gender or drawn_gender, drawn_age if age_years is None else float(age_years)
    if gender not in ("male", "female") or not AGE_RANGE[0] <= years <= AGE_RANGE[1]:
        raise ValueError(
            f"gender is male or female and age_years {AGE_RANGE[0]}..{AGE_RANGE[1]}, got {gender}, {years}"
        )
    rng = np.random.default_rng([seed, index, 1])
    z, u = rng.standard_normal(64), rng.random(64)
    spots = rng.random((26, 3))
    marks = _marks(years + AGE_NOISE_YEARS * float(z[0]), z[1:15], u=u[0:2], gender=gender)
    tone = float(u[2]) ** 1.35
    at = tone * (len(SKINS) - 1)
    skin = mix((SKINS[int(at)], SKINS[min(int(at) + 1, len(SKINS) - 1)]), at % 1)
    skin = (min(skin[0] + 2 * z[15], 255.0), skin[1] + 2 * z[16], skin[2] + 2.5 * z[17])
    grey_rgb = sum(skin) / 3
    skin = mix((skin, (grey_rgb * 1.05, grey_rgb, grey_rgb * 0.93)), 0.36 * marks.hollow)  # skin dulls with the years
    hair = _hair(gender, float(u[3]), u=u[4:12], z=z[18:20], marks=marks, skin=tone)
    made_up = u[12] < (0.88 if gender == "female" else 0.03)
    lips = mix(((skin[0] * 0.88, skin[1] * 0.68, skin[2] * 0.65), (196, 96, 92)), 0.2)
    lipstick = ((178, 44, 58), (204, 92, 96), (150, 52, 72), (222, 118, 110))[int(u[13] * 4)]
    makeup = float(0.35 + 0.65 * u[14]) if made_up else 0.0
    beard = _one_of(BEARDS, float(u[15])) if gender == "male" else "none"
    return Person(
        index=index,
        gender=gender,
        age_years=int(years),
        skin_rgb=skin,
        blush=float(np.clip((0.45 + 0.3 * u[16]) * (1 - 0.8 * marks.hollow) + 0.3 * makeup, 0, 1)),
        lip_rgb=mix((lips, lipstick), 0.75 * makeup),
        iris_rgb=IRISES[int(u[17] ** (1 + 1.5 * tone) * len(IRISES))],
        shape=_shape(z[20:35], u[18:19], sign=1.0 if gender == "female" else -1.0, marks=marks),
        marks=marks,
        hair=hair,
        beard=beard,
        beard_rgb=mix((mix((hair.brow_rgb, (44, 32, 28)), 0.2), GREY), 0.5 * marks.grey),
        glasses=_one_of(GLASSES, float(u[19])),
        glasses_rgb=((46, 40, 44), (120, 74, 48), (160, 60, 56), (196, 164, 104), (60, 84, 110))[int(u[20] * 5)],
        makeup=makeup,
        earrings=bool(u[21] < (0.4 if gender == "female" else 0.06)),
        freckles=float(u[22]) if u[23] < 0.22 and tone < 0.45 else 0.0,
        blemishes=tuple((1.1 * a - 0.55, 0.95 * b - 0.62, 0.4 + c) for a, b, c in spots.tolist()),
    )
