"""`python -m service.datasets.inspection PATH FORMAT MEMORY SECONDS`: inspect a file, as JSON.

FORMAT may be empty. The answer is {"contents": …} or {"faults": […]}.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from ridgeline.spec.dataset.contents import DatasetContents, DatasetFormat
from service.datasets.inspection.bounds import ANSWER_BYTES, Bounds, keep_within

_FEWER = (1000, 100, 20, 2, 0)
"""How many values of a column or array are listed, where the answer is too long with more."""


def main(path: str, format_: str, memory_bytes: str, seconds: str) -> None:
    """Inspect the file, and print the answer."""
    keep_within(Bounds(int(memory_bytes), float(seconds)))
    sys.stdout.write(_json(_inspected(Path(path), DatasetFormat(format_) if format_ else None)))
    sys.stdout.flush()
    os._exit(os.EX_OK)  # Arrow's threads abort an interpreter that ends at its leisure, at times


def _inspected(path: Path, format_: DatasetFormat | None) -> dict[str, Any]:
    # Not above: the limits hold for the libraries too.
    from ridgeline.formats.errors import UnusableDataset  # noqa: PLC0415
    from ridgeline.formats.inspect import inspect_dataset  # noqa: PLC0415

    try:
        return {"contents": bounded(inspect_dataset(path, format_))}
    except UnusableDataset as error:
        return {"faults": [fault.model_dump() for fault in error.faults]}


def bounded(contents: DatasetContents, most_bytes: int = ANSWER_BYTES) -> dict[str, Any]:
    """The contents as JSON's values, of no more than `most_bytes`.

    A table of thousands of columns, or a file of a hundred arrays, has too many different values to
    list them all.
    """
    found = contents.model_dump(mode="json")
    listing = [*(found["columns"] or ()), *(found["arrays"] or ())]
    for most in _FEWER:
        if len(_json(found).encode()) <= most_bytes:
            break
        for each in listing:
            if each["values"] is not None and len(each["values"]) > most:
                each["values"] = None
    return found


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
