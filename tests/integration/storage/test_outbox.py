"""Every queued job gets its hint, however many janitors there are."""

from collections.abc import Callable
from typing import Any

from ridgeline.storage import Claim, JobStore, LeaseStore, Outbox

SQL = Callable[..., list[Any]]


def drain(outbox: Outbox) -> list[str]:
    """Take and mark all that is pending."""
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

    def test_what_was_taken_and_not_sent_is_offered_again(
        self, outbox: Outbox, submit: Any, sql: SQL
    ) -> None:
        submit()
        taken = outbox.pending_dispatches(hold_s=10)
        assert outbox.pending_dispatches() == []
        let_time_pass(sql, 11)
        assert outbox.pending_dispatches() == taken

    def test_two_janitors_share_the_work(
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
    def test_strikes_out_once(self, jobs: JobStore, outbox: Outbox, submit: Any) -> None:
        job_id = submit()
        ids = [each.outbox_id for each in outbox.pending_dispatches()]
        assert outbox.mark_dispatched(ids) == 1
        assert outbox.mark_dispatched(ids) == 0
        record = jobs.get(job_id)
        assert record is not None
        assert record.last_dispatched_at is not None
        assert record.version == 1

    def test_exactly_once_between_two_janitors(
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

    def test_passes_over_a_job_that_has_ended(
        self, jobs: JobStore, outbox: Outbox, submit: Any
    ) -> None:
        job_id = submit()
        jobs.request_cancel(job_id)
        before = jobs.get(job_id)
        assert drain(outbox) == [job_id]
        assert jobs.get(job_id) == before


class TestRedispatch:
    def test_a_lost_hint_is_ordered_again(self, outbox: Outbox, submit: Any, sql: SQL) -> None:
        job_id = submit()
        drain(outbox)
        assert outbox.redispatch(older_than_s=30) == []
        let_time_pass(sql, 31)
        assert outbox.redispatch(older_than_s=30) == [job_id]
        assert outbox.redispatch(older_than_s=30) == []
        assert drain(outbox) == [job_id]

    def test_a_hint_that_was_never_sent_is_not_doubled(self, outbox: Outbox, submit: Any) -> None:
        submit()
        assert outbox.redispatch(older_than_s=0) == []

    def test_a_job_without_any_hint_gets_one(self, outbox: Outbox, submit: Any, sql: SQL) -> None:
        job_id = submit()
        sql("DELETE FROM outbox")
        assert outbox.redispatch() == [job_id]

    def test_the_order_itself_counts_as_recent(self, outbox: Outbox, submit: Any, sql: SQL) -> None:
        """So that a janitor which still saw the outbox empty does not order a second one."""
        job_id = submit()
        sql("DELETE FROM outbox")
        assert outbox.redispatch() == [job_id]
        sql("DELETE FROM outbox")
        assert outbox.redispatch() == []

    def test_only_what_can_be_claimed(
        self, jobs: JobStore, leases: LeaseStore, outbox: Outbox, submit: Any, start: Any, sql: SQL
    ) -> None:
        start()
        jobs.request_cancel(submit())
        waiting: Claim = start()
        leases.release(waiting, penalized=True)
        sql("DELETE FROM outbox")
        assert outbox.redispatch() == []

    def test_two_janitors_order_one_hint(
        self, outbox: Outbox, submit: Any, sql: SQL, together: Callable[..., list[Any]]
    ) -> None:
        made = [submit() for _ in range(20)]
        drain(outbox)
        let_time_pass(sql, 31)
        ordered = together(outbox.redispatch, outbox.redispatch)
        assert sorted([*ordered[0], *ordered[1]]) == made
        assert sorted(drain(outbox)) == made
