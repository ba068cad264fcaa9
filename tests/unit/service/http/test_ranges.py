"""Byte ranges, compared with Python's slices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.downloads import ByteRange, UnsatisfiableRange, requested_range


@pytest.mark.parametrize(
    ("header", "byte_range"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 10)),
        ("bytes=9-", (9, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("Bytes = 2 - 4", (2, 5)),
        ("bytes=0-" + "9" * 6000, (0, 10)),
        ("bytes=-" + "9" * 6000, (0, 10)),
        ("bytes=0000000000000000000000000001-2", (1, 3)),
    ],
)
def test_a_range_header_is_parsed(header: str, byte_range: tuple[int, int]) -> None:
    assert requested_range(header, 10) == byte_range


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-4",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=\u0663-",
    ],
)
def test_anything_but_a_single_range_is_ignored(header: str | None) -> None:
    assert requested_range(header, 10) is None


@pytest.mark.parametrize(
    "header", ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=" + "9" * 99 + "-"]
)
def test_a_range_beyond_the_file_is_unsatisfiable(header: str) -> None:
    with pytest.raises(UnsatisfiableRange):
        requested_range(header, 10)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_an_empty_file_satisfies_no_range(header: str) -> None:
    with pytest.raises(UnsatisfiableRange):
        requested_range(header, 0)


@given(st.binary(min_size=1, max_size=50), st.integers(0, 49), st.integers(0, 60))
def test_ranges_equal_slices(content: bytes, first: int, last: int) -> None:
    if first >= len(content) or last < first:
        return
    byte_range = requested_range(f"bytes={first}-{last}", len(content))
    assert byte_range is not None
    assert content[byte_range.start : byte_range.end] == content[first : last + 1]
    assert byte_range.bytes == len(content[first : last + 1])
    suffix = requested_range(f"bytes=-{first + 1}", len(content))
    assert isinstance(suffix, ByteRange)
    assert content[suffix.start : suffix.end] == content[-(first + 1) :]
