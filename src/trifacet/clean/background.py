"""Models that tell a person from the background: rembg's sessions, those that stay on this machine, on known files.

A model is named or a file; either way its hash is known before it is opened, and nothing is ever downloaded.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from trifacet.core.errors import error, pick
from trifacet.core.files import sha256_bytes
from trifacet.core.predictions import ImageArray
from trifacet.pixels.fills import Mask

RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"


@dataclass(frozen=True)
class Known:
    """A model of rembg's that may be used: the module and class that run it, and its file at RELEASE."""

    module: str
    kind: str
    file: str
    n_mb: int
    sha256: str
    licence: str


# Each hash as several projects pin that file of rembg's release; the licences are those of the authors' repositories.
MODELS: dict[str, Known] = {
    "u2net": Known(
        "u2net",
        "U2netSession",
        "u2net.onnx",
        176,
        "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491",
        "Apache-2.0",
    ),
    "u2netp": Known(
        "u2netp",
        "U2netpSession",
        "u2netp.onnx",
        5,
        "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        "Apache-2.0",
    ),
    "u2net_human_seg": Known(
        "u2net_human_seg",
        "U2netHumanSegSession",
        "u2net_human_seg.onnx",
        176,
        "01eb6a29a5c4d8edb30b56adad9bb3a2a0535338e480724a213e0acfd2d1c73c",
        "Apache-2.0",
    ),
    "isnet-general-use": Known(
        "dis_general_use",
        "DisSession",
        "isnet-general-use.onnx",
        179,
        "60920e99c45464f2ba57bee2ad08c919a52bbf852739e96947fbb4358c0d964a",
        "Apache-2.0",
    ),
    "birefnet-general": Known(
        "birefnet_general",
        "BiRefNetSessionGeneral",
        "BiRefNet-general-epoch_244.onnx",
        973,
        "58f621f00f5d756097615970a88a791584600dcf7c45b18a0a6267535a1ebd3c",
        "MIT",
    ),
    "birefnet-general-lite": Known(
        "birefnet_general_lite",
        "BiRefNetSessionGeneralLite",
        "BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx",
        224,
        "5600024376f572a557870a5eb0afb1e5961636bef4e1e22132025467d0f03333",
        "MIT",
    ),
    "birefnet-portrait": Known(
        "birefnet_portrait",
        "BiRefNetSessionPortrait",
        "BiRefNet-portrait-epoch_150.onnx",
        973,
        "1ba1c8ff5a7bbfadc8d8d13fb11d7be793f91f23d9d466549e37a854f6668f99",
        "MIT",
    ),
}
FOR_FILES = {  # rembg's sessions for a file of one's own, by what they show the network
    "u2net_custom": ("u2net_custom", "U2netCustomSession"),  # 320 x 320, normalised as ImageNet
    "dis_custom": ("dis_custom", "DisCustomSession"),  # 1024 x 1024, from -0.5 to 0.5
    "ben_custom": ("ben_custom", "BenCustomSession"),  # the same
}
SESSIONS = {**FOR_FILES, **{name: (known.module, known.kind) for name, known in MODELS.items()}}

_OWN = "it is for a file of your own: pass --model PATH --session NAME"
_PARTS = "it finds something else than a person before a background"
_UNREAD = "nobody has read its licence or pinned its hash: pass its file by --model PATH, at your own judgement"
REFUSED = {
    "withoutbg": "it sends every photo to a remote service",
    "atlascloud": "it sends every photo to a remote service",
    "bria-rmbg": "its licence allows non-commercial use only",
    "sam": _PARTS,
    "u2net_cloth_seg": _PARTS,
    "isnet-anime": "it is for drawings, not for photos",
    "silueta": "its author states no licence",
    "birefnet-general-fp16": "it is made on the machine, so its file has no known hash: take birefnet-general",
    **dict.fromkeys(("birefnet-dis", "birefnet-hrsod", "birefnet-cod", "birefnet-massive"), _UNREAD),
    **dict.fromkeys(FOR_FILES, _OWN),
}

