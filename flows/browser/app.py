"""The local browser of lists: a read-only web application for this machine alone. Works without scripts."""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from flows.browser.lookups import Lookups, genres_of
from tasks.errors import NightError, TransientError, UsageError
from tasks.publication.queries import SeveralItemsError
from tasks.reporting.page.render import render_template

HOST = "127.0.0.1"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def browser_app(lookups: Lookups) -> Starlette:
    """Return the application. It answers GET and HEAD, and only under the names of this machine itself.

    A page of another site can point a name of its own at 127.0.0.1: the name in the Host header gives it away.
    """

    def page(show: Callable[[QueryParams], Response]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:  # not async: it runs in a thread, as lookups take a while
            try:
                return show(request.query_params)
            except SeveralItemsError as error:
                return _page(lookups, 300, error=error, found=error.found)
            except NightError as error:
                return _page(lookups, _status(error), error=error)

        return answer

    def begin(asked: QueryParams) -> Response:
        if not (text := asked.get("q", "").strip()):
            run_id, users = lookups.some_users()
            return _page(lookups, run_id=run_id, users=users)
        where = (
            f"/user?{urlencode({'id': text})}" if lookups.is_user(text) else f"/item?{urlencode({'q': text})}"
        )
        return RedirectResponse(where, 303, _HEADERS)

    def user(asked: QueryParams) -> Response:
        return _page(lookups, user=lookups.user(asked.get("id", ""), asked.get("model", "")))

    def item(asked: QueryParams) -> Response:
        return _page(lookups, item=lookups.item(asked.get("q", "")))

    routes = [
        Route(path, page(show), methods=["GET"])
        for path, show in {"/": begin, "/user": user, "/item": item}.items()
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False)],
    )


def listening_socket(port: int) -> socket.socket:
    """Return a socket bound to a port of this machine's loopback address; 0 takes a free one.

    Raises:
        UsageError: the port is taken, or not allowed.
    """
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise UsageError(f"Port {port} cannot be used: {error}.", "Take any free one: --port 0") from error
    return bound


def _page(lookups: Lookups, status: int = 200, **values: object) -> Response:
    empty = {"user": None, "item": None, "users": (), "error": None, "found": (), "run_id": None}
    text = render_template(
        "browse.html.j2", dataset=lookups.home.dataset, genres_of=genres_of, **(empty | values)
    )
    return HTMLResponse(text, status, _HEADERS)


def _status(error: NightError) -> int:
    if isinstance(error, TransientError):
        return 503
    return 404 if isinstance(error, UsageError) else 500
