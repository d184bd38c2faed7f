"""Decoded photos on disk: a uint8 memmap per list of photos and geometry, keyed by content, safe to kill and share."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

from trifacet.core.errors import error, first_few
from trifacet.core.files import (
    is_disk_full,
    new_file_mode,
    read_json,
    sha256_bytes,
    sha256_json,
    sync_folder,
    write_json,
)
from trifacet.core.manifest import Crop
from trifacet.pixels.decode import Undecodable, decode
from trifacet.pixels.preprocess import Geometry, fit

Progress = Callable[[int, int], None]  # photos done, photos in all

CHUNK = 64  # photos a task: long enough to hide the hand-over, short enough for a moving progress bar
DEFAULT_LIMIT_GB = 20.0


@dataclass(frozen=True)
class Cached:
    """One cache on disk: what it holds, its size and when it was last used (UTC).

    photos: the folder that all its photos lay in when it was made, "" for a cache made before this was written down.
    """

    key: str
    path: Path
    n_photos: int
    height_px: int
    width_px: int
    n_bytes: int
    used: datetime
    photos: str


def cache_folder() -> Path:
    """Where caches lie: $TRIFACET_CACHE_DIR, else the user's cache folder of this system."""
    return Path(os.environ.get("TRIFACET_CACHE_DIR") or platformdirs.user_cache_dir("trifacet")) / "pixels"


def cache_limit_bytes() -> int:
    """How much all caches together may take: $TRIFACET_CACHE_GB (10^9 bytes), 20 when unset.

    Raises:
        ConfigError: TRI104, not a number above 0.
    """
    text = os.environ.get("TRIFACET_CACHE_GB") or str(DEFAULT_LIMIT_GB)
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not limit > 0:
        do = "Set it to a number of GB, such as 20."
        raise error("TRI104", "must be a number above 0", where="TRIFACET_CACHE_GB", got=f"'{text}'", do=do)
    return int(limit * 1e9)


