"""Archives of photos (.tar.gz, .zip, ...) unpacked, once, into a folder that every later stage reads by path.

An archive is a stranger's: it is listed whole before anything is written, only its files are written (never a link or a
device), only below a new folder, and the folder takes its name when it is complete.
"""

from __future__ import annotations

import errno
import lzma
import math
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, BinaryIO

from filelock import FileLock

from trifacet.core.errors import TrifacetError, error
from trifacet.core.files import is_disk_full, read_json, sha256_file, write_json
from trifacet.data.ingest import Source, parse_source
from trifacet.data.members import READ_BYTES, Member, chosen, open_archive, within_limits
from trifacet.pixels.scan import Found, find_files

Progress = Callable[[str, int, int], None]  # what is being done, how much of it is done, how much there is

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")

FORMAT = 1  # of the record beside an unpacked folder
_STEP = 64  # members between two looks at the progress bar
_BLOCK = 4096  # what the smallest file takes on a disk
_NOT_STORED = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
)


def is_archive(path: Path) -> bool:
    """Whether `path` is a file whose name ends as an archive's does."""
    return path.name.lower().endswith(ENDINGS) and path.is_file()


def unpacked(source: Source | Path | str, *, into: Path | None, progress: Progress) -> Source:
    """The source with its photos in a folder: as it is, or, where it is an archive, what `unpack` makes of it.

    into: where the folder will stand, by default beside the archive; it is called after the source or the archive.

    Raises:
        ManifestError, MachineError: as `unpack`.
    """
    asked = source if isinstance(source, Source) else parse_source(str(source))
    if not is_archive(asked.path):
        return asked
    name = asked.name or next(asked.path.name[: -len(e)] for e in ENDINGS if asked.path.name.lower().endswith(e))
    made = unpack(asked.path, (into or asked.path.parent) / (name or "photos"), progress=progress)
    return replace(made, name=asked.name)


