"""A second, quicker hash of each file, for downloads.

Files that are there already have none, and are checked by their SHA-256 as before; so are those
that a process of an earlier release stores.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column to both tables of files."""
    for table in ("artifacts", "datasets"):
        op.add_column(table, sa.Column("xxh3", sa.String(32)))
