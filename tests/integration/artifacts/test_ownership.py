"""Nothing is taken for garbage in a store that is not known to belong to the database."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ridgeline.storage import (
    ArtifactStore,
    ArtifactsUnavailable,
    Claim,
    Database,
    DatabaseUnavailable,
    ForeignStore,
    JobStore,
    LeaseStore,
    LocalArtifacts,
    NewJob,
    artifact_key,
)
from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts
from ridgeline.storage.files.artifacts.garbage import Garbage
from ridgeline.storage.files.bucket import Bucket
from ridgeline.storage.files.datasets import (
    DatasetFiles,
    DatasetStore,
    LocalDatasetFiles,
    NewDataset,
)
from ridgeline.storage.files.datasets.bucket import BucketDatasetFiles
from ridgeline.storage.files.datasets.protocol import dataset_key
from ridgeline.storage.files.marker import MARKER
from ridgeline.storage.ownership import IdentityStore, Ownership, Place
from tests.integration.artifacts.link import Link
from tests.integration.storage.conftest import postgresql_server

__all__ = ["postgresql_server"]

DAY_S = 86_400.0
SHA256 = "5" * 64


class House(NamedTuple):
    """A database beside a store, as an API or a worker has them."""

    database: Database
    place: Place

    @property
    def ownership(self) -> Ownership:
        """As a process that has just started."""
        return Ownership(self.database, self.place)

    @property
    def identity(self) -> str:
        return IdentityStore(self.database).get()

    def mark(self) -> str | None:
        (found,) = self.ownership.marks().values()
        return found

    def claim(self) -> Claim:
        job = JobStore(self.database).create(NewJob(spec="{}", resolved="{}", epochs=1)).record
        claim = LeaseStore(self.database).claim(job.id, "test")
        assert claim is not None
        return claim

    def publish(self, claim: Claim) -> str:
        """Publish a file that no record points to."""
        store = self.place.artifacts
        file = store.staging(claim.job_id, claim.fence) / "model.keras"
        file.write_bytes(b"x")
        key = store.publish(file, artifact_key(claim.job_id, claim.fence, file.name)).key
        store.clear_staging(claim.job_id, claim.fence)
        return key

    def leave_garbage(self) -> str:
        """What an attempt that died leaves behind."""
        claim = self.claim()
        key = self.publish(claim)
        assert LeaseStore(self.database).release(claim, penalised=True)
        return key

    def collect(self) -> None:
        """Take a turn of the collection, two days from now."""
        jobs, later = JobStore(self.database), time.time() + 2 * DAY_S
        garbage = Garbage(jobs, self.place.artifacts, DAY_S, clock=lambda: later)
        self.ownership.guarding(garbage)()

    def files(self) -> list[str]:
        return sorted(key for each in self.place.artifacts.attempts() for key in each.keys)


@pytest.fixture
def datasets(store: ArtifactStore, tmp_path: Path) -> DatasetFiles:
    if isinstance(store, ObjectArtifacts):
        return BucketDatasetFiles(Bucket(store.url), tmp_path / "scratch" / ".datasets")
    return LocalDatasetFiles(tmp_path / "artifacts" / ".datasets")


@pytest.fixture
def new_house(
    store: ArtifactStore, datasets: DatasetFiles, tmp_path: Path
) -> Iterator[Callable[..., House]]:
    """Make another database beside the same store, or one at a URL."""
    with ExitStack() as stack:

        def make(name: str = "records", url: str | None = None) -> House:
            database = Database(url or f"sqlite:///{tmp_path / name}.db")
            stack.callback(database.close)
            database.migrate()
            return House(database, Place(store, datasets))

        yield make


@pytest.fixture
def house(new_house: Callable[..., House]) -> House:
    return new_house()


def test_an_empty_store_is_marked(house: House) -> None:
    assert house.mark() is None
    house.ownership.compare()
    assert house.mark() == house.identity
    house.ownership.compare()


def test_a_fresh_database_is_refused_an_old_store(
    house: House, new_house: Callable[..., House]
) -> None:
    """The file of the database was deleted, and the folder of files left."""
    house.ownership.compare()
    key = house.leave_garbage()
    fresh = new_house("fresh")
    with pytest.raises(ForeignStore) as refused:
        fresh.collect()
    said = str(refused.value)
    assert all(word in said for word in (house.identity, fresh.identity, MARKER, "expected"))
    assert all(word in said for word in ("RIDGELINE_DATABASE_URL", "ridgeline adopt"))
    fresh.claim()  # also once it has jobs of its own
    with pytest.raises(ForeignStore):
        fresh.collect()
    assert house.files() == [key]
    house.collect()
    assert house.files() == []


def test_it_is_refused_an_unmarked_one_too(house: House, new_house: Callable[..., House]) -> None:
    """The files are of a release without marks; they stay, whatever the database does then."""
    key = house.leave_garbage()
    fresh = new_house("fresh")
    with pytest.raises(ForeignStore, match=f"without {MARKER}.*expected an empty place"):
        fresh.collect()
    fresh.leave_garbage()
    other = new_house("other")
    with pytest.raises(ForeignStore):
        other.collect()
    assert key in house.files()
    assert house.mark() is None


@pytest.mark.parametrize("what", ["job", "checkpoint", "data set"])
def test_a_store_of_an_earlier_release_is_marked(house: House, what: str) -> None:
    """The database knows something in it."""
    if what == "job":
        house.leave_garbage()
    elif what == "checkpoint":
        leave_checkpoint(house, house.claim().job_id)
    else:
        store_dataset(house, recorded=True)
    leave_checkpoint(house, "job_of_nobody")
    house.ownership.compare()
    assert house.mark() == house.identity


@pytest.mark.parametrize("what", ["checkpoint", "data set"])
def test_files_of_any_kind_are_nobodys(house: House, what: str) -> None:
    if what == "checkpoint":
        leave_checkpoint(house, "job_of_nobody")
    else:
        store_dataset(house, recorded=False)
    with pytest.raises(ForeignStore, match=r"job_of_nobody|files/5555"):
        house.ownership.compare()


def test_what_lies_beside_is_no_file_of_ours(house: House, tmp_path: Path) -> None:
    """As `lost+found` at the root of a file system."""
    if isinstance(house.place.artifacts, LocalArtifacts):
        (tmp_path / "artifacts" / "lost+found").mkdir()
    else:
        house.place.artifacts.marker.create(b"")  # an object that is no file of a job
        delete_mark(house)
    house.ownership.compare()
    assert house.mark() == house.identity


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"database": 5}', b'{"database": "db_x"}', b"\xff" * 9000]
)
def test_a_mark_that_cannot_be_read(house: House, data: bytes) -> None:
    house.leave_garbage()
    house.place.artifacts.marker.create(data)
    with pytest.raises(ForeignStore, match=r"Received what is no identity.*expected db_"):
        house.collect()
    assert len(house.files()) == 1
    assert house.ownership.adopt() == house.identity
    house.collect()
    assert house.files() == []


def test_processes_that_mark_at_once(house: House, new_house: Callable[..., House]) -> None:
    """Of one database all win; of two databases one."""
    houses = [house, new_house("other")] * 4
    barrier = threading.Barrier(len(houses))

    def start(each: House) -> bool:
        ownership = each.ownership
        barrier.wait(timeout=10)
        try:
            ownership.compare()
        except ForeignStore:
            return False
        return True

    with ThreadPoolExecutor(len(houses)) as pool:
        won = list(pool.map(start, houses))
    assert sorted(map(house.identity.__eq__, [house.mark()] * 4)) in ([True] * 4, [False] * 4)
    assert [each.identity == house.mark() for each in houses] == won


def test_a_mark_of_another_that_comes_first(
    house: House, new_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at an empty store and the mark."""
    other = new_house("other")
    create = house.place.artifacts.marker.create

    def too_late(data: bytes) -> None:
        monkeypatch.undo()
        other.ownership.compare()
        create(data)

    monkeypatch.setattr(house.place.artifacts.marker, "create", too_late)
    with pytest.raises(ForeignStore, match=other.identity):
        house.ownership.compare()


