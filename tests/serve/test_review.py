"""The review page's server: rulings are kept before they are told, and nobody else is let in."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.core.tiny import manifest
from trifacet.clean.desk import Desk
from trifacet.clean.store import open_store, outcome
from trifacet.core.errors import ConfigError, MachineError
from trifacet.core.findings import KINDS, Finding, Findings, findings_table
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.serve import review
from trifacet.serve.guard import MAX_BODY
from trifacet.serve.review import LOOPBACK, Served, _hosts, review_app, serve_review

HOST = "127.0.0.1:8765"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    root = tmp_path / "photos"
    root.mkdir()
    for i in range(3):
        Image.fromarray(np.full((300, 200, 3), 60 * i, dtype=np.uint8)).save(root / f"{i}.jpg")
    rows = [("worn", "male", "under_30"), ("incorrect", "male", "under_30"), ("not_worn", "female", "60_plus")]
    photos = manifest(rows, root=root, person_id=["a", "a", "b"])
    doubt = Finding("1.jpg", "label", 0.1, attribute="gender", proposed="female", confidence=0.9)
    found = Findings(findings_table([doubt]), DEFAULT_SCHEMA)
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
        pytest.param({"transfer-encoding": "chunked"}, id="of unknown length"),
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
    assert client.post("/api/rule", json=ruling(row=0, changes={"use": "unusable"})).status_code == 200
    assert client.get("/api/item/0", params={"who": "ann"}).status_code == 200


def test_a_blind_reviewer_is_told_why_only_afterwards(desk: Desk) -> None:
    with TestClient(review_app(desk, hosts=frozenset({HOST}), is_blind=True), base_url=f"http://{HOST}") as client:
        before = client.get("/api/item/1", params={"who": "ann"}).json()
        client.post("/api/rule", json=ruling())
        after = client.get("/api/item/1", params={"who": "ann"}).json()
    assert (before["why"], before["rulings"]) == ([], [])
    assert [(why["proposed"], round(why["confidence"], 3)) for why in after["why"]] == [("female", 0.9)]
    assert "female" not in str(before)


def test_who_settles_is_not_blind(desk: Desk) -> None:
    with TestClient(review_app(desk, hosts=frozenset({HOST}), is_blind=True), base_url=f"http://{HOST}") as client:
        for who, new in (("ann", "worn"), ("bob", "incorrect")):
            assert client.post("/api/rule", json=ruling(row=0, who=who, changes={"mask": new})).status_code == 200
        for path, more in (("next", {"after": -1}), ("item/0", {})):
            told = client.get(f"/api/{path}", params={"who": "cem", "pass": "settle"} | more).json()
            assert [r["new"] for r in told.get("item", told)["rulings"]] == ["worn", "incorrect"]
        assert client.get("/api/item/0", params={"who": "cem"}).json()["rulings"] == []


def test_all_addresses_are_served_under_a_name_alone(desk: Desk) -> None:
    with pytest.raises(ConfigError, match=r"^TRI104 --host: nobody could open this address, .* Add --name BOX"):
        serve_review(desk, host="0.0.0.0", port=0, is_blind=False, ready=lambda _: None)

    def told(served: Served) -> None:
        assert served.url.startswith("http://box:")
        assert "?token=" in served.url
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve_review(desk, host="0.0.0.0", port=0, is_blind=False, names=["box"], ready=told)


def test_a_blind_reviewer_who_skips_is_told_nothing(desk: Desk) -> None:
    with TestClient(review_app(desk, hosts=frozenset({HOST}), is_blind=True), base_url=f"http://{HOST}") as client:
        client.post("/api/rule", json=ruling(changes={"verdict": "skipped"}))
        assert client.get("/api/item/1", params={"who": "ann"}).json()["why"] == []


def test_the_team_is_told_who_did_what_and_how_they_agree(client: TestClient) -> None:
    for who, gender in (("ann", "male"), ("bob", "female")):
        client.post("/api/rule", json=ruling(who=who, changes={"gender": gender}))
    client.post("/api/rule", json=ruling(who="cem", row=0, changes={"verdict": "flagged"}))
    told = client.get("/api/team", params={"who": "ann", "pass": "rule"}).json()
    assert told["reviewers"] == [
        {"who": who, "done": done, "n_photos": 1} for who, done in (("ann", 1), ("bob", 1), ("cem", 0))
    ]
    assert told["agreement"] == [
        {"attribute": "gender", "reviewers": ["ann", "bob"], "n_photos": 1, "same": 0.0, "kappa": 0.0}
    ]


def test_filters_show_a_part(client: TestClient) -> None:
    def first(**filters: str) -> object:
        told = client.get("/api/next", params={"who": "ann", "pass": "look", **filters}).json()
        return told["item"] and told["item"]["row"], told["n_photos"]

    assert first() == (0, 3)
    assert first(classes="mask:not_worn") == (2, 1)
    assert first(classes="mask:worn,gender:female") == (None, 0)
    assert first(kinds="label,dark") == first(attribute="gender") == (1, 1)
    assert client.get("/api/next", params={"who": "ann", "classes": "hat:on"}).status_code == 422
    assert client.get("/api/next", params={"who": "ann", "pass": "sleep"}).status_code == 422


def test_what_comes_next_tells_what_comes_behind_it(client: TestClient) -> None:
    def following(after: int) -> tuple[int, int | None]:
        told = client.get("/api/next", params={"who": "ann", "pass": "look", "after": after}).json()
        return told["item"]["row"], told["then"]

    assert [following(row) for row in (-1, 0, 1, 2)] == [(0, 1), (1, 2), (2, 0), (0, 1)]
    for row in (0, 1):
        client.post("/api/rule", json=ruling(row=row, changes={"verdict": "seen"}))
    assert following(1) == (2, None)


@pytest.mark.parametrize(
    ("host", "port", "known"),
    [
        pytest.param(
            "127.0.0.1", 80, {"127.0.0.1", "127.0.0.1:80", "localhost", "[::1]:80", "box"}, id="the web's own"
        ),
        pytest.param("127.0.0.1", 8765, {"127.0.0.1:8765", "localhost:8765", "[::1]:8765", "box:8765"}, id="another"),
    ],
)
def test_browsers_may_call_it_by_these_names(host: str, port: int, known: set[str]) -> None:
    names = _hosts(Served(host, port, ""), ["box"])
    assert known <= names
    assert ("box" in names) is (port == 80)


def test_a_port_that_is_taken_is_told(desk: Desk) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(MachineError) as caught:
            serve_review(desk, host="127.0.0.1", port=port, is_blind=False, ready=lambda _: None)
    assert str(caught.value) == (
        f"TRI905 127.0.0.1:{port}: cannot be served here, got Address already in use. Name another --port (0 takes a "
        "free one), or --host 127.0.0.1."
    )


def test_every_answer_forbids_what_a_page_does_not_need(client: TestClient) -> None:
    for path in ("/", "/static/review.css", "/api/about", "/photo/0", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


def test_every_kind_of_finding_has_a_korean_name() -> None:
    texts = (Path(review.__file__).parent / "static" / "texts.js").read_text(encoding="utf-8")
    korean = set(re.findall(r"[{ ](\w+): \"[^\"]*[가-힣]", texts.split("names: {")[-1]))
    assert set(KINDS) - korean == set()