_ELSEWHERE = b"\x0a\x08location"  # the key of a tensor that lies in another file, as ONNX's protobuf writes it
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PROBE_PX = 64
_IMPORTING = threading.Lock()


class Unsegmented(Exception):
    """The model gave no mask for a photo; the text says why."""


@dataclass(frozen=True)
class Model:
    """A model file with its hash, and the session of rembg's that runs it. `name` is what it is called in tables."""

    name: str
    path: Path
    sha256: str
    session: str


def find_model(model: str, *, sha256: str = "", session: str = "") -> Model:
    """The model called `model`, in rembg's own folders, or the file at that path; its hash is checked, nothing opened.

    sha256, session: of a file alone: what it must hash to, and which of SESSIONS runs it (default u2net_custom).

    Raises:
        ConfigError: TRI100, TRI104, TRI120 to TRI123. MissingExtraError: TRI600.
    """
    if not (model.endswith(".onnx") or "/" in model or Path(model).is_file()):
        if sha256 or session:
            do = f"Leave it out, or pass the file itself: --model PATH/{model}.onnx."
            raise error("TRI104", "is for a model file; a name has its own", where="--sha256, --session", do=do)
        return _named(model)
    session = session or "u2net_custom"
    _refuse(session, where="--session", own=SESSIONS)
    pick(SESSIONS, session, what="session", where="--session")
    wanted = sha256.lower().removeprefix("sha256:")
    if wanted and not _SHA256.fullmatch(wanted):
        raise error("TRI104", "takes 64 hex digits", where="--sha256", got=f"'{sha256}'")
    path = Path(model).expanduser()
    if not path.is_file():
        raise error("TRI123", "no such model file", where=path, do="Check the path.")
    require_background()
    return _checked(Model(path.name, path, wanted, session))


def _named(name: str) -> Model:
    _refuse(name, where="--model", own=MODELS)
    known = pick(MODELS, name, what="model", where="--model", do="A model file of your own is passed by its path.")
    require_background()
    kind = _session_class(name)
    found = kind.resolve_existing(f"{name}.onnx")
    if found is None:
        do = f"Fetch {RELEASE}/{known.file} ({known.n_mb:,} MB, {known.licence}) and save it under that name."
        where = Path(kind.model_dir()) / f"{name}.onnx"
        raise error("TRI123", f"no file of '{name}', and none is downloaded for you", where=where, do=do)
    return _checked(Model(name, Path(found), known.sha256, name))


def _refuse(name: str, *, where: str, own: dict[str, Any]) -> None:
    if name in REFUSED and name not in own:
        raise error("TRI120", f"'{name}' may not be used: {REFUSED[name]}", where=where)


def _checked(model: Model) -> Model:
    """The model, where its file is the one that is meant, whole. Raises ConfigError TRI121, TRI122."""
    try:
        content = model.path.read_bytes()
    except OSError as problem:
        raise error("TRI122", "the model file cannot be read", where=model.path, got=problem.strerror) from problem
    found = sha256_bytes(content)
    if not model.sha256:
        do = f"If you trust this file, say so: --sha256 {found}"
        raise error("TRI121", "a model file is opened only where its hash is given", where=model.path, do=do)
    if found != model.sha256:
        do = f"Its hash must be {model.sha256}. Fetch it again from where you trust it."
        raise error("TRI121", "this is another file than was meant", where=model.path, got=found, do=do)
    if _ELSEWHERE in content:
        do = "Save the model as one file."
        raise error("TRI122", "its weights lie in other files, which its hash does not cover", where=model.path, do=do)
    return model


def require_background() -> None:
    """Refuses where the extra [background] is absent. Raises MissingExtraError TRI600."""
    absent = [package for package in ("rembg", "onnxruntime") if find_spec(package) is None]
    if absent:
        do = "Install it with `pip install 'trifacet[background]'`; `trifacet doctor` shows what is there."
        raise error("TRI600", "this needs the extra [background]", got=f"no {', '.join(absent)}", do=do)


