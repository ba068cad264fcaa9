"""/ and /ui: the dashboard, whose pages use the API like any other client.

Its files are few and small, so each is compressed once and kept in memory. One version of all files
together is part of their paths: browsers may cache them for good, and modules of two releases never
mix.
"""

import functools
import gzip
import hashlib
import re
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.http.problems import not_found
from service.http.representations import not_modified
from service.http.requests import matches, takes_gzip

#: Pages by their paths, each with the module that renders it.
PAGES = {
    "/": "js/pages/jobs.js",
    "/ui/new": "js/pages/new.js",
    "/ui/compare": "js/pages/compare.js",
    "/ui/datasets": "js/pages/datasets.js",
    "/ui/datasets/{dataset_id}": "js/pages/dataset.js",
    "/ui/jobs/{job_id}": "js/pages/job.js",
}
#: Scripts, styles and requests are same-origin, nothing is inserted into the page as HTML (trusted
#: types), and no other page may frame it.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
FOLDER = Path(__file__).parent
SHELL = "index.html"

_SECURITY = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_REVALIDATED = "no-cache"
_FOR_GOOD = "public, max-age=31536000, immutable"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_IMPORT = re.compile(r"""^(?:import|export)\b[^;]*?\bfrom\s+"(\.[^"]+)";""", re.MULTILINE)

# Starlette's routes, not FastAPI's: a page's query belongs to the page, so none of it is rejected,
# and OpenAPI, which describes the API, does not list them.
router = APIRouter()


class Asset(NamedTuple):
    """A file as it is sent."""

    media_type: str
    gzipped: bytes
    sha256: str
    """Of the uncompressed bytes."""

    @property
    def content(self) -> bytes:
        """The uncompressed bytes."""
        return gzip.decompress(self.gzipped)


def _page(module: str) -> Callable[[Request], Response]:
    """Make the route of a page; `module` loads the page's data."""

    def page(request: Request) -> Response:
        return _response(request, shell(module), _REVALIDATED)

    return page


def _asset(request: Request) -> Response:
    """Send a file of the dashboard. Runs in a thread, since compressing it once takes a while.

    A page of an earlier release may request its own version: it gets the present file, uncached.
    """
    name = request.path_params["name"]
    if name not in asset_names():
        raise not_found("The dashboard has no such file; reload the page.")
    current = request.path_params["version"] == version()
    return _response(request, asset(name), _FOR_GOOD if current else _REVALIDATED)


def _response(request: Request, file: Asset, caching: str) -> Response:
    zipped = takes_gzip(request.headers.getlist("accept-encoding"))
    # A strong tag identifies bytes, so each encoding has its own.
    tag = f'"{file.sha256}-gzip"' if zipped else f'"{file.sha256}"'
    headers = {"ETag": tag, "Cache-Control": caching, "Vary": "Accept-Encoding", **_SECURITY}
    if matches(request.headers.get("if-none-match"), tag):
        return not_modified(headers)
    if zipped:
        headers["Content-Encoding"] = "gzip"
    content = file.gzipped if zipped else file.content
    return Response(content, HTTPStatus.OK, headers=headers, media_type=file.media_type)


def asset_names() -> frozenset[str]:
    """The paths of all files that may be sent, relative to the dashboard's folder."""
    return _files()[0]


def version() -> str:
    """The version in the files' paths; every release has another."""
    return _files()[1]


@functools.cache
def asset(name: str) -> Asset:
    """The file of this name, one of asset_names()."""
    return _packed(name, (FOLDER / name).read_bytes())


@functools.cache
def shell(module: str) -> Asset:
    """The page around `module`, which preloads all imported modules at the same time."""
    html = (FOLDER / SHELL).read_text(encoding="utf-8")
    base = f"/ui/assets/{version()}"
    links = "\n    ".join(
        f'<link rel="modulepreload" href="{base}/{name}">'
        for name in dict.fromkeys((*_imported("js/main.js"), *_imported(module)))
    )
    filled = html.replace("<!-- modules -->", links).replace("{assets}", base)
    return _packed(SHELL, filled.encode())


@functools.cache
def _files() -> tuple[frozenset[str], str]:
    names = sorted(
        path.relative_to(FOLDER).as_posix()
        for path in FOLDER.rglob("*")
        if path.suffix in _MEDIA_TYPES and path.is_file() and path.name != SHELL
    )
    digest = hashlib.sha256()
    for name in names:
        content = (FOLDER / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return frozenset(names), digest.hexdigest()[:16]


def _packed(name: str, content: bytes) -> Asset:
    media_type = _MEDIA_TYPES[Path(name).suffix]
    # mtime: equal bytes compress to equal bytes in every process.
    packed = gzip.compress(content, compresslevel=9, mtime=0)
    return Asset(media_type, packed, hashlib.sha256(content).hexdigest())


@functools.cache
def _imported(module: str) -> tuple[str, ...]:
    """A module and everything that it imports, directly or not."""
    known: dict[str, None] = {module: None}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        folder = (FOLDER / name).parent
        for target in _IMPORT.findall((FOLDER / name).read_text(encoding="utf-8")):
            path = (folder / target).resolve().relative_to(FOLDER.resolve()).as_posix()
            if path not in known:
                known[path] = None
                waiting.append(path)
    return tuple(known)


for _path, _module in PAGES.items():
    router.add_route(_path, _page(_module), include_in_schema=False)
router.add_route("/ui/assets/{version}/{name:path}", _asset, include_in_schema=False)
