"""Stop signals, counted instead of raised."""

import signal
from types import FrameType
from typing import Any, Self

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Counts SIGINT, SIGTERM and SIGHUP inside its block.

    No exception interrupts the start of a process: callers poll `stopped`.
    """

    def __init__(self) -> None:
        self._received = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _STOPPING:
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def stopped(self) -> bool:
        """Whether a stop signal has arrived."""
        return self._received > 0

    @property
    def hurried(self) -> bool:
        """Whether a second one has arrived: the user will not wait for an orderly exit."""
        return self._received > 1

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self._received += 1
