"""No garbage is deleted in a store that may belong to another database."""

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
from ridgeline.storage.files.bucket import Bucket
from ridgeline.storage.files.datasets import (
    DatasetFiles,
    DatasetStore,
    LocalDatasetFiles,
    NewDataset,
)
from ridgeline.storage.files.datasets.bucket import BucketDatasetFiles
from ridgeline.storage.files.datasets.protocol import dataset_key
from ridgeline.storage.files.garbage import ArtifactGarbage
from ridgeline.storage.files.marker import MARKER
from ridgeline.storage.ownership import IdentityStore, Ownership, StoreLocation
from tests.integration.artifacts.link import Link
from tests.integration.storage.conftest import postgresql_server

__all__ = ["postgresql_server"]

DAY_S = 86_400.0
SHA256 = "5" * 64


class House(NamedTuple):
    """A database and a store, as an API or a worker uses them."""

    database: Database
    place: StoreLocation

    @property
    def ownership(self) -> Ownership:
        """The check of a process that has just started."""
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
        """Publish a file without a record."""
        store = self.place.artifacts
        file = store.staging(claim.job_id, claim.fence) / "model.keras"
        file.write_bytes(b"x")
        key = store.publish(file, artifact_key(claim.job_id, claim.fence, file.name)).key
        store.clear_staging(claim.job_id, claim.fence)
        return key

    def leave_garbage(self) -> str:
        """Leave the files of a dead attempt."""
        claim = self.claim()
        key = self.publish(claim)
        assert LeaseStore(self.database).release(claim, penalized=True)
        return key

    def collect(self) -> None:
        """Collect garbage, two days from now."""
        jobs, later = JobStore(self.database), time.time() + 2 * DAY_S
        garbage = ArtifactGarbage(jobs, self.place.artifacts, DAY_S, clock=lambda: later)
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
    """Create another database with the same store, or one at a URL."""
    with ExitStack() as stack:

        def make(name: str = "records", url: str | None = None) -> House:
            database = Database(url or f"sqlite:///{tmp_path / name}.db")
            stack.callback(database.close)
            database.migrate()
            return House(database, StoreLocation(store, datasets))

        yield make


@pytest.fixture
def house(new_house: Callable[..., House]) -> House:
    return new_house()


def test_empty_store_gets_a_marker(house: House) -> None:
    assert house.mark() is None
    house.ownership.compare()
    assert house.mark() == house.identity
    house.ownership.compare()


def test_new_database_does_not_own_an_old_store(
    house: House, new_house: Callable[..., House]
) -> None:
    """The file of the database was deleted, but not the folder of files."""
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


def test_new_database_does_not_own_an_unmarked_store(
    house: House, new_house: Callable[..., House]
) -> None:
    """The files are of a release without markers; they are never deleted."""
    key = house.leave_garbage()
    fresh = new_house("fresh")
    with pytest.raises(ForeignStore, match=f"without {MARKER}.*expected an empty store"):
        fresh.collect()
    fresh.leave_garbage()
    other = new_house("other")
    with pytest.raises(ForeignStore):
        other.collect()
    assert key in house.files()
    assert house.mark() is None


@pytest.mark.parametrize("what", ["job", "checkpoint", "data set"])
def test_known_store_without_marker_gets_one(house: House, what: str) -> None:
    """The database knows a file in it."""
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
def test_unknown_files_of_any_kind_prevent_a_marker(house: House, what: str) -> None:
    if what == "checkpoint":
        leave_checkpoint(house, "job_of_nobody")
    else:
        store_dataset(house, recorded=False)
    with pytest.raises(ForeignStore, match=r"job_of_nobody|files/5555"):
        house.ownership.compare()


def test_unrelated_files_do_not_prevent_a_marker(house: House, tmp_path: Path) -> None:
    """Such as `lost+found` at the root of a file system."""
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
def test_invalid_marker_is_foreign(house: House, data: bytes) -> None:
    house.leave_garbage()
    house.place.artifacts.marker.create(data)
    with pytest.raises(ForeignStore, match=r"Received no valid identity.*expected db_"):
        house.collect()
    assert len(house.files()) == 1
    assert house.ownership.adopt() == house.identity
    house.collect()
    assert house.files() == []


def test_concurrent_processes_create_one_marker(
    house: House, new_house: Callable[..., House]
) -> None:
    """All processes of one database succeed; of two databases only one."""
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


def test_marker_created_meanwhile_is_checked(
    house: House, new_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check of an empty store and its marker."""
    other = new_house("other")
    create = house.place.artifacts.marker.create

    def too_late(data: bytes) -> None:
        monkeypatch.undo()
        other.ownership.compare()
        create(data)

    monkeypatch.setattr(house.place.artifacts.marker, "create", too_late)
    with pytest.raises(ForeignStore, match=other.identity):
        house.ownership.compare()


def test_every_collection_compares_again(house: House, new_house: Callable[..., House]) -> None:
    """Another file system may have been mounted since."""
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


def test_restored_or_copied_database_keeps_the_store(
    house: House, new_house: Callable[..., House], tmp_path: Path
) -> None:
    """It keeps the store; a copy used together with the original gets a new identity."""
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
def test_postgresql_owns_its_store(
    new_house: Callable[..., House], postgresql_server: Callable[[], str]
) -> None:
    house, other = new_house(url=postgresql_server()), new_house(url=postgresql_server())
    house.ownership.compare()
    house.leave_garbage()
    with pytest.raises(ForeignStore):
        other.collect()
    house.collect()
    assert house.files() == []


def test_unmigrated_database_is_unavailable(store: ArtifactStore, tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path / 'new.db'}")) as database:
        ownership = Ownership(database, StoreLocation(store))
        with pytest.raises(DatabaseUnavailable):
            ownership.confirm()
        database.migrate()
        ownership.confirm()


def test_empty_store_of_a_database_with_jobs_logs_a_warning(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be the wrong one; a marker does no damage."""
    house.claim()
    house.ownership.compare()
    assert "is empty, though jobs of this database have run" in caplog.text


def test_unreachable_bucket_prevents_collection(link: Link, url: str, tmp_path: Path) -> None:
    """Nothing is collected until it is reachable and compared."""
    with closing(Database(f"sqlite:///{tmp_path / 'records.db'}")) as database:
        database.migrate()
        house = House(database, StoreLocation(ObjectArtifacts(url, tmp_path / "scratch")))
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
    """Cases that only a file system has."""

    def test_missing_folder_is_unavailable(self, house: House, tmp_path: Path) -> None:
        (tmp_path / "artifacts").rmdir()
        with pytest.raises(ArtifactsUnavailable):
            house.ownership.compare()
        (tmp_path / "artifacts").mkdir()
        house.ownership.compare()

    def test_marker_is_written_atomically(self, house: House, tmp_path: Path) -> None:
        house.ownership.compare()
        (file,) = (tmp_path / "artifacts").iterdir()
        assert json.loads(file.read_text()) == {"database": house.identity}
        assert file.stat().st_mode & 0o777 == 0o644

    def test_file_system_without_hard_links(
        self, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As exFAT: link(2) fails with EPERM."""

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
