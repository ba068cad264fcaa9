"""A database that the rig migrates by a copy is one that Alembic migrated."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ridgeline.storage import Database
from ridgeline.storage.ownership import IdentityStore
from tests.rig.migrations import migrate_by_alembic, migrate_by_copy

SQLITE = "SELECT type, name, tbl_name, sql FROM sqlite_master"
POSTGRESQL = """
    SELECT table_name, column_name, data_type, column_default, is_nullable, ordinal_position::text
    FROM information_schema.columns WHERE table_schema = current_schema()
    UNION ALL
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', ''
    FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
    UNION ALL
    SELECT tablename, indexname, indexdef, '', '', '' FROM pg_indexes
    WHERE schemaname = current_schema()
    UNION ALL
    SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(pg_trigger.oid), '', '', ''
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal
    UNION ALL
    SELECT proname, '', pg_get_functiondef(oid), '', '', '' FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_copy_equals_what_alembic_makes(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if kind == "sqlite":
        urls = [f"sqlite:///{tmp_path}/{number}.db" for number in range(3)]
    else:
        urls = [request.getfixturevalue("postgresql_server")() for _ in range(3)]
    databases = [Database(url) for url in urls]
    copy = migrate_by_copy(tmp_path)
    for migrate_one, database in zip((migrate_by_alembic, copy, copy), databases, strict=True):
        migrate_one(database)
    expected, *others = map(schema, databases)
    assert len(expected) > 50
    assert others == [expected, expected]
    assert len({IdentityStore(database).get() for database in databases}) == 3
    for database in databases:
        database.close()


def test_database_that_is_not_empty_is_migrated_in_place(tmp_path: Path) -> None:
    copy = migrate_by_copy(tmp_path)
    database = Database(f"sqlite:///{tmp_path}/old.db")
    with database.write() as connection:
        connection.execute(text("CREATE TABLE mine (id INTEGER)"))
    copy(database)
    identity = IdentityStore(database).get()
    copy(database)
    assert IdentityStore(database).get() == identity
    with database.read() as connection:
        assert connection.execute(text("SELECT * FROM mine")).all() == []
    database.close()


def schema(database: Database) -> list[Any]:
    """Everything but rows, without the name of the schema, and the revision."""
    with database.read() as connection:
        statement = SQLITE if database.is_sqlite else POSTGRESQL
        rows = [tuple(map(str, row)) for row in connection.execute(text(statement))]
        if database.is_sqlite:
            rows = [tuple(map(_in_order, row)) for row in rows]
        else:
            name = connection.execute(text("SELECT current_schema()")).scalar_one()
            rows = [tuple(cell.replace(name, "x") for cell in row) for row in rows]
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return [*sorted(rows), version]


def _in_order(sql: str) -> str:
    """Alembic adds the constraints of a table that it rebuilds in any order."""
    return "\n".join(sorted(line.rstrip(", ") for line in sql.splitlines()))
