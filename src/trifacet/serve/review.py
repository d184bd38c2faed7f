"""The review page: a small local server over a desk. Loopback without a token, any other address only with one."""

from __future__ import annotations

import io
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field

from trifacet.clean.desk import Desk
from trifacet.clean.passes import PASSES, Filters
from trifacet.clean.store import StaleError
from trifacet.clean.team import agreements
from trifacet.core.errors import TrifacetError, error
from trifacet.core.schema import Attribute
from trifacet.measure.people import OF_A_PERSON
from trifacet.pixels.decode import Undecodable, decode
from trifacet.serve.guard import Guard

COOKIE = "trifacet-review"
MAX_SIDE_PX = 2_048
KEPT_PICTURES = 512  # encoded pictures in memory: of 1,024 px some 100 MB
JPEG_QUALITY = 90
STATIC = {"review.js": "text/javascript", "review.css": "text/css", "texts.js": "text/javascript"}

Who = Annotated[str, Field(min_length=1, max_length=80)]


class Asked(BaseModel):
    """A reviewer's place: the pass, the filters, and the row behind which they go on.

    kinds: of findings, with commas between. classes: `attribute:class` as labelled, with commas between.
    """

    model_config = ConfigDict(extra="ignore")  # the token may come along

    who: Who
    which: str = Field(default="rule", alias="pass")
    after: int = -1
    kinds: str = ""
    attribute: str = ""
    classes: str = ""
    split: str = ""

    @property
    def filters(self) -> Filters:
        """What the reviewer wants to see."""
        kinds = tuple(kind for kind in self.kinds.split(",") if kind)
        pairs = [pair.partition(":") for pair in self.classes.split(",") if pair]
        return Filters(kinds, self.attribute, tuple((name, value) for name, _, value in pairs), self.split)


class Answer(BaseModel):
    """What a reviewer says of a photo: the value of each attribute as it should be, `use` or `verdict`.

    of_person: those that are said of all photos of the person.
    """

    model_config = ConfigDict(extra="forbid")

    row: int = Field(ge=0)
    who: Who
    changes: dict[str, str] = Field(min_length=1, max_length=16)
    seen: int = Field(ge=0)
    of_person: list[str] = Field(default=[], max_length=16)
    settle: bool = False
    reason: str = Field(default="", max_length=2_000)


class Undo(BaseModel):
    """A reviewer takes back a stroke, by the number of one of its events."""

    model_config = ConfigDict(extra="forbid")

    number: int = Field(ge=1)
    who: Who


