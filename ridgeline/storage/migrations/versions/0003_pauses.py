"""Pauses, and the transitions checked by the database itself.

SQLite adds a CHECK only by making the table anew, and drops its triggers with the old one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ENDED = "('succeeded', 'failed', 'cancelled')"
_NEW_CHECKS = {
    "paused": "(status = 'paused') = (paused_at IS NOT NULL)",
    "cancel": (
        "CASE WHEN status IN ('cancelling', 'cancelled') THEN cancel_requested_at IS NOT NULL"
        " WHEN status = 'succeeded' THEN cancel_requested_at IS NULL ELSE TRUE END"
    ),
    "counts": "crash_count + drain_count <= attempt",
}
_MOVES = (
    "'queued>cancelled', 'queued>failed', 'queued>paused', 'queued>running',"
    " 'running>cancelling', 'running>failed', 'running>pausing', 'running>queued',"
    " 'running>succeeded', 'cancelling>cancelled', 'cancelling>failed', 'pausing>cancelling',"
    " 'pausing>failed', 'pausing>paused', 'pausing>running', 'pausing>succeeded',"
    " 'paused>cancelled', 'paused>queued'"
)
_TOLD = """coalesce("before", '') || '>' || coalesce("after", '')"""
_TRANSITION = f"type <> 'status' OR {_TOLD} IN ('>queued', {_MOVES})"
_FROZEN = "an ended job never changes: expected no UPDATE of its row"
# Of ended jobs the other trigger tells.
_UNLISTED_MOVE = (
    f"OLD.status <> NEW.status AND OLD.status NOT IN {_ENDED}"
    f" AND OLD.status || '>' || NEW.status NOT IN ({_MOVES})"
)
_UNLISTED = "expected a transition that the table of transitions has"
_WAITS_WITH_DEADLINE = "status = 'queued' AND deadline_at IS NOT NULL"


def upgrade() -> None:
    """Add the column, the checks and the trigger that refuses transitions that are not listed."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    if on_sqlite:
        _rebuild_on_sqlite()
    else:
        _alter_on_postgresql()
    condition = sa.text(_WAITS_WITH_DEADLINE)
    op.create_index(
        "ix_jobs_queued_deadline_at",
        "jobs",
        ["deadline_at"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
    if on_sqlite:
        _guard_on_sqlite()
    else:
        _guard_on_postgresql()


def _rebuild_on_sqlite() -> None:
    with op.batch_alter_table("jobs", recreate="always") as jobs:
        jobs.add_column(sa.Column("paused_at", sa.BigInteger()))
        for name, condition in _NEW_CHECKS.items():
            jobs.create_check_constraint(op.f(f"ck_jobs_{name}"), sa.text(condition))
    last_id = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
    last = op.get_bind().execute(sa.text(last_id)).scalar()
    growing = {"sqlite_autoincrement": True}
    with op.batch_alter_table("events", recreate="always", table_kwargs=growing) as events:
        events.create_check_constraint(op.f("ck_events_transition"), sa.text(_TRANSITION))
    if last is not None:  # ids only grow, although the last rows may be deleted
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
        restore = "INSERT INTO sqlite_sequence (name, seq) VALUES ('events', :last)"
        op.get_bind().execute(sa.text(restore), {"last": last})


def _alter_on_postgresql() -> None:
    op.add_column("jobs", sa.Column("paused_at", sa.BigInteger()))
    for name, condition in _NEW_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_jobs_{name}"), "jobs", condition)
    op.create_check_constraint(op.f("ck_events_transition"), "events", _TRANSITION)


def _guard_on_sqlite() -> None:
    op.execute(f"""
        CREATE TRIGGER jobs_ended_never_change BEFORE UPDATE ON jobs
        FOR EACH ROW WHEN OLD.status IN {_ENDED}
        BEGIN SELECT RAISE(ABORT, '{_FROZEN}'); END
    """)
    op.execute(f"""
        CREATE TRIGGER jobs_move_as_listed BEFORE UPDATE OF status ON jobs
        FOR EACH ROW WHEN {_UNLISTED_MOVE}
        BEGIN SELECT RAISE(ABORT, '{_UNLISTED}'); END
    """)


def _guard_on_postgresql() -> None:
    op.execute(f"""
        CREATE FUNCTION jobs_refuse_move() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{_UNLISTED}' USING ERRCODE = 'integrity_constraint_violation';
        END $$
    """)
    op.execute(f"""
        CREATE TRIGGER jobs_move_as_listed BEFORE UPDATE OF status ON jobs
        FOR EACH ROW WHEN ({_UNLISTED_MOVE}) EXECUTE FUNCTION jobs_refuse_move()
    """)