def test_a_collection_looks_each_time(house: House, new_house: Callable[..., House]) -> None:
    """Another file system may have been mounted there since."""
    key = house.leave_garbage()
    ownership = house.ownership
    ownership.confirm()
    new_house("other").ownership.adopt()
    ownership.confirm()  # which asks nobody
    with pytest.raises(ForeignStore):
        ownership.guarding(lambda: pytest.fail("it was called"))()
    with pytest.raises(ForeignStore):
        ownership.confirm()
    house.ownership.adopt()
    assert ownership.guarding(lambda: True)()
    assert house.files() == [key]


def test_a_database_that_is_restored_or_copied(
    house: House, new_house: Callable[..., House], tmp_path: Path
) -> None:
    """It goes on with the store; a copy that is to live beside the original gets its own name."""
    house.ownership.compare()
    with closing(sqlite3.connect(tmp_path / "records.db")) as original:
        original.execute("VACUUM INTO ?", [str(tmp_path / "copy.db")])
    copy = new_house("copy")
    copy.ownership.compare()
    IdentityStore(copy.database).renew()
    with pytest.raises(ForeignStore):
        copy.ownership.compare()
    house.ownership.compare()


@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_on_postgresql(
    new_house: Callable[..., House], postgresql_server: Callable[[], str]
) -> None:
    house, other = new_house(url=postgresql_server()), new_house(url=postgresql_server())
    house.ownership.compare()
    house.leave_garbage()
    with pytest.raises(ForeignStore):
        other.collect()
    house.collect()
    assert house.files() == []


