"""The line of a spec that a pointer leads to."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ridgeline.cli.specs import line_of
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
  "name": "repeated"
}"""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


def test_line_of_a_member() -> None:
    assert line_of(TEXT, "") == 1
    assert line_of(TEXT, "/model/layers") == 4
    assert line_of(TEXT, "/model/layers/0/units") == 5
    assert line_of(TEXT, "/model/layers/1") == 6
    assert line_of(TEXT, "/model/layers/1/a~1b~0c/1/1") == 9


def test_last_of_duplicate_names_counts() -> None:
    assert line_of(TEXT, "/name") == 13


def test_missing_member_leads_to_its_closest_ancestor() -> None:
    assert line_of(TEXT, "/training/loss") == 1
    assert line_of(TEXT, "/model/layers/7/units") == 4
    assert line_of(TEXT, "/model/layers/0/activation/name") == 5
    assert line_of(TEXT, "/model/layers/x") == 4
    assert line_of(TEXT, "/name/0") == 13


@given(JSON)
def test_every_member_of_any_document_has_its_line(document: Any) -> None:
    """With one value per line, each value has a line of its own."""
    text = json.dumps(document, indent=1)
    lines = text.splitlines()
    for path, value in members(document):
        line = lines[line_of(text, pointer(*path)) - 1].strip()
        start = json.dumps(value, indent=1).splitlines()[0].rstrip(",")
        assert start in line
        if path and isinstance(path[-1], str):
            assert line.startswith(json.dumps(path[-1]))


def members(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[Any, Any]]:
    result = [(path, value)]
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, member in pairs:
            result += members(member, (*path, key))
    return result
