"""Runs the migrations by Alembic, which takes 10 MiB: so Database.migrate() runs this elsewhere."""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection

from ridgeline.storage.database import Database
from ridgeline.storage.migrations import is_current

_FOLDER = str(Path(__file__).parent)
_running = threading.Lock()  # Alembic keeps the running migration in a module-level global


def migrate(database: Database) -> None:
    """Bring the tables up to this version, in this process.

    Raises DatabaseUnavailable and NewerDatabase.
    """
    with _running, database.schema_change() as connection:
        if not is_current(connection):  # else another process was first
            command.upgrade(config(connection), "head")


def config(connection: Connection | None = None) -> Config:
    """Alembic's, for the migrations here; to run them it takes a connection."""
    found = Config()
    found.set_main_option("script_location", _FOLDER.replace("%", "%%"))
    found.set_main_option("path_separator", "os")
    found.attributes["connection"] = connection
    return found
