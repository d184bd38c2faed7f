"""The photos of a folder whose labels do not matter: every file that somebody would expect an answer for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trifacet.core.errors import TrifacetError, error
from trifacet.data.ingest import Source, set_aside_below
from trifacet.data.sources import Labelled, Reading, inner_folder, read_source
from trifacet.data.sources.folders import read_plain_folder
from trifacet.pixels.scan import Found, Scan, find_files, scan_files

# A file of another content that is called like a photo is one that somebody misses; of others nobody expects an answer.
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"} | {
    ".ppm", ".pgm", ".heic", ".heif", ".avif", ".jxl", ".jp2",
}  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """A photo of a folder: its id, where it lies, why it cannot be read ("" where it can), its content's sha256."""

    photo_id: str
    file: Path
    status: str
    sha256: str


@dataclass(frozen=True)
class Listing:
    """Each photo once, those that cannot be read last, and the number of files left out by reason."""

    photos: tuple[Listed, ...]
    left_out: Mapping[str, int]


def list_photos(
    source: Path | Source, *, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Listing:
    """Every photo below a folder: ids and order are those of `ingest`; labels are not read, so they cannot be wrong.

    A table's photos come first, in its order, and its rows without a file have the status `missing`.

    Raises:
        ManifestError: TRI205, no photo can be read.
    """
    source = source if isinstance(source, Source) else Source(source)
    folder = source.path
    labelled = _layout_of(inner_folder(folder, Reading()) if source.archive else folder)
    aside = set_aside_below(source, labelled.root) if source.archive else []
    scans = list(scan_files([*labelled.found, *aside], workers=workers, progress=progress))
    files = {found.path: found.file for found in labelled.found}
    status = {scan.path: "" if scan.status == "ok" else scan.status for scan in scans if not _why_left_out(scan)}
    named = list(dict.fromkeys(path for path in labelled.rows["path"] if path in status or path not in files))
    ids = [*named, *sorted(status.keys() - set(named))]
    hashes = {scan.path: scan.sha256 for scan in scans}
    photos = [Listed(i, files.get(i, labelled.root / i), status.get(i, "missing"), hashes.get(i, "")) for i in ids]
    left_out = Counter(why for scan in scans if (why := _why_left_out(scan)))
    left_out.update(_beside(folder, labelled.root))
    if not any(photo.status == "" for photo in photos):
        counts = Counter(photo.status.replace("_", " ") for photo in photos) + left_out
        raise error(
            "TRI205", "no usable photo", where=folder, got=told_counts(counts) or "no file", do="Check the path."
        )
    return Listing(tuple(sorted(photos, key=lambda photo: photo.status != "")), left_out)


def told_counts(counts: Mapping[str, int]) -> str:
    """Counts in words, the largest first: `3 sidecar or table, 1 not an image`."""
    return ", ".join(f"{n:,} {what}" for what, n in Counter(counts).most_common())


def _layout_of(folder: Path) -> Labelled:
    """What ingest would take the folder for; where its layout or labels are in doubt, photos without labels."""
    try:
        return read_source(folder, Reading())
    except TrifacetError:
        return read_plain_folder(folder, Reading())


def _why_left_out(scan: Scan) -> str:
    """Why nobody expects an answer for a file; "" for a photo."""
    if scan.status == "ignored":
        return scan.reason
    is_called_photo = PurePosixPath(scan.path).suffix.lower() in PHOTO_SUFFIXES
    return "not an image" if scan.status == "wrong_type" and not is_called_photo else ""


def _beside(folder: Path, root: Path) -> Counter[str]:
    """Files of the folder that lie outside the folder of its photos, by reason."""
    if root == folder or not root.is_relative_to(folder):
        return Counter()
    outside: list[Found] = find_files(folder, besides=root)
    return Counter(found.reason or f"outside {root.relative_to(folder).as_posix()}/" for found in outside)
