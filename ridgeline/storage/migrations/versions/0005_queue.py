"""A tag knows its job's status, and the indexes hold what is asked for.

Triggers keep the tags' copy of the status, so that no code can forget to.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CHANGED = "OLD.status <> NEW.status"
_TELL_TAGS = "UPDATE job_tags SET status = NEW.status WHERE job_id = NEW.id"
_FILL = "UPDATE job_tags SET status = (SELECT status FROM jobs WHERE jobs.id = job_tags.job_id)"
_QUEUED = "status = 'queued'"
_QUEUED_WITH_DEADLINE = "status = 'queued' AND deadline_at IS NOT NULL"


def upgrade() -> None:
    """Add the column with its triggers, and exchange the indexes."""
    op.add_column(
        "job_tags",
        sa.Column("status", sa.String(16), nullable=False, server_default="queued"),
    )
    op.execute(_FILL)
    op.drop_index("ix_job_tags_tag_job_id", "job_tags")
    op.create_index("ix_job_tags_tag_status_job_id", "job_tags", ["tag", "status", "job_id"])
    op.drop_index("ix_jobs_status_available_at", "jobs")
    # Jobs with a lease are few, and each heartbeat would move its entry.
    op.drop_index("ix_jobs_lease_expires_at", "jobs")
    op.drop_index("ix_jobs_queued_deadline_at", "jobs")
    _create_partial("ix_jobs_queued", "available_at", _QUEUED)
    _create_partial("ix_jobs_queued_deadline", "deadline_at", _QUEUED_WITH_DEADLINE)
    if op.get_bind().dialect.name == "sqlite":
        _follow_on_sqlite()
    else:
        _follow_on_postgresql()


def _create_partial(name: str, column: str, condition: str) -> None:
    """An index of queued jobs; `status` leads, since SQLite prefers an index with an equality."""
    where = sa.text(condition)
    columns = ["status", column]
    op.create_index(name, "jobs", columns, sqlite_where=where, postgresql_where=where)


def _follow_on_sqlite() -> None:
    op.execute(f"""
        CREATE TRIGGER job_tags_follow AFTER UPDATE OF status ON jobs
        FOR EACH ROW WHEN {_CHANGED}
        BEGIN {_TELL_TAGS}; END
    """)


def _follow_on_postgresql() -> None:
    op.execute(f"""
        CREATE FUNCTION job_tags_follow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN {_TELL_TAGS}; RETURN NULL; END $$
    """)
    op.execute(f"""
        CREATE TRIGGER job_tags_follow AFTER UPDATE OF status ON jobs
        FOR EACH ROW WHEN ({_CHANGED}) EXECUTE FUNCTION job_tags_follow()
    """)