class Segmenter:
    """A model that is open. Several threads may ask one; a photo is worked on by one core, so that threads scale."""

    def __init__(self, model: Model) -> None:
        kind = _session_class(model.session)
        runtime = sys.modules["onnxruntime"]
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors; what it warns of is how it optimised
        path = str(model.path)
        # The only method that would download, in every session: here it says where the checked file lies.
        local = type("Local", (kind,), {"download_models": classmethod(lambda *_, **__: path)})
        try:
            self._session = local(model.session, options, model_path=path)
            self.mask(_probe())
        except Exception as problem:
            got, do = _first_line(problem), "See docs/how-to/background.md for what each --session shows a model."
            what = f"the model cannot be used as '{model.session}'"
            raise error("TRI122", what, where=model.path, got=got, do=do) from problem

    def mask(self, image: ImageArray) -> Mask:
        """What of an upright RGB image (H, W, 3) uint8 is kept: (H, W) uint8, 0 background .. 255 person.

        rembg stretches each answer over that whole range, so an answer that is the same everywhere keeps nothing.

        Raises:
            Unsegmented: the model fails, or answers something else than one mask.
        """
        try:
            with np.errstate(divide="ignore", invalid="ignore"):  # an answer that is the same everywhere
                masks = self._session.predict(Image.fromarray(image))
        except Exception as problem:
            raise Unsegmented(_first_line(problem)) from problem
        found: Mask = np.asarray(masks[0])
        if len(masks) != 1 or found.shape != image.shape[:2]:
            raise Unsegmented(f"{len(masks)} masks, the first of {found.shape}, for a photo of {image.shape[:2]}")
        return found


def _probe() -> ImageArray:
    """A light disc on dark ground, which every model can be asked about."""
    y, x = np.mgrid[:_PROBE_PX, :_PROBE_PX] - _PROBE_PX / 2
    return np.repeat(np.where(x**2 + y**2 < (_PROBE_PX / 4) ** 2, 220, 30).astype(np.uint8)[..., None], 3, axis=2)


def _first_line(problem: Exception) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0][:200] if lines else type(problem).__name__


def _session_class(name: str) -> Any:
    """A session class of rembg's, of SESSIONS; ONNX Runtime is told to report nothing before it is first imported.

    ONNX Runtime sends reports about models and the machine unless told not to, since 1.29 on Linux and macOS too.
    Source: its Privacy.md.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    module, kind = SESSIONS[name]
    with _IMPORTING, _bare_rembg():
        found = getattr(importlib.import_module(f"rembg.sessions.{module}"), kind)
    sys.modules["onnxruntime"].disable_telemetry_events()  # where somebody imported it before us
    if not found.is_local():
        raise error("TRI120", f"'{name}' may not be used: rembg says that it is not local", where="--model")
    return found


def _parent(kind: str) -> Any:
    """A session class that another one is derived from, by its name."""
    modules = {name: module for module, name in SESSIONS.values()}
    if kind not in modules:
        raise AttributeError(kind)
    return getattr(importlib.import_module(f"rembg.sessions.{modules[kind]}"), kind)


@contextmanager
def _bare_rembg() -> Iterator[None]:
    """Within the block the packages `rembg` and `rembg.sessions` are mere folders, whose modules can be imported.

    `import rembg` also compiles what cuts out hair (alpha matting: minutes the first time), and imports the sessions
    that send photos away. Neither is wanted here; whoever imports rembg itself afterwards gets all of it.
    """
    if "rembg" in sys.modules:
        yield
        return
    spec = find_spec("rembg")
    root = Path(((spec and spec.submodule_search_locations) or [""])[0])
    shells = {"rembg": root, "rembg.sessions": root / "sessions"}
    for name, folder in shells.items():
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [str(folder)]
    sys.modules["rembg.sessions"].__dict__["__getattr__"] = _parent  # some say `from . import CLASS`
    try:
        yield
    finally:
        for name in shells:
            del sys.modules[name]
