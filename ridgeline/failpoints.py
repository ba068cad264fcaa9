"""Failpoints: named places where a test kills this process or makes its disk appear full.

`RIDGELINE_FAILPOINT=name[:hit][:action]` is read once, when the process starts. The hit-th time the
failpoint is passed (by default the first), the action runs: `kill`, a SIGKILL of this process (the
default); `enospc`, the OSError of a full disk; `raise`, an InjectedFault. Without the variable a
failpoint costs one comparison.
"""

import errno
import logging
import os
import signal
from collections.abc import Callable, Mapping
from itertools import count
from typing import NamedTuple, NoReturn

VARIABLE = "RIDGELINE_FAILPOINT"

FAILPOINTS: Mapping[str, str] = {
    "submit.before_commit": "POST: the rows of the job are written and not committed",
    "submit.committed": "POST: the job is durable, the janitor was not woken",
    "submit.before_answer": "POST: the janitor was woken, the client has no response",
    "sweep.taken": "sweep: hints are reserved in the outbox, none is sent",
    "sweep.sent": "sweep: hints are sent and not deleted",
    "sweep.struck_out": "sweep: the sent hints are deleted",
    "redispatch.before_commit": "redispatch: new hints are written and not committed",
    "redispatch.committed": "redispatch: new hints are durable, the sweep was not woken",
    "claim.before_commit": "claim: the rows are written and not committed",
    "claim.committed": "claim: the job is held, its attempt has not started",
    "attempt.prepared": "attempt: its folders are created, no trainer is started",
    "move.before_commit": "a change of status (crash, drain, reaper, end): written, not committed",
    "epochs.before_commit": "epochs: they are written and not committed",
    "epochs.committed": "epochs: they are stored",
    "resume.before_commit": "resume: the rows of earlier attempts are settled and not committed",
    "resume.committed": "resume: the rows of earlier attempts are settled",
    "attempt.trained": "attempt: the model is trained, nothing is published",
    "publish.synced": "publish: the staged file is durable",
    "publish.hashed": "publish: the staged file is hashed",
    "publish.before_rename": "publish: the folder of the published file exists",
    "publish.renamed": "publish: the file has its final name, its folder is not synced",
    "publish.folder_synced": "publish: one folder above the file is synced",
    "attempt.file_published": "attempt: one file is published, the next is not",
    "attempt.published": "attempt: all files are published, not recorded",
    "finish.before_commit": "finish: the last rows are written and not committed",
    "finish.committed": "finish: the job has ended, its attempt has not cleaned up",
    "clean_up.begun": "clean-up: nothing is deleted yet",
    "clean_up.staging_cleared": "clean-up: the staged files are deleted, the checkpoints are not",
    "release.committed": "release: the job is released",
    "reap.committed": "reaper: the jobs of lost workers are released",
    "leftovers.found": "leftovers: the checkpoints of an ended job are listed, not deleted",
    "delete.before_commit": "DELETE: the rows are deleted and not committed",
    "delete.rows_deleted": "DELETE: the rows are deleted, the files are not",
    "delete.folder_deleted": "DELETE: one folder of the job is deleted, the others are not",
    "dataset.received": "data set: the file is received, not inspected",
    "dataset.inspected": "data set: the file is inspected, not stored",
    "dataset_file.synced": "data set: the file is durable under its temporary name",
    "dataset_file.renamed": "data set: the file has its final name, its folder is not synced",
    "dataset.stored": "data set: the file is stored, not recorded",
    "dataset.before_commit": "data set: its row is written and not committed",
    "dataset.committed": "data set: it is recorded, the client has no response",
    "dataset_delete.before_commit": "DELETE of a data set: its row is deleted and not committed",
    "dataset_delete.committed": "DELETE of a data set: its row is deleted, its file is not",
    "part.stored": "part of an upload: the file is stored, not recorded",
    "part.before_commit": "part of an upload: its row is written and not committed",
    "part.committed": "part of an upload: it is recorded, the file it replaces is not deleted",
    "upload.assembled": "upload: the parts are assembled, the file is not inspected",
    "upload.completed": "upload: its data set is stored, its parts are not deleted",
    "upload.deleted": "upload: its rows are deleted, the files of its parts are not",
    "checkpoint.taken_over": "checkpoint: the writer has its term",
    "marker.synced": "marker of a store: durable under a temporary name",
    "marker.linked": "marker of a store: it has its name, the folder is not synced",
    "history.before_write": "history: opened, nothing is written",
    "history.written": "history: written, perhaps in part, and not flushed",
    "history.before_sync": "history: flushed and not synced",
    "history.synced": "history: durable, its checkpoint is not started",
    "checkpoint.before_write": "checkpoint: the temporary file is empty",
    "checkpoint.half_written": "checkpoint: some arrays are written",
    "checkpoint.before_sync": "checkpoint: everything is written, nothing is synced",
    "checkpoint.before_rename": "checkpoint: durable under its temporary name",
    "checkpoint.renamed": "checkpoint: it has its name, the folder is not synced",
    "checkpoint.folder_synced": "checkpoint: durable, no old one is removed",
    "checkpoint.before_removal": "checkpoint: an old one is about to be removed",
}
"""Every failpoint, and the state when it is passed."""

logger = logging.getLogger(__name__)


class InjectedFault(Exception):
    """Raised by a failpoint with the action `raise`."""


class _Armed(NamedTuple):
    name: str
    hit: int
    act: Callable[[], None]
    passes: "count[int]"


_armed: _Armed | None = None


def failpoint(name: str) -> None:
    """Pass the failpoint `name`. Raises OSError or InjectedFault if it is armed to do so."""
    if _armed is not None and _armed.name == name and next(_armed.passes) == _armed.hit:
        _armed.act()


def switch_on(text: str) -> None:
    """Arm one failpoint in this process: `name[:hit][:action]`, as in the variable.

    Raises ValueError for an unknown name or action, and for a hit below 1.
    """
    global _armed  # noqa: PLW0603 - one comparison when off: there is nothing cheaper
    name, *rest = text.split(":")
    hit = rest.pop(0) if rest and rest[0].isdecimal() else "1"
    action = rest.pop(0) if rest else "kill"
    if name not in FAILPOINTS or int(hit) < 1 or action not in _ACTIONS or rest:
        raise ValueError(
            f"received the failpoint {text!r}; expected name[:hit][:{'|'.join(_ACTIONS)}], a hit of"
            " at least 1 and a name of ridgeline.failpoints.FAILPOINTS"
        )
    _armed = _Armed(name, int(hit), _ACTIONS[action], count(1))


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _no_space() -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _raise() -> NoReturn:
    raise InjectedFault


_ACTIONS: Mapping[str, Callable[[], None]] = {"kill": _kill, "enospc": _no_space, "raise": _raise}

if os.environ.get(VARIABLE):
    switch_on(os.environ[VARIABLE])
    logger.warning("%s=%s: this process will fail on purpose", VARIABLE, os.environ[VARIABLE])
