"""Unambiguous JSON in bounded size."""

import json

import pytest

from ridgeline.spec.faults import SpecError
from service.errors import MalformedJson
from service.http.bodies import MAX_VALUES, parse_spec
from service.http.documentation import DIGITS, IRIS
from service.http.problems import domain_problem

TEXT = json.dumps(DIGITS)


def test_a_spec_is_parsed() -> None:
    assert parse_spec(TEXT.encode()).name == "digits-l2-dropout"


@pytest.mark.parametrize(
    ("body", "pointer", "rule"),
    [
        (b"", "", "json"),
        (b"{", "", "json"),
        (TEXT.encode() + b"x", "", "json"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "", "json"),
        (TEXT.encode("utf-16"), "", "utf-8"),
        (TEXT.encode().replace(b"demo", b"\xff"), "", "utf-8"),
        (TEXT.replace("demo", "\\ud800").encode(), "/tags/0", "lone-surrogate"),
        (TEXT.replace('"tags"', '"\\udc00"').encode(), "", "lone-surrogate"),
        (TEXT.replace("64", "9" * 5000, 1).encode(), "", "digits"),
        (b"[" * 100_000, "", "depth"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "", "json"),
        (
            TEXT.replace('"seed": 7', '"seed": 7, "seed": 7').encode(),
            "/training/seed",
            "duplicate-key",
        ),
        (
            TEXT.replace('{"l2"', '{"l2": 1, "l2"').encode(),
            "/regularization/weights/l2",
            "duplicate-key",
        ),
    ],
)
def test_malformed_json_is_a_fault_at_its_place(body: bytes, pointer: str, rule: str) -> None:
    with pytest.raises(MalformedJson) as caught:
        parse_spec(body)
    assert domain_problem(caught.value).status == 400
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.rule) == (pointer, rule)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_is_not_finite_is_a_fault_at_its_place(number: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(TEXT.replace("0.3", number).encode())
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.rule) == ("/regularization/dropout/rate", "finite-number")


def test_too_many_values_are_one_fault() -> None:
    body = json.dumps({**IRIS, "tags": [1] * (MAX_VALUES + 1)}).encode()
    with pytest.raises(SpecError) as caught:
        parse_spec(body)
    (fault,) = caught.value.faults
    assert fault.rule == "too-many-values"


def test_a_lone_surrogate_in_a_key_is_reported_as_a_key() -> None:
    with pytest.raises(MalformedJson) as caught:
        parse_spec(b'{"model": {"\\ud800": 1}}')
    assert "a key of this object holds a lone surrogate" in str(caught.value)
    assert caught.value.faults[0].pointer == "/model"
