"""The reports of ended jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of reports."""
    op.create_table(
        "reports",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_reports"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_reports_job_id", ondelete="CASCADE"
        ),
    )
