"""`python -m service.datasets.inspector_child PATH FORMAT MEMORY SECONDS`: inspect a file.

FORMAT may be empty. Writes {"contents": …} or {"faults": […]} to stdout. The process limits itself
before it reads anything: the file may be hostile.
"""

import ctypes
import json
import math
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple

from ridgeline.spec.dataset.contents import DatasetContents, DatasetFormat

ANSWER_BYTES = 4 * 2**20
"""The longest description of a file."""
_FEWER = (1000, 100, 20, 2, 0)
"""How many values of a column or array are listed, in turn, until the description fits."""
_PR_SET_PDEATHSIG = 1
_DESCRIPTORS = 64


class Bounds(NamedTuple):
    """Limits of one inspection."""

    memory_bytes: int
    """Of data; the libraries' code is not counted."""
    seconds: float
    """Of wall-clock time, and of processor time."""


def main(path: str, format_: str, memory_bytes: str, seconds: str) -> None:
    """Inspect the file, and print the result."""
    keep_within(Bounds(int(memory_bytes), float(seconds)))
    sys.stdout.write(_json(_inspected(Path(path), DatasetFormat(format_) if format_ else None)))
    sys.stdout.flush()
    os._exit(os.EX_OK)  # Arrow's threads sometimes abort an interpreter that exits normally


def keep_within(bounds: Bounds) -> None:
    """Limit this process for good, and have it end with its parent.

    It can open few files, write little more than its result, and dump no core.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for kind, limit in (
        (resource.RLIMIT_DATA, bounds.memory_bytes),
        (resource.RLIMIT_CPU, math.ceil(bounds.seconds)),
        (resource.RLIMIT_FSIZE, 2 * ANSWER_BYTES),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


def _inspected(path: Path, format_: DatasetFormat | None) -> dict[str, Any]:
    # Imported late: the limits hold for the libraries too.
    from ridgeline.formats.errors import UnusableDataset  # noqa: PLC0415
    from ridgeline.formats.inspect import inspect_dataset  # noqa: PLC0415

    try:
        return {"contents": bounded(inspect_dataset(path, format_))}
    except UnusableDataset as error:
        return {"faults": [fault.model_dump() for fault in error.faults]}


def bounded(contents: DatasetContents, most_bytes: int = ANSWER_BYTES) -> dict[str, Any]:
    """The contents as JSON values, of at most `most_bytes`.

    A table of thousands of columns, or a file of a hundred arrays, has too many different values to
    list them all.
    """
    description = contents.model_dump(mode="json")
    listing = [*(description["columns"] or ()), *(description["arrays"] or ())]
    for most in _FEWER:
        if len(_json(description).encode()) <= most_bytes:
            break
        for member in listing:
            if member["values"] is not None and len(member["values"]) > most:
                member["values"] = None
    return description


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
