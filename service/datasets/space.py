"""The disk of the API: looked at before a file comes, and told of where it is full."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ridgeline.api.problems import ProblemCode
from service.http.problems import ApiProblem

MARGIN_BYTES = 64 * 2**20
"""What files leave free: the records may lie on the same disk."""
_RETRY_AFTER_S = 60
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def check_space(folder: Path, size: int) -> None:
    """Raise ApiProblem (insufficient-storage) where `size` bytes would fill a folder's disk."""
    if shutil.disk_usage(folder).free < size + MARGIN_BYTES:
        raise _no_space()


def keep_margin(folder: Path) -> None:
    """Raise OSError (ENOSPC) where a folder's disk has no more than its margin left.

    Files that come at the same time have all found room; and of some nobody says how long they are.
    """
    if shutil.disk_usage(folder).free < MARGIN_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Turn the error of a full disk into an answer that says so."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _no_space() from error
        raise


def _no_space() -> ApiProblem:
    detail = "The disk of the service has no room for the file; nothing of it was stored."
    headers = {"Retry-After": str(_RETRY_AFTER_S)}
    return ApiProblem(ProblemCode.INSUFFICIENT_STORAGE, detail, headers=headers)
