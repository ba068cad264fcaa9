"""Where a pointer leads in the text of a spec."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ridgeline.cli.specs.lines import line_of
from ridgeline.spec.faults import pointer

TEXT = """{
  "name": "x",
  "model": {
    "layers": [
      {"type": "Dense", "units": 8},
      {
        "type": "Dense",
        "a/b~c": [1, [2,
                      3]]
      }
    ]
  },
  "name": "said again"
}"""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


def test_the_line_of_a_member() -> None:
    assert line_of(TEXT, "") == 1
    assert line_of(TEXT, "/model/layers") == 4
    assert line_of(TEXT, "/model/layers/0/units") == 5
    assert line_of(TEXT, "/model/layers/1") == 6
    assert line_of(TEXT, "/model/layers/1/a~1b~0c/1/1") == 9


def test_the_last_of_equal_names_counts() -> None:
    assert line_of(TEXT, "/name") == 13


def test_what_is_missing_leads_to_what_is_there() -> None:
    assert line_of(TEXT, "/training/loss") == 1
    assert line_of(TEXT, "/model/layers/7/units") == 4
    assert line_of(TEXT, "/model/layers/0/activation/name") == 5
    assert line_of(TEXT, "/model/layers/x") == 4
    assert line_of(TEXT, "/name/0") == 13


@given(JSON)
def test_every_member_of_any_document_is_found(document: Any) -> None:
    """Written with a line for each value, the n-th value stands on a line of its own."""
    text = json.dumps(document, indent=1)
    lines = text.splitlines()
    for path, value in members(document):
        found = lines[line_of(text, pointer(*path)) - 1].strip()
        start = json.dumps(value, indent=1).splitlines()[0].rstrip(",")
        assert start in found
        if path and isinstance(path[-1], str):
            assert found.startswith(json.dumps(path[-1]))


def members(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[Any, Any]]:
    found = [(path, value)]
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, member in pairs:
            found += members(member, (*path, key))
    return found