def review_app(desk: Desk, *, hosts: frozenset[str], token: str = "", is_blind: bool = False) -> FastAPI:
    """The server's app. hosts: what `Host` may say, with the port; token: what all requests must bring, "": none."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, hosts=hosts, cookie=COOKIE, token=token)
    for router in (_page(), _reading(desk, is_blind=is_blind), _answering(desk), _pictures(desk)):
        app.include_router(router)

    @app.exception_handler(TrifacetError)
    def told(_: Request, problem: TrifacetError) -> JSONResponse:
        return JSONResponse({"error": str(problem)}, 422)

    @app.exception_handler(StaleError)
    def stale(_: Request, problem: StaleError) -> JSONResponse:
        return JSONResponse({"error": str(problem), "latest": problem.latest}, 409)

    return app


def _page() -> APIRouter:
    """The page itself, and what it loads."""
    router = APIRouter()

    @router.get("/")
    def page() -> HTMLResponse:
        return HTMLResponse(_static("review.html"))

    @router.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in STATIC:
            raise HTTPException(404)
        return Response(_static(name), media_type=STATIC[name])

    return router


def _reading(desk: Desk, *, is_blind: bool) -> APIRouter:
    """What the page shows: of the data, of the photo that comes next, of the reviewers."""
    router = APIRouter(prefix="/api")

    @router.get("/about")
    def about() -> dict[str, Any]:
        return {
            "years": desk.manifest.schema.years,
            "attributes": [_told(attribute) for attribute in desk.manifest.schema.attributes],
            "passes": PASSES,
            "kinds": sorted({r["kind"] for reasons in desk.reasons.values() for r in reasons}),
            "splits": desk.splits,
            "n_photos": len(desk.ids),
            "blind": is_blind,
        }

    @router.get("/next")
    def following(asked: Annotated[Asked, Query()]) -> dict[str, Any]:
        desk.board.refresh()
        row = desk.following(asked.which, asked.who, filters=asked.filters, after=asked.after)
        progress = desk.progress(asked.which, asked.who, filters=asked.filters)
        told = {"done": progress.done, "n_photos": progress.n_photos, "way": desk.way(asked.who)}
        if row is None:
            return told | {"item": None, "then": None}
        then = desk.following(asked.which, asked.who, filters=asked.filters, after=row)
        item = _shown(desk, row, who=asked.who, is_blind=is_blind and asked.which != "settle")
        return told | {"item": item, "then": None if then == row else then}

    @router.get("/item/{row}")
    def item(row: int, asked: Annotated[Asked, Query()]) -> dict[str, Any]:
        desk.board.refresh()
        return _shown(desk, _row(desk, row), who=asked.who, is_blind=is_blind and asked.which != "settle")

    @router.get("/team")
    def team(asked: Annotated[Asked, Query()]) -> dict[str, Any]:
        desk.board.refresh()
        people = {who: desk.progress(asked.which, who, filters=asked.filters) for who in desk.reviewers}
        return {
            "reviewers": [{"who": who, "done": p.done, "n_photos": p.n_photos} for who, p in people.items()],
            "agreement": [one.told for one in agreements(desk.board.store.events())],
        }

    return router


def _told(attribute: Attribute) -> dict[str, Any]:
    """What the page is to know of an attribute."""
    name = attribute.name
    of_person, is_age = name in OF_A_PERSON, attribute.edges is not None
    return {"name": name, "classes": attribute.classes, "is_age": is_age, "of_person": of_person}


def _answering(desk: Desk) -> APIRouter:
    """What a reviewer rules and takes back: on the disk before it is told."""
    router = APIRouter(prefix="/api")

    @router.post("/rule")
    def rule(answer: Answer) -> dict[str, Any]:
        numbers = desk.rule(
            _row(desk, answer.row),
            answer.changes,
            who=answer.who,
            seen=answer.seen,
            of_person=answer.of_person,
            is_settling=answer.settle,
            reason=answer.reason,
        )
        return {"numbers": numbers, "way": desk.way(answer.who)}

    @router.post("/undo")
    def undo(asked: Undo) -> dict[str, Any]:
        return {"numbers": desk.undo(asked.number, who=asked.who), "way": desk.way(asked.who)}

    return router


def _pictures(desk: Desk) -> APIRouter:
    """The photos, by their row: no name that a browser sends is a path."""
    router = APIRouter()

    @lru_cache(KEPT_PICTURES)
    def picture(row: int, px: int) -> bytes:
        return _encoded(desk, row, px=px)

    @router.get("/photo/{row}")
    def photo(row: int, px: Annotated[int, Query(ge=16, le=MAX_SIDE_PX)] = 1024) -> Response:
        try:
            return Response(picture(_row(desk, row), px), media_type="image/jpeg")
        except (OSError, Undecodable) as problem:
            raise HTTPException(410, "the photo is gone, or no photo any more") from problem

    return router


def _row(desk: Desk, row: int) -> int:
    if not 0 <= row < len(desk.ids):
        raise HTTPException(404, "no such photo")
    return row


def _shown(desk: Desk, row: int, *, who: str, is_blind: bool) -> dict[str, Any]:
    """An item as the browser may see it: a blind reviewer sees neither why nor what others said before answering."""
    item = desk.item(row, who)
    if is_blind and not desk.has_answered(row, who):
        item |= {"why": [], "rulings": []}
    return item


def _encoded(desk: Desk, row: int, *, px: int) -> bytes:
    """A photo as JPEG of at most `px` a side, upright; metadata stay behind.

    Raises:
        OSError, Undecodable: its file is gone, no photo any more, or outside the photos' folder.
    """
    image = Image.fromarray(decode(desk.read(row)))
    if max(image.size) > px:
        image = ImageOps.contain(image, (px, px))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _static(name: str) -> str:
    return files("trifacet.serve").joinpath("static", name).read_text(encoding="utf-8")


LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANYWHERE = ("0.0.0.0", "::", "")  # every address that this machine has: none that a browser could be told


@dataclass(frozen=True)
class Served:
    """Where the page is served: the address to open, with its token where one is needed."""

    host: str
    port: int
    token: str

    @property
    def url(self) -> str:
        """What a browser opens."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.port}/" + (f"?token={self.token}" if self.token else "")


def serve_review(
    desk: Desk, *, host: str, port: int, is_blind: bool, names: Sequence[str] = (), ready: Callable[[Served], None]
) -> None:
    """Serves the page until it is interrupted. names: what else this machine is called in the address, with the port.

    port: 0 takes a free one. ready: called once the port is open. On any address but loopback a token is drawn.

    Raises:
        ConfigError: TRI104, all addresses and no name. MachineError: TRI905, the address or the port cannot be had.
    """
    import uvicorn

    if host in ANYWHERE and not names:
        do = "Add --name BOX: the name or address of this machine that browsers will use."
        raise error("TRI104", "nobody could open this address", where="--host", got=f"'{host}' without --name", do=do)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, port))
            door.listen()  # who comes before the server is up waits
        except (OSError, OverflowError) as problem:
            got = getattr(problem, "strerror", None) or str(problem)
            raise error("TRI905", "cannot be served here", where=f"{host}:{port}", got=got) from problem
        told = names[0] if host in ANYWHERE and names else host
        found = Served(told, door.getsockname()[1], "" if host in LOOPBACK else secrets.token_urlsafe(24))
        app = review_app(desk, hosts=_hosts(found, names), token=found.token, is_blind=is_blind)
        ready(found)
        with desk.board.store.kept_open():
            uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run(sockets=[door])


def _hosts(served: Served, names: Sequence[str]) -> frozenset[str]:
    """What browsers may call this server: each name with the port, which they leave out where it is 80."""
    known = {served.host, *(LOOPBACK if served.host in LOOPBACK else ()), *names}
    found = [f"[{name}]" if ":" in name else name for name in known]
    return frozenset([f"{name}:{served.port}" for name in found] + (found if served.port == 80 else []))
