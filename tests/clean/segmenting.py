"""A real segmentation model of a few hundred bytes, and photos of a drawn face that it can tell from the background.

The model is one convolution and a sigmoid, written as ONNX's protobuf by hand: skin has more red than blue, the
background more blue than red.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from trifacet.core.predictions import ImageArray

BLUE, SKIN, EYES, MOUTH = (40, 90, 200), (225, 170, 140), (90, 50, 30), (170, 60, 60)
SIZE_PX = (96, 128)  # width, height
RED_MINUS_BLUE = (40.0, 0.0, -40.0)


class Written(NamedTuple):
    """A model file and its hash."""

    path: Path
    sha256: str


def field(number: int, content: bytes | int | str) -> bytes:
    """A field of a protobuf message: a number, or a text or message with its length."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    body = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(body)) + body


def varint(number: int) -> bytes:
    """A number in sevens of bits, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def tensor(name: str, shape: tuple[int, ...], values: tuple[float, ...]) -> bytes:
    """A TensorProto of float32."""
    dims = b"".join(field(1, n) for n in shape)
    return dims + field(2, 1) + field(8, name) + field(9, np.array(values, "<f4").tobytes())


def node(op: str, inputs: tuple[str, ...], output: str) -> bytes:
    """A NodeProto with one output."""
    return b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, op)


def value(name: str, channels: int) -> bytes:
    """A ValueInfoProto: float32, (1, channels, any height, any width)."""
    dims = field(1, field(1, 1)) + field(1, field(1, channels)) + field(1, field(2, "h")) + field(1, field(2, "w"))
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def model_bytes(weights: tuple[float, ...] = RED_MINUS_BLUE, *, bias: float = 0.0, channels: int = 3) -> bytes:
    """The model: sigmoid of a weighted sum of a pixel's channels."""
    graph = (
        field(1, node("Conv", ("photo", "weights", "bias"), "sum"))
        + field(1, node("Sigmoid", ("sum",), "mask"))
        + field(2, "tiny")
        + field(5, tensor("weights", (1, channels, 1, 1), weights))
        + field(5, tensor("bias", (1,), (bias,)))
        + field(11, value("photo", channels))
        + field(12, value("mask", 1))
    )
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


def write_model(path: Path, content: bytes | None = None) -> Written:
    """Writes the model, or another content, and says its hash."""
    content = model_bytes() if content is None else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Written(path, hashlib.sha256(content).hexdigest())


def draw_face(*, shift_px: int = 0) -> tuple[ImageArray, np.ndarray]:
    """A face on plain blue, uint8 (128, 96, 3), and where it is: bool (128, 96)."""
    photo, where = Image.new("RGB", SIZE_PX, BLUE), Image.new("L", SIZE_PX)
    box = (24 + shift_px, 24, 72 + shift_px, 100)
    ImageDraw.Draw(where).ellipse(box, fill=255)
    brush = ImageDraw.Draw(photo)
    brush.ellipse(box, fill=SKIN)
    for x in (36, 54):
        brush.ellipse((x + shift_px, 48, x + 7 + shift_px, 54), fill=EYES)
    brush.ellipse((40 + shift_px, 78, 57 + shift_px, 84), fill=MOUTH)
    return np.asarray(photo), np.asarray(where) > 0


def write_faces(root: Path, n: int, *, people: int = 3) -> Path:
    """Writes `n` photos that differ as a table of labels with persons names them: root/labels.csv, root/photos/*."""
    (root / "photos").mkdir(parents=True)
    rows = ["path,person_id,mask,gender,age_years"]
    for i in range(n):
        image, _ = draw_face(shift_px=i % 20 - 10)
        noisy = image.copy()
        noisy[:2, :, 2] = 200 + i // 20  # no two photos are one
        Image.fromarray(noisy).save(root / "photos" / f"{i:03d}.png")
        rows.append(f"{i:03d}.png,p{i % people},{('worn', 'not_worn')[i % 2]},female,{20 + 30 * (i % people)}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root
