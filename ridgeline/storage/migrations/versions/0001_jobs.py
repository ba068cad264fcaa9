"""Jobs, what happened to them, and what they left behind.

A migration is frozen: it names columns and words itself instead of importing today's tables.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_GROWING_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ENDED = "('succeeded', 'failed', 'cancelled')"
_HELD = "('running', 'cancelling', 'pausing')"
_ALL = (
    "('queued', 'running', 'cancelling', 'pausing', 'paused', 'succeeded', 'failed', 'cancelled')"
)
_FROZEN = "an ended job never changes: expected no UPDATE of its row"


def upgrade() -> None:
    """Create the tables and the trigger that freezes ended jobs."""
    _create_jobs()
    _create_history()
    _create_files_and_keys()
    if op.get_bind().dialect.name == "sqlite":
        _freeze_on_sqlite()
    else:
        _freeze_on_postgresql()


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("resolved", sa.Text(), nullable=False),
        sa.Column("penalties", sa.Text(), nullable=False),
        sa.Column("advice", sa.Text(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason_code", sa.String(64)),
        sa.Column("reason_detail", sa.Text()),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("available_at", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("crash_count", sa.Integer(), nullable=False),
        sa.Column("drain_count", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_expires_at", sa.BigInteger()),
        sa.Column("progress_epoch", sa.Integer(), nullable=False),
        sa.Column("progress_at", sa.BigInteger()),
        sa.Column("eta_s", sa.Double()),
        sa.Column("deadline_s", sa.Double()),
        sa.Column("deadline_at", sa.BigInteger()),
        sa.Column("cancel_requested_at", sa.BigInteger()),
        sa.Column("last_dispatched_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("finished_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.CheckConstraint(f"status IN {_ALL}", name=op.f("ck_jobs_status")),
        sa.CheckConstraint(
            f"(status IN {_HELD}) = (lease_owner IS NOT NULL)", name=op.f("ck_jobs_owner")
        ),
        sa.CheckConstraint(
            "(lease_owner IS NULL) = (lease_expires_at IS NULL)", name=op.f("ck_jobs_lease")
        ),
        sa.CheckConstraint(
            f"(status IN {_ENDED}) = (finished_at IS NOT NULL)", name=op.f("ck_jobs_ended")
        ),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (reason_code IS NULL)", name=op.f("ck_jobs_reason")
        ),
        sa.CheckConstraint("progress_epoch >= 0", name=op.f("ck_jobs_progress")),
    )
    op.create_index("ix_jobs_status_id", "jobs", ["status", "id"])
    op.create_index("ix_jobs_status_available_at", "jobs", ["status", "available_at"])
    op.create_index("ix_jobs_lease_expires_at", "jobs", ["lease_expires_at"])
    op.create_table(
        "job_tags",
        _job_id(),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "tag", name="pk_job_tags"),
        _of_job("job_tags"),
    )
    op.create_index("ix_job_tags_tag_job_id", "job_tags", ["tag", "job_id"])


def _create_history() -> None:
    op.create_table(
        "attempts",
        _job_id(),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("exit_signal", sa.Integer()),
        sa.Column("reason", sa.String(64)),
        sa.Column("detail", sa.Text()),
        sa.PrimaryKeyConstraint("job_id", "attempt", name="pk_attempts"),
        _of_job("attempts"),
    )
    op.create_table(
        "events",
        sa.Column("id", _GROWING_ID, autoincrement=True, nullable=False),
        _job_id(),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.String(16)),
        sa.Column("after", sa.String(16)),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        _of_job("events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_job_id_id", "events", ["job_id", "id"])
    op.create_table(
        "epochs",
        _job_id(),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "epoch", name="pk_epochs"),
        _of_job("epochs"),
        sa.CheckConstraint("epoch >= 1", name=op.f("ck_epochs_epoch")),
    )


def _create_files_and_keys() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _GROWING_ID, autoincrement=True, nullable=False),
        _job_id(),
        sa.Column("available_at", sa.BigInteger(), nullable=False),
        sa.Column("held_until", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        _of_job("outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_available_at", "outbox", ["available_at"])
    op.create_index("ix_outbox_job_id", "outbox", ["job_id"])
    op.create_table(
        "artifacts",
        _job_id(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "name", name="pk_artifacts"),
        _of_job("artifacts"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        _job_id(),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_idempotency_keys"),
        _of_job("idempotency_keys", deferrable=True, initially="DEFERRED"),
    )
    op.create_index("ix_idempotency_keys_job_id", "idempotency_keys", ["job_id"])


def _job_id() -> sa.Column[str]:
    return sa.Column("job_id", sa.String(36), nullable=False)


def _of_job(
    table: str, *, deferrable: bool | None = None, initially: str | None = None
) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["job_id"],
        ["jobs.id"],
        name=f"fk_{table}_job_id",
        ondelete="CASCADE",
        deferrable=deferrable,
        initially=initially,
    )


def _freeze_on_sqlite() -> None:
    op.execute(f"""
        CREATE TRIGGER jobs_ended_never_change BEFORE UPDATE ON jobs
        FOR EACH ROW WHEN OLD.status IN {_ENDED}
        BEGIN SELECT RAISE(ABORT, '{_FROZEN}'); END
    """)


def _freeze_on_postgresql() -> None:
    op.execute(f"""
        CREATE FUNCTION jobs_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{_FROZEN}' USING ERRCODE = 'integrity_constraint_violation';
        END $$
    """)
    op.execute(f"""
        CREATE TRIGGER jobs_ended_never_change BEFORE UPDATE ON jobs
        FOR EACH ROW WHEN (OLD.status IN {_ENDED}) EXECUTE FUNCTION jobs_refuse_update()
    """)
