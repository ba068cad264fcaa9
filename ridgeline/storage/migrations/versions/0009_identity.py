"""The identity of the database, by which it and its store of files know each other."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table with its one row."""
    identity = op.create_table(
        "identity",
        sa.Column("single", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(35), nullable=False),
        sa.PrimaryKeyConstraint("single", name="pk_identity"),
        sa.CheckConstraint("single = 1", name=op.f("ck_identity_single")),
    )
    op.bulk_insert(identity, [{"single": 1, "id": f"db_{secrets.token_hex(16)}"}])
