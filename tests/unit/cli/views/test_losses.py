"""The losses of a running job as they are printed."""

import io
from datetime import UTC, datetime

from rich.console import Console

from ridgeline.api.curves import EpochRow
from ridgeline.api.events import EpochEvent, JobEvent, StatusEvent
from ridgeline.api.job import JobStatus
from ridgeline.cli.views.losses import LossView

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = ("loss", "data_loss", "penalty", "val_data_loss", "gap", "val_accuracy")


def epoch(number: int, value: float | None = 0.5) -> EpochEvent:
    names = (*COLUMNS, "val_loss", "val_penalty", "learning_rate")
    values: dict[str, float | None] = dict.fromkeys(names, value)
    row = EpochRow(epoch=number, values=values, penalty_by_layer={}, seconds=0.1)
    return EpochEvent(id=number, at=NOW, attempt=1, row=row)


def status(before: JobStatus | None, after: JobStatus, attempt: int = 1) -> StatusEvent:
    return StatusEvent(id=1, at=NOW, attempt=attempt, before=before, after=after, reason=None)


def shown(*events: JobEvent, epochs: int = 12, every: int | None = None) -> list[str]:
    output = io.StringIO()
    console = Console(file=output, width=100)
    with LossView(console, epochs, every=every) as view:
        for event in events:
            view.show(event)
    return output.getvalue().splitlines()


def numbers(lines: list[str]) -> list[int]:
    return [int(line.split()[0]) for line in lines[1:]]


def test_every_epoch_of_a_short_training_has_a_row() -> None:
    lines = shown(*(epoch(number) for number in range(1, 13)))
    assert lines[0].split() == ["epoch", *COLUMNS]
    assert lines[1].split() == ["1", *["0.5000"] * len(COLUMNS)]
    assert numbers(lines) == list(range(1, 13))
    assert {len(line) for line in lines} == {len(lines[0])} == {77}


def test_long_training_prints_every_nth_epoch() -> None:
    lines = shown(*(epoch(number) for number in range(1, 1001)), epochs=1000)
    assert numbers(lines) == [1, *range(50, 1001, 50)]
    some = shown(*(epoch(number) for number in range(1, 13)), every=5)
    assert numbers(some) == [1, 5, 10, 12]


def test_last_epoch_of_a_job_that_stopped_early_is_printed() -> None:
    events = [epoch(number) for number in range(1, 78)]
    assert numbers(shown(*events, epochs=1000))[-2:] == [50, 77]


def test_epoch_retrained_by_the_next_attempt_is_printed_again() -> None:
    again = status(JobStatus.QUEUED, JobStatus.RUNNING, attempt=2)
    lines = shown(epoch(1), epoch(2), again, epoch(2, 0.25), epoch(3))
    assert lines[3] == "running, attempt 2"
    assert "0.2500" not in lines[2]
    assert [line.split()[0] for line in lines] == ["epoch", "1", "2", "running,", "2", "3"]


def test_values_of_any_size() -> None:
    cells = [shown(epoch(1, value))[1].split()[1] for value in (None, 0.0, 1e-9, 123.4, 123456.7)]
    assert cells == ["–", "0", "1e-09", "123.4000", "123457"]


def test_status_changes_are_printed() -> None:
    lines = shown(
        status(None, JobStatus.QUEUED),
        status(JobStatus.QUEUED, JobStatus.RUNNING),
        status(JobStatus.RUNNING, JobStatus.PAUSING),
        status(JobStatus.PAUSING, JobStatus.PAUSED),
        status(JobStatus.PAUSED, JobStatus.CANCELLED),
    )
    assert lines == ["running", "pausing", "paused; `ridgeline resume` continues it"]


def test_terminal_shows_a_progress_bar() -> None:
    output = io.StringIO()
    console = Console(file=output, width=120, force_terminal=True, legacy_windows=False)
    with LossView(console, 1000) as view:
        view.show(status(JobStatus.QUEUED, JobStatus.RUNNING))
        for number in (1, 2, 3):
            view.show(epoch(number))
    assert "3/1000 epochs" in output.getvalue()
    assert "2 min left" in output.getvalue()
