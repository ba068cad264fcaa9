"""The word that this worker shuts down."""

import os
from multiprocessing.connection import wait


class Drain:
    """Set once, from any thread or a signal handler; can be waited for together with a pipe."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._started = False

    @property
    def started(self) -> bool:
        """Whether the worker shuts down."""
        return self._started

    def start(self) -> None:
        """Tell everyone; a second call changes nothing."""
        if not self._started:
            self._started = True
            os.close(self._writer)  # the reader is at its end for good, so every waiter wakes

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the shutdown; whether it came."""
        return bool(wait([self._reader], timeout))

    def fileno(self) -> int:
        """What becomes readable when the shutdown starts."""
        return self._reader