def test_a_database_without_tables_is_waited_for(store: ArtifactStore, tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path / 'new.db'}")) as database:
        ownership = Ownership(database, Place(store))
        with pytest.raises(DatabaseUnavailable):
            ownership.confirm()
        database.migrate()
        ownership.confirm()


def test_an_empty_store_of_a_database_with_jobs_is_told_of(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be the wrong one; nothing is lost by its mark."""
    house.claim()
    house.ownership.compare()
    assert "is empty, though jobs of this database have run" in caplog.text


def test_a_bucket_that_is_away(link: Link, url: str, tmp_path: Path) -> None:
    """Nothing is collected before it is back and compared."""
    with closing(Database(f"sqlite:///{tmp_path / 'records.db'}")) as database:
        database.migrate()
        house = House(database, Place(ObjectArtifacts(url, tmp_path / "scratch")))
        key = house.leave_garbage()
        link.cut()
        ownership = house.ownership
        with pytest.raises(ArtifactsUnavailable):
            ownership.confirm()
        link.mend()
        assert house.files() == [key]
        ownership.confirm()
        assert house.mark() == house.identity


@pytest.mark.parametrize("store", ["folder"], indirect=True)
class TestInAFolder:
    """What only a file system can do."""

    def test_a_folder_that_is_away(self, house: House, tmp_path: Path) -> None:
        (tmp_path / "artifacts").rmdir()
        with pytest.raises(ArtifactsUnavailable):
            house.ownership.compare()
        (tmp_path / "artifacts").mkdir()
        house.ownership.compare()

    def test_a_mark_is_a_whole_file(self, house: House, tmp_path: Path) -> None:
        house.ownership.compare()
        (file,) = (tmp_path / "artifacts").iterdir()
        assert json.loads(file.read_text()) == {"database": house.identity}
        assert file.stat().st_mode & 0o777 == 0o644

    def test_a_file_system_without_links(
        self, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As exFAT: link(2) answers EPERM."""

        def refuse(*_: Any, **__: Any) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr("os.link", refuse)
        house.ownership.compare()
        assert house.mark() == house.identity
        assert [path.name for path in (tmp_path / "artifacts").iterdir()] == [MARKER]


def leave_checkpoint(house: House, job_id: str) -> None:
    store = house.place.artifacts
    if isinstance(store, LocalArtifacts):
        (store.checkpoints(job_id) / "file").write_bytes(b"x")
        return
    saving = store.attempt_checkpoints(job_id, 1)
    for name in ("000001-000000001.checkpoint", "000001.history"):
        (saving.folder / name).write_bytes(b"x")
    saving.save()


def store_dataset(house: House, *, recorded: bool) -> None:
    files, key = house.place.datasets, dataset_key(SHA256)
    assert files is not None
    staged = files.staging() / "x"
    staged.write_bytes(b"x")
    files.store(staged, key)
    if recorded:
        new = NewDataset(name="x", format="csv", bytes=1, sha256=SHA256, key=key, contents="{}")
        DatasetStore(house.database).add(new)


def delete_mark(house: House) -> None:
    assert isinstance(house.place.artifacts, ObjectArtifacts)
    Bucket(house.place.artifacts.url).delete([MARKER])
