"""Splits the bytes from the pipe into messages, without waiting for an incomplete one."""

import struct

from pydantic import ValidationError

from worker.trainer.messages import MAX_MESSAGE_BYTES, FromTrainer, decode_from_trainer

_LENGTH = struct.Struct("!i")  # as multiprocessing.Connection.send_bytes writes it


class UnreadableMessage(Exception):
    """The trainer sent bytes that are not a message."""


class Frames:
    """Collects bytes and returns the messages that are complete.

    A trainer may be stopped in the middle of a message, or write anything at all; reading like
    multiprocessing.Connection would then block forever.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, data: bytes) -> list[FromTrainer]:
        """The messages that `data` completes; raises UnreadableMessage."""
        self._bytes += data
        messages = []
        while (frame := self._next()) is not None:
            try:
                messages.append(decode_from_trainer(frame))
            except ValidationError as error:
                raise UnreadableMessage(f"{len(frame)} bytes are not a valid message") from error
        return messages

    def _next(self) -> bytes | None:
        if len(self._bytes) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._bytes)
        if not 0 <= length <= MAX_MESSAGE_BYTES:
            raise UnreadableMessage(
                f"a message of {length} bytes; expected 0 to {MAX_MESSAGE_BYTES}"
            )
        end = _LENGTH.size + length
        if len(self._bytes) < end:
            return None
        frame = bytes(self._bytes[_LENGTH.size : end])
        del self._bytes[:end]
        return frame
