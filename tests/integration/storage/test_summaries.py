"""A long curve is thinned by its summaries, which stay valid when epochs change."""

import json
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndReason, JobStatus
from ridgeline.storage import Claim, Database, JobStore, LeaseStore
from ridgeline.storage.records.thinning import SIZES
from ridgeline.storage.tables import epoch_summaries

SMALL, LARGE = SIZES


def measured(epoch: int, shift: float = 0.0) -> EpochRow:
    """Noise with extremes anywhere; one value in ten is missing."""
    values = {
        "loss": math.sin(7919.0 * epoch) + shift,
        "val_loss": None if epoch % 10 == 0 else math.cos(104729.0 * epoch) - shift,
        "learning_rate": 0.001,
    }
    return EpochRow(epoch=epoch, values=values, penalty_by_layer={}, seconds=0.1)


def series_ends(rows: list[EpochRow]) -> set[tuple[str, float]]:
    """The least and the greatest value of every series."""
    names = {name for row in rows for name in row.values}
    found = {
        name: [value for row in rows if (value := row.values[name]) is not None] for name in names
    }
    return {(name, end) for name, values in found.items() for end in (min(values), max(values))}


def thin(jobs: JobStore, job_id: str, max_points: int) -> list[EpochRow]:
    return [EpochRow.model_validate_json(text) for text in jobs.thinned_epochs(job_id, max_points)]


@pytest.fixture
def told(database: Database) -> Callable[[str], list[tuple[int, int]]]:
    """Size and last epoch of the summaries of a job."""
    table = epoch_summaries

    def read(job_id: str) -> list[tuple[int, int]]:
        statement = select(table.c.size, table.c.last).where(table.c.job_id == job_id)
        with database.read() as connection:
            return sorted((row.size, row.last) for row in connection.execute(statement))

    return read


def blocks(epochs: int) -> list[tuple[int, int]]:
    """The expected summaries of this many epochs."""
    return sorted((size, last) for size in SIZES for last in range(size, epochs + 1, size))


@pytest.mark.parametrize("step", [1, 7, 64, 1000])
def test_every_complete_block_has_a_summary(
    leases: LeaseStore, start: Callable[..., Claim], told: Any, step: int
) -> None:
    claim, epochs = start(), 1050 if step > 1 else 130
    rows = [measured(epoch) for epoch in range(1, epochs + 1)]
    for begin in range(0, epochs, step):
        for _ in range(2):  # a call is repeated whose answer was lost
            leases.record_epochs(claim, rows[begin : begin + step], None)
    assert told(claim.job_id) == blocks(epochs)


@pytest.mark.parametrize("max_points", [8, 50, 500])
@pytest.mark.parametrize("epochs", [700, 2500, 5000])
def test_thinned_curve_has_both_ends_and_every_extreme(
    jobs: JobStore,
    leases: LeaseStore,
    start: Callable[..., Claim],
    max_points: int,
    epochs: int,
) -> None:
    claim = start()
    rows = [measured(epoch) for epoch in range(1, epochs + 1)]
    leases.record_epochs(claim, rows, None)
    kept = thin(jobs, claim.job_id, max_points)
    assert len(kept) <= max_points
    assert (kept[0], kept[-1]) == (rows[0], rows[-1])
    assert [row.epoch for row in kept] == sorted({row.epoch for row in kept})
    assert series_ends(kept) == series_ends(rows)
    if max_points > 8:
        assert len(kept) > max_points / 3


def test_empty_and_short_curves(jobs: JobStore, leases: LeaseStore, start: Any) -> None:
    claim = start()
    assert thin(jobs, claim.job_id, 2) == thin(jobs, "job_" + "0" * 32, 2) == []
    rows = [measured(epoch) for epoch in range(1, 11)]
    leases.record_epochs(claim, rows, None)
    assert thin(jobs, claim.job_id, 10) == rows
    assert thin(jobs, claim.job_id, 2) == [rows[0], rows[-1]]


def test_removed_epochs_lose_their_summaries(
    jobs: JobStore, leases: LeaseStore, start: Callable[..., Claim], told: Any
) -> None:
    """The curve shows the new measurements."""
    first = start()
    leases.record_epochs(first, [measured(epoch, shift=9) for epoch in range(1, 2200)], None)
    leases.release(first, penalized=False)
    second = leases.claim(first.job_id, "worker-2")
    assert second is not None
    resumed = [measured(epoch, shift=9) for epoch in range(1, 1001)]
    leases.resume(second, resumed, until=1000)
    assert told(first.job_id) == blocks(1000)
    again = [measured(epoch) for epoch in range(1001, 3000)]
    leases.record_epochs(second, again, None)
    assert told(first.job_id) == blocks(2999)
    kept = thin(jobs, first.job_id, 100)
    assert series_ends(kept) == series_ends([*resumed, *again])


def test_replaced_epoch_loses_its_summaries(
    jobs: JobStore, leases: LeaseStore, start: Callable[..., Claim], told: Any
) -> None:
    first = start()
    rows = [measured(epoch) for epoch in range(1, 2600)]
    leases.record_epochs(first, rows, None)
    leases.release(first, penalized=False)
    second = leases.claim(first.job_id, "worker-2")
    assert second is not None
    rows[99] = measured(100, shift=50)
    leases.resume(second, rows[:1000], until=2599)
    leases.resume(second, rows[1000:], until=2599)
    missing = {(SMALL, 128), (LARGE, 512)}
    assert set(told(first.job_id)) == set(blocks(2599)) - missing
    assert rows[99] in thin(jobs, first.job_id, 20)


def test_job_without_summaries_is_thinned_from_its_epochs(
    jobs: JobStore,
    leases: LeaseStore,
    start: Callable[..., Claim],
    told: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has no summaries, or only of newer epochs."""
    claim = start()
    rows = [measured(epoch) for epoch in range(1, 5001)]
    with monkeypatch.context() as patch:
        patch.setattr("ridgeline.storage.records.epochs.summarize", lambda *_: None)
        leases.record_epochs(claim, rows[:2300], None)
    for have in (2300, 5000):
        leases.record_epochs(claim, rows[:have], None)
        kept = thin(jobs, claim.job_id, 100)
        assert series_ends(kept) == series_ends(rows[:have])
        assert 50 < len(kept) <= 100
    assert (SMALL, 2368) in told(claim.job_id)
    assert (LARGE, 2560) not in told(claim.job_id)


def test_summaries_are_deleted_with_their_job(
    jobs: JobStore,
    leases: LeaseStore,
    start: Callable[..., Claim],
    told: Any,
    completed: EndReason,
) -> None:
    claim, other = start(), start()
    for each in (claim, other):
        leases.record_epochs(each, [measured(epoch) for epoch in range(1, 1100)], None)
    leases.finish(claim, JobStatus.SUCCEEDED, completed)
    jobs.delete(claim.job_id)
    assert told(claim.job_id) == []
    assert told(other.job_id) == blocks(1099)


def test_only_epochs_after_the_last_summary_are_parsed(
    jobs: JobStore,
    leases: LeaseStore,
    start: Callable[..., Claim],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a long curve only the epochs after the last summary are parsed."""
    claim = start()
    leases.record_epochs(claim, [measured(epoch) for epoch in range(1, 6001)], None)
    parsed: list[str] = []

    def counted(text: str) -> Any:
        parsed.append(text)
        return json.loads(text)

    monkeypatch.setattr("ridgeline.storage.records.thinning.json", SimpleNamespace(loads=counted))
    jobs.thinned_epochs(claim.job_id, 40)
    assert len(parsed) <= 6000 // LARGE + LARGE // SMALL + SMALL
