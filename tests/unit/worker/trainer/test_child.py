"""What a user is told of an exception that the engine did not foresee."""

import errno

import pytest

from ridgeline.contract.job import EndCode
from ridgeline.contract.problems import Fault, SpecError
from worker.trainer.child import explain


class ResourceExhaustedError(Exception):
    """Named like TensorFlow's."""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), EndCode.OUT_OF_MEMORY),
        (ResourceExhaustedError("OOM when allocating tensor"), EndCode.OUT_OF_MEMORY),
        (ResourceExhaustedError("model/x: No space left on device"), EndCode.NO_SPACE),
        (OSError(errno.ENOSPC, "No space left on device"), EndCode.NO_SPACE),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), EndCode.NO_SPACE),
        (OSError(errno.EACCES, "Permission denied"), EndCode.INTERNAL_ERROR),
        (ValueError("hunter2"), EndCode.INTERNAL_ERROR),
        (SpecError([Fault(pointer="/model", detail="no", rule="r")]), EndCode.INVALID_SPEC),
    ],
)
def test_reason(error: Exception, code: EndCode) -> None:
    found, detail = explain(error)
    assert found is code
    assert detail
    assert "hunter2" not in detail
