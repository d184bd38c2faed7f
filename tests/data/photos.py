"""Tiny sets of photos in the layouts that people have."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SEVEN = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")


def write_photo(path: Path) -> Path:
    """A small photo that differs from every other path's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(path.as_posix()[-60:].encode())  # no two photos are one
    noise = np.random.default_rng(seed).integers(0, 256, (20, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, "PNG")  # the content decides, so any extension will do
    return path


def write_train(
    root: Path, folders: Sequence[str], *, csv: str | None = None, extension: str = ".jpg", photos: str = "images"
) -> Path:
    """The train form: seven photos in each folder, and `csv` as train.csv."""
    for folder in folders:
        for stem in SEVEN:
            write_photo(root / photos / folder / f"{stem}{extension}")
    if csv is not None:
        (root / "train.csv").write_text(csv, encoding="utf-8")
    return root


def write_eval(root: Path, ids: Sequence[str], *, csv: str | None = None) -> Path:
    """The eval form: the photos, and info.csv (by default with every answer 0)."""
    for photo_id in ids:
        write_photo(root / "images" / photo_id)
    text = "ImageID,ans\n" + "".join(f"{i},0\n" for i in ids) if csv is None else csv
    root.mkdir(parents=True, exist_ok=True)
    (root / "info.csv").write_text(text, encoding="utf-8")
    return root
