"""Whether a store of files belongs to the database, to be checked before garbage is deleted.

Each database has an identity, created by its first migration and kept by dumps and copies. Each
store has a marker with the identity of the database that used it first. A store without a marker
gets one if it is empty, or if the database knows a job or a data set in it: such stores are older
than markers.
"""

import json
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import NamedTuple, TypeVar

from sqlalchemy import delete, insert, inspect, select

from ridgeline.storage.database import Database
from ridgeline.storage.errors import ArtifactExists, DatabaseUnavailable, ForeignStore
from ridgeline.storage.files.artifacts.protocol import ArtifactStore
from ridgeline.storage.files.datasets.protocol import DatasetFiles
from ridgeline.storage.files.marker import MARKER, Marker
from ridgeline.storage.records.datasets import DatasetStore
from ridgeline.storage.records.jobs import JobStore
from ridgeline.storage.tables import identity

_BATCH = 500

_IDENTITY = re.compile(r"db_[0-9a-f]{32}")

_FIX = (
    "Set RIDGELINE_DATABASE_URL to the database that the files belong to, or"
    " RIDGELINE_ARTIFACTS_DIR or RIDGELINE_ARTIFACTS_URL to another location. If that database is"
    " lost, move the files away, or let this one take them over: `ridgeline adopt`, with the same"
    " settings or --home."
)

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)


class StoreLocation(NamedTuple):
    """A store with a marker at its root."""

    artifacts: ArtifactStore
    datasets: DatasetFiles | None = None
    """The files of data sets below the same root, if there can be any."""


class Holding(NamedTuple):
    """A job that has files in a store, or a file of a data set."""

    name: str
    known: bool
    """Whether the database has a record of it."""


class Ownership:
    """Checks that a database owns its stores; threads may share it."""

    def __init__(self, database: Database, *locations: StoreLocation) -> None:
        self._identity = IdentityStore(database)
        self._jobs = JobStore(database)
        self._datasets = DatasetStore(database)
        self._locations = locations
        self._confirmed = False

    def confirm(self) -> None:
        """Compare, unless the last comparison was a match; raises the errors of compare()."""
        if not self._confirmed:
            self.compare()

    def compare(self) -> None:
        """Return if the database owns all stores; mark those that have no owner yet.

        Raises ForeignStore, and ArtifactsUnavailable or DatabaseUnavailable if it cannot be checked
        now.
        """
        self._confirmed = False
        identity = self._identity.get()
        for location in self._locations:
            self._compare(location, identity)
        self._confirmed = True

    def guarding(self, step: Callable[[], Answer]) -> Callable[[], Answer]:
        """The step, which deletes files without a record, with a comparison before each call."""
        return partial(self._guarded, step)

    def marks(self) -> dict[str, str | None]:
        """The identity in the marker of each store, by the location of the store.

        None without a marker, an empty text if it cannot be parsed. Raises ArtifactsUnavailable.
        """
        markers = [location.artifacts.marker for location in self._locations]
        return {marker.place: _owner(marker) for marker in markers}

    def holdings(self) -> Iterator[Holding]:
        """All jobs and data sets with files in the stores; a job is repeated for each attempt."""
        return chain.from_iterable(map(self._holdings, self._locations))

    def adopt(self) -> str:
        """Mark all stores as owned by the database, whoever owned them; returns its identity."""
        identity = self._identity.get()
        for location in self._locations:
            location.artifacts.marker.replace(_marker_content(identity))
        return identity

    def _guarded(self, step: Callable[[], Answer]) -> Answer:
        self.compare()
        return step()

    def _compare(self, location: StoreLocation, identity: str) -> None:
        marker = location.artifacts.marker
        owner = _owner(marker)
        if owner is None:
            self._mark(location, identity)
            owner = _owner(marker)
        if owner == identity:
            return
        raise ForeignStore(
            f"Received {_quoted(owner)} in {MARKER} of {marker.place}; expected {identity}, the"
            f" identity of the database. {_FIX}"
        )

    def _mark(self, location: StoreLocation, identity: str) -> None:
        marker = location.artifacts.marker
        first = next(self._holdings(location), None)
        if first is not None and not any(held.known for held in self._holdings(location)):
            raise ForeignStore(
                f"Received files without {MARKER} in {marker.place}, such as {first.name}, and this"
                f" database knows none of them; expected an empty store or its own files. {_FIX}"
            )
        if first is None and location.datasets is not None and self._jobs.any_started():
            logger.warning("%s is empty, though jobs of this database have run", marker.place)
        try:
            marker.create(_marker_content(identity))
        except ArtifactExists:  # another process was first; the caller checks its identity
            return
        logger.info("%s is now marked as owned by the database %s", marker.place, identity)

    def _holdings(self, location: StoreLocation) -> Iterator[Holding]:
        attempts = (attempt.job_id for attempt in location.artifacts.attempts())
        for batch in _batches(chain(location.artifacts.checkpointed(), attempts)):
            jobs = self._jobs.versions(batch)
            yield from (Holding(job_id, job_id in jobs) for job_id in batch)
        files = () if location.datasets is None else location.datasets.files()
        for batch in _batches(file.key for file in files):
            known = self._datasets.known(batch)
            yield from (Holding(key, key in known) for key in batch)


def _owner(marker: Marker) -> str | None:
    """The identity in a marker: None without one, empty if it cannot be parsed."""
    data = marker.read()
    if data is None:
        return None
    try:
        owner = json.loads(data)["database"]
    except (ValueError, KeyError, TypeError):
        return ""
    return owner if isinstance(owner, str) and _IDENTITY.fullmatch(owner) else ""


def _marker_content(identity: str) -> bytes:
    return json.dumps({"database": identity}).encode() + b"\n"


def _quoted(owner: str | None) -> str:
    return f"the identity {owner}" if owner else "no valid identity"


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(names)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


class IdentityStore:
    """The identity in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self) -> str:
        """The identity. Raises DatabaseUnavailable, also before the first migration."""
        with self._database.read() as connection:
            known: str | None = None
            if inspect(connection).has_table(identity.name):
                known = connection.execute(select(identity.c.id)).scalar_one_or_none()
        if known is None:
            raise DatabaseUnavailable("It has no identity yet; it gets one when an API starts.")
        return known

    def renew(self) -> str:
        """Draw and store a new one, for a copy that is used together with its original."""
        renewed = f"db_{secrets.token_hex(16)}"
        with self._database.write() as connection:
            connection.execute(delete(identity))
            connection.execute(insert(identity).values(single=1, id=renewed))
        return renewed
