"""The photos that everything is measured on: drawn ones in the sizes people have, or a folder of one's own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from trifacet.data.drawn.person import draw_person
from trifacet.data.drawn.scene import PHOTO_NAMES, draw_photo
from trifacet.data.drawn.write import JPEG_QUALITY, MASK_CLASSES
from trifacet.data.ingest import ingest

N_DRAWN = 56  # people's photos that differ; the others are copies under another name
SIZES = ((384, 512), (180, 240))  # width, height: the original data's, and a small one


@dataclass(frozen=True)
class Photos:
    """A folder that `ingest` reads, what to call it, and its photos' paths and hashes."""

    name: str
    folder: Path
    paths: tuple[Path, ...]
    hashes: tuple[str, ...]

    def first(self, n: int) -> Photos:
        """The same folder with at most `n` of its photos, evenly spread."""
        rows = sorted({i * len(self.paths) // n for i in range(n)})
        return Photos(self.name, self.folder, tuple(self.paths[i] for i in rows), tuple(self.hashes[i] for i in rows))


def open_photos(folder: Path, *, name: str) -> Photos:
    """The usable photos of a folder, as `ingest` sees them."""
    manifest = ingest([folder]).manifest
    return Photos(name, folder, tuple(manifest.paths), tuple(manifest.table["sha256"]))


def draw_photos(folder: Path, size_px: tuple[int, int], *, n_photos: int) -> Photos:
    """`n_photos` JPEG files of drawn people below `folder`, in a folder per state of the mask."""
    width, height = size_px
    home = folder / f"{width}x{height}"
    for i in range(n_photos):
        shown = PHOTO_NAMES[i % len(PHOTO_NAMES)]
        path = home / MASK_CLASSES[shown] / f"{i:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if i < N_DRAWN:
            pixels = draw_photo(draw_person(0, i), shown, size_px=size_px)
            Image.fromarray(pixels).save(path, quality=JPEG_QUALITY)
        else:
            shutil.copyfile(path.with_name(f"{i % N_DRAWN:05d}.jpg"), path)
    return open_photos(home, name=f"drawn {width}x{height}")
