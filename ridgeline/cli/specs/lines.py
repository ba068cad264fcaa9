"""Where in the text of a JSON document a pointer leads."""

import json
import re

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def line_of(text: str, pointer: str) -> int:
    """The line, counted from 1, of the member at the RFC 6901 `pointer`.

    Where it is missing, that of the last one on the way that is there. `text` is valid JSON.
    """
    at = shown = _skip(text, 0)
    for part in pointer.split("/")[1:]:
        found = _member(text, at, part.replace("~1", "/").replace("~0", "~"))
        if found is None:
            break
        shown, at = found
    return text.count("\n", 0, shown) + 1


def _member(text: str, at: int, name: str) -> tuple[int, int] | None:
    """Where a member of the value at `at` begins: its name in an object, and its value."""
    if text[at] == "{":
        return _in_object(text, at, name)
    if text[at] == "[" and name.isdecimal():
        return _in_array(text, at, int(name))
    return None


def _in_object(text: str, at: int, name: str) -> tuple[int, int] | None:
    found = None
    at = _skip(text, at + 1)
    while text[at] != "}":
        shown = at
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)  # past the colon
        if key == name:
            found = shown, at  # the last of equals counts, as for whoever reads the JSON
        at = _past(text, at)
    return found


def _in_array(text: str, at: int, index: int) -> tuple[int, int] | None:
    at = _skip(text, at + 1)
    while text[at] != "]":
        if index == 0:
            return at, at
        index -= 1
        at = _past(text, at)
    return None


def _past(text: str, at: int) -> int:
    """Behind the value at `at` and the comma that may follow."""
    at = _skip(text, _DECODER.raw_decode(text, at)[1])
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    """Behind the white space at `at`."""
    match = _SPACE.match(text, at)
    return match.end() if match else at
