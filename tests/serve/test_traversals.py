"""Forty ways out of a folder, as raw bytes to the real server: nothing but the photos and the page itself is read."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI, Response
from PIL import Image

from tests.core.tiny import manifest
from trifacet.clean.desk import Desk
from trifacet.clean.store import open_store
from trifacet.serve import review
from trifacet.serve.review import review_app

SECRET = b"what nobody may read"
# Source: OWASP, Path Traversal; CWE-22 to CWE-40; the overlong forms are those of CVE-2000-0884.
WAYS = (
    "../secret.txt",
    "../../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "%2E%2E%2Fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "..%252fsecret.txt",
    "..\\secret.txt",
    "..%5csecret.txt",
    "%2e%2e%5csecret.txt",
    "..%255csecret.txt",
    "....//secret.txt",
    "..;/secret.txt",
    "..%c0%afsecret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "..%ef%bc%8fsecret.txt",
    "..%00/secret.txt",
    "0%00/../../secret.txt",
    "{secret}",
)
TARGETS = [f"/{place}/{way}" for place in ("photo", "static") for way in WAYS]

opened: list[str] | None = None  # while not None, what this process opens


def _hear(event: str, args: tuple[object, ...]) -> None:
    if opened is not None and event == "open" and isinstance(args[0], str | bytes):
        opened.append(args[0].decode() if isinstance(args[0], bytes) else args[0])


sys.addaudithook(_hear)


@contextmanager
def listening() -> Iterator[list[str]]:
    """The names of files that are opened meanwhile, by any thread."""
    global opened
    heard = opened = list[str]()
    try:
        yield heard
    finally:
        opened = None


@contextmanager
def served(app: FastAPI, door: socket.socket) -> Iterator[int]:
    """The port at which a real server answers for an app."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield door.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def asked(port: int, target: str) -> bytes:
    """The whole answer to a request target that no client has tidied."""
    with socket.create_connection(("127.0.0.1", port)) as link:
        words = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        link.sendall(words.encode())
        return b"".join(iter(lambda: link.recv(65_536), b""))


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_bytes(SECRET)
    return tmp_path / "secret.txt"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    root.mkdir()
    Image.fromarray(np.zeros((40, 30, 3), dtype=np.uint8)).save(root / "0.jpg")
    return root


@pytest.fixture
def door() -> Iterator[socket.socket]:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        yield door


def leaks(port: int, *, secret: Path, allowed: tuple[Path, ...]) -> list[str]:
    """The ways that told the secret or had another file than an allowed one opened."""
    found = []
    for way in TARGETS:
        target = way.format(secret=secret)
        with listening() as heard:
            answer = asked(port, target)
        strange = [name for name in heard if not any(Path(name).is_relative_to(place) for place in allowed)]
        if SECRET in answer or strange or status(answer) < 400:
            found.append(target)
    return found


def test_no_way_leads_out(root: Path, secret: Path, door: socket.socket) -> None:
    desk = Desk(manifest([("worn", "male", "under_30")], root=root), open_store(root.parent / "rulings.db"))
    app = review_app(desk, hosts=frozenset({f"127.0.0.1:{door.getsockname()[1]}"}))
    pages = Path(review.__file__).parent / "static"
    with served(app, door) as port:
        for good in ("/photo/0", "/static/review.js", "/api/about"):  # what is imported late is there after this
            assert status(asked(port, good)) == 200
        with listening() as heard:
            assert status(asked(port, "/photo/0?px=99")) == status(asked(port, "/static/review.js")) == 200
        assert {Path(name) for name in heard} == {root / "0.jpg", pages / "review.js"}  # it does hear
        assert leaks(port, secret=secret, allowed=()) == []
    assert len(set(TARGETS)) == 40


def test_a_server_that_leaks_is_caught(root: Path, secret: Path, door: socket.socket) -> None:
    app = FastAPI()

    @app.get("/photo/{path:path}")
    def photo(path: str) -> Response:
        try:
            return Response((root / path).read_bytes())
        except (OSError, ValueError):
            return Response(status_code=404)

    with served(app, door) as port:
        found = leaks(port, secret=secret, allowed=(root / "0.jpg",))
    assert {"/photo/../secret.txt", "/photo/%2e%2e%2fsecret.txt", f"/photo/{secret}"} <= {*found}
    assert "/static/../secret.txt" not in found


def test_a_link_out_of_the_folder_is_followed_only_when_asked(root: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((40, 30, 3), dtype=np.uint8)).save(tmp_path / "outside.jpg")
    (root / "0.jpg").unlink()
    (root / "0.jpg").symlink_to(tmp_path / "outside.jpg")
    photos = manifest([("worn", "male", "under_30")], root=root)
    store = open_store(tmp_path / "rulings.db")
    with pytest.raises(PermissionError, match="leads out of"):
        Desk(photos, store).read(0)
    assert Desk(photos, store, is_following_links=True).read(0) == (tmp_path / "outside.jpg").read_bytes()
    linked = tmp_path / "linked"
    linked.symlink_to(root)
    (root / "0.jpg").unlink()
    (root / "0.jpg").write_bytes(b"within")
    assert Desk(manifest([("worn", "male", "under_30")], root=linked), store).read(0) == b"within"
