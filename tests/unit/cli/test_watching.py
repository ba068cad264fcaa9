"""Events read in a thread, and the errors raised there."""

import threading
from collections.abc import Iterator
from typing import cast

import pytest

from ridgeline.api.events import JobEvent
from ridgeline.cli.watching import EventReader
from ridgeline.client import Client, UnreachableError


class Broken:
    """A client whose stream ends with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def events(self, job_id: str) -> Iterator[JobEvent]:
        raise self._error


@pytest.mark.parametrize("error", [UnreachableError("away"), RuntimeError("closed")])
def test_error_of_the_stream_is_raised_to_the_reader(error: Exception) -> None:
    client = cast("Client", Broken(error))
    with EventReader(client, "job_1") as reader, pytest.raises(type(error)):
        reader.next_event(20)


def test_client_closed_before_the_block_raises_nothing_in_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C may arrive before the block begins, and so before `__exit__` can run."""
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    EventReader(cast("Client", Broken(RuntimeError("closed"))), "job_1").__enter__()
    for thread in threading.enumerate():
        if thread.name == "events":
            thread.join(20)
    assert raised == []
