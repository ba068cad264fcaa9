"""How far a job's checkpoints reach, so that crashes after progress are no crash loop."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two columns."""
    for name in ("checkpoint_epoch", "checkpoint_crashes"):
        column = sa.Column(name, sa.Integer(), nullable=False, server_default="0")
        op.add_column("jobs", column)
