"""Files below a folder, each with exactly one status: what is a usable photo, and why the others are not."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from trifacet.core.files import sha256_bytes
from trifacet.pixels.decode import Undecodable, image_format, upright_size

STATUSES = {
    "ok": "a photo that can be used",
    "unreadable": "cannot be opened, or its content is damaged",
    "truncated": "ends early, as after an interrupted copy",
    "wrong_type": "not an image",
    "unsupported": "an image of a format that is not read, such as HEIC or BMP",
    "too_large": "too many pixels or bytes",
    "animated": "several frames",
    "too_small": "too few pixels to show a face",
    "extra": "a photo that the layout or the table does not name",
    "ignored": "hidden files, sidecars, thumbnails, checkpoints, leftovers of the system",
}

MAX_BYTES = 100_000_000  # four times the bytes of the largest photo that decode() takes, stored without compression
# Below 16 x 16 a face is called "very low resolution". Source: Zou and Yuen, IEEE Trans. Image Processing 21(1), 2012.
MIN_SIDE_PX = 16

_AHEAD = 4  # tasks a worker may have waiting: bounds what is in flight, and no worker waits for the slowest
_TASK = 16  # files handed over at once: a hand-over costs as much as a tenth of a small photo
_SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
_SYSTEM_FOLDERS = {"@eadir", "__macosx", "#recycle", "$recycle.bin", "lost+found", "system volume information"}
_SIDECARS = (".json", ".jsonl", ".xmp", ".xml", ".aae", ".txt", ".md", ".csv", ".tsv", ".parquet", ".yaml", ".yml")


@dataclass(frozen=True)
class Found:
    """One file below a folder: its POSIX path below it (unreadable bytes shown as \\xNN) and where it lies.

    `status` and `reason` are set where the file need not or must not be opened.
    """

    path: str
    file: Path
    status: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Scan:
    """What became of one file: its status and reason (one of STATUSES; "" for ok), sha256 and upright size.

    `sha256` is "" and the sizes are 0 where the file was not read or decoded; `format` is what the content says.
    """

    path: str
    status: str
    reason: str = ""
    sha256: str = ""
    width_px: int = 0
    height_px: int = 0
    format: str = ""


def find_files(root: Path, *, is_following_links: bool = False, besides: Path | None = None) -> list[Found]:
    """Every file below `root`, sorted by path, without opening any; a folder that cannot be entered counts as one.

    Links to files within `root` are followed, links that leave it only when asked for, links to folders never.
    The folder `besides` is left out.
    """
    home = root.resolve()
    found: list[Found] = []
    folders = [(root, "", "")]  # each with its path below root, and why all in it is ignored
    while folders:  # no recursion: a hostile tree may be deeper than Python's stack
        folder, below, why_ignored = folders.pop()
        try:
            with os.scandir(folder) as listing:
                entries = list(listing)
        except OSError as problem:
            reason = f"the folder cannot be listed ({problem.strerror})"
            found.append(Found(_text(below) or ".", folder, "unreadable", reason))
            continue
        for entry in entries:
            path, inside = folder / entry.name, f"{below}/{entry.name}" if below else entry.name
            if besides is not None and entry.name == besides.name and path == besides:
                continue
            if not entry.is_dir(follow_symlinks=False):
                reason = _why_not_followed(path, home, is_followed=is_following_links) if entry.is_symlink() else ""
                ignored = why_ignored or _why_file_ignored(entry.name)
                found.append(_look(path, inside, ignored=ignored, not_followed=reason))
            else:
                folders.append((path, inside, why_ignored or _why_folder_ignored(entry.name)))
    return sorted(found, key=lambda f: f.path)


def _look(path: Path, inside: str, *, ignored: str, not_followed: str) -> Found:
    shown = _text(inside)
    if ignored:
        return Found(shown, path, "ignored", ignored)
    if not_followed:
        return Found(shown, path, "unreadable", not_followed)
    if shown != inside:
        return Found(shown, path, "unreadable", "the name is not valid UTF-8: rename the file")
    return Found(shown, path)


def _why_folder_ignored(name: str) -> str:
    return f"inside {_text(name)}" if name.startswith(".") or name.lower() in _SYSTEM_FOLDERS else ""


def _why_file_ignored(name: str) -> str:
    if name.startswith("._"):
        return "leftover of macOS"
    if name.startswith(".") or name.lower() in _SYSTEM_FILES:
        return "hidden or system file"
    if name.lower().endswith(_SIDECARS):
        return "sidecar or table"
    return ""


def _why_not_followed(link: Path, home: Path, *, is_followed: bool) -> str:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # a loop is a RuntimeError before Python 3.13
        return "a link to nothing, or in a circle"
    if target.is_dir():
        return "a link to a folder, which is not entered: name it as a source"
    if not is_followed and not target.is_relative_to(home):
        return "a link that leaves the folder: copy the photo, or allow links"
    return ""


def _text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def scan_file(file: Path, path: str = "") -> Scan:
    """The status of one file, by reading it once: hash, format and its whole stream. Never blocks, never raises.

    `path` is the name to report, by default the file's own.
    """
    path = path or _text(str(file))
    try:
        content = _read(file)
    except Undecodable as problem:
        return Scan(path, problem.status, problem.reason)
    except OSError as problem:
        return Scan(path, "unreadable", f"cannot be opened ({problem.strerror or problem})")
    sha256, name = sha256_bytes(content), image_format(content)
    try:
        height, width = upright_size(content)
    except Undecodable as problem:
        return Scan(path, problem.status, problem.reason, sha256, format=name)
    if min(height, width) < MIN_SIDE_PX:
        reason = f"{width} x {height} px: a side is shorter than {MIN_SIDE_PX} px"
        return Scan(path, "too_small", reason, sha256, width, height, name)
    return Scan(path, "ok", "", sha256, width, height, name)


def _read(file: Path) -> bytes:
    """The content of a regular file. A pipe or a device is never waited for, whatever it became since the listing."""
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb", buffering=0) as source:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise Undecodable("unreadable", "not a regular file (a pipe, a socket or a device)")
        if facts.st_size > MAX_BYTES:
            raise Undecodable("too_large", f"{facts.st_size:,} bytes are more than {MAX_BYTES:,}")
        content = source.read(facts.st_size)  # asked for MAX_BYTES, Python would reserve them for every file
    if not content:
        raise Undecodable("truncated", "the file is empty: copy or download it again")
    return content


def scan_files(
    files: Sequence[Found], *, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Iterator[Scan]:
    """One Scan per file, in the order given, made by `workers` threads (default: one more than the cores to use).

    Decoders let go of Python's lock, so threads scale; while one waits to have it back, the one more has its core. At
    most a few dozen files a worker are in flight.
    """
    workers, done = workers or available_cores() + 1, 0
    tasks = (files[i : i + _TASK] for i in range(0, len(files), _TASK))
    with ThreadPoolExecutor(workers, thread_name_prefix="scan") as pool:
        waiting = deque(pool.submit(_scan_found, task) for task in islice(tasks, _AHEAD * workers))
        while waiting:
            scans = waiting.popleft().result()
            waiting.extend(pool.submit(_scan_found, task) for task in islice(tasks, 1))
            done += len(scans)
            if progress:
                progress(done, len(files))
            yield from scans


def _scan_found(files: Sequence[Found]) -> list[Scan]:
    return [Scan(f.path, f.status, f.reason) if f.status else scan_file(f.file, f.path) for f in files]


def available_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
