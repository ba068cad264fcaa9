"""A database takes a store of files over, on the machine that serves it: no API is asked."""

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from ridgeline.cli.errors import CommandError
from ridgeline.storage import Database, StorageError, open_artifacts
from ridgeline.storage.datasets import open_datasets
from ridgeline.storage.identity import IdentityStore
from ridgeline.storage.ownership import Ownership, Place
from ridgeline.storage.settings import StorageSettings


class Found(NamedTuple):
    """What a database and its store say before an adoption."""

    database: str
    place: str
    mark: str | None
    """The identity at the store; None for one without, empty if it cannot be read."""
    known: int
    """How many jobs and files of data sets there the database knows."""
    unknown: int


class Adoption:
    """The database and the store of the settings, or of the folder `home` in place of theirs.

    Raises CommandError, as do the methods, where one of them cannot be used.
    """

    def __init__(self, home: Path | None) -> None:
        try:
            settings = StorageSettings() if home is None else StorageSettings(home=home)
            self._database = Database(settings.database_url.get_secret_value())
            _check_there(self._database)
            artifacts = open_artifacts(settings.artifacts_url, settings.artifacts_dir)
            self._ownership = Ownership(self._database, Place(artifacts, open_datasets(settings)))
        except (StorageError, ValidationError, OSError) as error:
            raise CommandError(str(error)) from None

    def look(self) -> Found:
        """Look through the store, which takes a while where it is large."""
        try:
            identity = IdentityStore(self._database).get()
            ((place, mark),) = self._ownership.marks().items()
            known = {each.name: each.known for each in self._ownership.holdings()}
        except (StorageError, OSError) as error:
            raise CommandError(str(error)) from None
        ours = sum(known.values())
        return Found(identity, place, mark, ours, len(known) - ours)

    def adopt(self, *, renew: bool) -> str:
        """Mark the store as the database's; with `renew` under an identity that is drawn now."""
        try:
            if renew:
                IdentityStore(self._database).renew()
            return self._ownership.adopt()
        except (StorageError, OSError) as error:
            raise CommandError(str(error)) from None


def _check_there(database: Database) -> None:
    """See that the file of a SQLite database is there: to connect would make an empty one."""
    file = Path(str(database.url.database))
    if database.is_sqlite and not file.is_file():
        raise CommandError(
            f"there is no database {file} yet: start the API once, which makes it; or say where it"
            " is by --home or RIDGELINE_DATABASE_URL"
        )
