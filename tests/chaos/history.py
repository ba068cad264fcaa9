"""The history of clients and nemesis, written to a file of JSON lines."""

import json
import threading
import time
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Outcome(StrEnum):
    """The outcome of an action."""

    OK = "ok"  #: it took effect
    REFUSED = "refused"  #: it was rejected by the response
    UNKNOWN = "unknown"  #: it may have taken effect: no response, or an indefinite one
    NOTHING = "nothing"  #: there was no target


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
        """Whether it overlaps the time from `began` to `ended`."""
        return self.began <= ended and began <= self.ended


class History:
    """Entries in the order of their ends; thread-safe."""

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
        """Record an action that has just ended."""
        entry = Entry(who, action, outcome, began, time.time(), detail)
        with self._lock:
            self.entries.append(entry)
            self._file.write(json.dumps(asdict(entry)) + "\n")
            self._file.flush()
        return entry
