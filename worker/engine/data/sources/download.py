"""Fetches a file over HTTP so that it is there as a whole, or not at all."""

import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import httpx

CONNECT_S = 3.0
READ_S = 10.0
"""How long the next bytes may be waited for."""
TOTAL_S = 1800.0
MAX_BYTES = 2**30
"""More than the largest file (170 MB), less than a disk."""
_CHUNK = 2**20
_MODE = 0o644
"""As Keras leaves its files: a temporary one would be for its owner only."""


class Unreachable(Exception):
    """The address does not answer, not with the file, or not in time."""


def download(url: str, path: Path, sha256: str | None) -> str:
    """Fetch `url` into `path` and return its SHA-256.

    Nothing stays behind where the digest is not `sha256` (None takes any). Raises Unreachable, and
    OSError where the disk does not take it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the file, so that the rename is one within a file system; with a name of its own, so
    # that two trainers that fetch the same do not meet.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            digest = _stream(url, file)
            file.flush()
            os.fsync(file.fileno())
        if sha256 in (None, digest):
            partial.chmod(_MODE)
            partial.replace(path)
        return digest
    except httpx.HTTPError as error:
        raise Unreachable(str(error) or type(error).__name__) from error
    finally:
        partial.unlink(missing_ok=True)


def _stream(url: str, file: IO[bytes]) -> str:
    timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
    deadline = time.monotonic() + TOTAL_S
    digest, received = hashlib.sha256(), 0
    request: dict[str, Any] = {"timeout": timeout, "follow_redirects": True}
    request["headers"] = {"Accept-Encoding": "identity"}  # the digest is that of the file itself
    with httpx.stream("GET", url, **request) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_raw(_CHUNK):
            received += len(chunk)
            if received > MAX_BYTES:
                raise Unreachable(f"more than {MAX_BYTES} bytes came")
            if time.monotonic() > deadline:
                raise Unreachable(f"it took more than {TOTAL_S:g} s")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
