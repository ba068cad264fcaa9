"""Files that are being written: each is locked by its process, and unlocked ones are deleted.

A lock ends with its process, however that ends. Only processes of this machine respect it: whether
others see it depends on how they mount a shared folder. The name of a file therefore starts with
the machine's boot id; files of other machines are deleted once they are old.
"""

import fcntl
import functools
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


logger = logging.getLogger(__name__)


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Create an empty locked file in `folder`; deleted after the block unless it was moved."""
    descriptor, name = tempfile.mkstemp(dir=folder)
    path = Path(name)
    try:
        path = _lock(descriptor, path)
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def clear_abandoned(folder: Path) -> None:
    """Delete the files in `folder` that a process of this machine has abandoned."""
    boot = _boot_id()
    for path in folder.glob(f"{boot}.*") if boot else ():
        with suppress(FileNotFoundError):  # moved, or deleted by another process
            if _abandoned(path):
                path.unlink()
                logger.info("deleted a staged file whose process has died: %s", path)


def _lock(descriptor: int, path: Path) -> Path:
    """Lock a file, and only then give it the name of a locked one."""
    boot = _boot_id()
    if boot is None:
        return path
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # not every file system has locks
        return path
    return path.rename(path.with_name(f"{boot}.{path.name}"))


def _abandoned(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        # A shared lock: on NFS an exclusive one needs write access.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    # An unlocked file stays unlocked: its process locks it before giving it this name.
    return True


@functools.cache
def _boot_id() -> str | None:
    """The boot id of this machine's kernel; None if it is unknown."""
    try:
        return _BOOT_ID_FILE.read_text().strip() or None
    except OSError:
        return None


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable: a rename alone can be lost in a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
