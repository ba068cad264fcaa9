"""JSON pointers into a body, and the error that carries them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeline.spec.faults import Fault, SpecError, pointer


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        # RFC 6901 §5.
        ((), ""),
        (("foo",), "/foo"),
        (("foo", 0), "/foo/0"),
        (("",), "/"),
        (("a/b",), "/a~1b"),
        (("c%d",), "/c%d"),
        (("e^f",), "/e^f"),
        (("g|h",), "/g|h"),
        (("i\\j",), "/i\\j"),
        (('k"l',), '/k"l'),
        ((" ",), "/ "),
        (("m~n",), "/m~0n"),
        # §4: ~01 is ~1, not /.
        (("~1",), "/~01"),
    ],
)
def test_the_examples_of_rfc_6901(parts: tuple[str | int, ...], expected: str) -> None:
    assert pointer(*parts) == expected


@given(st.lists(st.text("ab~/01")))
def test_a_pointer_can_be_read_back(parts: list[str]) -> None:
    read = [part.replace("~1", "/").replace("~0", "~") for part in pointer(*parts).split("/")[1:]]
    assert read == parts


def test_a_spec_error_lists_every_fault() -> None:
    faults = [
        Fault(pointer="/a", detail="expected b", rule="r"),
        Fault(pointer="/c", detail="expected d", rule="s"),
    ]
    error = SpecError(faults)
    assert str(error) == "/a: expected b; /c: expected d"
    assert error.faults == tuple(faults)
    assert isinstance(error, ValueError)
