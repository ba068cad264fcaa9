"""Bytes are split into messages without blocking."""

import os
from multiprocessing import Pipe

import pytest

from ridgeline.spec.schema import Contract
from worker.trainer.frames import Frames, UnreadableMessage
from worker.trainer.messages import MAX_MESSAGE_BYTES, Phase, Stopped, encode


def on_the_wire(*messages: Contract) -> bytes:
    """The bytes that multiprocessing writes for them."""
    ours, theirs = Pipe()
    with ours, theirs:
        for message in messages:
            theirs.send_bytes(encode(message))
        return os.read(ours.fileno(), 2**16)


def test_messages_are_complete_however_their_bytes_are_split() -> None:
    messages: list[Phase | Stopped] = [Phase(name="a" * 100), Stopped(), Phase(name="b")]
    wire = on_the_wire(*messages)
    for size in (1, 3, 50, len(wire)):
        frames = Frames()
        parts = [wire[start : start + size] for start in range(0, len(wire), size)]
        assert [message for part in parts for message in frames.take(part)] == messages


def test_incomplete_message_does_not_block() -> None:
    wire = on_the_wire(Stopped())
    frames = Frames()
    assert frames.take(wire[:-1]) == []
    assert frames.take(wire[-1:]) == [Stopped()]


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x04null",
        b"Segmentation fault",
        b"\xff\xff\xff\xff\x00",
        (MAX_MESSAGE_BYTES + 1).to_bytes(4, "big"),
        b"\x00\x00\x00\x00",
    ],
)
def test_other_bytes_raise_unreadable_message(data: bytes) -> None:
    with pytest.raises(UnreadableMessage, match="message"):
        Frames().take(data)
