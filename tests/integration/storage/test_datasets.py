"""Records of stored data sets and uploads, and the jobs that use a data set."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from ridgeline.api.job import EndReason, JobStatus
from ridgeline.storage import (
    Claim,
    Database,
    DatasetInUse,
    Idempotency,
    IdempotencyConflict,
    JobStore,
    LeaseStore,
    NewJob,
    UnknownDataset,
    UnknownUpload,
    UploadEnded,
)
from ridgeline.storage.files.datasets import (
    DatasetRecord,
    DatasetStore,
    NewDataset,
    NewUpload,
    UploadStore,
    dataset_key,
    part_key,
)

pytestmark = pytest.mark.servers

NOWHERE = "ds_" + "0" * 32


@pytest.fixture
def datasets(database: Database) -> DatasetStore:
    return DatasetStore(database)


@pytest.fixture
def uploads(database: Database) -> UploadStore:
    return UploadStore(database, keep_s=3600)


@pytest.fixture
def stored(datasets: DatasetStore) -> DatasetRecord:
    return datasets.add(new_dataset(b"stored")).record


def new_dataset(content: bytes, contents: str = '{"format":"csv"}') -> NewDataset:
    sha256 = hashlib.sha256(content).hexdigest()
    return NewDataset(
        name="rows",
        format="csv",
        bytes=len(content),
        sha256=sha256,
        key=dataset_key(sha256),
        contents=contents,
    )


def test_same_bytes_are_one_data_set(datasets: DatasetStore) -> None:
    first, second = (datasets.add(new_dataset(b"rows")) for _ in range(2))
    assert (first.existed, second.existed) == (False, True)
    assert second.record == first.record
    assert first.record.id == f"ds_{first.record.sha256[:32]}"
    assert datasets.get(first.record.id) == first.record
    assert datasets.get(NOWHERE) is None


def test_same_bytes_stored_concurrently_are_one_data_set(
    datasets: DatasetStore, together: Callable[..., list[Any]], rows_in: Callable[..., int]
) -> None:
    added = together(*[lambda: datasets.add(new_dataset(b"rows"))] * 8)
    assert sorted(each.existed for each in added) == [False] + [True] * 7
    assert {each.record.key for each in added} == {added[0].record.key}
    assert rows_in("datasets") == 1


def test_pages_are_newest_first_and_stable(
    datasets: DatasetStore, sql: Callable[..., list[Any]]
) -> None:
    made = [datasets.add(new_dataset(b"%d" % number)).record.id for number in range(7)]
    sql("UPDATE datasets SET created_at = 5000")  # all at once: then the id decides
    sql("UPDATE datasets SET created_at = 9000 WHERE id = :id", id=made[3])
    expected = [made[3], *sorted(set(made) - {made[3]}, reverse=True)]
    found, after = [], None
    while True:
        page = datasets.list(limit=2, after=after)
        found += [record.id for record in page.records]
        after = page.next_after
        if after is None:
            break
        datasets.add(new_dataset(b"new" + after.encode()))  # moves none of the others
    assert found == expected


def test_page_ends_early_at_the_byte_limit(datasets: DatasetStore) -> None:
    for number in range(3):
        datasets.add(new_dataset(b"%d" % number, contents="x" * 1000))
    page = datasets.list(max_bytes=2500)
    assert (len(page.records), page.next_after is not None) == (2, True)
    assert len(datasets.list(max_bytes=1).records) == 1


def test_data_set_of_an_active_job_cannot_be_deleted(
    datasets: DatasetStore,
    jobs: JobStore,
    leases: LeaseStore,
    stored: DatasetRecord,
    start: Callable[..., Claim],
    completed: EndReason,
) -> None:
    claim = start(dataset_id=stored.id)
    with pytest.raises(DatasetInUse, match=claim.job_id):
        datasets.delete(stored.id)
    assert leases.finish(claim, JobStatus.SUCCEEDED, completed)
    assert datasets.delete(stored.id) == stored.key
    assert jobs.get(claim.job_id) is not None
    with pytest.raises(UnknownDataset):
        datasets.delete(stored.id)


def test_data_set_of_a_deleted_job_can_be_deleted(
    datasets: DatasetStore,
    jobs: JobStore,
    stored: DatasetRecord,
    submit: Callable[..., str],
    rows_in: Callable[..., int],
) -> None:
    job_id = submit(dataset_id=stored.id)
    jobs.request_cancel(job_id)
    jobs.delete(job_id)
    assert rows_in("job_datasets") == 0
    datasets.delete(stored.id)


def test_job_with_a_deleted_data_set_is_rejected(
    jobs: JobStore,
    stored: DatasetRecord,
    new_job: Callable[..., NewJob],
    rows_in: Callable[..., int],
) -> None:
    """Others in its transaction are stored, and its key is free again."""
    key = Idempotency("key", "0" * 64)
    lost, kept = new_job(dataset_id=NOWHERE), new_job(dataset_id=stored.id)
    refused, other = jobs.create_all([(lost, key), (kept, None)])
    assert isinstance(refused, UnknownDataset)
    assert not isinstance(other, UnknownDataset | IdempotencyConflict)
    assert (rows_in("jobs"), rows_in("idempotency_keys")) == (1, 0)
    with pytest.raises(UnknownDataset):
        jobs.create(lost, key)
    assert jobs.create(kept, key).replayed is False


def test_delete_races_job_creation(
    datasets: DatasetStore,
    jobs: JobStore,
    new_job: Callable[..., NewJob],
    together: Callable[..., list[Any]],
    rows_in: Callable[..., int],
) -> None:
    """Either the job is created first and keeps the data set, or the job is rejected."""
    outcomes = set()
    for number in range(12):
        record = datasets.add(new_dataset(b"%d" % number)).record
        before = rows_in("jobs")

        def post(dataset_id: str = record.id) -> bool:
            try:
                jobs.create(new_job(dataset_id=dataset_id))
            except UnknownDataset:
                return False
            return True

        def delete(dataset_id: str = record.id) -> bool:
            try:
                datasets.delete(dataset_id)
            except DatasetInUse:
                return False
            return True

        posted, deleted = together(post, delete)
        assert posted is not deleted
        assert rows_in("jobs") == before + posted
        assert (datasets.get(record.id) is None) is deleted
        outcomes.add(posted)
    assert outcomes <= {True, False}


def test_known_returns_the_keys_with_records(
    datasets: DatasetStore, uploads: UploadStore, stored: DatasetRecord
) -> None:
    upload = uploads.create(NewUpload(name="rows", bytes=10, part_bytes=5))
    part, stranger = part_key(upload.id, 1), dataset_key("0" * 64)
    uploads.add_part(upload.id, 1, part)
    assert datasets.known([part, stranger, stored.key]) == {part, stored.key}


def test_any_stored_stays_true_after_a_delete(datasets: DatasetStore) -> None:
    assert datasets.any_stored() is False
    record = datasets.add(new_dataset(b"rows")).record
    datasets.delete(record.id)
    assert datasets.any_stored() is True


def test_parts_arrive_in_any_order_and_repeatedly(uploads: UploadStore) -> None:
    upload = uploads.create(NewUpload(name="rows", bytes=12, part_bytes=5))
    assert (upload.part_count, [upload.part_size(n) for n in (1, 2, 3)]) == (3, [5, 5, 2])
    third, first, again = (part_key(upload.id, number) for number in (3, 1, 3))
    assert uploads.add_part(upload.id, 3, third) is None
    assert uploads.add_part(upload.id, 1, first) is None
    assert uploads.add_part(upload.id, 3, again) == third
    found = uploads.get(upload.id)
    assert found is not None
    assert found.parts == {1: first, 3: again}


def test_same_part_sent_concurrently(
    uploads: UploadStore, together: Callable[..., list[Any]]
) -> None:
    """One stays, and the key of every other is returned once for deletion."""
    upload = uploads.create(NewUpload(name="rows", bytes=5, part_bytes=5))
    keys = [part_key(upload.id, 1) for _ in range(6)]
    replaced = together(*[lambda key=key: uploads.add_part(upload.id, 1, key) for key in keys])
    found = uploads.get(upload.id)
    assert found is not None
    assert {*filter(None, replaced), found.parts[1]} == set(keys)
    assert replaced.count(None) == 1


def test_complete_upload_rejects_parts(
    uploads: UploadStore, stored: DatasetRecord, datasets: DatasetStore
) -> None:
    upload = uploads.create(NewUpload(name="rows", bytes=5, part_bytes=5))
    key = part_key(upload.id, 1)
    uploads.add_part(upload.id, 1, key)
    assert uploads.complete(upload.id, stored.id) == [key]
    for call in (uploads.touch, lambda id_: uploads.add_part(id_, 1, key)):
        with pytest.raises(UploadEnded, match=stored.id):
            call(upload.id)
    datasets.delete(stored.id)
    assert uploads.get(upload.id) is None


def test_upload_is_deleted_if_its_data_set_was_deleted(uploads: UploadStore) -> None:
    upload = uploads.create(NewUpload(name="rows", bytes=5, part_bytes=5))
    assert uploads.complete(upload.id, NOWHERE) == []
    assert uploads.get(upload.id) is None


def test_idle_upload_expires(uploads: UploadStore, sql: Callable[..., list[Any]]) -> None:
    old, touched = (uploads.create(NewUpload(name="rows", bytes=5, part_bytes=5)) for _ in range(2))
    key = part_key(old.id, 1)
    uploads.add_part(old.id, 1, key)
    sql("UPDATE uploads SET expires_at = 1")
    uploads.touch(touched.id)
    assert uploads.expire() == [key]
    assert uploads.get(old.id) is None
    assert uploads.get(touched.id) is not None
    for call in (uploads.touch, uploads.delete, lambda id_: uploads.add_part(id_, 1, key)):
        with pytest.raises(UnknownUpload):
            call(old.id)


def test_find_open_returns_the_upload_of_the_same_file(
    uploads: UploadStore, stored: DatasetRecord, sql: Callable[..., list[Any]]
) -> None:
    new = NewUpload(name="rows", bytes=5, part_bytes=5, sha256="0" * 64)
    younger, upload = uploads.create(new), uploads.create(new)
    sql("UPDATE uploads SET created_at = created_at + 60000 WHERE id = :id", id=younger.id)
    assert uploads.find_open(new) == uploads.get(upload.id)
    others = [
        NewUpload(name="other", bytes=5, part_bytes=5, sha256="0" * 64),
        NewUpload(name="rows", bytes=6, part_bytes=5, sha256="0" * 64),
        NewUpload(name="rows", bytes=5, part_bytes=5, sha256="1" * 64),
        NewUpload(name="rows", bytes=5, part_bytes=5, sha256="0" * 64, format="csv"),
        NewUpload(name="rows", bytes=5, part_bytes=5),
    ]
    assert [uploads.find_open(each) for each in others] == [None] * len(others)
    uploads.complete(upload.id, stored.id)
    assert uploads.find_open(new) != upload
