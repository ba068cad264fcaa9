"""Server-sent events, however their bytes are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeline.client import _events
from ridgeline.client._events import EventStreamParser, OverlongLine, ServerSentEvent

STREAM = (
    b"\xef\xbb\xbf: hello\nretry: 1500\n\n"
    b"event: status\ndata: {}\nid: 1\n\n"
    b": ping\n\n"
    b"event: epoch\r\ndata: one\r\ndata:two\r\nid: 2\r\n\r\n"
    b"data:  indented\rcolour: blue\r\r"
    b"event: nothing\n\n"
    b"data\n\n"
    b"data: \xe2\x80\xa8 in one line\x85\n\n"
    b"data: cut short\n"
)
EVENTS = [
    ServerSentEvent("status", "{}", "1"),
    ServerSentEvent("epoch", "one\ntwo", "2"),
    ServerSentEvent("message", " indented", "2"),
    ServerSentEvent("message", "", "2"),
    ServerSentEvent("message", "\u2028 in one line\ufffd", "2"),
]


def test_stream_is_parsed_as_the_standard_defines() -> None:
    stream = EventStreamParser()
    assert list(stream.events([STREAM])) == EVENTS
    assert stream.retry_s == 1.5
    assert stream.received_any


@given(st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
def test_chunk_boundaries_do_not_matter(cuts: list[int]) -> None:
    chunks = [STREAM[a:b] for a, b in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]
    assert list(EventStreamParser().events(chunks)) == EVENTS


def test_event_is_yielded_with_its_last_byte() -> None:
    sent: list[bytes] = []

    def chunks() -> object:
        for chunk in (b"data: 1\n", b"\n", b"data: 2\r", b"\r"):
            sent.append(chunk)
            yield chunk

    events = EventStreamParser().events(chunks())  # type: ignore[arg-type]
    assert next(events).data == "1"
    assert len(sent) == 2
    assert next(events).data == "2"
    assert len(sent) == 4


@pytest.mark.parametrize("retry", ["soon", "-1", "1.5", "", "\u0663"])
def test_invalid_retry_is_ignored(retry: str) -> None:
    stream = EventStreamParser()
    assert list(stream.events([f"retry: {retry}\nid: a\0b\n\n".encode()])) == []
    assert stream.retry_s is None


def test_no_line_means_nothing_received() -> None:
    stream = EventStreamParser()
    assert list(stream.events([b"", b": pi"])) == []
    assert not stream.received_any


def test_endless_line_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_events, "MAX_LINE_BYTES", 100)
    with pytest.raises(OverlongLine):
        list(EventStreamParser().events(b"data: 0123456789" for _ in range(1000)))
