"""Files as people really have them. What each must come to is written here before it is made."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from trifacet.data.ingest import Ingested, ingest
from trifacet.pixels.scan import MAX_BYTES, STATUSES

NOISE = np.random.default_rng(5).integers(0, 256, (64, 48, 4), dtype=np.uint8)
PHOTO = Image.fromarray(NOISE[..., :3])
Content = bytes | Callable[[Path], object]


def encoded(image: Image.Image = PHOTO, name: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def animation(name: str) -> bytes:
    return encoded(PHOTO, name, save_all=True, append_images=[PHOTO.rotate(90), PHOTO.rotate(180)])


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(exif=exif)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header and data say `width` x `height`, one bit a pixel, packed to almost nothing."""
    body = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (width // 8 + 1) * min(height, 1000))
    chunks = [(b"IHDR", body), (b"IDAT", rows), (b"IEND", b"")]
    parts = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size."""
    content = bytearray(encoded())
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def damaged(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def sparse(n_bytes: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        path.write_bytes(encoded())
        os.truncate(path, n_bytes)

    return make


def link(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def listening(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's whole path may hold about 100 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


JPEG, PNG, WEBP = encoded(), encoded(PHOTO, "PNG"), encoded(PHOTO, "WEBP")
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + b"\0" * 400
DEEP = "/".join(f"level{i}" for i in range(60))

FILES: dict[str, tuple[str, Content]] = {
    # -- usable, however odd they look
    "plain.jpg": ("ok", JPEG),
    "SHOUTED.JPEG": ("ok", JPEG),
    "really-a-webp.jpg": ("ok", WEBP),
    "really-a-jpeg.heic": ("ok", JPEG),
    "no-extension": ("ok", PNG),
    "progressive.jpg": ("ok", encoded(progressive=True)),
    "cmyk.jpg": ("ok", encoded(PHOTO.convert("CMYK"))),
    "grey.jpg": ("ok", encoded(PHOTO.convert("L"))),
    "rgba.png": ("ok", encoded(Image.fromarray(NOISE), "PNG")),
    "palette.png": ("ok", encoded(PHOTO.quantize(16), "PNG")),
    "sixteen-bit.png": ("ok", encoded(Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257), "PNG")),
    "rotated.jpg": ("ok", rotated()),
    "two-in-one.jpg": ("ok", encoded(PHOTO, "MPO", save_all=True, append_images=[PHOTO])),
    "wrong-profile.jpg": ("ok", encoded(icc_profile=b"this is no profile" * 20)),
    "with-a-tail.jpg": ("ok", JPEG + b"camera notes" * 50),
    "just-large-enough.png": ("ok", encoded(PHOTO.resize((16, 16)), "PNG")),
    "new\nline.jpg": ("ok", JPEG),
    'comma, and "quotes".jpg': ("ok", JPEG),
    "얼굴 😷.jpg": ("ok", JPEG),
    f"{DEEP}/deep.jpg": ("ok", JPEG),
    "link-within.jpg": ("ok", link("plain.jpg")),
    # -- cut short
    "empty.jpg": ("truncated", b""),
    "half.jpg": ("truncated", JPEG[: len(JPEG) // 2]),
    "half-progressive.jpg": ("truncated", encoded(progressive=True)[: len(JPEG) // 2]),
    "half.png": ("truncated", PNG[: len(PNG) // 2]),
    "half.webp": ("truncated", WEBP[: len(WEBP) // 2]),
    "first-hundred-bytes.jpg": ("truncated", JPEG[:100]),
    # -- cannot be opened, or is damaged
    "damaged.png": ("unreadable", damaged(PNG, len(PNG) // 2)),
    "damaged-header.png": ("unreadable", damaged(PNG, 18)),
    "damaged.webp": ("unreadable", WEBP[:20] + b"\xff" * (len(WEBP) - 20)),
    "link-to-nothing.jpg": ("unreadable", link("gone.jpg")),
    "circle-a.jpg": ("unreadable", link("circle-b.jpg")),
    "circle-b.jpg": ("unreadable", link("circle-a.jpg")),
    "link-out.jpg": ("unreadable", link("../outside.jpg")),
    "link-to-zeros.jpg": ("unreadable", link("/dev/zero")),
    "link-to-folder": ("unreadable", link("..")),
    "pipe.jpg": ("unreadable", os.mkfifo),
    "socket.jpg": ("unreadable", listening),
    "caf\udce9.jpg": ("unreadable", JPEG),
    # -- no image
    "page.jpg": ("wrong_type", b"<!DOCTYPE html><title>404 Not Found</title>"),
    "notes.docx": ("wrong_type", b"PK\x03\x04" + b"\0" * 300),
    "film.mp4": ("wrong_type", b"\0\0\0\x18ftypmp42\0\0\0\0" + b"\0" * 300),
    "zeros.jpg": ("wrong_type", b"\0" * 4000),
    # -- an image of another format
    "phone.heic": ("unsupported", HEIC),
    "phone-renamed.jpg": ("unsupported", HEIC),
    "modern.avif": ("unsupported", b"\0\0\0\x1cftypavif\0\0\0\0" + b"\0" * 300),
    "old.bmp": ("unsupported", encoded(PHOTO, "BMP")),
    "old.ppm": ("unsupported", encoded(PHOTO, "PPM")),
    "scan.tiff": ("unsupported", encoded(PHOTO, "TIFF")),
    "moving.gif": ("unsupported", animation("GIF")),
    # -- too much
    "bomb.png": ("too_large", png_of_size(50_000, 50_000)),
    "liar.jpg": ("too_large", jpeg_of_size(60_000, 60_000)),
    "many-bytes.jpg": ("too_large", sparse(MAX_BYTES + 1)),
    # -- several frames
    "moving.png": ("animated", animation("PNG")),
    "moving.webp": ("animated", animation("WEBP")),
    # -- too little
    "dot.png": ("too_small", encoded(PHOTO.resize((1, 1)), "PNG")),
    "stripe.jpg": ("too_small", encoded(PHOTO.resize((15, 400)))),
    # -- a photo that nobody names
    "holiday.jpg": ("extra", JPEG),
    "more/holiday.png": ("extra", PNG),
    # -- not meant to be looked at
    "._plain.jpg": ("ignored", b"\0\x05\x16\x07" + b"\0" * 60),
    ".hidden.jpg": ("ignored", JPEG),
    ".DS_Store": ("ignored", b"\0\0\0\1Bud1"),
    "Thumbs.db": ("ignored", b"\xd0\xcf\x11\xe0"),
    ".ipynb_checkpoints/plain-checkpoint.jpg": ("ignored", JPEG),
    ".thumbnails/plain.png": ("ignored", PNG),
    "@eaDir/plain.jpg/SYNOPHOTO_THUMB_M.jpg": ("ignored", JPEG),
    "__MACOSX/plain.jpg": ("ignored", JPEG),
    "plain.json": ("ignored", b"{}"),
    "plain.XMP": ("ignored", b"<x/>"),
    "readme.txt": ("ignored", b"photos of spring"),
}

TABLE = "labels.csv"  # lies beside the photos, so it is one ignored file more


def shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def write_nasty(root: Path) -> None:
    """Writes every file of FILES below `root`, and beside it a photo that a link leads out to."""
    root.mkdir()
    (root.parent / "outside.jpg").write_bytes(JPEG)
    for name, (_, content) in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content)


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    root = tmp_path_factory.mktemp("nasty") / "photos"
    write_nasty(root)
    named = [name for name, (status, _) in FILES.items() if status != "extra" and "\udce9" not in name]
    pl.DataFrame({"path": named, "gender": ["male"] * len(named)}).write_csv(root / TABLE)
    return ingest([root / TABLE])


def test_there_are_enough_nasty_files() -> None:
    assert len([status for status, _ in FILES.values() if status != "ok"]) >= 40


def test_every_status_is_met_at_least_twice() -> None:
    met = Counter(status for status, _ in FILES.values())
    assert {status for status in STATUSES if met[status] < 2} == set()


@pytest.mark.parametrize("name", FILES, ids=[ascii(shown(name))[1:40] for name in FILES])
def test_each_file_ends_with_its_status(ingested: Ingested, name: str) -> None:
    rejected = dict(ingested.rejects.select("path", "status").iter_rows())
    in_manifest = shown(name) in set(ingested.manifest.photo_ids)
    assert ("ok" if in_manifest else rejected[shown(name)]) == FILES[name][0]
    assert in_manifest != (shown(name) in rejected)


def test_statuses_add_up_to_the_files(ingested: Ingested) -> None:
    expected = Counter(status for status, _ in FILES.values()) + Counter(ignored=1)
    assert ingested.counts == {status: expected[status] for status in STATUSES}
    assert sum(ingested.counts.values()) == ingested.n_files == len(FILES) + 1
    assert ingested.n_missing == 0


def test_every_reject_says_why(ingested: Ingested) -> None:
    assert ingested.rejects.filter(pl.col("reason") == "").is_empty()
    assert ingested.rejects["path"].is_unique().all()


def test_turned_photos_have_their_upright_size(ingested: Ingested) -> None:
    sizes = {row["photo_id"]: (row["width_px"], row["height_px"]) for row in ingested.manifest.table.to_dicts()}
    assert sizes["plain.jpg"] == (48, 64)
    assert sizes["rotated.jpg"] == (64, 48)
