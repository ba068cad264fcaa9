"""`--set training.epochs=5`: single members in place of those of a spec."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from ridgeline.cli.errors import UsageError
from ridgeline.spec.faults import pointer


def override(document: dict[str, Any], settings: Iterable[str]) -> tuple[str, ...]:
    """Put each PATH=VALUE into the document, and return the pointers to what was put.

    The path is names and places in lists with dots between them, or a JSON pointer. The value is
    JSON, and otherwise a text. Raises UsageError where a path leads nowhere.
    """
    pointers = []
    for path, value in map(_setting, settings):
        parts = _parts(path)
        _put(document, path, parts, value)
        pointers.append(pointer(*parts))
    return tuple(pointers)


def parameters_of(settings: Iterable[str]) -> dict[str, Any]:
    """The values by their names, of each NAME=VALUE."""
    return dict(map(_setting, settings))


def _setting(setting: str) -> tuple[str, Any]:
    name, equals, value = setting.partition("=")
    if not equals or not name:
        raise UsageError(f"--set: expected NAME=VALUE, received {setting!r}")
    return name, _value(value)


def _value(text: str) -> Any:
    """The text as JSON, or as it is."""
    try:
        return json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return text


def _not_json(name: str) -> NoReturn:
    raise ValueError(name)


def _parts(path: str) -> list[str]:
    if path.startswith("/"):
        return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    return path.split(".")


def _put(holder: Any, path: str, parts: Sequence[str], value: Any) -> None:
    for part in parts[:-1]:
        # A section that is not there yet is made, so that `regularization.weights.l2` can be said.
        holder = (
            holder.setdefault(part, {}) if isinstance(holder, dict) else _at(holder, path, part)
        )
    if isinstance(holder, dict):
        holder[parts[-1]] = value
        return
    _at(holder, path, parts[-1])  # it has to be there
    holder[int(parts[-1])] = value


def _at(holder: Any, path: str, part: str) -> Any:
    if isinstance(holder, list) and part.isdecimal() and int(part) < len(holder):
        return holder[int(part)]
    what = f"a list of {len(holder)}" if isinstance(holder, list) else "no list or object"
    raise UsageError(f"--set {path}: there is no {part!r} here, for it is {what}")
