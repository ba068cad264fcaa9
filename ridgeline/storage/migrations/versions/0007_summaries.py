"""Summaries of long jobs' epochs.

Jobs that are there already have none, and are read as before. Triggers remove a summary with any of
its epochs, so that no code can forget to: a worker of an earlier release neither.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_REMOVE_64 = """
    DELETE FROM epoch_summaries
    WHERE job_id = OLD.job_id AND size = 64 AND last = (OLD.epoch + 63) / 64 * 64
"""
_REMOVE_512 = """
    DELETE FROM epoch_summaries
    WHERE job_id = OLD.job_id AND size = 512 AND last = (OLD.epoch + 511) / 512 * 512
"""


def upgrade() -> None:
    """Create the table of summaries with its triggers."""
    op.create_table(
        "epoch_summaries",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "size", "last", name="pk_epoch_summaries"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_epoch_summaries_job_id", ondelete="CASCADE"
        ),
    )
    if op.get_bind().dialect.name == "sqlite":
        _follow_on_sqlite()
    else:
        _follow_on_postgresql()


def _follow_on_sqlite() -> None:
    op.execute(f"""
        CREATE TRIGGER epoch_summaries_follow AFTER DELETE ON epochs
        FOR EACH ROW BEGIN {_REMOVE_64}; {_REMOVE_512}; END
    """)


def _follow_on_postgresql() -> None:
    """Once for a statement, which may remove a long job's epochs."""
    op.execute("""
        CREATE FUNCTION epoch_summaries_follow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            DELETE FROM epoch_summaries AS told USING (
                SELECT DISTINCT job_id, size, (epoch + size - 1) / size * size AS last
                FROM gone, (VALUES (64), (512)) AS sizes (size)
            ) AS hit
            WHERE told.job_id = hit.job_id AND told.size = hit.size AND told.last = hit.last;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER epoch_summaries_follow AFTER DELETE ON epochs
        REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION epoch_summaries_follow()
    """)
