"""A job's events, taken one by one without waiting for ever."""

import queue
import threading
from typing import Self

from ridgeline.api.events import JobEvent
from ridgeline.client import Client, RidgelineError

#: What may lie ready; a reader that is slower holds the stream up.
_READY = 1000
#: A signal that comes in the moment before a wait begins is heeded only after that wait.
_TURN_S = 0.5


class Feed:
    """Reads the events of a job in a thread, from the first to the last.

    A context manager: behind its block nobody takes any more, and the client may be closed.
    """

    def __init__(self, client: Client, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._ready: queue.Queue[JobEvent | Exception | None] = queue.Queue(_READY)
        self._left = False
        self.ended = False
        """Whether the last event has been taken."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._read, name="events", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left = True

    def take(self, timeout: float | None = None) -> JobEvent | None:
        """The next event; None when the job has ended, or if none comes for a while.

        That is half a second, or `timeout` seconds if those are less. Raises RidgelineError where
        the events cannot be read.
        """
        if self.ended:
            return None
        try:
            taken = self._ready.get(timeout=_TURN_S if timeout is None else min(timeout, _TURN_S))
        except queue.Empty:
            return None
        if isinstance(taken, Exception):
            raise taken
        self.ended = taken is None
        return taken

    def _read(self) -> None:
        try:
            for event in self._client.events(self._job_id):
                self._ready.put(event)
                if self._left:
                    return
            self._ready.put(None)
        except (RidgelineError, RuntimeError) as error:
            # Raised where events are taken. Whoever has left, and closed the client, takes none.
            self._ready.put(error)