def unpack(archive: Path, folder: Path, *, progress: Progress) -> Source:
    """The source that `folder` is once the archive's files are in it; what cannot be there is set aside with a reason.

    Beside it stands NAME.unpacked.json: of which archive, how many files and bytes. A second call finds it and unpacks
    nothing. Whatever stops the first (a kill, too), `folder` is not there.

    Raises:
        ManifestError: TRI205 no file in it, TRI228 damaged, TRI229 `folder` is something else, TRI230 a bomb.
        MachineError: TRI900 it does not fit on the disk, TRI901.
    """
    sha256 = sha256_file(archive)
    is_new_place = not folder.parent.exists()
    try:
        with _alone(folder):
            if not os.path.lexists(folder):
                with archive.open("rb") as raw, _damage_told(archive, folder):
                    _unpack_into(folder, raw, archive=archive, sha256=sha256, progress=progress)
            return _recorded(folder, archive, sha256=sha256)
    finally:
        if is_new_place:
            with suppress(OSError):  # it holds something, as it should
                folder.parent.rmdir()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else unpacks into `folder` within the block. Raises MachineError TRI901."""
    lock = folder.with_name(f".{folder.name}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(lock)
        held.acquire()
    except OSError as problem:
        do = "Say where to: `trifacet ingest ARCHIVE --unpack DIR`."
        got = problem.strerror or str(problem)
        raise error("TRI901", "cannot write here", where=folder.parent, got=got, do=do) from problem
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)  # while it is held: who waits for it takes a new one
        held.release()


@contextmanager
def _damage_told(archive: Path, folder: Path) -> Iterator[None]:
    """Turns what a damaged archive or a full disk raises into words. Raises TRI228, TRI900, TRI901."""
    what = "the archive is damaged or cut short"
    try:
        yield
    except TrifacetError:
        raise
    except _DAMAGE as problem:
        got = str(problem).partition("\n")[0] or type(problem).__name__
        raise error("TRI228", what, where=archive, got=got) from problem
    except OSError as problem:
        if is_disk_full(problem):
            raise error("TRI900", "no space left", where=folder) from problem
        if problem.errno in (None, errno.EIO):  # gzip and bz2 tell of their content by an OSError without a number
            raise error("TRI228", what, where=archive, got=problem.strerror or str(problem)) from problem
        raise error("TRI901", "cannot write here", where=folder, got=problem.strerror or str(problem)) from problem


def _unpack_into(folder: Path, raw: BinaryIO, *, archive: Path, sha256: str, progress: Progress) -> None:
    """Lists the archive, then writes its files into a hidden folder, then gives that its name."""
    n_bytes = os.fstat(raw.fileno()).st_size
    hidden = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(hidden, ignore_errors=True)  # of a killed process
    try:
        with open_archive(raw, is_zip=archive.name.lower().endswith(".zip")) as opened:
            members = []
            for member in within_limits(opened.members, archive=archive, n_archive_bytes=n_bytes):
                members.append(member)
                if len(members) % _STEP == 0:
                    progress("reading the archive, MB", raw.tell() // 10**6, n_bytes // 10**6)
            members = chosen(members)
            _refuse_unfit(members, archive=archive, folder=folder)
            hidden.mkdir()
            aside = list(_written(members, hidden, read=opened.read, progress=progress))
        n_files, n_written = _weight(hidden)
        facts = {"format": FORMAT, "archive": archive.name, "sha256": sha256, "n_files": n_files, "n_bytes": n_written}
        told = [{"path": f.path, "status": f.status, "reason": f.reason} for f in aside]
        write_json(_record_path(folder), {**facts, "set_aside": told})  # first: a folder without its record is foreign
        hidden.rename(folder)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _refuse_unfit(members: list[Member], *, archive: Path, folder: Path) -> None:
    """Raises ManifestError TRI205 where there is no file to unpack, MachineError TRI900 where they do not fit."""
    good = [m for m in members if not m.reason]
    if not good:
        raise error("TRI205", "no file in the archive", where=archive, do="Check that it is the right one.")
    needed = sum(math.ceil(m.n_bytes / _BLOCK) * _BLOCK for m in good)
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        got = f"{math.ceil(free / 1e3):,} kB free of {math.ceil(needed / 1e3):,} kB needed"
        raise error("TRI900", "no space left", where=folder, got=got)


def _written(
    members: list[Member], folder: Path, *, read: Callable[[Member], IO[bytes]], progress: Progress
) -> Iterator[Found]:
    """Writes the members into `folder`; those that are set aside come back."""
    for i, member in enumerate(members):
        reason = member.reason
        if not reason:
            try:
                _write(member, folder, read=read)
            except OSError as problem:
                if problem.errno not in _NOT_STORED:
                    raise
                reason = f"cannot be stored here ({problem.strerror})"
        if reason:
            shown = os.fsencode(member.path).decode("utf-8", "backslashreplace")
            yield Found(shown, folder / "set aside", member.status, f"in the archive: {reason}")
        if (i + 1) % _STEP == 0 or i + 1 == len(members):
            progress("unpacking", i + 1, len(members))


def _write(member: Member, folder: Path, *, read: Callable[[Member], IO[bytes]]) -> None:
    path = folder / member.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        with (folder / member.link).open("rb") if member.link else read(member) as source:
            shutil.copyfileobj(source, target, READ_BYTES)
        if target.tell() != member.n_bytes:
            raise EOFError(f"{member.path} ends early")


def _weight(folder: Path) -> tuple[int, int]:
    """Number of files below a folder and their bytes, without those that a file browser leaves."""
    sizes = [f.file.lstat().st_size for f in find_files(folder) if f.file.name != ".DS_Store"]
    return len(sizes), sum(sizes)


def _record_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.unpacked.json")


def _recorded(folder: Path, archive: Path, *, sha256: str) -> Source:
    """The source that `folder` is, if it still holds what unpacking the archive put there. Raises TRI229."""
    path = _record_path(folder)
    record = read_json(path, code="TRI229") if path.exists() else {}
    found = "" if folder.is_dir() and not folder.is_symlink() else "no folder"
    if not found and record.get("sha256") != sha256:
        found = (
            f"unpacked from another {record.get('archive', 'archive')}"
            if record
            else "a folder that was not unpacked from it"
        )
    if not found and (have := _weight(folder)) != (record["n_files"], record["n_bytes"]):
        found = f"{have[0]:,} files of {have[1]:,} bytes, not {record['n_files']:,} of {record['n_bytes']:,}"
    if found:
        raise error("TRI229", f"the place to unpack {archive.name} is taken", where=folder, got=found)
    aside = tuple(Found(f["path"], folder, f["status"], f["reason"]) for f in record["set_aside"])
    return Source(folder, archive=archive.name, sha256=sha256, set_aside=aside)
