"""The changes of the tables, one file each, run in order by Database.migrate()."""

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.engine import URL, Connection

from ridgeline.storage.errors import MigrationFailed, NewerDatabase

_FOLDER = Path(__file__).parent
_ROOT = str(_FOLDER.parents[2])
REVISIONS = tuple(sorted(path.name[:4] for path in (_FOLDER / "versions").glob("[0-9]*.py")))
"""What the tables have been, from the first release to this one."""


def is_current(connection: Connection) -> bool:
    """Whether the tables are as this release has them; raises NewerDatabase."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and found not in REVISIONS:
        raise NewerDatabase(found, REVISIONS[-1])
    return found == REVISIONS[-1]


def migrate_apart(url: URL) -> None:
    """Migrate a database in a process that ends; raises MigrationFailed with what it says."""
    path = (_ROOT, os.environ.get("PYTHONPATH"))
    done = subprocess.run(
        # With -P no file of the working folder stands in for a library.
        [sys.executable, "-P", "-m", __name__],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
        # Not an argument: everybody can read those, and there may be a password in it.
        input=url.render_as_string(hide_password=False),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MigrationFailed(done.stderr.strip() or f"Exit status {done.returncode}.")
