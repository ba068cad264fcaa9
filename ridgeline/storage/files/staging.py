"""Files on their way into the store: each is held by who makes it, and one that nobody holds goes.

A lock ends with its process, however that ends. It is heeded by this machine's processes alone:
what others see of it depends on how they have mounted a shared folder. So a file's name says on
which machine, and since which start of that, it is held; the rest is garbage once it is old.


Folders whose entries outlive a loss of power.
"""

import fcntl
import functools
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


logger = logging.getLogger(__name__)


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """An empty file of its own in `folder`, held; gone after the block, unless it was moved."""
    descriptor, name = tempfile.mkstemp(dir=folder)
    path = Path(name)
    try:
        path = _held(descriptor, path)
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def clear_abandoned(folder: Path) -> None:
    """Delete what was staged in `folder` on this machine and nobody holds."""
    start = _this_start()
    for path in folder.glob(f"{start}.*") if start else ():
        with suppress(FileNotFoundError):  # moved, or deleted by another process
            if _abandoned(path):
                path.unlink()
                logger.info("a file is gone whose process died before it was stored: %s", path)


def _held(descriptor: int, path: Path) -> Path:
    """Hold a file, and only then give it the name of one that is held."""
    start = _this_start()
    if start is None:
        return path
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # there are file systems without locks
        return path
    return path.rename(path.with_name(f"{start}.{path.name}"))


def _abandoned(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        # Shared: on NFS nobody gets another one who may not write.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    # It was not held, so it never will be again: who makes a file holds it from its first moment.
    return True


@functools.cache
def _this_start() -> str | None:
    """What this start of the machine's kernel is called; None where that is not known."""
    try:
        return _BOOT_ID.read_text().strip() or None
    except OSError:
        return None


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable: a rename alone can be lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
