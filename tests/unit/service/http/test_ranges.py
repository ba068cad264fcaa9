"""Byte ranges against what Python's slices say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.downloads import Span, UnsatisfiableRange, requested_span


@pytest.mark.parametrize(
    ("header", "span"),
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
def test_a_range_is_a_span(header: str, span: tuple[int, int]) -> None:
    assert requested_span(header, 10) == span


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
def test_what_is_no_single_range_means_the_whole_file(header: str | None) -> None:
    assert requested_span(header, 10) is None


@pytest.mark.parametrize(
    "header", ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=" + "9" * 99 + "-"]
)
def test_beyond_the_file(header: str) -> None:
    with pytest.raises(UnsatisfiableRange):
        requested_span(header, 10)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_an_empty_file_satisfies_no_range(header: str) -> None:
    with pytest.raises(UnsatisfiableRange):
        requested_span(header, 0)


@given(st.binary(min_size=1, max_size=50), st.integers(0, 49), st.integers(0, 60))
def test_ranges_are_slices(content: bytes, first: int, last: int) -> None:
    if first >= len(content) or last < first:
        return
    span = requested_span(f"bytes={first}-{last}", len(content))
    assert span is not None
    assert content[span.start : span.end] == content[first : last + 1]
    assert span.bytes == len(content[first : last + 1])
    suffix = requested_span(f"bytes=-{first + 1}", len(content))
    assert isinstance(suffix, Span)
    assert content[suffix.start : suffix.end] == content[-(first + 1) :]
