"""Numbers and texts as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from ridgeline.cli.figures import age, duration, number, percent, plural, printable, size


def test_numbers() -> None:
    assert [number(value) for value in (None, 0.0, 1.0, 0.123456, 1.5e-7, 12345.6)] == [
        *("–", "0", "1", "0.1235", "1.5e-07", "12346")
    ]
    assert [percent(value) for value in (None, 0.0, 0.0312345, 1.0)] == ["–", "0%", "3.12%", "100%"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_234_567, "1.23 MB"), (5 * 10**15, "5000 TB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.123, "0.12 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (10**6, "12 d")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_age_is_never_negative() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert age(now - timedelta(seconds=90), now) == "2 min"
    assert age(now + timedelta(seconds=90), now) == "0 s"


def test_plurals() -> None:
    assert [plural(count, "epoch") for count in (0, 1, 2000)] == [
        *("0 epochs", "1 epoch", "2,000 epochs")
    ]


def test_nothing_steers_the_terminal() -> None:
    assert printable("a\x1b[31mb\r\n\x07\x9b\u202e") == r"a\x1b[31mb\r\n\x07\x9b\u202e"
    assert printable("ümläut λ 数") == "ümläut λ 数"
