"""The tables. The migrations create them, and triggers such as the one that freezes ended jobs."""

from collections.abc import Iterable

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    literal,
    text,
)

from ridgeline.api.lifecycle import HELD, TERMINAL, TRANSITIONS, JobStatus
from ridgeline.storage.columns import Timestamp, Word, Words

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
"""Every table of Ridgeline."""


_CANCELLED_ON_REQUEST = (
    "CASE WHEN status IN ('cancelling', 'cancelled') THEN cancel_requested_at IS NOT NULL"
    " WHEN status = 'succeeded' THEN cancel_requested_at IS NULL ELSE TRUE END"
)
_WAITS_WITH_DEADLINE = text("status = 'queued' AND deadline_at IS NOT NULL")


def _words(statuses: Iterable[JobStatus]) -> str:
    return ", ".join(f"'{status.value}'" for status in sorted(statuses))


def _listed() -> str:
    """The check that a status event is a creation or a transition listed in TRANSITIONS."""
    moves = [(before, after) for before, next_ in TRANSITIONS.items() for after in sorted(next_)]
    words = ["'>queued'", *(f"'{before.value}>{after.value}'" for before, after in moves)]
    # Without coalesce() a NULL would make the condition NULL, which passes a CHECK.
    move = """coalesce("before", '') || '>' || coalesce("after", '')"""
    return f"type <> 'status' OR {move} IN ({', '.join(words)})"


_STATUS = Word(JobStatus)
# SQLite assigns growing ids only to a column typed exactly INTEGER.
_GrowingId = BigInteger().with_variant(Integer(), "sqlite")


