"""A database takes over a store of files, on the machine that serves it, without the API."""

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from ridgeline.cli.errors import CommandError
from ridgeline.storage import Database, ForeignStore, StorageError, open_artifacts
from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts
from ridgeline.storage.files.datasets import open_datasets
from ridgeline.storage.ownership import IdentityStore, Ownership, StoreLocation
from ridgeline.storage.settings import StorageSettings


class AdoptionState(NamedTuple):
    """The state of a database and its store before an adoption."""

    database: str
    marks: dict[str, str | None]
    """The identity at each place; None if it has none, empty if it is unreadable."""
    belongs: bool
    """Whether all places belong to the database."""
    known: int
    """How many of the jobs and data set files there are in the database."""
    unknown: int


class Adoption:
    """The database and the store of the settings, or those in the folder `home`.

    The constructor and the methods raise CommandError if one of them is unusable.
    """

    def __init__(self, home: Path | None) -> None:
        try:
            settings = StorageSettings() if home is None else StorageSettings(home=home)
            self._database = Database(settings.database_url.get_secret_value())
            _check_there(self._database)
            self._ownership = Ownership(self._database, *_places(settings))
        except (StorageError, ValidationError, OSError) as error:
            raise CommandError(str(error)) from None

    def look(self) -> AdoptionState:
        """Scan the store, which takes a while if it is large."""
        try:
            belongs = self._belongs()
            identity, marks = IdentityStore(self._database).get(), self._ownership.marks()
            known = {item.name: item.known for item in self._ownership.holdings()}
        except (StorageError, OSError) as error:
            raise CommandError(str(error)) from None
        ours = sum(known.values())
        return AdoptionState(identity, marks, belongs, ours, len(known) - ours)

    def adopt(self, *, renew: bool) -> str:
        """Mark the store as the database's and return the identity, a new one with `renew`."""
        try:
            if renew:
                IdentityStore(self._database).renew()
            return self._ownership.adopt()
        except (StorageError, OSError) as error:
            raise CommandError(str(error)) from None

    def _belongs(self) -> bool:
        try:
            self._ownership.compare()
        except ForeignStore:
            return False
        return True


def _places(settings: StorageSettings) -> list[StoreLocation]:
    """Return the store and, with a bucket, the local folder in which a worker cleans up."""
    artifacts = open_artifacts(settings.artifacts_url, settings.artifacts_dir)
    places = [StoreLocation(artifacts, open_datasets(settings))]
    if isinstance(artifacts, ObjectArtifacts) and settings.artifacts_dir.is_dir():
        places.append(StoreLocation(artifacts.scratch))
    return places


def _check_there(database: Database) -> None:
    """Raise CommandError if a SQLite file is missing: connecting would create an empty one."""
    file = Path(str(database.url.database))
    if database.is_sqlite and not file.is_file():
        raise CommandError(
            f"there is no database {file}: start the API once to create it, or point to another"
            " with --home or RIDGELINE_DATABASE_URL"
        )
