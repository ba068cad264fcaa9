"""The backoff after a crash."""

import pytest

from ridgeline.storage import backoff_s


@pytest.mark.parametrize(
    ("crashes", "jitter", "seconds"),
    [(1, 0.0, 2.0), (2, 0.0, 4.0), (3, 0.5, 10.0), (8, 0.0, 256.0), (9, 0.0, 300.0)],
)
def test_backoff_doubles_up_to_five_minutes(crashes: int, jitter: float, seconds: float) -> None:
    assert backoff_s(crashes, jitter) == seconds


def test_backoff_never_overflows() -> None:
    assert backoff_s(1000, 0.999) < 451
