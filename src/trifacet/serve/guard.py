"""Who is let in: a page elsewhere can neither read nor act here (name rebinding, forged requests)."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

# What servers and apps hand each other. Source: asgi.readthedocs.io, HTTP connection scope.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 64_000  # bytes of what is sent here: a few hundred characters, and a reason

# Nothing is loaded from elsewhere, nothing is framed, and what is typed is sent nowhere else.
POLICY = (
    "default-src 'none'; img-src 'self' data:; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Guard:
    """Stands before an app. hosts: what `Host` may say, with the port; token: what each request must bring, "": none.

    cookie: the name under which a browser keeps the token after its first visit.
    """

    app: App
    hosts: frozenset[str]
    cookie: str
    token: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or has the app answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)  # its start and its end: nothing else is spoken here
            return
        request = Request(scope)
        refused = self.why_refused(request)
        is_new = bool(self.token and not refused and request.query_params.get("token"))
        come = _encoded({"Set-Cookie": f"{self.cookie}={self.token}; HttpOnly; Path=/; SameSite=strict"})

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_encoded(HEADERS), *(come if is_new else ())]
            await send(message)

        answer = JSONResponse({"error": refused}, 403) if refused else self.app
        await answer(scope, receive, told)

    def why_refused(self, request: Request) -> str:
        """Why a request is not answered, "" where it is."""
        if request.headers.get("host", "") not in self.hosts:
            return "another host's name"
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2] not in self.hosts:
            return "another page's request"
        length = request.headers.get("content-length") or "0"
        if "transfer-encoding" in request.headers or not length.isdecimal() or int(length) > MAX_BODY:
            return "too long, or of unknown length"
        given = request.query_params.get("token") or request.cookies.get(self.cookie, "")
        is_right = not self.token or secrets.compare_digest(given.encode(), self.token.encode())
        return "" if is_right else "no token, or another one"


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
