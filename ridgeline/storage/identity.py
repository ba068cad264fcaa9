"""Who a database is: an id that its first migration drew, and that dumps and copies keep."""

from sqlalchemy import delete, insert, inspect, select

from ridgeline.storage.database import Database
from ridgeline.storage.errors import DatabaseUnavailable
from ridgeline.storage.identifiers import new_database_id
from ridgeline.storage.tables import identity


class IdentityStore:
    """The identity in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self) -> str:
        """The identity. Raises DatabaseUnavailable, also where no migration has made one yet."""
        with self._database.read() as connection:
            found: str | None = None
            if inspect(connection).has_table(identity.name):
                found = connection.execute(select(identity.c.id)).scalar_one_or_none()
        if found is None:
            raise DatabaseUnavailable("It has no identity yet: it gets one when an API starts.")
        return found

    def renew(self) -> str:
        """Draw another one, for a copy that is to live beside its original; it is durable then."""
        drawn = new_database_id()
        with self._database.write() as connection:
            connection.execute(delete(identity))
            connection.execute(insert(identity).values(single=1, id=drawn))
        return drawn
