"""Byte ranges of RFC 9110, 14."""

import re
from typing import NamedTuple

_SINGLE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE | re.ASCII)
_DIGITS = 19
"""More than any file's length has."""


class Span(NamedTuple):
    """Part of a file: `start` to `end`, which is not in it."""

    start: int
    end: int

    @property
    def bytes(self) -> int:
        """How many bytes it holds."""
        return self.end - self.start


class UnsatisfiableRange(ValueError):
    """No byte of the file lies in the range."""


def requested_span(header: str | None, size: int) -> Span | None:
    """The span that a Range header asks for, in a file of `size` bytes; None for the whole file.

    Several ranges, another unit and what is no range at all are ignored, as the RFC allows.
    Raises UnsatisfiableRange.
    """
    match = _SINGLE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]):
        return None
    first, last = (_number(digits) for digits in match.groups())
    if first is None:
        start, end = max(size - (last or 0), 0), size
    else:
        if last is not None and last < first:
            return None
        start, end = first, size if last is None else min(last + 1, size)
    if start >= size:
        raise UnsatisfiableRange
    return Span(start, end)


def _number(digits: str) -> int | None:
    if not digits:
        return None
    stripped = digits.lstrip("0") or "0"
    return int(stripped) if len(stripped) <= _DIGITS else 10**_DIGITS
