from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from trifacet.pixels import decode as decoding
from trifacet.pixels.decode import Undecodable, decode, exif_notes, image_format, upright_size

RNG = np.random.default_rng(3)
# Four flat quarters: red, green, blue, white. JPEG and every mode keep them apart.
QUARTERS = np.zeros((48, 32, 3), dtype=np.uint8)
QUARTERS[:24, :16], QUARTERS[:24, 16:], QUARTERS[24:, :16], QUARTERS[24:, 16:] = (
    (250, 10, 10),
    (10, 250, 10),
    (10, 10, 250),
    (250, 250, 250),
)


def encoded(image: Image.Image, name: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def with_orientation(image: Image.Image, orientation: int, name: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, name, exif=exif, **({"quality": 95} if name == "JPEG" else {}))


def is_near(one: np.ndarray, other: np.ndarray, tolerance: int = 24) -> bool:
    centre = (slice(8, 16), slice(4, 12))
    corners = [(0, 0), (24, 0), (0, 16), (24, 16)]
    if one.shape != other.shape:
        return False
    far = [np.abs(one[y:, x:][centre].astype(int) - other[y:, x:][centre]).max() for y, x in corners]
    return max(far) <= tolerance


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_a_photo_comes_back_as_it_was(name: str) -> None:
    image = decode(encoded(Image.fromarray(QUARTERS), name))
    assert (image.shape, image.dtype) == ((48, 32, 3), np.uint8)
    assert is_near(image, QUARTERS)


def test_png_pixels_are_exact() -> None:
    noise = RNG.integers(0, 256, (17, 23, 3), dtype=np.uint8)
    assert np.array_equal(decode(encoded(Image.fromarray(noise))), noise)


STORED = {  # orientation -> how a camera that says so has stored an upright picture
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_turned_upright(orientation: int, name: str) -> None:
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](QUARTERS)))
    assert is_near(decode(with_orientation(stored, orientation, name)), QUARTERS)


def test_an_orientation_that_does_not_exist_changes_nothing() -> None:
    assert is_near(decode(with_orientation(Image.fromarray(QUARTERS), 77)), QUARTERS)


def test_a_damaged_exif_block_costs_only_the_orientation() -> None:
    content = bytearray(with_orientation(Image.fromarray(QUARTERS), 6))
    start = content.index(b"Exif\0\0") + 6
    content[start : start + 4] = b"\xff\xff\xff\xff"
    assert is_near(decode(bytes(content)), QUARTERS)


def test_transparency_lies_over_white() -> None:
    rgba = np.dstack([QUARTERS, np.full((48, 32), 255, dtype=np.uint8)])
    rgba[:24, :16, 3] = 0
    rgba[24:, :16] = (0, 0, 0, 128)
    for name in ("PNG", "WEBP"):
        image = decode(encoded(Image.fromarray(rgba), name, **({"lossless": True} if name == "WEBP" else {})))
        assert image[8, 8].tolist() == [255, 255, 255]
        assert image[30, 8].tolist() == [127, 127, 127]
        assert image[8, 24].tolist() == [10, 250, 10]


def test_grey_is_the_same_in_three_channels() -> None:
    grey = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
    assert np.array_equal(decode(encoded(Image.fromarray(grey))), np.dstack([grey] * 3))


def test_grey_with_alpha_lies_over_white() -> None:
    la = Image.merge("LA", (Image.new("L", (20, 20), 40), Image.new("L", (20, 20), 0)))
    assert (decode(encoded(la)) == 255).all()


def test_one_bit_pictures_are_black_and_white() -> None:
    bits = Image.fromarray(RNG.integers(0, 2, (20, 24)).astype(bool))
    assert set(np.unique(decode(encoded(bits)))) == {0, 255}


def test_16_bit_grey_keeps_the_high_byte() -> None:
    deep = RNG.integers(0, 65536, (20, 24), dtype=np.uint16)
    assert np.array_equal(decode(encoded(Image.fromarray(deep)))[..., 0], (deep >> 8).astype(np.uint8))


