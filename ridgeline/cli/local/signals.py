"""Signals that ask to stop, noted instead of obeyed at once."""

import signal
from types import FrameType
from typing import Any, Self

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Counts Ctrl-C, TERM and hang-ups while the block lasts.

    No exception is raised amid the start of a process: whoever works looks at `stopped`.
    """

    def __init__(self) -> None:
        self._received = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _ASKING:
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def stopped(self) -> bool:
        """Whether somebody asked to stop."""
        return self._received > 0

    @property
    def hurried(self) -> bool:
        """Whether somebody asked again, and so will not wait for an orderly end."""
        return self._received > 1

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self._received += 1
