"""Models run on this machine, on files that are known before they are opened, and tell nobody of it."""

from __future__ import annotations

import importlib
import os
import platform
import re
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.clean.segmenting import BLUE, draw_face, field, model_bytes, write_faces, write_model
from trifacet.clean import background as room
from trifacet.clean.background import (
    FOR_FILES,
    MODELS,
    REFUSED,
    RELEASE,
    SESSIONS,
    Segmenter,
    Unsegmented,
    find_model,
)
from trifacet.core.errors import ConfigError, MissingExtraError

needs_rembg = pytest.mark.skipif(find_spec("rembg") is None, reason="the extra [background] is not installed")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where rembg looks for its models, and nothing of the user's."""
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "u2net"))
    return tmp_path / "u2net"


@needs_rembg
@pytest.mark.parametrize("session", ["u2net_custom", "dis_custom", "u2netp", "birefnet-general-lite"])
def test_a_face_is_told_from_a_plain_background(tmp_path: Path, session: str) -> None:
    path, sha256 = write_model(tmp_path / "tiny.onnx")
    segmenter = Segmenter(find_model(str(path), sha256=sha256, session=session))
    image, is_face = draw_face()
    mask = segmenter.mask(image)
    assert (mask.shape, mask.dtype) == (image.shape[:2], np.uint8)
    inside, outside = mask[48:76, 40:56], mask[~is_face & (np.abs(np.arange(96) - 48) > 28)]
    assert (inside >= 250).all()
    assert (outside <= 5).all()
    assert np.mean((mask >= 128) == is_face) > 0.98


@needs_rembg
def test_a_model_by_name_is_the_file_that_rembg_keeps(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (home / "models" / "u2netp" / "u2netp.onnx", home / "u2net.onnx"):  # today's, and that of old versions
        path, sha256 = write_model(place)
        monkeypatch.setitem(MODELS, path.stem, replace(MODELS[path.stem], sha256=sha256))
        found = find_model(path.stem)
        assert (found.name, found.path, found.sha256, found.session) == (path.stem, path, sha256, path.stem)
        assert Segmenter(found).mask(draw_face()[0]).max() == 255


@needs_rembg
def test_a_named_file_of_another_hash_is_refused(home: Path) -> None:
    path, sha256 = write_model(home / "u2net.onnx")
    with pytest.raises(ConfigError) as caught:
        find_model("u2net")
    assert str(caught.value) == (
        f"TRI121 {path}: this is another file than was meant, got {sha256}. Its hash must be {MODELS['u2net'].sha256}. "
        "Fetch it again from where you trust it."
    )


@needs_rembg
def test_what_is_not_there_is_never_fetched(home: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_model("u2net_human_seg")
    assert str(caught.value) == (
        f"TRI123 {home}/models/u2net_human_seg/u2net_human_seg.onnx: no file of 'u2net_human_seg', and none is "
        f"downloaded for you. Fetch {RELEASE}/u2net_human_seg.onnx (176 MB, Apache-2.0) and save it under that name."
    )
    assert not home.exists()


LOCAL = (
    "Take one that runs on this machine: u2net, u2netp, u2net_human_seg, isnet-general-use, birefnet-general, "
    "birefnet-general-lite, birefnet-portrait, or a model file of your own."
)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("withoutbg", "it sends every photo to a remote service"),
        ("atlascloud", "it sends every photo to a remote service"),
        ("bria-rmbg", "its licence allows non-commercial use only"),
        ("sam", "it finds something else than a person before a background"),
        ("silueta", "its author states no licence"),
    ],
)
def test_a_model_that_may_not_be_used_is_refused_with_the_reason(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_model(name)
    assert str(caught.value) == f"TRI120 --model: '{name}' may not be used: {why}. {LOCAL}"
    path, sha256 = write_model(tmp_path / "tiny.onnx")
    with pytest.raises(ConfigError) as caught:
        find_model(str(path), sha256=sha256, session=name)
    assert str(caught.value) == f"TRI120 --session: '{name}' may not be used: {why}. {LOCAL}"


def test_a_name_that_is_none_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        find_model("u2nt")
    assert str(caught.value) == (
        "TRI100 --model: no model 'u2nt'. Did you mean 'u2net'? A model file of your own is passed by its path."
    )


@needs_rembg
@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param(
            {},
            "TRI121 PATH: a model file is opened only where its hash is given. If you trust this file, say so: "
            "--sha256 HASH",
            id="no hash",
        ),
        pytest.param(
            {"sha256": "0" * 64},
            f"TRI121 PATH: this is another file than was meant, got HASH. Its hash must be {'0' * 64}. Fetch it again "
            "from where you trust it.",
            id="another hash",
        ),
        pytest.param({"sha256": "abc"}, "TRI104 --sha256: takes 64 hex digits, got 'abc'. See --help.", id="no digits"),
        pytest.param(
            {"sha256": "0" * 64, "session": "u2net_costum"},
            "TRI100 --session: no session 'u2net_costum'. Did you mean 'u2net_custom'?",
            id="no session",
        ),
    ],
)
def test_a_file_is_opened_only_where_it_is_the_one_that_is_meant(
    tmp_path: Path, more: dict[str, str], message: str
) -> None:
    path, sha256 = write_model(tmp_path / "tiny.onnx", b"this would be opened")
    with pytest.raises(ConfigError) as caught:
        find_model(str(path), **more)
    assert str(caught.value).rstrip(".") == message.replace("PATH", str(path)).replace("HASH", sha256).rstrip(".")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_model(str(tmp_path / "no.onnx"), sha256="0" * 64)
    assert str(caught.value) == f"TRI123 {tmp_path}/no.onnx: no such model file. Check the path."


