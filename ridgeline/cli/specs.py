"""Specs as they are typed: files, standard input, and single members on the command line."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ridgeline.cli.errors import UsageError
from ridgeline.spec.faults import pointer

STDIN = "-"

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class SpecSource:
    """A spec and the text it was parsed from."""

    name: str
    text: str
    document: dict[str, Any]
    overridden: tuple[str, ...] = ()
    """Pointers to the members that the command line has set."""

    def where(self, pointer: str) -> str:
        """The file and line that a fault's pointer leads to, or the option."""
        if any(f"{pointer}/".startswith(f"{option}/") for option in self.overridden):
            return "--set"
        return f"{self.name}:{line_of(self.text, pointer)}"


def read_spec(file: str, settings: Sequence[str] = ()) -> SpecSource:
    """Read a file, or standard input for `-`, and apply PATH=VALUE `settings`.

    Raises UsageError if it is not a JSON object.
    """
    name = "standard input" if file == STDIN else file
    try:
        content = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: expected JSON in UTF-8: {error.reason}") from error
    document = _parsed(name, text)
    return SpecSource(name, text, document, override(document, settings))


def _parsed(name: str, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text, parse_constant=_reject_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        where = f"{name}:{error.lineno}:{error.colno}"
        raise UsageError(f"{where}: expected JSON: {error.msg}") from error
    except RecursionError as error:
        raise UsageError(f"{name}: nested too deeply") from error
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error
    if isinstance(document, dict):
        return document
    raise UsageError(f"{name}: expected a JSON object, the spec; received another value")


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"expected JSON, which has no {constant}")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"expected a number in the range of float64, received {text}")
    return value


# --set -------------------------------------------------------------------------------------------


def override(document: dict[str, Any], settings: Iterable[str]) -> tuple[str, ...]:
    """Set each PATH=VALUE in the document, and return the pointers to the members set.

    The path is names and list indices separated by dots, or a JSON pointer. The value is JSON, or
    else a string. Raises UsageError if a path leads nowhere.
    """
    pointers = []
    for path, value in map(_setting, settings):
        parts = _parts(path)
        _put(document, path, parts, value)
        pointers.append(pointer(*parts))
    return tuple(pointers)


def parameters_of(settings: Iterable[str]) -> dict[str, Any]:
    """The value of each NAME=VALUE by its name."""
    return dict(map(_setting, settings))


def _setting(setting: str) -> tuple[str, Any]:
    name, equals, value = setting.partition("=")
    if not equals or not name:
        raise UsageError(f"--set: expected NAME=VALUE, received {setting!r}")
    return name, _value(value)


def _value(text: str) -> Any:
    """The text parsed as JSON, or else the text itself."""
    try:
        return json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return text


def _parts(path: str) -> list[str]:
    if path.startswith("/"):
        return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    return path.split(".")


def _put(holder: Any, path: str, parts: Sequence[str], value: Any) -> None:
    for part in parts[:-1]:
        # Missing sections are created, so that `regularization.weights.l2` can be set.
        holder = (
            holder.setdefault(part, {}) if isinstance(holder, dict) else _at(holder, path, part)
        )
    if isinstance(holder, dict):
        holder[parts[-1]] = value
        return
    _at(holder, path, parts[-1])  # the index must exist
    holder[int(parts[-1])] = value


def _at(holder: Any, path: str, part: str) -> Any:
    if isinstance(holder, list) and part.isdecimal() and int(part) < len(holder):
        return holder[int(part)]
    if isinstance(holder, list):
        raise UsageError(f"--set {path}: {part!r} is not an index of the list of {len(holder)}")
    raise UsageError(f"--set {path}: {part!r} has to be in a list or object")


# Lines -------------------------------------------------------------------------------------------


def line_of(text: str, pointer: str) -> int:
    """The line, counted from 1, of the member at the RFC 6901 `pointer`.

    For a missing member, the line of its closest existing ancestor. `text` is valid JSON.
    """
    at = shown = _skip_space(text, 0)
    for part in pointer.split("/")[1:]:
        position = _member(text, at, part.replace("~1", "/").replace("~0", "~"))
        if position is None:
            break
        shown, at = position
    return text.count("\n", 0, shown) + 1


def _member(text: str, at: int, name: str) -> tuple[int, int] | None:
    """Where a member of the value at `at` starts (its name in an object), and where its value."""
    if text[at] == "{":
        return _in_object(text, at, name)
    if text[at] == "[" and name.isdecimal():
        return _in_array(text, at, int(name))
    return None


def _in_object(text: str, at: int, name: str) -> tuple[int, int] | None:
    position = None
    at = _skip_space(text, at + 1)
    while text[at] != "}":
        shown = at
        key, at = _DECODER.raw_decode(text, at)
        at = _skip_space(text, _skip_space(text, at) + 1)  # past the colon
        if key == name:
            position = shown, at  # of duplicates the last counts, as for JSON parsers
        at = _skip_value(text, at)
    return position


def _in_array(text: str, at: int, index: int) -> tuple[int, int] | None:
    at = _skip_space(text, at + 1)
    while text[at] != "]":
        if index == 0:
            return at, at
        index -= 1
        at = _skip_value(text, at)
    return None


def _skip_value(text: str, at: int) -> int:
    """The position after the value at `at` and the comma that may follow."""
    at = _skip_space(text, _DECODER.raw_decode(text, at)[1])
    return _skip_space(text, at + 1) if text[at] == "," else at


def _skip_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
