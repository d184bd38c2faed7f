"""Seeded mutations of photos: flipped bits, cut ends, spliced parts, edited headers, of JPEG, PNG and WebP."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from PIL import Image

from trifacet.data.drawn import draw_person, draw_photo

SIZE_PX = (48, 64)
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}


@cache
def originals(name: str, n: int = 6) -> tuple[bytes, ...]:
    """A few drawn photos as files of a format, with metadata that a mutation may hit."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    found = []
    for i in range(n):
        buffer = io.BytesIO()
        photo = Image.fromarray(draw_photo(draw_person(9, i), "normal", size_px=SIZE_PX))
        photo.save(buffer, FORMATS[name], exif=exif, **({"progressive": True} if name == "jpg" and i % 2 else {}))
        found.append(buffer.getvalue())
    return tuple(found)


def _flipped(content: bytes, _: bytes, draw: np.random.Generator) -> bytes:
    """One to forty bits turned, anywhere."""
    made = bytearray(content)
    for at in draw.integers(0, len(made), draw.integers(1, 41)).tolist():
        made[at] ^= 1 << int(draw.integers(0, 8))
    return bytes(made)


def _cut(content: bytes, _: bytes, draw: np.random.Generator) -> bytes:
    """The beginning alone, down to nothing."""
    return content[: int(draw.integers(0, len(content)))]


def _spliced(content: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    """The beginning of one photo and the end of another."""
    return content[: int(draw.integers(0, len(content)))] + other[int(draw.integers(0, len(other))) :]


def _overwritten(content: bytes, _: bytes, draw: np.random.Generator) -> bytes:
    """A part in the middle that is noise, or zeros as after a crash."""
    start, length = int(draw.integers(0, len(content))), int(draw.integers(1, 400))
    noise = draw.integers(0, 256, length, dtype=np.uint8).tobytes() if draw.random() < 0.5 else bytes(length)
    return content[:start] + noise + content[start + length :]


def _header(content: bytes, _: bytes, draw: np.random.Generator) -> bytes:
    """Bytes of the first hundred, where sizes, types and lengths stand, set to what is likely to hurt."""
    made = bytearray(content)
    for at in draw.integers(0, min(100, len(made)), draw.integers(1, 6)).tolist():
        made[at] = int(draw.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF]))
    return bytes(made)


def _doubled(content: bytes, _: bytes, draw: np.random.Generator) -> bytes:
    """A part that stands twice."""
    start = int(draw.integers(0, len(content)))
    stop = start + int(draw.integers(1, 300))
    return content[:stop] + content[start:stop] + content[stop:]


MUTATIONS: dict[str, Callable[[bytes, bytes, np.random.Generator], bytes]] = {
    "flipped": _flipped,
    "cut": _cut,
    "spliced": _spliced,
    "overwritten": _overwritten,
    "header": _header,
    "doubled": _doubled,
}


def mutated(n: int, *, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """(name, content) of `n` mutated files, every mutation of every format in turn; the same for the same seed."""
    draw = np.random.default_rng(seed)
    kinds = [(name, kind) for name in FORMATS for kind in MUTATIONS]
    for i in range(n):
        name, kind = kinds[i % len(kinds)]
        one, two = draw.choice(len(originals(name)), 2).tolist()
        yield f"mutated/{i:04d}-{kind}.{name}", MUTATIONS[kind](originals(name)[one], originals(name)[two], draw)
