"""A database takes a store of files over, on the machine that serves it: no API is asked."""

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from ridgeline.cli.errors import CommandError
from ridgeline.storage import Database, ForeignStore, StorageError, open_artifacts
from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts
from ridgeline.storage.files.datasets import open_datasets
from ridgeline.storage.ownership import IdentityStore, Ownership, Place
from ridgeline.storage.settings import StorageSettings


class Found(NamedTuple):
    """What a database and its store say before an adoption."""

    database: str
    marks: dict[str, str | None]
    """The identity at each place; None for one without, empty if it cannot be read."""
    belongs: bool
    """Whether all of it is the database's."""
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
            self._ownership = Ownership(self._database, *_places(settings))
        except (StorageError, ValidationError, OSError) as error:
            raise CommandError(str(error)) from None

    def look(self) -> Found:
        """Look through the store, which takes a while where it is large."""
        try:
            belongs = self._belongs()
            identity, marks = IdentityStore(self._database).get(), self._ownership.marks()
            known = {each.name: each.known for each in self._ownership.holdings()}
        except (StorageError, OSError) as error:
            raise CommandError(str(error)) from None
        ours = sum(known.values())
        return Found(identity, marks, belongs, ours, len(known) - ours)

    def adopt(self, *, renew: bool) -> str:
        """Mark the store as the database's; with `renew` under an identity that is drawn now."""
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


def _places(settings: StorageSettings) -> list[Place]:
    """The store; and this machine's own folder beside a bucket, which a worker clears up in."""
    artifacts = open_artifacts(settings.artifacts_url, settings.artifacts_dir)
    places = [Place(artifacts, open_datasets(settings))]
    if isinstance(artifacts, ObjectArtifacts) and settings.artifacts_dir.is_dir():
        places.append(Place(artifacts.scratch))
    return places


def _check_there(database: Database) -> None:
    """See that the file of a SQLite database is there: to connect would make an empty one."""
    file = Path(str(database.url.database))
    if database.is_sqlite and not file.is_file():
        raise CommandError(
            f"there is no database {file} yet: start the API once, which makes it; or say where it"
            " is by --home or RIDGELINE_DATABASE_URL"
        )