def _job_id(*, primary_key: bool = False) -> Column[str]:
    """The job of a row, which is deleted with its job."""
    return Column(
        "job_id",
        String(36),
        ForeignKey("jobs.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("version", Integer, nullable=False, default=1),
    Column("name", Text),
    Column("tags", Words, nullable=False),
    Column("spec", Text, nullable=False),
    Column("resolved", Text, nullable=False),
    Column("penalties", Text, nullable=False),
    Column("advice", Text, nullable=False),
    Column("epochs", Integer, nullable=False),
    Column("status", _STATUS, nullable=False),
    Column("reason_code", String(64)),
    Column("reason_detail", Text),
    Column("metrics", Text, nullable=False, default="{}"),
    Column("available_at", Timestamp, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("crash_count", Integer, nullable=False, default=0),
    Column("drain_count", Integer, nullable=False, default=0),
    Column("checkpoint_epoch", Integer, nullable=False, server_default="0"),
    Column("checkpoint_crashes", Integer, nullable=False, server_default="0"),
    Column("fence", BigInteger, nullable=False, default=0),
    Column("lease_owner", Text),
    Column("lease_expires_at", Timestamp),
    Column("progress_epoch", Integer, nullable=False, default=0),
    Column("progress_at", Timestamp),
    Column("eta_s", Double),
    Column("deadline_s", Double),
    Column("deadline_at", Timestamp),
    Column("cancel_requested_at", Timestamp),
    Column("paused_at", Timestamp),
    Column("last_dispatched_at", Timestamp),
    Column("created_at", Timestamp, nullable=False),
    Column("started_at", Timestamp),
    Column("finished_at", Timestamp),
    CheckConstraint(f"status IN ({_words(JobStatus)})", name="status"),
    CheckConstraint(f"(status IN ({_words(HELD)})) = (lease_owner IS NOT NULL)", name="owner"),
    CheckConstraint("(lease_owner IS NULL) = (lease_expires_at IS NULL)", name="lease"),
    CheckConstraint(f"(status IN ({_words(TERMINAL)})) = (finished_at IS NOT NULL)", name="ended"),
    CheckConstraint("(finished_at IS NULL) = (reason_code IS NULL)", name="reason"),
    CheckConstraint("(status = 'paused') = (paused_at IS NOT NULL)", name="paused"),
    CheckConstraint(_CANCELLED_ON_REQUEST, name="cancel"),
    CheckConstraint("progress_epoch >= 0", name="progress"),
    CheckConstraint("crash_count + drain_count <= attempt", name="counts"),
    Index("ix_jobs_status_id", "status", "id"),
    # `status` comes first although it is constant: SQLite prefers an index with an equality.
    Index(
        "ix_jobs_queued",
        "status",
        "available_at",
        sqlite_where=text("status = 'queued'"),
        postgresql_where=text("status = 'queued'"),
    ),
    # Only queued jobs that were started before have a deadline.
    Index(
        "ix_jobs_queued_deadline",
        "status",
        "deadline_at",
        sqlite_where=_WAITS_WITH_DEADLINE,
        postgresql_where=_WAITS_WITH_DEADLINE,
    ),
)
"""One row per job; `version` grows with every change that GET shows."""

# A literal instead of a parameter, so that query planners use the index of queued jobs.
QUEUED = jobs.c.status == literal(JobStatus.QUEUED, _STATUS, literal_execute=True)
"""The condition that a job is queued."""

job_tags = Table(
    "job_tags",
    metadata,
    _job_id(primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("status", _STATUS, nullable=False, server_default=JobStatus.QUEUED.value),
    Index("ix_job_tags_tag_status_job_id", "tag", "status", "job_id"),
)
"""The tags for filtering; jobs.tags has them in the user's order.

`status` is that of the job; a trigger keeps it up to date.
"""

attempts = Table(
    "attempts",
    metadata,
    _job_id(primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("fence", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("started_at", Timestamp, nullable=False),
    Column("ended_at", Timestamp),
    Column("exit_code", Integer),
    Column("exit_signal", Integer),
    Column("reason", String(64)),
    Column("detail", Text),
)
"""One row per attempt."""

events = Table(
    "events",
    metadata,
    Column("id", _GrowingId, primary_key=True, autoincrement=True),
    _job_id(),
    Column("type", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("before", _STATUS),
    Column("after", _STATUS),
    Column("payload", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    CheckConstraint(_listed(), name="transition"),
    Index("ix_events_job_id_id", "job_id", "id"),
    # Without it SQLite reuses the id of a deleted last row, and ids must only grow.
    sqlite_autoincrement=True,
)
"""The transitions and epochs of jobs, append-only."""

epochs = Table(
    "epochs",
    metadata,
    _job_id(primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, nullable=False),
    Column("row", Text, nullable=False),
    CheckConstraint("epoch >= 1", name="epoch"),
)
"""The epochs of jobs, each an EpochRow as JSON, with the attempt that measured it."""

epoch_summaries = Table(
    "epoch_summaries",
    metadata,
    _job_id(primary_key=True),
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("last", Integer, primary_key=True, autoincrement=False),
    Column("summary", Text, nullable=False),
)
"""The extremes of each series in the `size` epochs up to `last`, as JSON.

A trigger deletes a summary with any of its epochs.
"""

outbox = Table(
    "outbox",
    metadata,
    Column("id", _GrowingId, primary_key=True, autoincrement=True),
    _job_id(),
    Column("available_at", Timestamp, nullable=False),
    Column("held_until", Timestamp),
    Index("ix_outbox_available_at", "available_at"),
    Index("ix_outbox_job_id", "job_id"),
    sqlite_autoincrement=True,
)
"""Hints to be sent to the broker; a row is deleted once its hint was sent."""

artifacts = Table(
    "artifacts",
    metadata,
    _job_id(primary_key=True),
    Column("name", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("xxh3", String(32)),
    Column("media_type", Text, nullable=False),
)
"""The published files; a file without a row is not published."""

reports = Table(
    "reports",
    metadata,
    _job_id(primary_key=True),
    Column("report", Text, nullable=False),
)
"""The reports of ended jobs, each a Report as JSON."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    # Deferred: the key is inserted first, and the job only if the key was free.
    Column(
        "job_id",
        String(36),
        ForeignKey("jobs.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    Column("created_at", Timestamp, nullable=False),
    Index("ix_idempotency_keys_job_id", "job_id"),
)
"""The idempotency keys of POST requests, and the jobs they created."""

log_lines = Table(
    "log_lines",
    metadata,
    _job_id(primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Timestamp, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("level", String(8), nullable=False),
    Column("source", String(16), nullable=False),
    Column("event", Text, nullable=False),
    Column("fields", Text, nullable=False),
)
"""The logs of jobs, numbered from 1; the oldest lines of a long one are deleted."""

tallies = Table(
    "tallies",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("label", String(64), primary_key=True),
    # Concurrent transactions wait for each other only if they count in the same shard.
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
    CheckConstraint("value >= 0", name="value"),
)
"""Counts since the first start; a count is the sum over its shards, and only grows."""

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("slots", Words, nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", Timestamp, nullable=False),
    Column("seen_at", Timestamp, nullable=False),
    CheckConstraint("state IN ('draining', 'gone', 'ready', 'starting')", name="state"),
)
"""The workers as they report themselves; `id` is the value in jobs.lease_owner."""

datasets = Table(
    "datasets",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", Text, nullable=False),
    Column("format", String(16), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("xxh3", String(32)),
    Column("key", Text, nullable=False),
    Column("contents", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    CheckConstraint("bytes >= 1", name="bytes"),
    Index("ix_datasets_created_at_id", "created_at", "id"),
    Index("ix_datasets_key", "key", unique=True),
)
"""The stored data sets; `key` is that of the file, `contents` a DatasetContents as JSON."""

job_datasets = Table(
    "job_datasets",
    metadata,
    _job_id(primary_key=True),
    Column("dataset_id", String(36), ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Index("ix_job_datasets_dataset_id", "dataset_id"),
)
"""The data sets of jobs; a row is deleted with either."""

tracked_jobs = Table(
    "tracked_jobs",
    metadata,
    # No reference: the run of a deleted job must still be ended.
    Column("job_id", String(36), primary_key=True, nullable=False),
    Column("experiment", Text, nullable=False),
    Column("run_id", Text),
    Column("last_event", BigInteger, nullable=False, default=0),
    Column("holder", Text),
    Column("held_until", Timestamp, nullable=False),
    Index("ix_tracked_jobs_held_until", "held_until"),
)
"""Jobs that an MLflow server does not have completely; `last_event` is the last one it has.

`holder` is the worker that reports the job; no other may before `held_until`.
"""

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", Text, nullable=False),
    Column("format", String(16)),
    Column("bytes", BigInteger, nullable=False),
    Column("part_bytes", BigInteger, nullable=False),
    Column("sha256", String(64)),
    Column("dataset_id", String(36), ForeignKey("datasets.id", ondelete="CASCADE")),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    CheckConstraint("bytes >= 1 AND part_bytes >= 1", name="bytes"),
    Index("ix_uploads_expires_at", "expires_at"),
    Index("ix_uploads_dataset_id", "dataset_id"),
)
"""Uploads in parts; `dataset_id` is the data set that a complete one became."""

upload_parts = Table(
    "upload_parts",
    metadata,
    Column(
        "upload_id",
        String(36),
        ForeignKey("uploads.id", ondelete="CASCADE"),
        primary_key=True,
        nullable=False,
    ),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
    CheckConstraint("number >= 1", name="number"),
)
"""The received parts of uploads; `key` is that of the file."""

identity = Table(
    "identity",
    metadata,
    Column("single", Integer, primary_key=True, autoincrement=False),
    Column("id", String(35), nullable=False),
    CheckConstraint("single = 1", name="single"),
)
"""The identity of this database, in one row: random, created once, kept by dumps and copies."""
