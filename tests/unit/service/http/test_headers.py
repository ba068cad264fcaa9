"""Preferences, entity tags and content negotiation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.requests import matches, negotiate, preferences, wait_preference

OFFERED = ("application/json", "text/csv")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], {}),
        (["wait=10"], {"wait": "10"}),
        (["respond-async, wait=10"], {"respond-async": "", "wait": "10"}),
        (["Wait = 10"], {"wait": "10"}),
        (['wait="10"'], {"wait": "10"}),
        (["wait=1", "wait=2"], {"wait": "1"}),
        (['foo; a="x,wait=1"; b, wait=3'], {"foo": "", "wait": "3"}),
        (["=, ,wait=5,"], {"wait": "5"}),
        (["\xff\xfe"], {}),
    ],
)
def test_preferences_are_parsed(headers: list[str], found: dict[str, str]) -> None:
    assert preferences(headers) == found


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=10", 10),
        ("wait=0", 0),
        ("wait=61", 60),
        ("wait=" + "9" * 5000, 60),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=\u0663", None),
        ("wait", None),
        ("respond-async", None),
    ],
)
def test_wait_preference_is_capped_or_ignored(header: str, seconds: int | None) -> None:
    assert wait_preference([header], 60.0) == seconds


@pytest.mark.parametrize(
    ("header", "tag", "expected"),
    [
        (None, 'W/"1"', False),
        ('W/"1"', 'W/"1"', True),
        ('"1"', 'W/"1"', True),
        ('W/"1"', '"1"', True),
        ('"0", W/"1" , "2"', '"1"', True),
        ("*", '"1"', True),
        ('"11"', '"1"', False),
        ("1", '"1"', False),
        ('"', '"1"', False),
    ],
)
def test_entity_tags_compare_weakly(header: str | None, tag: str, expected: bool) -> None:
    assert matches(header, tag) is expected


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ([], "application/json"),
        ([""], "application/json"),
        (["*/*"], "application/json"),
        (["text/csv"], "text/csv"),
        (["text/*"], "text/csv"),
        (["TEXT/CSV;header=present"], "text/csv"),
        (["text/csv, application/json"], "application/json"),
        (["text/csv, application/json;q=0.9"], "text/csv"),
        (["text/csv;q=0.5", "application/json;q=0.4"], "text/csv"),
        (["*/*;q=0.1, text/csv;q=0.2"], "text/csv"),
        (["application/json;q=0, */*"], "text/csv"),
        (["image/png"], None),
        (["*/*;q=0"], None),
        (["application/json;q=0, text/csv;q=0.000"], None),
        (["text/csv;q=7"], None),
        (["text/html, application/xhtml+xml, */*;q=0.8"], "application/json"),
    ],
)
def test_accept_chooses_the_media_type(accept: list[str], chosen: str | None) -> None:
    assert negotiate(accept, OFFERED) == chosen


@given(st.text())
def test_any_header_is_read_without_error(header: str) -> None:
    preferences([header])
    wait_preference([header], 60)
    matches(header, 'W/"1"')
    assert negotiate([header], OFFERED) in (*OFFERED, None)