def open_cache(
    paths: Sequence[Path],
    hashes: Sequence[str],
    *,
    geometry: Geometry,
    crops: Sequence[Crop | None] | None = None,
    folder: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> npt.NDArray[np.uint8]:
    """The photos' inputs (N, height, width, 3) uint8 as a read-only memmap, built first when there is none yet.

    hashes: sha256 of each photo's file; the key is made of them, so a cache is never stale. crops: each photo's face,
    for a geometry that shows it; part of the key too.

    Raises:
        ManifestError: TRI204, photos that changed or cannot be decoded any more.
        MachineError: TRI900 disk full, TRI901 not writable, TRI903 larger than the limit.
    """
    folder = folder or cache_folder()
    shape = (len(paths), geometry.height_px, geometry.width_px, 3)
    if not paths:
        return np.zeros(shape, dtype=np.uint8)
    described: dict[str, Any] = {"photos": list(hashes), "geometry": geometry.describe()}
    if crops is not None:
        described["crops"] = [crop and list(astuple(crop)) for crop in crops]
    key = sha256_json(described)[:32]
    target = folder / f"{key}.u8"
    if not _is_whole(target, shape):
        _make_room(folder, int(np.prod(shape)))
        _build(
            target,
            shape,
            paths=paths,
            hashes=hashes,
            geometry=geometry,
            crops=crops or [None] * len(paths),
            workers=workers or os.cpu_count() or 1,
            progress=progress,
        )
    with suppress(PermissionError):  # somebody else's cache, open to be read
        os.utime(target)
    return np.memmap(target, dtype=np.uint8, mode="r", shape=shape)


def list_caches(folder: Path | None = None) -> list[Cached]:
    """The caches on disk, last used first."""
    found = []
    for path in (folder or cache_folder()).glob("*.u8"):
        about = path.with_suffix(".json")
        if about.exists():
            told = read_json(about)
            n_photos, height, width, _ = told["shape"]
            stat = path.stat()
            used = datetime.fromtimestamp(stat.st_mtime, UTC)
            found.append(Cached(path.stem, path, n_photos, height, width, stat.st_size, used, told.get("photos", "")))
    return sorted(found, key=lambda c: c.used, reverse=True)


def clear_cache(key: str, *, folder: Path | None = None) -> int:
    """Deletes the cache whose key begins with `key`; the number of bytes freed. Raises ConfigError TRI100."""
    caches = {cache.key: cache for cache in list_caches(folder)}
    found = [cache for name, cache in caches.items() if key and name.startswith(key)]
    if len(found) != 1:
        what = f"{len(found)} caches begin with '{key}'" if found else f"no cache '{key}'"
        raise error("TRI100", what, do="`trifacet cache list` shows their ids.")
    _delete(found[0])
    return found[0].n_bytes


def _delete(cache: Cached) -> None:
    cache.path.unlink(missing_ok=True)
    cache.path.with_suffix(".json").unlink(missing_ok=True)


def clear_caches(folder: Path | None = None) -> int:
    """Deletes every cache and what killed builders left; the number of bytes freed. Caches being built go on.

    A process that reads a deleted cache keeps it until it ends, on Linux and macOS.
    """
    freed = 0
    for path in (folder or cache_folder()).glob("*"):
        if path.suffix in (".u8", ".json") or (path.suffix == ".part" and _is_abandoned(path)):
            freed += path.stat().st_size
            path.unlink(missing_ok=True)
    return freed


def _is_whole(target: Path, shape: tuple[int, ...]) -> bool:
    """Whether a finished cache lies there: the file is renamed last, so its description and size tell."""
    about = target.with_suffix(".json")
    return about.exists() and target.exists() and target.stat().st_size == int(np.prod(shape))


def _make_room(folder: Path, n_bytes: int) -> None:
    """Deletes the caches used longest ago until a new one of `n_bytes` fits the limit."""
    limit = cache_limit_bytes()
    if n_bytes > limit:
        got = f"{n_bytes / 1e9:.1f} GB for a limit of {limit / 1e9:.1f} GB"
        raise error("TRI903", "this pixel cache is larger than the limit", where=str(folder), got=got)
    for part in folder.glob("*.part"):
        if _is_abandoned(part):
            part.unlink(missing_ok=True)
    caches = list_caches(folder)
    total = sum(c.n_bytes for c in caches)
    while caches and total + n_bytes > limit:
        oldest = caches.pop()
        _delete(oldest)
        total -= oldest.n_bytes


def _build(
    target: Path,
    shape: tuple[int, ...],
    *,
    paths: Sequence[Path],
    hashes: Sequence[str],
    geometry: Geometry,
    crops: Sequence[Crop | None],
    workers: int,
    progress: Progress | None,
) -> None:
    """Decodes every photo into a file of its own, then renames it: two builders at once do no harm."""
    with _reserved(target, int(np.prod(shape))) as temporary:
        pixels = np.memmap(temporary, dtype=np.uint8, mode="r+", shape=shape)

        def fill(start: int) -> list[str]:
            chunk = range(start, min(start + CHUNK, len(paths)))
            return [
                wrong
                for i in chunk
                if (wrong := _fill_one(pixels, i, path=paths[i], expected=hashes[i], geometry=geometry, crop=crops[i]))
            ]

        failed: list[str] = []
        with ThreadPoolExecutor(workers) as pool:  # Pillow and hashlib let other threads run while they work
            for done, wrong in enumerate(pool.map(fill, range(0, len(paths), CHUNK)), start=1):
                failed += wrong
                if progress:
                    progress(min(done * CHUNK, len(paths)), len(paths))
        if failed:
            raise error("TRI204", "photos changed since they were ingested", got=first_few(failed))
        pixels.flush()
        home = os.path.commonpath([path.absolute().parent for path in paths])
        about = {"shape": list(shape), "geometry": geometry.describe(), "photos": home}
        write_json(target.with_suffix(".json"), about)
        temporary.replace(target)
        sync_folder(target.parent)


def _fill_one(
    pixels: npt.NDArray[np.uint8], row: int, *, path: Path, expected: str, geometry: Geometry, crop: Crop | None
) -> str | None:
    try:
        content = path.read_bytes()
        if sha256_bytes(content) != expected:
            return f"{path} (other bytes)"
        pixels[row] = fit(decode(content), geometry, crop=crop)
    except OSError as problem:
        return f"{path} ({problem.strerror})"
    except Undecodable as problem:
        return f"{path} ({problem.status})"
    return None


@contextmanager
def _reserved(target: Path, n_bytes: int) -> Iterator[Path]:
    """A temporary file of the full size beside `target`: a disk too small is found before the work, not in it.

    It is locked until the block ends, when it is removed if it still has this name.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=".part", dir=target.parent)
    except OSError as problem:
        raise error("TRI901", "cannot write here", where=str(target.parent), got=problem.strerror or "") from problem
    temporary = Path(name)
    try:
        temporary.chmod(new_file_mode())
        _lock(handle)
        try:
            _allocate(handle, n_bytes, free=shutil.disk_usage(target.parent).free)
        except OSError as problem:
            if not is_disk_full(problem):
                raise
            need = f"{n_bytes / 1e9:.2f} GB, {shutil.disk_usage(target.parent).free / 1e9:.2f} GB free"
            raise error("TRI900", "no space left for the pixel cache", where=str(target.parent), got=need) from problem
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _allocate(handle: int, n_bytes: int, *, free: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, n_bytes)
    elif free < n_bytes:  # macOS: the file stays sparse, so the free space is asked for
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    else:
        os.ftruncate(handle, n_bytes)


def _lock(handle: int) -> bool:
    """Whether the lock of an open file could be had at once; the system takes it back when its process ends."""
    if os.name == "nt":
        return False
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_abandoned(part: Path) -> bool:
    """Whether the builder of an unfinished cache is gone. An empty one may just be about to be locked."""
    try:
        with part.open("rb") as left:
            return part.stat().st_size > 0 and _lock(left.fileno())
    except OSError:
        return False
