"""The signal that this worker is shutting down."""

import os
from multiprocessing.connection import wait


class Drain:
    """A one-shot flag, set from any thread or signal handler, that can be waited on with pipes."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._started = False

    @property
    def started(self) -> bool:
        """Whether the worker is shutting down."""
        return self._started

    def start(self) -> None:
        """Wake all waiters; further calls do nothing."""
        if not self._started:
            self._started = True
            os.close(self._writer)  # the reader stays at end-of-file, so every waiter wakes

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the shutdown; return whether it started."""
        return bool(wait([self._reader], timeout))

    def fileno(self) -> int:
        """The file descriptor that becomes readable when the shutdown starts."""
        return self._reader
