"""What becomes of a job when an attempt ends and does not end it: tried again, paused, or over."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from signal import SIGKILL, Signals

from sqlalchemy.engine import Connection, RowMapping

from ridgeline.api.lifecycle import EndCode, EndReason, JobStatus
from ridgeline.storage.columns import milliseconds, now_ms
from ridgeline.storage.records.outbox import add_hint
from ridgeline.storage.records.transitions import CANCELLED_BY_USER, move
from ridgeline.storage.records.values import AttemptExit, AttemptReason

CRASH_CAP = 3
"""Crashes after which a job fails instead of being tried again."""
_LONGEST_BACKOFF_S = 300.0


class Retries:
    """How often, and after how long, a job is tried again that has crashed.

    `jitter` gives numbers in [0, 1).
    """

    def __init__(self, crash_cap: int, jitter: Callable[[], float]) -> None:
        self._crash_cap = crash_cap
        self._jitter = jitter

    def crashed(
        self,
        connection: Connection,
        row: RowMapping,
        ended: AttemptExit,
        delay_s: float | None = None,
    ) -> JobStatus:
        """Queue the job again with a backoff, or fail it at the cap; cancel or pause as asked."""
        if row["status"] is JobStatus.CANCELLING:
            return end(connection, row, JobStatus.CANCELLED, CANCELLED_BY_USER, ended)
        crashes = {"crash_count": row["crash_count"] + 1}
        if crashes["crash_count"] < self._crash_cap:
            if row["status"] is JobStatus.PAUSING:
                return pause(connection, row, ended, crashes)
            if delay_s is None:
                delay_s = backoff_s(crashes["crash_count"], self._jitter())
            return requeue(connection, row, ended, delay_s, crashes)
        reason = _last_crash(crashes["crash_count"], ended)
        return end(connection, row, JobStatus.FAILED, reason, ended, crashes)


def backoff_s(crashes: int, jitter: float) -> float:
    """Seconds to wait after `crashes` crashes: 2ⁿ, at most 300, and up to half of it more.

    `jitter` in [0, 1) spreads jobs that died together.
    """
    return min(2.0**crashes, _LONGEST_BACKOFF_S) * (1 + jitter / 2)


def requeue(
    connection: Connection,
    row: RowMapping,
    ended: AttemptExit,
    delay_s: float,
    values: Mapping[str, int],
) -> JobStatus:
    """Make the job claimable again in `delay_s` seconds, and order the hint for then."""
    available = {"available_at": now_ms() + milliseconds(delay_s)}
    move(connection, row, JobStatus.QUEUED, attempt_exit=ended, values={**values, **available})
    add_hint(connection, row["id"], delay_s)
    return JobStatus.QUEUED


def pause(
    connection: Connection,
    row: RowMapping,
    ended: AttemptExit,
    values: Mapping[str, int] | None = None,
) -> JobStatus:
    """Let the job wait for its user."""
    changes = {**(values or {}), "paused_at": now_ms()}
    move(connection, row, JobStatus.PAUSED, attempt_exit=ended, values=changes)
    return JobStatus.PAUSED


def end(
    connection: Connection,
    row: RowMapping,
    status: JobStatus,
    reason: EndReason,
    ended: AttemptExit,
    values: Mapping[str, int] | None = None,
) -> JobStatus:
    """End the job."""
    move(connection, row, status, reason=reason, attempt_exit=ended, values=values)
    return status


_STORIES = {
    AttemptReason.CRASHED: "its process died",
    AttemptReason.LEASE_EXPIRED: "its worker was not heard of until the lease was over",
}
_LONGEST_STORY = 1500
_KILLED = (
    "The system kills a process so when memory runs out: lower training.batch_size, make the"
    " network smaller, or give the worker more memory."
)


def _last_crash(crashes: int, last: AttemptExit) -> EndReason:
    """Why a job ends that is not tried again."""
    story = _crash_story(crashes, last)
    if last.signal == SIGKILL:
        return EndReason(code=EndCode.OUT_OF_MEMORY, detail=f"{story} {_KILLED}")
    return EndReason(code=EndCode.CRASH_LOOP, detail=story)


def _crash_story(crashes: int, last: AttemptExit) -> str:
    """What is known of the attempts that failed, in a sentence."""
    known = []
    if last.signal is not None:
        known.append(f"killed by signal {last.signal}{_signal_name(last.signal)}")
    elif last.code is not None:
        known.append(f"exit code {last.code}")
    if last.detail:
        known.append(last.detail[:_LONGEST_STORY].rstrip("."))
    if not known:
        known.append(_STORIES[AttemptReason(last.reason or AttemptReason.CRASHED)])
    attempts = "1 attempt" if crashes == 1 else f"{crashes} attempts"
    return f"{attempts} failed; the last: {', '.join(known)}."


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return f" ({Signals(number).name})"
    return ""
