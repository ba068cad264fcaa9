"""`python -m ridgeline.storage.migrations`: migrate the database whose URL standard input has."""

import sys

from sqlalchemy.exc import DBAPIError

from ridgeline.storage.database import Database
from ridgeline.storage.errors import StorageError
from ridgeline.storage.migrations.upgrade import migrate


def main() -> None:
    """Migrate; exits with a message where the database does not allow it."""
    database = Database(sys.stdin.read(), pool_size=1)
    try:
        migrate(database)
    except StorageError as error:
        sys.exit(str(error))
    except DBAPIError as error:
        sys.exit(str(error.orig))
    finally:
        database.close()


if __name__ == "__main__":
    main()
