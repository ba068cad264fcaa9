"""The checkpoints of one training, in a folder that outlives its attempts.

The keeper decides when one is written; training continues if it cannot be.
"""

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import structlog

from ridgeline.api.curves import EpochRow
from ridgeline.failpoints import failpoint
from worker.engine.checkpoint.format import (
    VERSION,
    Header,
    UnusableCheckpoint,
    read_checkpoint,
    write_checkpoint,
)
from worker.engine.checkpoint.history import History, Mark, read_history

GENERATIONS = 2
_SOFTWARE = ("tensorflow", "keras", "numpy")
_NAME = re.compile(r"(\d{6,})-(\d{9,})\.(checkpoint|tmp)|(\d{6,})\.history")
log = structlog.get_logger()


@dataclass(frozen=True)
class Checkpoint:
    """Everything that training needs to resume after an epoch."""

    epoch: int
    """The last epoch it contains."""
    arrays: Mapping[str, np.ndarray]
    """Arrays of any shape and type by name, including bfloat16."""
    state: dict[str, Any]
    """JSON values: lists, not tuples; text for keys. Infinities and NaN are kept."""
    rows: Sequence[EpochRow] = ()
    """The measurements of all epochs from the first. Writing a checkpoint appends only the new
    ones."""


def fingerprint(spec_json: str) -> str:
    """The key of a training: a checkpoint fits only the same spec on the same software."""
    software = [(name, version(name)) for name in _SOFTWARE]
    return hashlib.sha256(json.dumps([VERSION, software, spec_json]).encode()).hexdigest()


class CheckpointStore:
    """Writes and reads checkpoints; two generations are kept.

    Each writer has a term, and the highest counts. So an attempt that was paused, lost its job and
    wakes up harms nothing: what it has written ranks below, and it may write no more.
    """

    def __init__(self, folder: Path, key: str) -> None:
        """Use `folder`, which exists, for trainings of this `key` (a fingerprint())."""
        self._folder = folder
        self._key = key
        self._term: int | None = None
        self._history: History | None = None
        self._unusable: set[_Entry] = set()

    def newest(self) -> Checkpoint | None:
        """The newest complete checkpoint with this key; None without one.

        Takes the folder over: writers that were here before are refused from now on. A checkpoint
        that is of no use is logged, and the one before it is taken.
        """
        try:
            self._take_over()
        except OSError as error:  # a full disk, for one: what is there can be read all the same
            log.warning("checkpoints_cannot_be_written", because=str(error))
        for entry in sorted(self._entries("checkpoint"), reverse=True):
            try:
                return self._load(entry)
            except (UnusableCheckpoint, OSError) as error:
                log.warning("checkpoint_passed_over", file=entry.name, because=str(error))
                self._unusable.add(entry)
        return None

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and keep one earlier generation.

        When this returns, it is durable. Raises OSError (ENOSPC; ESTALE once another writer has
        taken over): then those before it are as they were, and training can go on. Raises TypeError
        for an array that is not of numbers, ValueError for fewer rows than the last time.
        """
        term, history = self._take_over()
        self._check_term(term)
        mark = history.extend(checkpoint.rows)
        header = Header(checkpoint.epoch, self._key, checkpoint.state, asdict(mark))
        entry = _Entry(term, checkpoint.epoch, "checkpoint")
        temporary = self._folder / entry._replace(kind="tmp").name
        try:
            write_checkpoint(temporary, header, checkpoint.arrays)
            self._check_term(term)  # gigabytes take their time
            failpoint("checkpoint.before_rename")
            temporary.rename(self._folder / entry.name)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        failpoint("checkpoint.renamed")
        _fsync(self._folder)
        failpoint("checkpoint.folder_synced")
        self._unusable.discard(entry)
        self._remove_old(term)

    def _load(self, entry: "_Entry") -> Checkpoint:
        header, arrays = read_checkpoint(self._folder / entry.name, self._key)
        if header.epoch != entry.epoch:
            raise UnusableCheckpoint(f"it is of epoch {header.epoch}")
        history = self._folder / _Entry(entry.term, 0, "history").name
        rows = read_history(history, Mark.of(header.history))
        return Checkpoint(header.epoch, arrays, dict(header.state), rows)

    def _take_over(self) -> tuple[int, History]:
        """This writer's term and history; the history's file claims the term."""
        if self._term is None or self._history is None:
            term = 1 + max((entry.term for entry in self._entries()), default=0)
            path = self._folder / _Entry(term, 0, "history").name
            try:
                path.touch(exist_ok=False)
            except FileExistsError:  # another was quicker
                return self._take_over()
            failpoint("checkpoint.taken_over")
            self._term, self._history = term, History(path)
        return self._term, self._history

    def _check_term(self, term: int) -> None:
        if any(entry.term > term for entry in self._entries()):
            detail = "another attempt has taken the checkpoints over"
            raise OSError(errno.ESTALE, detail, str(self._folder))

    def _remove_old(self, term: int) -> None:
        """Remove the files of this and earlier writers, except for the newest two checkpoints."""
        own = [entry for entry in self._entries() if entry.term <= term]
        usable = {entry for entry in own if entry.kind == "checkpoint"} - self._unusable
        kept = sorted(usable, reverse=True)[:GENERATIONS]
        terms = {term, *(entry.term for entry in kept)}
        for entry in own:
            if entry in kept or (entry.kind == "history" and entry.term in terms):
                continue
            failpoint("checkpoint.before_removal")
            with suppress(OSError):  # it costs space, and the next turn tries again
                (self._folder / entry.name).unlink(missing_ok=True)

    def _entries(self, kind: str | None = None) -> Iterator["_Entry"]:
        """The files of the folder that belong to a store."""
        for path in self._folder.iterdir():
            entry = _entry(path.name)
            if entry is not None and kind in (None, entry.kind):
                yield entry


class _Entry(NamedTuple):
    """A file in the folder, ordered by age within its kind."""

    term: int
    epoch: int
    kind: str

    @property
    def name(self) -> str:
        if self.kind == "history":
            return f"{self.term:06d}.history"
        return f"{self.term:06d}-{self.epoch:09d}.{self.kind}"


def _entry(name: str) -> _Entry | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    term, epoch, kind, history = match.groups()
    return _Entry(int(history), 0, "history") if history else _Entry(int(term), int(epoch), kind)


def _fsync(folder: Path) -> None:
    """Sync the folder: a power failure can undo a rename."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Keeper:
    """Writes to a store, if there is one, at most once per `interval_s` seconds."""

    def __init__(self, store: CheckpointStore | None, interval_s: float) -> None:
        self._store = store
        self._interval_s = interval_s
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the interval has passed since the last checkpoint."""
        return self._store is not None and time.monotonic() - self._last >= self._interval_s

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint of earlier attempts."""
        return self._store.newest() if self._store is not None else None

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; on a full disk, training continues without it."""
        if self._store is None:
            return
        try:
            self._store.write(checkpoint)
        except OSError as error:
            log.warning("checkpoint_not_written", epoch=checkpoint.epoch, because=str(error))
        self._last = time.monotonic()
