"""The epochs of a training, in one append-only file instead of in every checkpoint."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from ridgeline.api.curves import EpochRow
from ridgeline.failpoints import failpoint
from worker.engine.checkpoint.format import UnusableCheckpoint


@dataclass(frozen=True)
class Mark:
    """The first `length` bytes of a history, which belong to one checkpoint."""

    length: int
    sha256: str

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Read a mark from a header; raises UnusableCheckpoint."""
        length, sha256 = values.get("length"), values.get("sha256")
        if type(length) is not int or length < 0 or not isinstance(sha256, str):
            raise UnusableCheckpoint("its history's mark cannot be read")
        return cls(length, sha256)


class History:
    """The append-only file of one writer: one row per line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = 0
        self._length = 0
        self._hash = hashlib.sha256()

    def extend(self, rows: Sequence[EpochRow]) -> Mark:
        """Append and sync the rows that are not in the file yet; return the mark after the last.

        `rows` are all from the first epoch on. Raises ValueError if they are fewer than before, and
        OSError as it comes; what was written then does not count.
        """
        if len(rows) < self._rows:
            raise ValueError(
                f"received {len(rows)} epochs, and {self._rows} are written; expected all of them"
            )
        data = b"".join(row.model_dump_json().encode() + b"\n" for row in rows[self._rows :])
        extended = self._hash.copy()
        extended.update(data)
        with self._path.open("r+b") as file:
            file.seek(self._length)  # over what a full disk has cut off
            failpoint("history.before_write")
            file.write(data)
            failpoint("history.written")
            file.flush()
            failpoint("history.before_sync")
            os.fsync(file.fileno())
        failpoint("history.synced")
        self._rows, self._length, self._hash = len(rows), self._length + len(data), extended
        return Mark(self._length, extended.hexdigest())


def read_history(path: Path, mark: Mark) -> tuple[EpochRow, ...]:
    """The epochs up to the mark; later ones belong to no finished checkpoint.

    Raises UnusableCheckpoint, and OSError as it comes.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < mark.length:
            raise UnusableCheckpoint("its history is cut short")
        data = file.read(mark.length)
    if hashlib.sha256(data).hexdigest() != mark.sha256:
        raise UnusableCheckpoint("its history is not what was written")
    try:
        return tuple(EpochRow.model_validate_json(line) for line in data.splitlines())
    except (ValidationError, json.JSONDecodeError) as error:
        raise UnusableCheckpoint("its history cannot be read") from error
