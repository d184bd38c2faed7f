"""Bytes of a photo -> upright RGB. By content, never by file name; the size is checked before a pixel is decoded."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
from simplejpeg import decode_jpeg, decode_jpeg_header

from trifacet.core.predictions import ImageArray

MAX_PIXELS = 25_000_000  # a 257 kB PNG can hold 715 MB of pixels; no phone's default photo of a face is larger

# The plugins are called directly: Image.open adds only its own size check, which warns from a global setting.
_OPENERS: dict[str, Callable[[io.BytesIO], Any]] = {
    "jpeg": JpegImagePlugin.jpeg_factory,
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
}

_CONVERT = "save it as JPEG, PNG or WebP"
_ADVICE = {
    "heic": f"HEIC/HEIF of a phone: {_CONVERT} (`heif-convert IN OUT.jpg`, or the camera's 'most compatible')",
    "avif": f"AVIF: {_CONVERT} (`avifdec IN OUT.png`)",
    "bmp": f"BMP: {_CONVERT} (`magick IN OUT.png`)",
    "ppm": f"PPM/PGM/PBM: {_CONVERT} (`magick IN OUT.png`)",
    "gif": f"GIF, 256 colours: {_CONVERT} (`magick 'IN[0]' OUT.png`), better from the original photo",
    "tiff": f"TIFF or camera raw: {_CONVERT} (`magick 'IN[0]' OUT.jpg`)",
    "jxl": f"JPEG XL: {_CONVERT} (`djxl IN OUT.png`)",
    "jp2": f"JPEG 2000: {_CONVERT} (`magick IN OUT.png`)",
    "psd": f"Photoshop file: {_CONVERT} (export from the editor)",
    "ico": f"Windows icon: {_CONVERT}, from the original photo",
}

_UPRIGHT = {  # EXIF tag 0x0112 -> what turns the stored pixels upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION, _GPS = 0x0112, 0x8825
_ON_ITS_SIDE = {_UPRIGHT[orientation] for orientation in (5, 6, 7, 8)}


class Undecodable(Exception):
    """These bytes give no photo: `status` is one of scan.STATUSES, `reason` says what to do."""

    def __init__(self, status: str, reason: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(f"{status}: {reason}")


def image_format(content: bytes) -> str:
    """The format that the first bytes announce: jpeg, png, webp, one that is not read (heic, bmp, ...), or ""."""
    brand = content[8:12]
    if content[4:8] == b"ftyp":
        if brand in (b"avif", b"avis"):
            return "avif"
        return "heic" if brand[:3] in (b"hei", b"hev", b"mif", b"msf") else ""
    if content[:4] == b"RIFF":
        return "webp" if brand == b"WEBP" else ""
    if len(content) > 2 and content[:1] == b"P" and content[1:2] in b"1234567" and content[2:3].isspace():
        return "ppm"
    return next((name for start, name in _STARTS if content.startswith(start)), "")


_STARTS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"BM", "bmp"),
    (b"GIF8", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL ", "jxl"),
    (b"\0\0\0\x0cjP  ", "jp2"),
    (b"8BPS", "psd"),
    (b"\0\0\x01\0", "ico"),
)


def decode(content: bytes) -> ImageArray:
    """The photo as uint8 (H, W, 3) RGB, turned upright by its EXIF orientation, transparency laid over white.

    JPEG, PNG and WebP of any mode: grey, palette, CMYK, 16 bits a channel (the high byte is kept), with or without
    alpha. Colour profiles are not applied. Of a JPEG that carries several pictures the first is taken.

    Raises:
        Undecodable: with status truncated, unreadable, wrong_type, unsupported, too_large or animated.
    """
    name = image_format(content)
    if name in _ADVICE:
        raise Undecodable("unsupported", _ADVICE[name])
    if name not in _OPENERS:
        raise Undecodable("wrong_type", _not_an_image(content))
    try:
        with _OPENERS[name](io.BytesIO(content)) as image:
            _refuse_large(image)
            if name != "jpeg" and getattr(image, "n_frames", 1) > 1:
                raise Undecodable("animated", f"{image.n_frames} frames: save one of them as a photo")
            image.load()
            turn = _turn(image)
            return np.asarray(_to_rgb(image if turn is None else image.transpose(turn)))
    except Undecodable:
        raise
    except Exception as problem:  # decoders raise whatever a mutated file leads them to
        raise _explain(problem, name, content=content) from problem


def upright_size(content: bytes) -> tuple[int, int]:
    """(height, width) in pixels of what `decode` gives, and every error that it would raise, sooner.

    Of an ordinary JPEG the whole stream is read, but an eighth of its resolution computed: a third of the time.

    Raises:
        Undecodable: as `decode` does.
    """
    markers = _jpeg_markers(content)
    if markers[-1:] in _SCALABLE:
        try:
            height, width, _, _ = decode_jpeg_header(content)
            if height * width <= MAX_PIXELS:
                is_on_its_side = _METADATA in markers and _is_on_its_side(content)
                decode_jpeg(content, min_height=1, min_width=1, min_factor=8)
                return (width, height) if is_on_its_side else (height, width)
        except Exception:  # noqa: BLE001 - whatever it is, the full decode below judges and explains it
            pass
    height, width, _ = decode(content).shape
    return height, width


def _jpeg_markers(content: bytes) -> bytes:
    """The second bytes of a JPEG's markers up to its frame (0xC0-0xCF), or as far as they follow one another."""
    at, markers = 2, bytearray()
    while content[at : at + 1] == b"\xff" and at + 4 <= len(content):
        marker = content[at + 1]
        markers.append(marker)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame; not tables or an extension
            break
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return bytes(markers)