def test_a_name_has_its_own_hash() -> None:
    with pytest.raises(ConfigError) as caught:
        find_model("u2net", sha256="0" * 64)
    assert str(caught.value) == (
        "TRI104 --sha256, --session: is for a model file; a name has its own. Leave it out, or pass the file itself: "
        "--model PATH/u2net.onnx."
    )


@needs_rembg
def test_weights_beside_the_file_are_refused_since_no_hash_covers_them(tmp_path: Path) -> None:
    entry = field(13, field(1, "location") + field(2, "weights.bin"))
    path, sha256 = write_model(tmp_path / "tiny.onnx", model_bytes() + field(7, field(5, entry + field(14, 1))))
    with pytest.raises(ConfigError) as caught:
        find_model(str(path), sha256=sha256)
    assert str(caught.value) == (
        f"TRI122 {path}: its weights lie in other files, which its hash does not cover. Save the model as one file."
    )


@needs_rembg
@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"not a model", "Protobuf parsing failed", id="no protobuf"),
        pytest.param(model_bytes()[:-40], "", id="cut short"),
        pytest.param(model_bytes((1.0,), channels=1), "Got invalid dimensions for input", id="one channel"),
    ],
)
def test_a_model_that_cannot_run_is_told_before_any_photo(tmp_path: Path, content: bytes, why: str) -> None:
    path, sha256 = write_model(tmp_path / "tiny.onnx", content)
    with pytest.raises(ConfigError) as caught:
        Segmenter(find_model(str(path), sha256=sha256))
    head, _, rest = str(caught.value).partition(", got ")
    assert head == f"TRI122 {path}: the model cannot be used as 'u2net_custom'"
    assert why in rest
    assert rest.endswith(". See docs/how-to/background.md for what each --session shows a model.")


@needs_rembg
def test_a_photo_in_which_the_model_sees_no_difference_keeps_nothing(tmp_path: Path) -> None:
    path, sha256 = write_model(tmp_path / "tiny.onnx")
    plain = np.full((40, 30, 3), BLUE, np.uint8)
    assert Segmenter(find_model(str(path), sha256=sha256)).mask(plain).max() == 0


