"""Numbers, sizes, times and texts as people read them."""

from datetime import datetime

NOTHING = "–"
_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000
#: Values between these are written without a point, and without an exponent.
_WHOLE, _WHOLE_UNTIL = 1e4, 1e9
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
#: What a terminal would obey in place of showing: C0, C1, and the marks that turn text around.
_CONTROLS = {
    code: ascii(chr(code))[1:-1]
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


def printable(text: str) -> str:
    """`text` on one line, with control characters shown and not sent.

    What comes from the service may hold a crashed process's last words or a column's name: none of
    it may steer the terminal.
    """
    return text.translate(_CONTROLS)


def number(value: float | None) -> str:
    """A measured value to four digits; a dash where there is none, or none that is finite.

    Before the point there are as many as it takes, up to a billion.
    """
    if value is None:
        return NOTHING
    whole = _WHOLE <= abs(value) < _WHOLE_UNTIL
    return f"{value:.0f}" if whole else f"{value:.4g}"


def percent(share: float | None) -> str:
    """A share of 1."""
    return NOTHING if share is None else f"{share:.3g}" if share < 0 else f"{100 * share:.3g}%"


def size(count: int) -> str:
    """A number of bytes, in powers of 1000."""
    value = float(count)
    for unit in _UNITS[:-1]:
        if value < _STEP:
            return f"{value:.3g} {unit}"
        value /= _STEP
    return f"{value:.4g} {_UNITS[-1]}"


def duration(seconds: float) -> str:
    """A time span in the unit that suits it."""
    if seconds < _MINUTE:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / _DAY:.0f} d"


def age(since: datetime, now: datetime) -> str:
    """How long ago it was; a clock that is behind the service's gives 0 s."""
    return duration(max(0.0, (now - since).total_seconds() // 1))


def plural(count: int, noun: str) -> str:
    """A count and its noun: `1 fault`, `2 faults`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def short(identifier: str) -> str:
    """The end of an id, which tells one from another: its start is the time it was made."""
    return identifier[-8:]