_METADATA, _SCALABLE = b"\xe1", (b"\xc0", b"\xc1", b"\xc2")  # EXIF or XMP; a lossless frame has no lower resolution


def exif_notes(content: bytes) -> tuple[str, ...]:
    """What a readable photo's metadata do or tell that nobody sees in it: that they turn it, that they place it."""
    if image_format(content) == "jpeg" and _METADATA not in _jpeg_markers(content):
        return ()
    try:
        with _OPENERS[image_format(content)](io.BytesIO(content)) as image:
            exif = image.getexif()
            Image.Exif().load(image.info.get("exif", b""))  # fails on damage that getexif, asked again, passes over
            turn, place = exif.get(_ORIENTATION, 1), exif.get_ifd(_GPS)
    except Exception:  # noqa: BLE001 - the pixels are whole, and of damaged metadata nothing is told
        return ("metadata that cannot be read",)
    told = (("turned upright by its metadata",) if turn in _UPRIGHT else ()) + (("its place",) if place else ())
    return told if turn in (*_UPRIGHT, 0, 1) else (*told, f"an orientation that there is none of: {turn}")


def _is_on_its_side(content: bytes) -> bool:
    with _OPENERS["jpeg"](io.BytesIO(content)) as image:
        return _turn(image) in _ON_ITS_SIDE


def _refuse_large(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        limit = f"{MAX_PIXELS / 1e6:.0f} megapixels"
        raise Undecodable("too_large", f"{width} x {height} px is more than {limit}: make it smaller")


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What turns the pixels upright; None for nothing."""
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - the pixels are whole; a damaged EXIF block only loses the orientation
        return None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # 16-bit grey, which convert() would clip to white
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")
    return image.convert("RGB")


def _not_an_image(content: bytes) -> str:
    head = content[:512].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page, not a photo: the download probably failed"
    if head.startswith(b"%pdf"):
        return "a PDF, not a photo"
    if content[4:8] == b"ftyp":
        return "a video, not a photo"
    if content.startswith(b"PK\x03\x04"):
        return "a zip archive, not a photo: unpack it first"
    return "the content is no image"


def _explain(problem: Exception, name: str, *, content: bytes) -> Undecodable:
    words = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    if isinstance(problem, MemoryError) or "too large" in words.lower():
        return Undecodable("too_large", f"decoding needs too much memory ({words})")
    if "truncated" in words.lower() or _is_cut_short(name, content):
        return Undecodable("truncated", f"the {name.upper()} ends early: copy or download it again")
    return Undecodable("unreadable", f"damaged {name.upper()} ({words})")


def _is_cut_short(name: str, content: bytes) -> bool:
    if name == "webp":
        return int.from_bytes(content[4:8], "little") + 8 > len(content)
    return (b"IEND" if name == "png" else b"\xff\xd9") not in content[-1024:]
