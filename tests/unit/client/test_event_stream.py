"""Server-sent events, however their bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeline.client import event_stream
from ridgeline.client.event_stream import EventStream, OverlongLine, ServerSentEvent

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


def test_reads_what_the_standard_says() -> None:
    stream = EventStream()
    assert list(stream.events([STREAM])) == EVENTS
    assert stream.retry_s == 1.5
    assert stream.heard


@given(st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
def test_however_it_is_cut(cuts: list[int]) -> None:
    chunks = [STREAM[a:b] for a, b in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]
    assert list(EventStream().events(chunks)) == EVENTS


def test_an_event_comes_with_its_last_byte() -> None:
    sent: list[bytes] = []

    def chunks() -> object:
        for chunk in (b"data: 1\n", b"\n", b"data: 2\r", b"\r"):
            sent.append(chunk)
            yield chunk

    events = EventStream().events(chunks())  # type: ignore[arg-type]
    assert next(events).data == "1"
    assert len(sent) == 2
    assert next(events).data == "2"
    assert len(sent) == 4


@pytest.mark.parametrize("retry", ["soon", "-1", "1.5", "", "\u0663"])
def test_what_is_no_time_is_passed_over(retry: str) -> None:
    stream = EventStream()
    assert list(stream.events([f"retry: {retry}\nid: a\0b\n\n".encode()])) == []
    assert stream.retry_s is None


def test_nothing_was_heard() -> None:
    stream = EventStream()
    assert list(stream.events([b"", b": pi"])) == []
    assert not stream.heard


def test_a_line_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MAX_LINE_BYTES", 100)
    with pytest.raises(OverlongLine):
        list(EventStream().events(b"data: 0123456789" for _ in range(1000)))
