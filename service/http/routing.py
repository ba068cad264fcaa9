"""What every path has in common: HEAD wherever there is GET, and which methods a path takes."""

from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HEAD = "ridgeline.head"


def allowed_methods(request: Request) -> list[str]:
    """The methods that the request's path takes."""
    found = [method for method in METHODS if _takes(request, method)]
    return ["GET", "HEAD", *found[1:]] if "GET" in found else found


def is_head(scope: Scope) -> bool:
    """Whether the client sent HEAD, so that no body will be sent."""
    return bool(scope.get(_HEAD))


class HeadLikeGet:
    """Answers HEAD as GET is answered, less the body, so that no route has to."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET", _HEAD: True}, receive, send_without_body)


def _takes(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
