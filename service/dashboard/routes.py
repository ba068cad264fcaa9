"""/ and /ui: the dashboard, a page that talks to the API as any other client does."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.dashboard.assets import Asset, asset, asset_names, shell, version
from service.http.answers import not_modified
from service.http.headers import matches, takes_gzip
from service.http.problems import not_found

#: Pages by their paths, each with the module that fills it.
PAGES = {
    "/": "js/pages/jobs.js",
    "/ui/new": "js/pages/new.js",
    "/ui/compare": "js/pages/compare.js",
    "/ui/datasets": "js/pages/datasets.js",
    "/ui/datasets/{dataset_id}": "js/pages/dataset.js",
    "/ui/jobs/{job_id}": "js/pages/job.js",
}
#: Scripts, styles and requests are the service's own, nothing is written into the page as HTML
#: (trusted types), and nobody may put the page into a frame.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
_SECURITY = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_REVALIDATED = "no-cache"
_FOR_GOOD = "public, max-age=31536000, immutable"


# Starlette's routes, not FastAPI's: a page's query belongs to the page, so none of it is refused,
# and OpenAPI, which describes the API, does not list them.
router = APIRouter()


def _page(module: str) -> Callable[[Request], Response]:
    """Make the route of a page; what is in it, `module` asks for."""

    def page(request: Request) -> Response:
        return _answer(request, shell(module), _REVALIDATED)

    return page


def _asset(request: Request) -> Response:
    """Answer with a file of the dashboard, in a thread: compressing one takes a while, once.

    A page that was opened before another release came may ask for its own version still, and gets
    what there is now, which it may not keep.
    """
    name = request.path_params["name"]
    if name not in asset_names():
        raise not_found("The dashboard has no such file; open / anew.")
    current = request.path_params["version"] == version()
    return _answer(request, asset(name), _FOR_GOOD if current else _REVALIDATED)


def _answer(request: Request, found: Asset, caching: str) -> Response:
    zipped = takes_gzip(request.headers.getlist("accept-encoding"))
    # A strong tag names bytes, and these differ.
    tag = f'"{found.sha256}-gzip"' if zipped else f'"{found.sha256}"'
    headers = {"ETag": tag, "Cache-Control": caching, "Vary": "Accept-Encoding", **_SECURITY}
    if matches(request.headers.get("if-none-match"), tag):
        return not_modified(headers)
    if zipped:
        headers["Content-Encoding"] = "gzip"
    content = found.gzipped if zipped else found.content
    return Response(content, HTTPStatus.OK, headers=headers, media_type=found.media_type)


for _path, _module in PAGES.items():
    router.add_route(_path, _page(_module), include_in_schema=False)
router.add_route("/ui/assets/{version}/{name:path}", _asset, include_in_schema=False)
