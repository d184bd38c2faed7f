"""The review page's server: rulings are kept before they are told, and nobody else is let in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.core.tiny import manifest
from trifacet.clean.desk import Desk
from trifacet.clean.store import open_store, outcome
from trifacet.core.findings import Finding, Findings, findings_table
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.serve.guard import MAX_BODY
from trifacet.serve.review import LOOPBACK, Served, review_app

HOST = "127.0.0.1:8765"
SECRET = "what nobody may read"

# Ways out of a folder that servers were once led by. Source: OWASP, Path Traversal; CWE-22 to CWE-40.
UP = ["../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..\\", "..%5c", "%2e%2e%5c", "....//", "..;/", "%252e%252e%252f"]
DEPTHS = [1, 2, 3, 1, 2, 3, 1, 2, 3, 1]
PLACES = ["photo/{}secret.txt", "static/{}secret.txt", "photo/0/{}secret.txt", "{}secret.txt"]
TRAVERSALS = [place.format(up * depth) for place in PLACES for up, depth in zip(UP, DEPTHS, strict=True)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    root = tmp_path / "photos"
    root.mkdir()
    (tmp_path / "secret.txt").write_text(SECRET)
    for i in range(3):
        Image.fromarray(np.full((300, 200, 3), 60 * i, dtype=np.uint8)).save(root / f"{i}.jpg")
    rows = [("worn", "male", "under_30"), ("incorrect", "male", "under_30"), ("not_worn", "female", "60_plus")]
    photos = manifest(rows, root=root, person_id=["a", "a", "b"])
    found = Findings(findings_table([Finding("1.jpg", "label", 0.1, attribute="gender")]), DEFAULT_SCHEMA)
    return Desk(photos, open_store(tmp_path / "rulings.db"), findings=found)


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with TestClient(review_app(desk, hosts=frozenset({HOST})), base_url=f"http://{HOST}") as client:
        yield client


def ruling(**changes: object) -> dict[str, object]:
    return {"row": 1, "who": "ann", "changes": {"gender": "female"}, "seen": 0} | changes


def test_a_ruling_is_on_the_disk_when_it_is_told(client: TestClient, desk: Desk) -> None:
    item = client.get("/api/next", params={"who": "ann", "pass": "rule"}).json()
    assert (item["item"]["photo_id"], item["done"], item["n_photos"]) == ("1.jpg", 0, 1)
    told = client.post("/api/rule", json=ruling(seen=item["item"]["seen"]))
    assert (told.status_code, told.json()["numbers"]) == (200, [1])
    assert [(e.subject, e.old, e.new, e.who) for e in desk.board.store.events()] == [("1.jpg", "male", "female", "ann")]
    after = client.get("/api/next", params={"who": "ann", "pass": "rule"}).json()
    assert (after["item"], after["done"]) == (None, 1)


def test_a_stale_answer_gets_409_and_undo_takes_back(client: TestClient, desk: Desk) -> None:
    assert client.post("/api/rule", json=ruling()).status_code == 200
    stale = client.post("/api/rule", json=ruling(changes={"gender": "male"}))
    assert (stale.status_code, stale.json()["latest"]) == (409, 1)
    assert client.post("/api/undo", json={"number": 1, "who": "ann"}).json()["numbers"] == [2]
    assert client.post("/api/undo", json={"number": 1, "who": "ann"}).status_code == 409
    assert client.post("/api/undo", json={"number": 1, "who": "bob"}).status_code == 422
    assert outcome(desk.board.store.events()).decisions == ()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"row": 99}, 404, id="no such photo"),
        pytest.param({"row": -1}, 422, id="below"),
        pytest.param({"changes": {}}, 422, id="nothing"),
        pytest.param({"changes": {"gender": "other"}}, 422, id="a class"),
        pytest.param({"changes": {"path": "/etc/passwd"}}, 422, id="an attribute"),
        pytest.param({"who": ""}, 422, id="nobody"),
        pytest.param({"extra": 1}, 422, id="a key"),
    ],
)
def test_what_cannot_be_ruled_is_refused(
    client: TestClient, desk: Desk, changes: dict[str, object], status: int
) -> None:
    assert client.post("/api/rule", json=ruling(**changes)).status_code == status
    assert desk.board.store.events() == []


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"host": "evil.example"}, id="a name that leads here"),
        pytest.param({"host": "127.0.0.1:1"}, id="another port"),
        pytest.param({"origin": "http://evil.example"}, id="another page"),
        pytest.param({"origin": "null"}, id="a page of nowhere"),
        pytest.param({"content-length": str(MAX_BODY + 1)}, id="too long"),
    ],
)
def test_other_pages_neither_read_nor_rule(client: TestClient, desk: Desk, headers: dict[str, str]) -> None:
    assert client.get("/api/about", headers=headers).status_code == 403
    assert client.post("/api/rule", json=ruling(), headers=headers).status_code == 403
    assert desk.board.store.events() == []


def test_with_a_token_nothing_is_told_without_it(desk: Desk) -> None:
    app = review_app(desk, hosts=frozenset({HOST}), token="right")
    with TestClient(app, base_url=f"http://{HOST}") as client:
        for path in ("/", "/static/review.js", "/api/about", "/photo/0", "/?token=wrong"):
            assert client.get(path).status_code == 403
        first = client.get("/?token=right")
        assert first.status_code == 200
        assert "HttpOnly" in first.headers["set-cookie"]
        assert "SameSite=strict" in first.headers["set-cookie"]
        assert client.get("/photo/0").status_code == 200  # by the cookie now
    assert Served("0.0.0.0", 80, "right").url == "http://0.0.0.0:80/?token=right"
    assert Served(LOOPBACK[2], 80, "").url == "http://[::1]:80/"


def test_a_photo_is_shown_upright_small_and_without_metadata(client: TestClient) -> None:
    shown = client.get("/photo/2", params={"px": 64})
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    assert b"EXIF" not in shown.content
    assert [client.get(f"/photo/{row}").status_code for row in ("3", "-1", "x")] == [404, 404, 422]
    assert client.get("/photo/0", params={"px": 9_999}).status_code == 422


def test_a_photo_that_was_deleted_meanwhile_is_told(client: TestClient, desk: Desk) -> None:
    desk.manifest.paths[0].unlink()
    assert client.get("/photo/0").status_code == 410
    assert client.get("/api/item/0", params={"who": "ann"}).status_code == 200


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out_of_the_photos(client: TestClient, path: str) -> None:
    answer = client.get(f"/{path}")
    assert answer.status_code in (404, 405, 422)
    assert SECRET not in answer.text


def test_there_are_forty_of_them() -> None:
    assert len(set(TRAVERSALS)) == 40


def test_a_blind_reviewer_is_told_why_only_afterwards(desk: Desk) -> None:
    with TestClient(review_app(desk, hosts=frozenset({HOST}), is_blind=True), base_url=f"http://{HOST}") as client:
        before = client.get("/api/item/1", params={"who": "ann"}).json()
        client.post("/api/rule", json=ruling())
        after = client.get("/api/item/1", params={"who": "ann"}).json()
    assert (before["why"], before["rulings"]) == ([], [])
    assert [why["kind"] for why in after["why"]] == ["label"]


def test_every_answer_forbids_what_a_page_does_not_need(client: TestClient) -> None:
    for path in ("/", "/static/review.css", "/api/about", "/photo/0", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
