"""Every queued job gets a hint, however many janitors run."""

from collections.abc import Callable
from typing import Any

from ridgeline.storage import Claim, JobStore, LeaseStore, Outbox

SQL = Callable[..., list[Any]]


def drain(outbox: Outbox) -> list[str]:
    """Mark all pending hints as dispatched."""
    taken = outbox.pending_dispatches()
    outbox.mark_dispatched([each.outbox_id for each in taken])
    return [each.job_id for each in taken]


def let_time_pass(sql: SQL, seconds: int) -> None:
    sql("UPDATE outbox SET held_until = held_until - :ms", ms=seconds * 1000)
    sql("UPDATE jobs SET last_dispatched_at = last_dispatched_at - :ms", ms=seconds * 1000)


class TestPending:
    def test_oldest_first_up_to_the_limit(self, outbox: Outbox, submit: Any) -> None:
        made = [submit() for _ in range(3)]
        first = outbox.pending_dispatches(limit=2)
        assert [each.job_id for each in first] == made[:2]
        assert first[0].outbox_id < first[1].outbox_id
        assert [each.job_id for each in outbox.pending_dispatches()] == made[2:]

    def test_reserved_but_unsent_hint_is_pending_again(
        self, outbox: Outbox, submit: Any, sql: SQL
    ) -> None:
        submit()
        taken = outbox.pending_dispatches(hold_s=10)
        assert outbox.pending_dispatches() == []
        let_time_pass(sql, 11)
        assert outbox.pending_dispatches() == taken

    def test_two_janitors_get_different_hints(
        self, outbox: Outbox, submit: Any, together: Callable[..., list[Any]]
    ) -> None:
        made = [submit() for _ in range(30)]
        taken: list[str] = []
        for _ in range(3):
            batches = together(*[lambda: outbox.pending_dispatches(limit=5)] * 2)
            taken += [hint.job_id for batch in batches for hint in batch]
        taken += [hint.job_id for hint in outbox.pending_dispatches()]
        assert sorted(taken) == made


class TestMark:
    def test_hint_is_deleted_once(self, jobs: JobStore, outbox: Outbox, submit: Any) -> None:
        job_id = submit()
        ids = [each.outbox_id for each in outbox.pending_dispatches()]
        assert outbox.mark_dispatched(ids) == 1
        assert outbox.mark_dispatched(ids) == 0
        record = jobs.get(job_id)
        assert record is not None
        assert record.last_dispatched_at is not None
        assert record.version == 1

    def test_two_janitors_delete_a_hint_once(
        self, outbox: Outbox, submit: Any, together: Callable[..., list[Any]]
    ) -> None:
        for _ in range(20):
            submit()
        ids = [each.outbox_id for each in outbox.pending_dispatches()]
        counts = together(
            lambda: outbox.mark_dispatched(ids), lambda: outbox.mark_dispatched(ids[::-1])
        )
        assert sum(counts) == 20
        assert outbox.pending_dispatches() == []

    def test_hint_of_an_ended_job_is_deleted(
        self, jobs: JobStore, outbox: Outbox, submit: Any
    ) -> None:
        job_id = submit()
        jobs.request_cancel(job_id)
        before = jobs.get(job_id)
        assert drain(outbox) == [job_id]
        assert jobs.get(job_id) == before


class TestRedispatch:
    def test_lost_hint_is_replaced(self, outbox: Outbox, submit: Any, sql: SQL) -> None:
        job_id = submit()
        drain(outbox)
        assert outbox.redispatch(older_than_s=30) == []
        let_time_pass(sql, 31)
        assert outbox.redispatch(older_than_s=30) == [job_id]
        assert outbox.redispatch(older_than_s=30) == []
        assert drain(outbox) == [job_id]

    def test_pending_hint_is_not_duplicated(self, outbox: Outbox, submit: Any) -> None:
        submit()
        assert outbox.redispatch(older_than_s=0) == []

    def test_job_without_a_hint_gets_one(self, outbox: Outbox, submit: Any, sql: SQL) -> None:
        job_id = submit()
        sql("DELETE FROM outbox")
        assert outbox.redispatch() == [job_id]

    def test_new_hint_counts_as_recent(self, outbox: Outbox, submit: Any, sql: SQL) -> None:
        """A janitor that still saw an empty outbox adds no second one."""
        job_id = submit()
        sql("DELETE FROM outbox")
        assert outbox.redispatch() == [job_id]
        sql("DELETE FROM outbox")
        assert outbox.redispatch() == []

    def test_only_claimable_jobs_get_a_hint(
        self, jobs: JobStore, leases: LeaseStore, outbox: Outbox, submit: Any, start: Any, sql: SQL
    ) -> None:
        start()
        jobs.request_cancel(submit())
        waiting: Claim = start()
        leases.release(waiting, penalized=True)
        sql("DELETE FROM outbox")
        assert outbox.redispatch() == []

    def test_two_janitors_add_one_hint(
        self, outbox: Outbox, submit: Any, sql: SQL, together: Callable[..., list[Any]]
    ) -> None:
        made = [submit() for _ in range(20)]
        drain(outbox)
        let_time_pass(sql, 31)
        ordered = together(outbox.redispatch, outbox.redispatch)
        assert sorted([*ordered[0], *ordered[1]]) == made
        assert sorted(drain(outbox)) == made
