"""Helpers that return the faults of a rejected data set."""

from pathlib import Path

import pytest

from ridgeline.formats import LIMITS, FileRule, InspectionLimits, UnusableDataset, inspect_dataset
from ridgeline.spec.dataset.contents import DatasetFormat
from ridgeline.spec.faults import Fault

LONGEST_DETAIL = 500
"""In characters: text from a file must not fill the response."""


def refusals(
    path: Path,
    format: DatasetFormat | None = None,  # noqa: A002 # the name of the reader's parameter
    limits: InspectionLimits = LIMITS,
) -> tuple[Fault, ...]:
    with pytest.raises(UnusableDataset) as caught:
        inspect_dataset(path, format, limits)
    faults = caught.value.faults
    assert faults
    assert {fault.rule for fault in faults} <= {rule.value for rule in FileRule}
    assert max(len(fault.detail) for fault in faults) <= LONGEST_DETAIL
    assert all(fault.detail.isprintable() for fault in faults)
    return faults


def refusal(
    path: Path,
    format: DatasetFormat | None = None,  # noqa: A002 # the name of the reader's parameter
    limits: InspectionLimits = LIMITS,
) -> Fault:
    """The only fault; fails if there are several."""
    (fault,) = refusals(path, format, limits)
    return fault
