"""Stored data sets on their way to the trainer, from the folder and from a bucket."""

import hashlib
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from ridgeline.api.datasets import StoredDataset
from ridgeline.api.job import EndCode, JobStatus
from ridgeline.formats.inspect import inspect_dataset
from ridgeline.planning.resolve import resolve
from ridgeline.spec.dataset import UploadDataset
from ridgeline.spec.job_spec import JobSpec
from ridgeline.storage import DatasetInUse, NewJob
from ridgeline.storage.files.bucket import Bucket, Retrying
from ridgeline.storage.files.datasets import (
    DatasetFiles,
    DatasetRecord,
    DatasetStore,
    HeldFile,
    LocalDatasetFiles,
    NewDataset,
    dataset_key,
)
from ridgeline.storage.files.datasets.bucket import BucketDatasetFiles
from tests.integration.artifacts.conftest import link, seaweed, url
from tests.integration.artifacts.link import Link
from tests.integration.worker.conftest import CPU, House, eventually, spec_json
from tests.rig.stored import stored_epochs
from worker.inputs.fetch import StoredDatasets

__all__ = ["link", "seaweed", "url"]

pytestmark = pytest.mark.servers

CSV = b"a,b,label\n" + b"".join(b"%d,%d,%s\n" % (n, -n, b"xy"[n % 2 :][:1]) for n in range(40))


@pytest.fixture(params=["folder", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> DatasetFiles:
    if request.param == "folder":
        return LocalDatasetFiles(tmp_path / "datasets")
    return BucketDatasetFiles(Bucket(request.getfixturevalue("url")), tmp_path / "own")


def store(house: House, files: DatasetFiles) -> DatasetRecord:
    """Store the file as the API does."""
    staged = files.staging() / uuid.uuid4().hex
    staged.write_bytes(CSV)
    contents = inspect_dataset(staged, None)
    sha256 = hashlib.sha256(CSV).hexdigest()
    new = NewDataset(
        name="rows",
        format="csv",
        bytes=len(CSV),
        sha256=sha256,
        key=dataset_key(sha256),
        contents=contents.model_dump_json(),
    )
    files.store(staged, new.key)
    house.change(stored_datasets=StoredDatasets(DatasetStore(house.database), files))
    return DatasetStore(house.database).add(new).record


def add(house: House, record: DatasetRecord, behaviour: str = "read_dataset") -> str:
    """Post a job that trains on it."""
    dataset = {"source": "upload", "id": record.id, "target": "label"}
    model = {"layers": [{"type": "Dense", "units": 2, "activation": "softmax"}]}
    text = spec_json(name=behaviour, dataset=dataset, model=model)
    spec = JobSpec.model_validate_json(text)
    assert isinstance(spec.dataset, UploadDataset)
    contents = StoredDataset.model_validate_json(
        record.contents[:-1]
        + f""",
        "id": "{record.id}", "name": "rows", "bytes": {record.bytes},
        "sha256": "{record.sha256}", "created_at": "{record.created_at.isoformat()}"}}"""
    )
    known = spec.model_copy(update={"dataset": spec.dataset.with_stored(contents.snapshot())})
    new = NewJob(
        spec=text,
        resolved=resolve(known).spec.model_dump_json(),
        epochs=3,
        dataset_id=record.id,
    )
    return house.jobs.create(new).record.id


def test_trainer_reads_the_file(house: House, files: DatasetFiles) -> None:
    job_id = add(house, store(house, files))
    house.supervisor.supervise(job_id, CPU)
    job = house.record(job_id)
    assert job.status is JobStatus.SUCCEEDED, job.reason_detail
    (artifact,) = job.artifacts
    assert artifact.sha256 == hashlib.sha256(CSV).hexdigest()
    assert job.metrics == '{"writable": 0.0}'


def test_file_is_held_during_the_attempt(house: House, files: DatasetFiles) -> None:
    record = store(house, files)
    holding: list[HeldFile] = []

    class Watching(StoredDatasets):
        def fetch(self, spec: JobSpec) -> HeldFile | None:
            held = super().fetch(spec)
            assert held is not None
            holding.append(held)
            return held

    house.change(stored_datasets=Watching(DatasetStore(house.database), files))
    job_id = add(house, record, "obedient")
    attempt = threading.Thread(target=house.supervisor.supervise, args=(job_id, CPU))
    attempt.start()
    eventually(lambda: stored_epochs(house.jobs, job_id), "the first epoch")
    (held,) = holding
    in_bucket = isinstance(files, BucketDatasetFiles)
    assert (held._descriptor is not None) is in_bucket
    with pytest.raises(DatasetInUse):
        DatasetStore(house.database).delete(record.id)
    house.jobs.request_cancel(job_id)
    attempt.join(30)
    assert held._descriptor is None
    assert house.record(job_id).status is JobStatus.CANCELLED
    DatasetStore(house.database).delete(record.id)


def lose_file(house: House, files: DatasetFiles, record: DatasetRecord) -> None:
    files.delete([record.key])


def lose_record(house: House, files: DatasetFiles, record: DatasetRecord) -> None:
    """As if the database had been replaced."""
    with house.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM datasets")


@pytest.mark.parametrize("lose", [lose_file, lose_record])
def test_lost_data_set_fails_the_job(
    house: House, files: DatasetFiles, lose: Callable[..., None]
) -> None:
    """At once, as another attempt would fail too."""
    record = store(house, files)
    job_id = add(house, record)
    lose(house, files, record)
    house.supervisor.supervise(job_id, CPU)
    job = house.record(job_id)
    assert (job.status, job.reason_code) == (JobStatus.FAILED, EndCode.DATA_UNAVAILABLE)
    assert (job.attempt, job.crash_count) == (1, 0)
    assert job.reason_detail is not None
    assert "upload the file again" in job.reason_detail


def test_attempt_waits_for_a_bucket_that_is_away(
    house: House, url: str, link: Link, tmp_path: Path
) -> None:
    tries: list[JobSpec] = []

    class Counting(StoredDatasets):
        def fetch(self, spec: JobSpec) -> HeldFile | None:
            tries.append(spec)
            return super().fetch(spec)

    files = BucketDatasetFiles(Bucket(url, Retrying(0, 1.0, 1.0)), tmp_path / "own")
    job_id = add(house, store(house, files))
    house.change(stored_datasets=Counting(DatasetStore(house.database), files))
    link.cut()
    attempt = threading.Thread(target=house.supervisor.supervise, args=(job_id, CPU))
    attempt.start()
    eventually(lambda: len(tries) > 1, "another try")
    link.mend()
    attempt.join(30)
    job = house.record(job_id)
    assert (job.status, job.attempt, job.crash_count) == (JobStatus.SUCCEEDED, 1, 0)
