"""Jobs that an MLflow server has not been told of to the end."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "tracked_jobs",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text()),
        sa.Column("last_event", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text()),
        sa.Column("held_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_tracked_jobs"),
    )
    op.create_index("ix_tracked_jobs_held_until", "tracked_jobs", ["held_until"])
