"""A job's attempts as they are printed."""

import io
from datetime import UTC, datetime, timedelta

from rich.console import Console

from ridgeline.api.attempts import Attempt, AttemptOutcome
from ridgeline.cli.views.jobs import attempts_table

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TABLE = """\
attempt  worker     started  duration  epochs  outcome  exit     reason
      1  w1         2 h ago    20 min       7  crashed  SIGKILL  Out of memory.
      2  w2      10 min ago     2 min       0  crashed  code 1
      3  w2       7 min ago     3 min       4  drained
      4  w1       3 min ago     3 min      12  running
"""


def attempt(
    number: int, worker: str, started_min: int, ran_min: int | None, epochs: int
) -> Attempt:
    started_at = NOW - timedelta(minutes=started_min)
    return Attempt(
        number=number,
        worker=worker,
        started_at=started_at,
        ended_at=None if ran_min is None else started_at + timedelta(minutes=ran_min),
        outcome=AttemptOutcome.RUNNING,
        exit_code=None,
        signal=None,
        reason=None,
        epochs=epochs,
    )


def test_attempts_table_shows_how_each_ended() -> None:
    crashed = {"outcome": AttemptOutcome.CRASHED}
    attempts = [
        attempt(1, "w1", 120, 20, 7).model_copy(
            update={**crashed, "signal": "SIGKILL", "reason": "Out of memory."}
        ),
        attempt(2, "w2", 10, 2, 0).model_copy(update={**crashed, "exit_code": 1}),
        attempt(3, "w2", 7, 3, 4).model_copy(update={"outcome": AttemptOutcome.DRAINED}),
        attempt(4, "w1", 3, None, 12),
    ]
    output = io.StringIO()
    Console(file=output, width=100).print(attempts_table(attempts, NOW))
    assert "".join(f"{line.rstrip()}\n" for line in output.getvalue().splitlines()) == TABLE
