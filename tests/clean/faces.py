"""Drawn faces with what an audit must find planted among them, and answers that doubt labels known to be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from trifacet.core.manifest import Manifest
from trifacet.core.predictions import Predictions, write_predictions
from trifacet.core.schema import MISSING
from trifacet.data.drawn import draw_dataset

SIZE_PX = (96, 128)
N_PEOPLE = 12


class Faces(NamedTuple):
    """A folder of people in the original layout, and where in it (photo ids) what was planted."""

    folder: Path
    planted: dict[str, tuple[str, ...]]


def write_faces(root: Path, *, n_people: int = N_PEOPLE) -> Path:
    """Draws people below `root`, in the original layout; the folder that `trifacet ingest` takes."""
    return draw_dataset(root, n_train_people=n_people, n_eval_people=0, size_px=SIZE_PX, workers=1).train_dir


def write_planted(root: Path) -> Faces:
    """Draws people, and spoils, copies and swaps some of their photos."""
    folder = write_faces(root)
    people = sorted(path for path in (folder / "images").iterdir())

    def photo(person: int, stem: str) -> Path:
        return people[person] / f"{stem}.jpg"

    def name(path: Path) -> str:
        return path.relative_to(folder / "images").as_posix()

    spoiled = {
        "dark": (photo(0, "mask1"), lambda image: Image.eval(image, lambda v: v // 8)),
        "bright": (photo(1, "mask1"), lambda image: Image.eval(image, lambda v: 225 + v // 9)),
        "flat": (photo(2, "mask1"), lambda image: Image.eval(image, lambda v: 110 + v // 16)),
        "blurred": (photo(3, "mask1"), lambda image: image.filter(ImageFilter.GaussianBlur(6))),
        "tiny": (photo(4, "mask1"), lambda image: image.resize((33, 44))),
    }
    for path, spoil in spoiled.values():
        with Image.open(path) as image:
            spoil(image).save(path, quality=95)
    planted = {kind: (name(path),) for kind, (path, _) in spoiled.items()}
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    with Image.open(photo(5, "mask1")) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(photo(5, "mask1"), exif=exif)
    planted["exif"] = (name(photo(5, "mask1")),)
    with Image.open(photo(6, "mask2")) as image:
        ImageOps.mirror(image).save(photo(7, "incorrect_mask"), quality=60)  # another person's, with another label
    planted["copy_other_label"] = (name(photo(6, "mask2")), name(photo(7, "incorrect_mask")))
    photo(8, "mask3").write_bytes(photo(8, "mask2").read_bytes())  # a person's own
    planted["copy_of_own"] = (name(photo(8, "mask2")), name(photo(8, "mask3")))
    photo(9, "mask4").write_bytes(photo(9, "mask4").read_bytes()[:700])
    photo(9, "mask5").write_bytes(b"<!DOCTYPE html><title>404 Not Found</title>")
    (people[9] / "notes.txt").write_text("spring")
    planted["unusable"] = tuple(name(photo(9, stem)) for stem in ("mask4", "mask5"))
    return Faces(folder, planted)


def believing(manifest: Manifest, wrong: dict[str, tuple[str, str]], *, sure: float = 0.97) -> Predictions:
    """Answers that are sure of every label, but of the photos `wrong`: there of another class (attribute, class)."""
    schema = manifest.schema
    told = {}
    for i, attribute in enumerate(schema.attributes):
        n = len(attribute.classes)
        classes = np.where(manifest.classes[:, i] == MISSING, 0, manifest.classes[:, i])
        for row, photo in enumerate(manifest.photo_ids):
            if photo in wrong and wrong[photo][0] == attribute.name:
                classes[row] = attribute.classes.index(wrong[photo][1])
        told[attribute.name] = np.where(np.eye(n)[classes] == 1, sure, (1 - sure) / (n - 1))
    years = np.zeros((len(manifest), len(schema.year_grid)), dtype=np.float32)
    years[np.arange(len(manifest)), np.nan_to_num(manifest.ages, nan=40).astype(int) - int(schema.year_grid[0])] = 1
    probs = schema.joint(told).astype(np.float32)
    return Predictions(manifest.photo_ids, probs, years, [None] * len(manifest), schema)


def write_oof(path: Path, manifest: Manifest, wrong: dict[str, tuple[str, str]]) -> Path:
    """Writes such answers; the path."""
    write_predictions(path, believing(manifest, wrong))
    return path
