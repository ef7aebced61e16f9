"""Who may ask at all: checked before anything else looks at a request.

The engine listens on loopback, where every web page that the user opens can send requests as well. A page of another
origin is recognised by the headers that browsers add (Origin, Sec-Fetch-Site), and one whose name was pointed here
(DNS rebinding) by that name in Host.
"""

import hmac
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.access import Access, is_loopback
from services.api.problems import Problem

OPEN_TO_ALL = ("/livez", "/readyz")
"""Probes ask these without a token, and learn nothing from them but a word."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """An ASGI app around another; it adds `caller`, the name for the triage log, to what gets through."""

    def __init__(self, app: ASGIApp, access: Access, user: str) -> None:
        self._app = app
        self._access = access
        self._user = user
        self._names = {"localhost", *access.hosts}
        if access.address is not None:
            self._names.add(access.address.host.lower())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or say why not."""
        assert scope["type"] == "http"

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        try:
            self._check_host(scope, headers)
            _check_origin(scope, headers)
            scope["caller"] = self._caller(scope, headers)
        except Problem as problem:
            await problem.response(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def _check_host(self, scope: MutableMapping[str, Any], headers: Headers) -> None:
        name = _name_of(headers.get("host", ""))
        reached = (scope.get("server") or ("",))[0]
        if not (name in self._names or is_loopback(name) or (name and name == reached)):
            raise Problem(421, "Host names another server; add the name to api_hosts if it is meant to be this one")

    def _caller(self, scope: MutableMapping[str, Any], headers: Headers) -> str:
        """Who asks: the name of the token, or the user that the engine runs as. Raises Problem."""
        if not self._access.tokens or (scope["path"] in OPEN_TO_ALL and not scope["query_string"]):
            return f"{self._user} (api)"
        scheme, _, given = headers.get("authorization", "").partition(" ")
        found = ""
        for token in self._access.tokens:
            # All are compared, so that the time it takes reveals nothing.
            if hmac.compare_digest(token.secret.encode(), given.strip().encode()):
                found = token.name
        if scheme.lower() != "bearer" or not found:
            raise Problem(401, "send a token as Authorization: Bearer", headers={"WWW-Authenticate": "Bearer"})
        return found


def _check_origin(scope: MutableMapping[str, Any], headers: Headers) -> None:
    """Raises Problem for a request that a page of another origin makes."""
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"{scope['scheme']}://{headers.get('host', '')}".lower():
        raise Problem(403, "a page of another origin may not ask")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise Problem(403, "a page of another site may not ask")


def _name_of(host: str) -> str:
    """The Host header without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
