"""What clients and the nemesis did and saw, as it stands in a file of JSON lines."""

import json
import threading
import time
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Outcome(StrEnum):
    """What is known of an action."""

    OK = "ok"  #: it was done
    REFUSED = "refused"  #: it was not done: the answer says so
    UNKNOWN = "unknown"  #: it may have been done: no answer came, or none that says
    NOTHING = "nothing"  #: there was nothing to do it to


@dataclass(frozen=True)
class Entry:
    """One action, from `began` to `ended` by the wall clock, in seconds."""

    who: str
    action: str
    outcome: Outcome
    began: float
    ended: float
    detail: dict[str, Any] = field(default_factory=dict)

    def overlaps(self, began: float, ended: float) -> bool:
        """Whether it went on at some moment from `began` to `ended`."""
        return self.began <= ended and began <= self.ended


class History:
    """Entries in the order in which they ended; threads may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self._lock = threading.Lock()
        self._file = path.open("w", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, who: str, action: str, outcome: Outcome, began: float, **detail: Any) -> Entry:
        """Write down what has ended just now."""
        entry = Entry(who, action, outcome, began, time.time(), detail)
        with self._lock:
            self.entries.append(entry)
            self._file.write(json.dumps(asdict(entry)) + "\n")
            self._file.flush()
        return entry
