"""Rows that a data set holds out itself, beside a split that would hold out others."""

from collections.abc import Iterator
from typing import Literal

from ridgeline.spec.dataset import Dataset, KerasDataset, Split, UploadDataset
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.job_spec import JobSpec


def check_own_rows(dataset: Dataset, split: Split) -> None:
    """Raise SpecError where rows are asked for that the set has not, or not to give away."""
    faults: list[Fault] = []
    if dataset.source == "keras":
        faults += _limit_faults(dataset)
        if split.test > 0:
            faults.append(_own("test", dataset.name, ", and for fewer set dataset.test_rows"))
    if isinstance(dataset, UploadDataset):
        faults += _upload_faults(dataset, split)
    if faults:
        raise SpecError(faults)


def own_rows_spelled_out(spec: JobSpec) -> JobSpec:
    """The spec with no share of validation rows where the data set has its own."""
    if not spec.dataset.shape.validation_rows:
        return spec
    return spec.model_copy(update={"split": spec.split.model_copy(update={"validation": 0.0})})


def _limit_faults(dataset: KerasDataset) -> Iterator[Fault]:
    for limit, there in (("rows", dataset.whole.rows), ("test_rows", dataset.whole.test_rows)):
        asked = getattr(dataset, limit) or 0
        if asked > there:
            detail = f"expected at most {there}, as many as {dataset.name} has; received {asked}"
            yield Fault(pointer=pointer("dataset", limit), detail=detail, rule="dataset-rows")


def _upload_faults(dataset: UploadDataset, split: Split) -> Iterator[Fault]:
    shape = dataset.shape
    # The share that stands there where nothing is said is no wish.
    if shape.validation_rows and "validation" in split.model_fields_set and split.validation > 0:
        yield _own("validation", "the file")
    if shape.test_rows and split.test > 0:
        yield _own("test", "the file")


def _own(part: Literal["validation", "test"], owner: str, more: str = "") -> Fault:
    detail = (
        f"expected 0: {owner} has {part} rows of its own, which are the {part} part; leave"
        f" split.{part} out{more}"
    )
    return Fault(pointer=pointer("split", part), detail=detail, rule=f"own-{part}-rows")
