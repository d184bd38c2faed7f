"""Who is let in: a page elsewhere can neither read nor act here (name rebinding, forged requests)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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

    app: ASGIApp
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
        has_come = bool(self.token and not refused and request.query_params.get("token"))

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if has_come:
                    headers.append("Set-Cookie", f"{self.cookie}={self.token}; HttpOnly; Path=/; SameSite=strict")
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
