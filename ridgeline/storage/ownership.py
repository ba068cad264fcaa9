"""Whether a store of files belongs to the database: before anything in it is taken for garbage.

Each database has an identity, and each store a mark with the identity of the database that used it
first. A store without a mark is marked if it is empty, or if the database knows a job or a data set
in it: one that was in use before there were marks.


Who a database is: an id that its first migration drew, and that dumps and copies keep.
"""

import json
import logging
import re
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
from ridgeline.storage.identifiers import new_database_id
from ridgeline.storage.records.datasets import DatasetStore
from ridgeline.storage.records.jobs import JobStore
from ridgeline.storage.tables import identity

_BATCH = 500


_IDENTITY = re.compile(r"db_[0-9a-f]{32}")


_FIX = (
    "Set RIDGELINE_DATABASE_URL to the database that the files belong to, or"
    " RIDGELINE_ARTIFACTS_DIR or RIDGELINE_ARTIFACTS_URL to another place. If that database is"
    " gone for good, move the files away, or let this one take them over: `ridgeline adopt`, with"
    " the same settings or --home."
)


Answer = TypeVar("Answer")


logger = logging.getLogger(__name__)


class Place(NamedTuple):
    """A store with one mark at its root."""

    artifacts: ArtifactStore
    datasets: DatasetFiles | None = None
    """The files of data sets under the same root, if there can be any."""


class Holding(NamedTuple):
    """A job that has files in a place, or a file of a data set."""

    name: str
    known: bool
    """Whether the database has it, or what it belongs to."""


class Ownership:
    """Compares a database with the places of its files; threads may share it."""

    def __init__(self, database: Database, *places: Place) -> None:
        self._identity = IdentityStore(database)
        self._jobs = JobStore(database)
        self._datasets = DatasetStore(database)
        self._places = places
        self._confirmed = False

    def confirm(self) -> None:
        """Compare, unless the last comparison was a match; raises what compare() does."""
        if not self._confirmed:
            self.compare()

    def compare(self) -> None:
        """Return if the database owns every place; one that is nobody's yet is marked.

        Raises ForeignStore, and ArtifactsUnavailable and DatabaseUnavailable where it is not to be
        known now.
        """
        self._confirmed = False
        identity = self._identity.get()
        for place in self._places:
            self._compare(place, identity)
        self._confirmed = True

    def guarding(self, step: Callable[[], Answer]) -> Callable[[], Answer]:
        """The step, which deletes what no record points to, with a comparison before each turn."""
        return partial(self._guarded, step)

    def marks(self) -> dict[str, str | None]:
        """Whose each place is by its mark, by the place's name; None for one without a mark.

        A mark that cannot be read is an empty text. Raises ArtifactsUnavailable.
        """
        markers = [place.artifacts.marker for place in self._places]
        return {marker.place: _said(marker) for marker in markers}

    def holdings(self) -> Iterator[Holding]:
        """What lies in the places, whoever made it; jobs with several attempts come repeatedly."""
        return chain.from_iterable(map(self._holdings, self._places))

    def adopt(self) -> str:
        """Mark every place as the database's, whoever's it was; returns the identity."""
        identity = self._identity.get()
        for place in self._places:
            place.artifacts.marker.replace(_mark(identity))
        return identity

    def _guarded(self, step: Callable[[], Answer]) -> Answer:
        self.compare()
        return step()

    def _compare(self, place: Place, identity: str) -> None:
        marker = place.artifacts.marker
        found = _said(marker)
        if found is None:
            self._mark(place, identity)
            found = _said(marker)
        if found == identity:
            return
        raise ForeignStore(
            f"Received {_quoted(found)} in {MARKER} of {marker.place}; expected {identity}, the"
            f" identity of the database. {_FIX}"
        )

    def _mark(self, place: Place, identity: str) -> None:
        marker = place.artifacts.marker
        first = next(self._holdings(place), None)
        if first is not None and not any(each.known for each in self._holdings(place)):
            raise ForeignStore(
                f"Received files without {MARKER} in {marker.place}, {first.name} for one, and this"
                f" database knows none of them; expected an empty place, or its own files. {_FIX}"
            )
        if first is None and place.datasets is not None and self._jobs.any_started():
            logger.warning("%s is empty, though jobs of this database have run", marker.place)
        try:
            marker.create(_mark(identity))
        except ArtifactExists:  # another process was first: whose, is looked at next
            return
        logger.info("%s is marked as that of the database %s", marker.place, identity)

    def _holdings(self, place: Place) -> Iterator[Holding]:
        attempts = (attempt.job_id for attempt in place.artifacts.attempts())
        for batch in _batches(chain(place.artifacts.checkpointed(), attempts)):
            jobs = self._jobs.versions(batch)
            yield from (Holding(job_id, job_id in jobs) for job_id in batch)
        files = () if place.datasets is None else place.datasets.files()
        for batch in _batches(file.key for file in files):
            known = self._datasets.known(batch)
            yield from (Holding(key, key in known) for key in batch)


def _said(marker: Marker) -> str | None:
    """The identity in a mark: None without a mark, empty if it cannot be read."""
    data = marker.read()
    if data is None:
        return None
    try:
        found = json.loads(data)["database"]
    except (ValueError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) and _IDENTITY.fullmatch(found) else ""


def _mark(identity: str) -> bytes:
    return json.dumps({"database": identity}).encode() + b"\n"


def _quoted(found: str | None) -> str:
    return f"the identity {found}" if found else "what is no identity"


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    left = iter(names)
    while batch := list(islice(left, _BATCH)):
        yield batch


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
