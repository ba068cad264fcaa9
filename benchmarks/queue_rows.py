"""Fills a database with jobs in bulk: POSTing a million would take half an hour.

The database generates the rows, in one statement that is valid in SQLite and PostgreSQL. A job's
number is in its id and is its time of creation.
"""

from sqlalchemy import NullPool, create_engine, text

from ridgeline.planning.resolve import resolve
from ridgeline.storage import Database
from service.http.bodies import parse_spec
from service.jobs.submissions import new_job

FEW = 10_000
"""One of this many jobs failed; one of this many has the tag `rare`."""


def fill_queue(database: Database, count: int, body: bytes, *, hints: bool = False) -> None:
    """Store `count` queued jobs as a POST of `body` does, without their first events.

    With `hints`, the outbox holds a hint for each.
    """
    spec = parse_spec(body)
    new = new_job(spec, resolve(spec))
    stored = {
        "spec": new.spec,
        "resolved": new.resolved,
        "penalties": new.penalties,
        "advice": new.advice,
        "epochs": new.epochs,
    }
    with database.write() as connection:
        connection.execute(_JOBS, stored | {"count": count, "ended": 0, "few": FEW})
        if hints:
            connection.execute(_HINTS)
    _settle(database)


def fill_list(database: Database, count: int, spec_bytes: int) -> None:
    """Store `count` ended jobs; the spec and its resolved form have `spec_bytes` together.

    One of FEW failed, every tenth was cancelled, the others succeeded. Jobs with an even number
    have the tag `common`, and no cancelled job has it; one of FEW has the tag `rare`.
    """
    filler = '{"x":"' + "x" * (spec_bytes // 2 - 8) + '"}'
    stored = {"spec": filler, "resolved": filler, "penalties": "[]", "advice": "[]", "epochs": 1}
    with database.write() as connection:
        connection.execute(_JOBS, stored | {"count": count, "ended": 1, "few": FEW})
        connection.execute(_COMMON)
        connection.execute(_RARE, {"few": FEW})
    _settle(database)


def job_id(number: int) -> str:
    """The id of the job with this number; numbers start at 1."""
    return f"job_{number:032d}"


def _settle(database: Database) -> None:
    """Run at once what PostgreSQL's autovacuum does within minutes: statistics, visibility map."""
    if database.is_sqlite:
        return
    engine = create_engine(database.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))


_JOBS = text("""
    INSERT INTO jobs (
        id, version, tags, spec, resolved, penalties, advice, epochs, status, reason_code, metrics,
        available_at, attempt, crash_count, drain_count, fence, progress_epoch, created_at,
        finished_at, cancel_requested_at
    )
    WITH RECURSIVE numbers (i) AS (
        SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :count
    ),
    chosen (i, id, status) AS (
        SELECT
            i,
            'job_' || substr('00000000000000000000000000000000' || i, length('' || i) + 1),
            CASE
                WHEN :ended = 0 THEN 'queued'
                WHEN i % :few = 0 THEN 'failed'
                WHEN i % 10 = 1 THEN 'cancelled'
                ELSE 'succeeded'
            END
        FROM numbers
    )
    SELECT
        id, 1, '[]', :spec, :resolved, :penalties, :advice, :epochs, status,
        CASE WHEN status <> 'queued' THEN 'completed' END, '{}', i, 0, 0, 0, 0, 0, i,
        CASE WHEN status <> 'queued' THEN i END,
        CASE WHEN status = 'cancelled' THEN i END
    FROM chosen
""")
_HINTS = text("INSERT INTO outbox (job_id, available_at) SELECT id, available_at FROM jobs")
_COMMON = text("""
    INSERT INTO job_tags (job_id, tag, status)
    SELECT id, 'common', status FROM jobs WHERE created_at % 2 = 0
""")
_RARE = text("""
    INSERT INTO job_tags (job_id, tag, status)
    SELECT id, 'rare', status FROM jobs WHERE created_at % :few = 2
""")
