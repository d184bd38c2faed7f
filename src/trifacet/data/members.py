"""What an archive says it holds, read with care: nothing is written here, and no size in it is believed unseen."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, BinaryIO

from trifacet.core.errors import error

# Photos hardly shrink; what grows more than this is no archive of photos. Source: docs/log.md, 2026-11-21.
MAX_GROWTH = 100
ALWAYS_BYTES = 1_000_000_000
MAX_MEMBERS = 1_000_000

READ_BYTES = 1 << 20  # at once; a header with a long name, times and owners has a few hundred
_AFTER_BYTES = 64 << 20  # zeros that fill up the last record: tar's largest has far less
_DECOMPRESSORS: dict[bytes, Callable[[BinaryIO], IO[bytes]]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),  # type: ignore[dict-item, return-value]
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}


@dataclass(frozen=True)
class Member:
    """A member that is no folder: its path in the archive, its size, what opens it, and why it is set aside if it is.

    `link` is the path in the archive that a link leads to.
    """

    path: str
    n_bytes: int
    entry: tarfile.TarInfo | zipfile.ZipInfo
    link: str = ""
    reason: str = ""
    status: str = "unreadable"


@dataclass(frozen=True)
class Opened:
    """An archive that can be listed, once, and then read."""

    members: Iterator[Member]
    read: Callable[[Member], IO[bytes]]


@dataclass(frozen=True)
class _Careful:
    """A stream whose reader asks for little at a time: tarfile reads a header whole, of whatever size it says it is."""

    stream: IO[bytes]

    def read(self, n: int = -1) -> bytes:
        """The next `n` bytes. Raises tarfile.ReadError where they are more than any header, or no end is named."""
        if not 0 <= n <= READ_BYTES:
            raise tarfile.ReadError("a header of no believable size")
        return self.stream.read(n)

    def seek(self, place: int) -> int:
        """Goes to a place."""
        return self.stream.seek(place)

    def tell(self) -> int:
        """Where it is."""
        return self.stream.tell()


@contextmanager
def open_archive(raw: BinaryIO, *, is_zip: bool) -> Iterator[Opened]:
    """The archive in `raw`, a zip or else a tar, whole or compressed. Raises what its library raises of damage."""
    if is_zip:
        with zipfile.ZipFile(raw) as zipped:
            yield Opened(_zip_members(zipped), lambda member: zipped.open(member.entry))  # type: ignore[arg-type]
        return
    start = raw.read(6)
    raw.seek(0)
    plain = next((opened(raw) for magic, opened in _DECOMPRESSORS.items() if start.startswith(magic)), raw)
    try:
        archive = tarfile.open(fileobj=_Careful(plain), mode="r:")  # type: ignore[call-overload]  # noqa: SIM115
    except tarfile.ReadError:
        raise tarfile.ReadError("it does not begin as a tar archive does") from None
    with archive:
        yield Opened(_tar_members(archive), lambda member: archive.extractfile(member.entry))


def _tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    """Every member that is no folder. Raises tarfile.ReadError, EOFError: the archive is not whole."""
    for entry in archive:
        if entry.isdir():
            continue
        link, reason = "", _why_refused(entry.name)
        if entry.issym() or entry.islnk():
            start = PurePosixPath(entry.name).parent if entry.issym() else PurePosixPath()
            link = os.path.normpath(start / entry.linkname)
        elif not entry.isreg():
            reason = reason or "not a file (a pipe or a device)"
        yield Member(entry.name, entry.size if entry.isreg() else 0, entry, link, reason)
    stream = archive.fileobj
    if stream is None:
        raise tarfile.ReadError("it was closed")
    stream.seek(archive.offset)
    if (end := stream.read(tarfile.BLOCKSIZE)) != bytes(tarfile.BLOCKSIZE):  # tarfile stops there without a word
        raise tarfile.ReadError("a member's header is damaged" if end else "its end is missing")
    while stream.read(READ_BYTES):  # to the checksum that follows compressed content
        if stream.tell() - archive.offset > _AFTER_BYTES:
            raise tarfile.ReadError("more follows its end than belongs there")


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        name = entry.filename.replace("\\", "/")  # written on Windows
        reason = _why_refused(name)
        if entry.external_attr >> 28 == 0o12:
            reason = reason or "a link: zip archives are read without them"
        elif entry.flag_bits & 1:
            reason = reason or "encrypted"
        yield Member(name, entry.file_size, entry, "", reason)


def _why_refused(name: str) -> str:
    """Why a path of the archive must not be written; "" where it may."""
    if name.startswith("/") or PureWindowsPath(name).drive:
        return "an absolute path in the archive"
    if ".." in PurePosixPath(name).parts:
        return "a path that leaves the archive"
    return "a path without a name" if "\0" in name or not PurePosixPath(name).name else ""


def within_limits(members: Iterator[Member], *, archive: Path, n_archive_bytes: int) -> Iterator[Member]:
    """The members, as long as they are no more than an archive of photos holds. Raises ManifestError TRI230."""
    limit = max(ALWAYS_BYTES, MAX_GROWTH * n_archive_bytes)
    n_bytes = 0
    for i, member in enumerate(members):
        n_bytes += member.n_bytes
        if n_bytes > limit or i >= MAX_MEMBERS:
            size = f"over {limit / 1e9:,.1f} GB" if n_bytes > limit else f"over {MAX_MEMBERS:,} files"
            got = f"{size} from {n_archive_bytes / 1e6:,.1f} MB"
            raise error("TRI230", "unpacks to more than an archive of photos would", where=archive, got=got)
        yield member


def chosen(members: list[Member]) -> list[Member]:
    """Each member once, files before links; of several with one path the last counts, links become copies of a file."""
    last = {_normal(m.path): m for m in members if not m.reason}
    made = [
        m if m.reason or last[_normal(m.path)] is m else replace(m, reason="a later one has its path", status="extra")
        for m in members
    ]
    files = {_normal(m.path): m for m in made if not m.reason and not m.link}
    copies = [
        replace(m, n_bytes=files[m.link].n_bytes) if m.link in files else replace(m, reason="a link to no file in it")
        for m in made
        if m.link and not m.reason
    ]
    return [*files.values(), *copies, *(m for m in made if m.reason)]


def _normal(path: str) -> str:
    return PurePosixPath(path).as_posix()
