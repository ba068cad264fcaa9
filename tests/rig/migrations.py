"""Migrates empty databases in milliseconds: a template is made once and copied.

Hundreds of tests need a migrated database of their own, and Alembic takes 0.1 s for each. The first
database of a kind is migrated by Alembic. On SQLite its file is the template, on PostgreSQL the
statements that ran. Only the identity differs, which is random in each database. Databases that
are not empty are migrated by Alembic.
"""

import os
import secrets
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import event, inspect
from sqlalchemy.engine import Connection

from ridgeline.storage import Database
from ridgeline.storage.ownership import IdentityStore

migrate_by_alembic = Database.migrate
Template = tuple[bytes, str]
"""A file or a script, and the identity in it."""
_READS = ("SELECT", "SHOW")


def migrate_by_copy(folder: Path) -> Callable[[Database], None]:
    """A substitute for Database.migrate(); its SQLite template is made in `folder`."""
    making = threading.Lock()

    @cache
    def file() -> Template:
        return _sqlite_template(f"sqlite:///{folder}/template.db")

    scripts: list[Template] = []

    def copy_file(database: Database) -> None:
        path = _sqlite_path(database)
        if path.exists():
            migrate_by_alembic(database)
            return
        with making:
            template = file()
        _write_file(path, _with_new_identity(*template))

    def run_script(database: Database) -> None:
        with database.schema_change() as connection:
            empty = not inspect(connection).get_table_names()
            if empty and scripts:
                _driver(connection).execute(_with_new_identity(*scripts[0]))
                return
        if empty:
            scripts.append(_recorded(database))
        else:
            migrate_by_alembic(database)

    return lambda database: (copy_file if database.is_sqlite else run_script)(database)


def _sqlite_path(database: Database) -> Path:
    return Path(str(database.url.database))


def _sqlite_template(url: str) -> Template:
    database = Database(url)
    migrate_by_alembic(database)
    identity = IdentityStore(database).get()
    database.close()  # the last connection merges the WAL into the file
    return _sqlite_path(database).read_bytes(), identity


def _write_file(path: Path, content: bytes) -> None:
    """Write a whole file, unless another thread or process was first."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.write_bytes(content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _recorded(database: Database) -> Template:
    """Migrate by Alembic; returns the statements that changed something, as one script."""
    statements: list[str] = []

    def record(
        connection: Connection, _cursor: Any, statement: str, parameters: Any, *_rest: Any
    ) -> None:
        if not statement.lstrip().startswith(_READS):
            cursor = psycopg.ClientCursor(_driver(connection))
            statements.append(cursor.mogrify(statement, parameters or {}))

    event.listen(database._engine, "before_cursor_execute", record)
    try:
        migrate_by_alembic(database)
    finally:
        event.remove(database._engine, "before_cursor_execute", record)
    return ";\n".join(statements).encode(), IdentityStore(database).get()


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _with_new_identity(template: bytes, identity: str) -> bytes:
    assert template.count(identity.encode()) == 1
    return template.replace(identity.encode(), f"db_{secrets.token_hex(16)}".encode())