def png(width: int, height: int, *, depth: int, colour: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def test_16_bit_colour_keeps_the_high_byte() -> None:
    deep = RNG.integers(0, 65536, (4, 5, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    image = decode(png(5, 4, depth=16, colour=2, rows=rows))
    assert np.array_equal(image, (deep.astype(np.uint16) >> 8).astype(np.uint8))


def test_palettes_become_colours() -> None:
    palette = Image.fromarray(QUARTERS).quantize(8)
    assert is_near(decode(encoded(palette)), QUARTERS)


def test_a_transparent_palette_entry_is_white() -> None:
    palette = Image.new("P", (20, 20), 1)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert (decode(encoded(palette, transparency=1)) == 255).all()


def test_a_transparent_colour_is_white() -> None:
    image = decode(encoded(Image.fromarray(QUARTERS), transparency=(10, 250, 10)))
    assert image[8, 24].tolist() == [255, 255, 255]
    assert image[8, 8].tolist() == [250, 10, 10]


def test_cmyk_becomes_rgb() -> None:
    image = decode(encoded(Image.fromarray(QUARTERS).convert("CMYK"), "JPEG", quality=95))
    assert is_near(image, QUARTERS)


def test_the_first_picture_of_a_multi_picture_jpeg_is_taken() -> None:
    first, second = Image.fromarray(QUARTERS), Image.new("RGB", (40, 40))
    content = encoded(first, "MPO", save_all=True, append_images=[second])
    assert is_near(decode(content), QUARTERS)


def frames(n: int) -> list[Image.Image]:
    return [Image.fromarray(RNG.integers(0, 256, (20, 20, 3), dtype=np.uint8)) for _ in range(n)]


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_several_frames_are_animated(name: str) -> None:
    first, *rest = frames(3)
    with pytest.raises(Undecodable, match="animated: 3 frames: save one of them as a photo"):
        decode(encoded(first, name, save_all=True, append_images=rest))


def test_one_frame_is_a_photo() -> None:
    first = frames(1)[0]
    assert np.array_equal(decode(encoded(first, "PNG", save_all=True)), np.asarray(first))


def test_a_bomb_is_refused_from_its_header() -> None:
    bomb = png(20_000, 20_000, depth=1, colour=0, rows=b"\0" * 2501)
    with pytest.raises(Undecodable, match="too_large: 20000 x 20000 px is more than 25 megapixels: make it smaller"):
        decode(bomb)


def test_a_text_bomb_is_too_large() -> None:
    text = b"Comment\0\0" + zlib.compress(b"\0" * 5_000_000)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    content = encoded(Image.fromarray(QUARTERS))
    with pytest.raises(Undecodable) as caught:
        decode(content[:33] + chunk + content[33:])
    assert caught.value.status == "too_large"


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_content_that_ends_early_is_truncated(name: str, share: float) -> None:
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    content = encoded(noise, name)
    with pytest.raises(Undecodable, match=f"truncated: the {name} ends early: copy or download it again"):
        decode(content[: int(len(content) * share)])


def test_a_progressive_jpeg_that_ends_early_is_truncated() -> None:
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    content = encoded(noise, "JPEG", progressive=True)
    with pytest.raises(Undecodable, match="truncated"):
        decode(content[: len(content) // 2])


def test_damage_within_a_png_is_unreadable() -> None:
    content = bytearray(encoded(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(Undecodable, match="unreadable: damaged PNG"):
        decode(bytes(content))


FOREIGN = {
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0", "unsupported", "HEIC/HEIF of a phone"),
    "mif1": (b"\0\0\0\x18ftypmif1\0\0\0\0", "unsupported", "HEIC/HEIF of a phone"),
    "avif": (b"\0\0\0\x1cftypavif\0\0\0\0", "unsupported", "AVIF"),
    "bmp": (encoded(Image.fromarray(QUARTERS), "BMP"), "unsupported", "BMP"),
    "ppm": (encoded(Image.fromarray(QUARTERS), "PPM"), "unsupported", "PPM"),
    "gif": (encoded(Image.fromarray(QUARTERS), "GIF"), "unsupported", "GIF"),
    "tiff": (encoded(Image.fromarray(QUARTERS), "TIFF"), "unsupported", "TIFF"),
    "jxl": (b"\xff\x0a" + b"\0" * 20, "unsupported", "JPEG XL"),
    "jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", "unsupported", "JPEG 2000"),
    "psd": (b"8BPS\0\x01" + b"\0" * 20, "unsupported", "Photoshop"),
    "ico": (encoded(Image.fromarray(QUARTERS), "ICO"), "unsupported", "Windows icon"),
    "html": (b"<!DOCTYPE html><html><body>404", "wrong_type", "a web page"),
    "pdf": (b"%PDF-1.7\n", "wrong_type", "a PDF"),
    "mp4": (b"\0\0\0\x18ftypmp42\0\0\0\0", "wrong_type", "a video"),
    "zip": (b"PK\x03\x04" + b"\0" * 20, "wrong_type", "a zip archive"),
    "text": (b"Photos of spring", "wrong_type", "the content is no image"),
    "wav": (b"RIFF\0\0\0\0WAVEfmt ", "wrong_type", "the content is no image"),
    "nothing": (b"", "wrong_type", "the content is no image"),
}


@pytest.mark.parametrize(("content", "status", "reason"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_jpeg_png_or_webp_is_told(content: bytes, status: str, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(content)
    assert caught.value.status == status
    assert caught.value.reason.startswith(reason)


def test_every_format_that_is_not_read_has_advice() -> None:
    for content, status, _ in FOREIGN.values():
        if status == "unsupported":
            assert "save it as JPEG, PNG or WebP" in decoding._ADVICE[image_format(content)]


SEEDS = [
    encoded(Image.fromarray(QUARTERS), "JPEG", quality=95),
    with_orientation(Image.fromarray(QUARTERS), 6),
    encoded(Image.fromarray(QUARTERS)),
    encoded(Image.fromarray(QUARTERS).quantize(8)),
    encoded(Image.fromarray(QUARTERS), "WEBP"),
]


@settings(max_examples=150, deadline=None)
@given(
    content=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=12),
    end=st.integers(1, 4000),
)
def test_mutated_bytes_give_pixels_or_a_status(content: bytes, changes: list[tuple[int, int]], end: int) -> None:
    mutated = bytearray(content)
    for at, value in changes:
        mutated[at % len(mutated)] = value
    status, image = "ok", np.zeros((1, 1, 3), dtype=np.uint8)
    try:
        image = decode(bytes(mutated[:end]))
    except Undecodable as problem:
        status = problem.status
    assert status in {"ok", "truncated", "unreadable", "wrong_type", "unsupported", "too_large", "animated"}
    assert (image.dtype, image.ndim, image.shape[2]) == (np.uint8, 3, 3)


def told(look: Callable[[bytes], object], content: bytes) -> object:
    """What a function says of bytes: its answer, or the status and reason of its error."""
    try:
        return look(content)
    except Undecodable as problem:
        return problem.status, problem.reason


NOISE = Image.fromarray(RNG.integers(0, 256, (61, 83, 3), dtype=np.uint8))
JPEGS = {
    "quarters": SEEDS[0],
    "on its side": SEEDS[1],
    "every bit used": encoded(NOISE, "JPEG"),
    "without subsampling": encoded(NOISE, "JPEG", subsampling=0),
    "progressive": encoded(NOISE, "JPEG", progressive=True),
    "with restarts": encoded(NOISE, "JPEG", restart_marker_blocks=2),
    "grey": encoded(NOISE.convert("L"), "JPEG"),
    "cmyk": encoded(NOISE.convert("CMYK"), "JPEG"),
    "smaller than a block": encoded(NOISE.resize((5, 3)), "JPEG"),
    "two in one": encoded(NOISE, "MPO", save_all=True, append_images=[NOISE]),
}


@pytest.mark.parametrize("content", [*JPEGS.values(), *SEEDS[2:]], ids=[*JPEGS, "png", "palette", "webp"])
def test_the_size_is_that_of_the_decoded_photo(content: bytes) -> None:
    assert upright_size(content) == decode(content).shape[:2]


@settings(max_examples=400, deadline=None)
@given(
    content=st.sampled_from([*JPEGS.values()]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    share=st.floats(0.05, 1.2),
)
def test_the_size_is_refused_where_decoding_is(content: bytes, changes: list[tuple[float, int]], share: float) -> None:
    mutated = bytearray(content)
    for at, value in changes:
        mutated[int(at * len(mutated))] = value
    cut = bytes(mutated[: int(len(mutated) * share)])
    assert told(upright_size, cut) == told(lambda c: decode(c).shape[:2], cut)


def test_a_lossless_jpeg_is_not_decoded_at_a_lower_resolution() -> None:
    content = JPEGS["every bit used"]
    frame = content.index(b"\xff\xc0")
    lossless = content[: frame + 1] + b"\xc3" + content[frame + 2 :]
    assert [decoding._jpeg_markers(c)[-1] for c in (content, JPEGS["progressive"], lossless)] == [0xC0, 0xC2, 0xC3]
    assert told(upright_size, lossless) == told(lambda c: decode(c).shape[:2], lossless)


def with_metadata(name: str = "JPEG", *, orientation: int | None = None, gps: bool = False) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    if orientation is not None:
        exif[0x0112] = orientation
    if gps:
        exif.get_ifd(0x8825)[1] = "N"
    return encoded(Image.fromarray(QUARTERS), name, exif=exif)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "gps", "told"),
    [
        pytest.param(None, False, (), id="a camera's name"),
        pytest.param(1, False, (), id="upright"),
        pytest.param(0, False, (), id="not known"),
        pytest.param(6, False, ("turned upright by its metadata",), id="turned"),
        pytest.param(9, False, ("an orientation that there is none of: 9",), id="no orientation"),
        pytest.param(None, True, ("its place",), id="a place"),
        pytest.param(3, True, ("turned upright by its metadata", "its place"), id="both"),
    ],
)
def test_metadata_that_nobody_sees_are_told(
    name: str, orientation: int | None, gps: bool, told: tuple[str, ...]
) -> None:
    assert exif_notes(with_metadata(name, orientation=orientation, gps=gps)) == told


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_of_photos_without_metadata_nothing_is_told(name: str) -> None:
    assert exif_notes(encoded(Image.fromarray(QUARTERS), name)) == ()


def test_damaged_metadata_are_told_and_the_photo_is_read() -> None:
    content = with_metadata(orientation=6)
    at = content.index(b"Exif\0\0") + 6
    damaged = content[:at] + b"XX" + content[at + 2 :]
    assert exif_notes(damaged) == ("metadata that cannot be read",)
    assert decode(damaged).shape == QUARTERS.shape


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=12))
def test_no_metadata_stop_what_looks_at_them(changes: list[tuple[int, int]]) -> None:
    content = bytearray(with_metadata(orientation=8, gps=True))
    for at, value in changes:
        content[at] = value
    assert isinstance(exif_notes(bytes(content)), tuple)
