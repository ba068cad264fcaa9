"""Events that are read in a thread, and what becomes of its errors."""

import threading
from collections.abc import Iterator
from typing import cast

import pytest

from ridgeline.api.events import JobEvent
from ridgeline.cli.feed import Feed
from ridgeline.client import Client, UnreachableError


class Broken:
    """A client whose stream ends with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def events(self, job_id: str) -> Iterator[JobEvent]:
        raise self._error


@pytest.mark.parametrize("error", [UnreachableError("away"), RuntimeError("closed")])
def test_an_error_is_raised_where_events_are_taken(error: Exception) -> None:
    with Feed(cast("Client", Broken(error)), "job_1") as feed, pytest.raises(type(error)):
        feed.take(20)


def test_nobody_hears_of_a_client_that_was_closed_by_whoever_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C may come before the block has begun, and so before anybody can say that they left."""
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    feed = Feed(cast("Client", Broken(RuntimeError("closed"))), "job_1")
    feed.__enter__()
    for thread in threading.enumerate():
        if thread.name == "events":
            thread.join(20)
    assert raised == []
