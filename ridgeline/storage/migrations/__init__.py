"""The migrations of the schema, one file each; Database.migrate() runs them in order."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from ridgeline.storage.errors import NewerDatabase

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent
REVISIONS = tuple(sorted(path.name[:4] for path in (_FOLDER / "versions").glob("[0-9]*.py")))
"""Every revision of the schema, from the first release to this one."""


def is_current(connection: Connection) -> bool:
    """Whether the schema has the newest revision; raises NewerDatabase for an unknown one."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is not None and revision not in REVISIONS:
        raise NewerDatabase(revision, REVISIONS[-1])
    return bool(revision == REVISIONS[-1])


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to `revision` in the connection's transaction; not thread-safe."""
    from alembic import command  # noqa: PLC0415 - only needed when there is something to migrate

    command.upgrade(config(connection), revision)


def config(connection: Connection | None = None) -> "Config":
    """The configuration of Alembic; running migrations needs a connection."""
    from alembic.config import Config  # noqa: PLC0415 - as above

    options = Config()
    options.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    options.set_main_option("path_separator", "os")
    options.attributes["connection"] = connection
    return options
