"""Blocks of streamed rows are those of memory, in bounded memory, and the thread ends."""

import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from worker.engine.data.part import MappedRows, Part, in_pieces
from worker.engine.data.sources import RawRows
from worker.engine.data.sources.texts import multi_hot, number_words
from worker.engine.data.stream import blocks, write_rows

ROWS = 103
X = np.random.default_rng(0).integers(0, 256, (ROWS, 4, 3), np.uint8)
Y = np.arange(ROWS, dtype=np.int32)
PICKED = np.random.default_rng(1).permutation(ROWS)[:71]


def raw(x: npt.NDArray[Any], step: int = 10) -> RawRows:
    """Rows whose chunks come in reverse, as an archive's may."""
    starts = range(0, len(x), step)
    return RawRows(
        np.zeros(len(x)),
        x.shape[1:],
        x.dtype,
        lambda: ((start, x[start : start + step]) for start in reversed(starts)),
    )


@pytest.fixture
def streamed(tmp_path: Path) -> Part:
    """71 of the rows, on disk."""
    return Part(MappedRows(write_rows(raw(X), tmp_path / "x.npy"), PICKED), Y[PICKED])


def reading() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("read-block")]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_what_is_written_is_mapped(dtype: Any, tmp_path: Path) -> None:
    file = write_rows(raw(X.astype(dtype)), tmp_path / "new" / "x.npy")
    assert isinstance(file, np.memmap)
    assert file.dtype == dtype
    np.testing.assert_array_equal(file, X)
    with pytest.raises(ValueError, match="read-only"):
        file[0] = 1


@pytest.mark.parametrize("block_rows", [1, 16, 70, 71, 1000])
def test_blocks_are_the_rows_in_the_order_asked_for(block_rows: int, streamed: Part) -> None:
    order = np.random.default_rng(2).permutation(71)
    held = Part(X[PICKED], Y[PICKED])
    for part in (streamed, held):
        found = list(blocks(part, order, block_rows))
        assert [len(x) for x, _ in found[:-1]] == [block_rows] * (len(found) - 1)
        np.testing.assert_array_equal(np.concatenate([x for x, _ in found]), held.x[order])
        np.testing.assert_array_equal(np.concatenate([y for _, y in found]), held.y[order])
    assert not reading()


def test_a_streamed_part_looks_like_an_array(streamed: Part) -> None:
    assert streamed.rows == len(streamed.x) == 71
    assert streamed.x.shape == (71, 4, 3)
    np.testing.assert_array_equal(np.asarray(streamed.x), X[PICKED])
    np.testing.assert_array_equal(streamed.x[5:9], X[PICKED[5:9]])
    pieces = list(in_pieces(streamed.x, 20))
    assert [len(piece) for piece in pieces] == [20, 20, 20, 11]
    np.testing.assert_array_equal(np.concatenate(pieces), X[np.sort(PICKED)])


class Watched:
    """Rows that tell which of them were read, and may fail to be."""

    shape = (100, 2)
    dtype = np.dtype(np.uint8)

    def __init__(self, failing: int | None = None) -> None:
        self.read: list[int] = []
        self.reads = threading.Semaphore(0)
        self._failing = failing

    def __len__(self) -> int:
        return 100

    def __getitem__(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._failing in rows:
            raise OSError("the disk is gone")
        self.read.append(int(rows[0]))
        self.reads.release()
        return np.zeros((len(rows), 2), np.uint8)


def watched(failing: int | None = None) -> tuple[Watched, Iterator[Any]]:
    rows = Watched(failing)
    part = Part(rows, np.zeros(100))  # type: ignore[arg-type]
    return rows, blocks(part, np.arange(100), 10)


def test_one_block_is_read_ahead_and_no_more() -> None:
    rows, found = watched()
    assert not reading()
    for _ in range(3):
        next(found)
    for _ in range(4):
        assert rows.reads.acquire(timeout=10)
    assert not rows.reads.acquire(timeout=0.05)
    assert rows.read == [0, 10, 20, 30]
    found.close()  # type: ignore[attr-defined]


def test_the_thread_ends_when_the_iterator_is_closed_early() -> None:
    rows, found = watched()
    next(found)
    assert len(reading()) == 1
    found.close()  # type: ignore[attr-defined]
    assert not reading()
    assert len(rows.read) <= 2


def test_what_reading_raises_is_raised_to_the_consumer() -> None:
    _, found = watched(failing=35)
    for _ in range(3):
        next(found)
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)
    assert not reading()


def test_converting_takes_a_chunk_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 MB of columns are written and read in well under 2 MB."""
    width, step = 10_000, 50
    texts = number_words([[n, n + 1] for n in range(2000)], width)

    def chunks() -> Iterator[Any]:
        for start in range(0, 2000, step):
            yield start, multi_hot(texts, start, start + step, width)

    source = RawRows(np.zeros(2000), (width,), np.dtype(np.uint8), chunks)
    tracemalloc.start()
    try:
        file = write_rows(source, tmp_path / "x.npy")
        part = Part(MappedRows(file, np.arange(2000)), np.zeros(2000))
        said = sum(int(x.sum()) for x, _ in blocks(part, np.arange(2000)[::-1], 25))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert said == 2000 * 3
    assert file.nbytes == 20_000_000
    assert peak < 2_000_000
