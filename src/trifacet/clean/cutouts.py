"""Photos cut out one by one: in parallel, each on the disk and in a journal before it counts, so that a kill costs few.

The folder `OUT.part` holds the settings, the journal, a lock, and under `new` what becomes OUT when all is done.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict

from trifacet.clean.background import Segmenter, Unsegmented
from trifacet.core.errors import error
from trifacet.core.files import (
    append_jsonl,
    read_json,
    read_jsonl,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_json,
    write_text,
)
from trifacet.core.manifest import CROP_SCALE, Crop, Manifest
from trifacet.core.predictions import ImageArray
from trifacet.pixels.decode import Undecodable, decode
from trifacet.pixels.fills import Mask, filled

KEPT = 128  # of 255: a photo without one pixel that is rather person than background shows nobody
NEW_NAME, JOURNAL_NAME = "new", "done.jsonl"
_SETTINGS_NAME, _LOCK_NAME = "settings.json", "lock"
_AHEAD = 4  # photos a worker may have waiting: bounds what is in memory


@dataclass(frozen=True)
class Photo:
    """A photo to cut out: its id, its file, the hash that file must have, and where its counterpart goes.

    source, name: the counterpart's folder below `photos` ("" where there is one source), and its path below that.
    crop: the square around the face, where one was looked for and found.
    """

    photo_id: str
    path: Path
    sha256: str
    source: str
    name: str
    crop: Crop | None = None

    def below(self, folder: Path) -> Path:
        """Where the counterpart lies in the folder of photos of one fill."""
        return folder / self.source / self.name


@dataclass(frozen=True)
class Rejected:
    """A photo that has no counterpart: its id, a status in one word, and the reason."""

    photo_id: str
    status: str
    reason: str


class Done(BaseModel):
    """A line of the journal: a photo, the hash of its file, of each counterpart by fill, and how much was kept.

    kept_share, face_share: how much of the photo, and of its face where one is known, is kept, 0 nothing .. 1 all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photo_id: str
    sha256: str
    kept_share: float
    face_share: float | None
    made: dict[str, str]


def photos_of(manifest: Manifest) -> tuple[list[Photo], list[Rejected]]:
    """The photos to cut out, each with a path of its own, and those whose path would lead out of the new folder."""
    photos, outside, taken = list[Photo](), list[Rejected](), set[tuple[str, str]]()
    table = manifest.table
    is_one_source = table["source"].n_unique() == 1
    rows = table.select("photo_id", "sha256", "source", "path").iter_rows()
    for (photo_id, sha256, source, path), file, crop in zip(rows, manifest.paths, manifest.crops, strict=True):
        folder = "" if is_one_source else source
        parts = PurePosixPath(path).parts
        if ".." in parts or PurePosixPath(path).is_absolute() or folder in (".", "..") or "/" in folder:
            outside.append(Rejected(photo_id, "outside", "its path in the manifest leads out of the folder of photos"))
            continue
        name = _own_name(path, folder, taken=taken)
        photos.append(Photo(photo_id, file, sha256, folder, name, crop))
    return photos, outside


def _own_name(path: str, folder: str, *, taken: set[tuple[str, str]]) -> str:
    """The path as .png, which is nobody else's, on disks that do not tell capitals apart too."""
    names = chain([PurePosixPath(path).with_suffix("").as_posix(), path], (f"{path}.{n}" for n in count(2)))
    name = next(f"{name}.png" for name in names if (folder.casefold(), f"{name}.png".casefold()) not in taken)
    taken.add((folder.casefold(), name.casefold()))
    return name


@contextmanager
def workplace(part: Path, settings: Mapping[str, Any]) -> Iterator[None]:
    """The folder `part` is there, was begun with these settings, and is nobody else's within the block.

    Raises:
        ConfigError: TRI124. MachineError: TRI900, TRI901.
    """
    from filelock import FileLock, Timeout

    known = part / _SETTINGS_NAME
    if not part.exists() or _is_barren(part):
        write_json(known, settings)
    elif not known.is_file():
        raise error("TRI124", "this folder is in the way", where=part, do="Delete it, or name another --out.")
    begun = read_json(known)
    if differ := [name for name in settings if begun.get(name) != settings[name]]:
        got, do = (
            f"other {', '.join(differ)}",
            f"Give the same settings as then, or delete {part}, or name another --out.",
        )
        raise error("TRI124", "photos were being cut out here otherwise", where=part, got=got, do=do)
    try:
        with FileLock(part / _LOCK_NAME, blocking=False):
            yield
    except Timeout:
        do = "Wait for it, or name another --out."
        raise error("TRI124", "another process cuts photos out here", where=part, do=do) from None


