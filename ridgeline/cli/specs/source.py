"""A spec as it was read: what it says, and where."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ridgeline.cli.errors import UsageError
from ridgeline.cli.specs.lines import line_of
from ridgeline.cli.specs.overrides import override

STDIN = "-"


@dataclass(frozen=True)
class SpecSource:
    """A spec and the text it came from."""

    name: str
    text: str
    document: dict[str, Any]
    put: tuple[str, ...] = ()
    """Pointers to what the command line put into it."""

    def where(self, pointer: str) -> str:
        """The file and the line that a fault's pointer leads to, or the option."""
        if any(f"{pointer}/".startswith(f"{each}/") for each in self.put):
            return "--set"
        return f"{self.name}:{line_of(self.text, pointer)}"


def read_spec(file: str, settings: Sequence[str] = ()) -> SpecSource:
    """Read a file, or standard input where it is `-`, and put PATH=VALUE `settings` into it.

    Raises UsageError where that is no JSON object.
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
        document = json.loads(text, parse_constant=_refuse, parse_float=_finite)
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


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"expected JSON, which has no {constant}")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"expected a number that a float64 holds, received {text}")
    return value
