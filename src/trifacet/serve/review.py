"""The review page: a small local server over a desk. Loopback without a token, any other address only with one."""

from __future__ import annotations

import io
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field

from trifacet.clean.desk import PASSES, Desk, Filters
from trifacet.clean.store import StaleError
from trifacet.core.errors import TrifacetError, error
from trifacet.pixels.decode import Undecodable, decode

COOKIE = "trifacet-review"
MAX_BODY = 64_000  # bytes of an answer: a few hundred characters, and a reason
MAX_SIDE_PX = 2_048
KEPT_PICTURES = 512  # encoded pictures in memory: of 1,024 px some 60 MB

# Nothing is loaded from elsewhere, nothing is framed, and what is typed is sent nowhere else.
POLICY = (
    "default-src 'none'; img-src 'self' data:; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
STATIC = {"review.js": "text/javascript", "review.css": "text/css"}


class Answer(BaseModel):
    """What a reviewer says of a photo: the value of each attribute as it should be, `use` or `verdict`."""

    model_config = ConfigDict(extra="forbid")

    row: int = Field(ge=0)
    who: str = Field(min_length=1, max_length=80)
    changes: dict[str, str] = Field(min_length=1, max_length=16)
    seen: int = Field(ge=0)
    whole_person: bool = False
    settle: bool = False
    reason: str = Field(default="", max_length=2_000)


class Undo(BaseModel):
    """A reviewer takes back a stroke, by the number of one of its events."""

    model_config = ConfigDict(extra="forbid")

    number: int = Field(ge=1)
    who: str = Field(min_length=1, max_length=80)


Handler = Callable[[Request], Awaitable[Response]]


def review_app(desk: Desk, *, hosts: frozenset[str], token: str = "", is_blind: bool = False) -> FastAPI:
    """The server's app. hosts: what `Host` may say, with the port; token: what all requests must bring, "": none."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def guard(request: Request, follow: Handler) -> Response:
        refused = _why_refused(request, hosts=hosts, token=token)
        response = JSONResponse({"error": refused}, 403) if refused else await follow(request)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        if token and not refused and request.query_params.get("token"):
            response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return response

    @app.get("/")
    def page() -> HTMLResponse:
        return HTMLResponse(_static("review.html"))

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in STATIC:
            raise HTTPException(404)
        return Response(_static(name), media_type=STATIC[name])

    @app.get("/api/about")
    def about() -> dict[str, Any]:
        schema = desk.manifest.schema
        return {
            "attributes": [{"name": a.name, "classes": a.classes} for a in schema.attributes],
            "passes": PASSES,
            "kinds": sorted({r["kind"] for reasons in desk.reasons.values() for r in reasons}),
            "n_photos": len(desk.ids),
            "blind": is_blind,
        }

    @app.get("/api/next")
    def following(
        who: Annotated[str, Query(min_length=1, max_length=80)],
        which: Annotated[str, Query(alias="pass")] = "rule",
        after: int = -1,
        kinds: str = "",
        attribute: str = "",
        split: str = "",
    ) -> dict[str, Any]:
        filters = Filters(tuple(k for k in kinds.split(",") if k), attribute, {}, split)
        desk.board.refresh()
        row = desk.following(which, who, filters=filters, after=after)
        progress = desk.progress(which, who, filters=filters)
        item = None if row is None else _shown(desk, row, who, is_blind=is_blind)
        return {"item": item, "done": progress.done, "n_photos": progress.n_photos}

    @app.get("/api/item/{row}")
    def item(row: int, who: str) -> dict[str, Any]:
        return _shown(desk, _row(desk, row), who, is_blind=is_blind)

    @app.post("/api/rule")
    def rule(answer: Answer) -> JSONResponse:
        try:
            numbers = desk.rule(
                _row(desk, answer.row),
                answer.changes,
                who=answer.who,
                seen=answer.seen,
                is_whole_person=answer.whole_person,
                is_settling=answer.settle,
                reason=answer.reason,
            )
        except StaleError as problem:
            desk.board.refresh()
            return JSONResponse({"error": str(problem), "latest": problem.latest}, 409)
        return JSONResponse({"numbers": numbers})

    @app.post("/api/undo")
    def undo(asked: Undo) -> JSONResponse:
        try:
            return JSONResponse({"numbers": desk.undo(asked.number, who=asked.who)})
        except StaleError as problem:
            return JSONResponse({"error": str(problem), "latest": problem.latest}, 409)

    @app.get("/photo/{row}")
    def photo(row: int, px: Annotated[int, Query(ge=16, le=MAX_SIDE_PX)] = 1024) -> Response:
        content = picture(_row(desk, row), px)
        if content is None:
            raise HTTPException(410, "the photo is gone, or no photo any more")
        return Response(content, media_type="image/webp")

    @lru_cache(KEPT_PICTURES)
    def picture(row: int, px: int) -> bytes | None:
        return _encoded(desk, row, px)

    @app.exception_handler(TrifacetError)
    def told(_: Request, problem: TrifacetError) -> JSONResponse:
        return JSONResponse({"error": str(problem)}, 422)

    return app


def _why_refused(request: Request, *, hosts: frozenset[str], token: str) -> str:
    """Why a request is not answered, "" where it is: a page elsewhere can neither read nor rule (rebinding, CSRF)."""
    if request.headers.get("host", "") not in hosts:
        return "another host's name"
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] not in hosts:
        return "another page's request"
    if int(request.headers.get("content-length") or 0) > MAX_BODY:
        return "too long"
    given = request.query_params.get("token") or request.cookies.get(COOKIE, "")
    return "" if not token or secrets.compare_digest(given.encode(), token.encode()) else "no token, or another one"


def _row(desk: Desk, row: int) -> int:
    if not 0 <= row < len(desk.ids):
        raise HTTPException(404, "no such photo")
    return row


def _shown(desk: Desk, row: int, who: str, *, is_blind: bool) -> dict[str, Any]:
    """An item as the browser may see it: a blind reviewer sees neither why nor what others said before answering."""
    item = desk.item(row, who)
    if is_blind and not desk.board.has_ruled(item["photo_id"], who):
        item |= {"why": [], "rulings": []}
    return item


def _encoded(desk: Desk, row: int, px: int) -> bytes | None:
    """A photo as WebP of at most `px` a side, upright; None where its file gives none. Metadata stay behind."""
    try:
        image = Image.fromarray(decode(desk.paths[row].read_bytes()))
    except (OSError, Undecodable):
        return None
    if max(image.size) > px:
        image = ImageOps.contain(image, (px, px))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=85, method=2)
    return buffer.getvalue()


def _static(name: str) -> str:
    return files("trifacet.serve").joinpath("static", name).read_text(encoding="utf-8")


LOOPBACK = ("127.0.0.1", "localhost", "::1")


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
        MachineError: TRI905, the address or the port cannot be had.
    """
    import uvicorn

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, port))
        except (OSError, OverflowError) as problem:
            got = getattr(problem, "strerror", None) or str(problem)
            raise error("TRI905", "cannot be served here", where=f"{host}:{port}", got=got) from problem
        found = Served(host, door.getsockname()[1], "" if host in LOOPBACK else secrets.token_urlsafe(24))
        known = {host, *(LOOPBACK if host in LOOPBACK else ()), *names}
        hosts = frozenset(f"[{name}]:{found.port}" if ":" in name else f"{name}:{found.port}" for name in known)
        app = review_app(desk, hosts=hosts, token=found.token, is_blind=is_blind)
        ready(found)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run(sockets=[door])
