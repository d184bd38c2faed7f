"""People and photos for the flow: small noise in the original layout, so that hundreds cost nothing."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from tests.data.photos import SEVEN, write_eval, write_train

MASKS = dict.fromkeys(SEVEN[:5], "worn") | {"incorrect_mask": "incorrect", "normal": "not_worn"}
KNOWN = "000020_female_Asian_50"  # a folder of the original dataset in which an error is known
AGES = (19, 24, 28, 33, 45, 58, 62, 70)  # years; two of eight are 60 or more


class World(NamedTuple):
    """Labelled photos to train on, and photos of other people with their answers kept apart."""

    train_dir: Path
    eval_dir: Path
    truth_path: Path
    gt_path: Path
    unread: tuple[str, ...]


def folder_name(number: int) -> str:
    """The folder of one person in the original layout."""
    return f"{number:06d}_{('male', 'female')[number % 2]}_Asian_{AGES[number % len(AGES)]}"


def write_world(root: Path, *, n_train: int, n_eval: int, n_unread: int = 0) -> World:
    """Writes `n_train` and `n_eval` people of seven photos each; the first eval photos cannot be read."""
    write_train(root / "train", [folder_name(i) for i in range(n_train)])
    rows = []
    for person in range(n_eval):
        age, gender = AGES[person % len(AGES)], ("male", "female")[person % 2]
        for i, stem in enumerate(SEVEN):
            joint = (
                6 * ("worn", "incorrect", "not_worn").index(MASKS[stem]) + 3 * (person % 2) + (age >= 30) + (age >= 60)
            )
            rows.append(
                (f"{(31 * person + 17 * i) % 97:02d}{person:02d}{i}.jpg", MASKS[stem], gender, age, f"e{person}", joint)
            )
    rows.sort()
    write_eval(root / "eval", [row[0] for row in rows])
    _write(root / "truth.csv", ("ImageID", "mask", "gender", "age", "person_id"), [row[:5] for row in rows])
    _write(root / "gt.csv", ("ans",), [row[5:] for row in rows])
    unread = tuple(row[0] for row in rows[:n_unread])
    for i, name in enumerate(unread):
        path = root / "eval" / "images" / name
        path.write_bytes(path.read_bytes()[: 200 * (i % 2)])  # nothing at all, or cut off
    return World(root / "train", root / "eval", root / "truth.csv", root / "gt.csv", unread)


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target, lineterminator="\n").writerows([header, *rows])