@needs_rembg
def test_a_photo_at_which_the_model_fails_is_told(tmp_path: Path) -> None:
    path, sha256 = write_model(tmp_path / "tiny.onnx")
    with pytest.raises(Unsegmented):
        Segmenter(find_model(str(path), sha256=sha256)).mask(np.zeros((0, 0, 3), np.uint8))


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "find_spec", lambda name: None if name == "rembg" else find_spec(name))
    with pytest.raises(MissingExtraError) as caught:
        find_model("u2net")
    assert str(caught.value) == (
        "TRI600 this needs the extra [background], got no rembg. Install it with `pip install 'trifacet[background]'`; "
        "`trifacet doctor` shows what is there."
    )


@needs_rembg
def test_every_session_of_rembg_is_allowed_or_refused_and_none_that_is_allowed_sends_photos() -> None:
    """A new session of a new rembg fails here until a person has looked at it."""
    root = Path(find_spec("rembg").submodule_search_locations[0]) / "sessions"  # type: ignore[union-attr,index]
    names = [path.stem for path in root.glob("*.py") if path.stem not in ("__init__", "base")]
    with room._IMPORTING, room._bare_rembg():
        modules = [importlib.import_module(f"rembg.sessions.{name}") for name in names]
    kinds = {
        kind.name(): (module, kind)
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == module.__name__ and hasattr(kind, "download_models")
    }
    assert set(kinds) == {*MODELS, *REFUSED}
    assert set(SESSIONS) & {name for name, (_, kind) in kinds.items() if not kind.is_local()} == set()
    for name, (module, kind) in SESSIONS.items():
        assert (kinds[name][0].__name__, kinds[name][1].__name__) == (f"rembg.sessions.{module}", kind)
    for name, known in MODELS.items():
        assert f"{RELEASE}/{known.file}" in Path(str(kinds[name][0].__file__)).read_text(encoding="utf-8")
        assert re.fullmatch(r"[0-9a-f]{64}", known.sha256)
    assert set(FOR_FILES) <= set(SESSIONS)


# A child without a way out: the kernel ends it at the first internet socket, whichever library opens it.
SEALED = """
import ctypes, struct, sys
NR = {"x86_64": 41, "aarch64": 198}[__import__("platform").machine()]
LOAD, IS, RETURN, KILL, ALLOW = 0x20, 0x15, 0x06, 0x80000000, 0x7FFF0000
rules = [(LOAD, 0, 0, 0), (IS, 0, 4, NR), (LOAD, 0, 0, 16), (IS, 1, 0, 2), (IS, 0, 1, 10), (RETURN, 0, 0, KILL),
         (RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
class Filter(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("code", ctypes.c_void_p)]
libc, sealed = ctypes.CDLL(None), Filter(len(rules), ctypes.addressof(code))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(sealed)) == 0
"""
CUT = """
from trifacet.stages import background
import sys
made = background(sys.argv[1], sys.argv[2], model=sys.argv[3], sha256=sys.argv[4], workers=2)
assert len(made.manifests["white"]) == 4
heavy = {"pymatting", "numba", "skimage", "requests", "rembg", "rembg.sessions", "rembg.sessions.withoutbg"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def sealed(script: str, *words: object, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs a script sealed, with nothing in its environment by which ONNX Runtime would keep quiet by itself."""
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SEALED + script, *map(str, words)]
    return subprocess.run(command, env=env, capture_output=True, text=True)


@needs_rembg
@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="sealing needs Linux",
)
def test_no_socket_is_opened_and_nothing_is_kept_for_a_report(tmp_path: Path) -> None:
    control = sealed("import socket; socket.socket(socket.AF_UNIX); socket.socket()", home=tmp_path)
    assert (control.returncode, control.stderr) == (-signal.SIGSYS, "")
    path, sha256 = write_model(tmp_path / "tiny.onnx")
    home, photos = tmp_path / "home", write_faces(tmp_path / "data", 4) / "photos"
    home.mkdir()
    done = sealed(CUT, photos, tmp_path / "new", path, sha256, home=home)
    assert (done.returncode, done.stderr) == (0, "")
    # ONNX Runtime would leave ~/.cache/Microsoft/DeveloperTools: a number for this machine, and reports to send later.
    assert [p for p in home.rglob("*") if "trifacet" not in p.parts] == []
