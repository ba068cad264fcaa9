"""The dashboard's files: their bytes as they are and compressed, their entity tags, their version.

They are few and small, so each is read once and kept, compressed. All of them together have one
version, which stands in their paths: a browser may keep them for good, and modules of two releases
never meet.
"""

import functools
import gzip
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
SHELL = "index.html"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_IMPORT = re.compile(r"""^(?:import|export)\b[^;]*?\bfrom\s+"(\.[^"]+)";""", re.MULTILINE)


class Asset(NamedTuple):
    """A file as it is sent."""

    media_type: str
    gzipped: bytes
    sha256: str
    """Of the bytes before they were compressed."""

    @property
    def content(self) -> bytes:
        """The bytes as they are."""
        return gzip.decompress(self.gzipped)


def asset_names() -> frozenset[str]:
    """The paths, from the dashboard's folder on, of all files that may be sent."""
    return _files()[0]


def version() -> str:
    """What stands in the files' paths; another release has another."""
    return _files()[1]


@functools.cache
def asset(name: str) -> Asset:
    """The file of this name, one of asset_names()."""
    return _packed(name, (FOLDER / name).read_bytes())


@functools.cache
def shell(module: str) -> Asset:
    """The page around everything, which loads `module` first, without one request after another."""
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
    # mtime: the same bytes give the same compressed bytes, in every process that sends them.
    packed = gzip.compress(content, compresslevel=9, mtime=0)
    return Asset(media_type, packed, hashlib.sha256(content).hexdigest())


@functools.cache
def _imported(module: str) -> tuple[str, ...]:
    """A module and all that it imports before it runs, each once."""
    found: dict[str, None] = {module: None}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        folder = (FOLDER / name).parent
        for target in _IMPORT.findall((FOLDER / name).read_text(encoding="utf-8")):
            path = (folder / target).resolve().relative_to(FOLDER.resolve()).as_posix()
            if path not in found:
                found[path] = None
                waiting.append(path)
    return tuple(found)
