"""Rows that do not fit in memory: written to disk once, read a block at a time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from worker.engine.data.part import Indices, Part
from worker.engine.data.sources import RawRows

Block = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Features and targets of some rows."""


def blocks(part: Part, order: Indices, block_rows: int) -> Iterator[Block]:
    """The rows of `part` in the given order (a permutation of them), `block_rows` at a time.

    The last block may have fewer rows. While one block is in use, a thread reads the next one only.
    The thread ends with the iterator, even if that is closed early; its errors are raised here.
    """
    starts = iter(range(0, len(order), block_rows))

    def read() -> Block | None:
        start = next(starts, None)
        if start is None:
            return None
        rows = order[start : start + block_rows]
        return part.x[rows], part.y[rows]

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-block") as reader:
        ahead = reader.submit(read)
        while (block := ahead.result()) is not None:
            ahead = reader.submit(read)
            yield block


def write_rows(raw: RawRows, path: Path) -> npt.NDArray[Any]:
    """Write the features as an .npy file, one chunk at a time, and map it for reading.

    Raises OSError if the disk is full.
    """
    shape = (raw.rows, *raw.shape)
    header = {"descr": np.lib.format.dtype_to_descr(raw.dtype), "fortran_order": False}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {**header, "shape": shape})
        begin = file.tell()
        for start, chunk in raw.chunks():
            file.seek(begin + start * raw.row_bytes)
            file.write(np.ascontiguousarray(chunk, raw.dtype).data)
    mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped
