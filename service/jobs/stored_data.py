"""Specs that train on uploaded data: what is in the file is looked up, whatever was sent."""

from ridgeline.api.datasets import StoredDataset
from ridgeline.spec.dataset import UploadDataset
from ridgeline.spec.faults import Fault, SpecError
from ridgeline.spec.job_spec import JobSpec
from ridgeline.storage.files.datasets import DatasetStore
from service.http.representations import dataset_json


def with_stored(spec: JobSpec, datasets: DatasetStore) -> JobSpec:
    """The spec with what is in its uploaded data set, if it has one.

    Raises SpecError where there is none with its id.
    """
    if not isinstance(spec.dataset, UploadDataset):
        return spec
    record = datasets.get(spec.dataset.id)
    if record is None:
        raise unknown_dataset()
    stored = StoredDataset.model_validate_json(dataset_json(record))
    return spec.model_copy(update={"dataset": spec.dataset.with_stored(stored.snapshot())})


def uploaded_id(spec: JobSpec) -> str | None:
    """The id of the uploaded data set that a spec trains on; None for data from elsewhere."""
    return spec.dataset.id if isinstance(spec.dataset, UploadDataset) else None


def unknown_dataset() -> SpecError:
    """Make the error of a spec whose data set is not there."""
    detail = (
        "expected the id of an uploaded data set; it may have been deleted: GET /datasets lists"
        " them, POST /datasets takes the file again and gives it the same id"
    )
    return SpecError([Fault(pointer="/dataset/id", detail=detail, rule="unknown-dataset")])