def _is_barren(part: Path) -> bool:
    """Whether a run began here and stopped before it had cut out one photo: nothing would be lost with it."""
    return (part / _SETTINGS_NAME).is_file() and not read_jsonl(part / JOURNAL_NAME)


def done_before(part: Path, photos: Sequence[Photo], *, folders: Mapping[str, Path]) -> dict[str, Done]:
    """What an earlier run cut out whole, by photo. Whatever else it left goes, the torn line of its journal too."""
    journal = part / JOURNAL_NAME
    lines = {line.photo_id: line for line in map(Done.model_validate, read_jsonl(journal))}
    found = {}
    for photo in photos:
        line = lines.get(photo.photo_id)
        if line and line.sha256 == photo.sha256 and _is_whole(photo, line, folders=folders):
            found[photo.photo_id] = line
    write_text(journal, "".join(line.model_dump_json() + "\n" for line in found.values()))
    kept = {photo.below(folder) for photo in photos if photo.photo_id in found for folder in folders.values()}
    for file in (part / NEW_NAME).rglob("*"):
        if file.is_file() and file not in kept:
            file.unlink()
    return found


def _is_whole(photo: Photo, line: Done, *, folders: Mapping[str, Path]) -> bool:
    """Whether the photo's counterparts are on the disk as the journal has them."""
    files = {fill: photo.below(folder) for fill, folder in folders.items()}
    return all(file.is_file() and sha256_file(file) == line.made.get(fill) for fill, file in files.items())


def cut_out(
    photos: Sequence[Photo], segmenter: Segmenter, *, folders: Mapping[str, Path], journal: Path, workers: int
) -> Iterator[Done | Rejected]:
    """Cuts photos out and writes their counterparts into the folder of each fill; one result a photo, in order.

    The same bytes whatever the number of workers (threads: the model and the encoder let go of Python's lock). Writing
    is left to the caller's thread, so that a result that is given is on the disk and in the journal.
    """
    fills, ahead = tuple(folders), iter(photos)
    with ThreadPoolExecutor(workers, thread_name_prefix="cut") as pool:
        waiting = deque(pool.submit(_cut, photo, segmenter, fills=fills) for photo in islice(ahead, _AHEAD * workers))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(_cut, photo, segmenter, fills=fills) for photo in islice(ahead, 1))
            if isinstance(result, Rejected):
                yield result
                continue
            photo, done, pngs = result
            for fill, png in pngs.items():
                write_bytes(photo.below(folders[fill]), png)
            append_jsonl(journal, done.model_dump())
            yield done


def _cut(
    photo: Photo, segmenter: Segmenter, *, fills: Sequence[str]
) -> tuple[Photo, Done, dict[str, bytes]] | Rejected:
    """A photo, its line of the journal and its counterparts, as PNG by fill; or why there are none."""
    try:
        content = photo.path.read_bytes()
    except OSError as problem:
        return Rejected(photo.photo_id, "unreadable", f"cannot be opened ({problem.strerror or problem})")
    if sha256_bytes(content) != photo.sha256:
        return Rejected(photo.photo_id, "changed", "not the bytes that were ingested: ingest the folder again")
    try:
        image = decode(content)
        mask = segmenter.mask(image)
    except Undecodable as problem:
        return Rejected(photo.photo_id, problem.status, problem.reason)
    except Unsegmented as problem:
        return Rejected(photo.photo_id, "failed", f"the model failed ({problem})")
    if not (mask >= KEPT).any():
        return Rejected(photo.photo_id, "empty", "the model sees nobody in it")
    pngs = {fill: _png(filled(image, mask, fill=fill)) for fill in fills}
    done = Done(
        photo_id=photo.photo_id,
        sha256=photo.sha256,
        kept_share=float(mask.mean()) / 255,
        face_share=_face_share(mask, photo.crop),
        made={fill: sha256_bytes(png) for fill, png in pngs.items()},
    )
    return photo, done, pngs


def _face_share(mask: Mask, crop: Crop | None) -> float | None:
    """How much of the face is kept, 0 nothing .. 1 all. Some models keep the mask and cut the face away."""
    if crop is None:
        return None
    box = crop.scaled(1 / CROP_SCALE)
    x0, y0, x1, y1 = (max(0, round(v)) for v in (box.x0_px, box.y0_px, box.x1_px, box.y1_px))
    face = mask[y0:y1, x0:x1]
    return float(face.mean()) / 255 if face.size else None


def _png(image: ImageArray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()
