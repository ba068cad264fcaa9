"""Turns pydantic's complaints about a spec into faults: a pointer and what was expected.

Pydantic's locations include tags of unions, which the body does not have. Walking the JSON schema
along a location separates tags from keys, and finds what was expected there.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ridgeline.spec.dataset import KERAS
from ridgeline.spec.faults import MAX_FAULTS, Fault, closest, pointer
from ridgeline.spec.job_spec import JobSpec

_LONGEST_NAME = 64
"""Longer names are neither guessed at nor quoted in a pointer."""

_CUTOFF = 0.7
"""How similar two spellings must be for a suggestion."""
_UPPER = ("maximum", "exclusiveMaximum")
_EXAMPLES = {
    "WeightPenalty": '{"l2": 0.01}',
    "WeightsPolicy": '{"l2": 0.01}',
    "DropoutPolicy": '{"rate": 0.5}',
}
_SYNONYMS = dict.fromkeys(
    ("binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"), "accuracy"
)
"""Other names that Keras has for the same metric."""
_INPUT_LAYERS = ("Input", "InputLayer")
_PENALTIES = ("l1", "l2", "l1_mode", "orthogonal", "scaling", "n")
"""Members of a weight penalty, which people look for directly in `regularization`."""
_OTHERS = frozenset({"schedulefreeadamw"})
"""Names of Keras that a spec does not support: no misspellings of one that it does."""

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]

_RULES = {
    "extra_forbidden": "unknown-field",
    "union_tag_invalid": "unknown-type",
    "union_tag_not_found": "missing",
    "literal_error": "unknown-value",
    "value_error": "invalid-value",
}


@dataclass(frozen=True)
class _Place:
    """The place of a complaint, in the body and in the schema."""

    parts: Path
    value: Any
    """The body's value there; None where it has none."""
    node: Schema
    """Its schema."""
    parent: Schema
    """The schema of the object around it."""


def spec_faults(error: ValidationError, body: Any) -> list[Fault]:
    """The faults of `body`, a parsed JSON value that JobSpec rejected."""
    faults: dict[str, Fault] = {}
    complaints = error.errors(include_url=False, include_input=False)
    for complaint in complaints:
        place = _locate(complaint["loc"], body)
        if _follows(complaint, place):
            continue
        fault = _fault(complaint, place)
        # A union complains once per member.
        faults.setdefault(fault.pointer, fault)
        if len(faults) == MAX_FAULTS:
            break
    return list(faults.values())


def _follows(complaint: Any, place: _Place) -> bool:
    """Whether a list is too short only because some of its items have their own faults."""
    return complaint["type"] == "too_short" and bool(place.value)


def _fault(complaint: Any, place: _Place) -> Fault:
    kind, context = str(complaint["type"]), complaint.get("ctx", {})
    if kind == "union_tag_not_found" or (kind == "union_tag_invalid" and _is_object(place.value)):
        place = _discriminator(place)
    known: dict[str, Callable[[_Place], str]] = {
        "extra_forbidden": _unknown_field,
        "missing": _missing,
        "union_tag_not_found": _missing,
        "value_error": lambda _: str(context["error"]),
    }
    otherwise = _wrong_type if kind.endswith("_type") else _wrong_value
    detail = known.get(kind, otherwise)(place)
    rule = _RULES.get(kind, kind.replace("_", "-"))
    return Fault(pointer=short_pointer(place.parts), detail=detail, rule=rule)


def _locate(location: Sequence[str | int], body: Any) -> _Place:
    node, parent = _root(), _root()
    parts: list[str | int] = []
    value = body
    for element in location:
        members = _members(node)
        tagged = next((m for m in members if element in _tags(m)), None)
        if tagged is not None:
            node = _resolve({"$ref": _tags(tagged)[str(element)]})
            continue
        holder = next((m for m in members if _has(m, element, value)), None)
        if holder is None and isinstance(value, dict) and element not in value:
            # The tag of an object's member: the wrong field follows.
            node = next((m for m in members if m.get("title") == element), node)
            continue
        if holder is None and len(members) > 1:
            break  # a union whose tag the body lacks: describe it as a whole
        parent = holder or members[0]
        node = _child(parent, element)
        if isinstance(value, dict if isinstance(element, str) else list):
            parts.append(element)
        value = _item(value, element)
    return _Place(tuple(parts), value, node, parent)


def _discriminator(place: _Place) -> _Place:
    """The field that should select the union's member for the object at `place`."""
    union = next(member for member in _members(place.node) if _tags(member))
    name = str(union["discriminator"]["propertyName"])
    node = {"enum": list(_tags(union))}
    return _Place((*place.parts, name), _item(place.value, name), node, union)


def _unknown_field(place: _Place) -> str:
    fields = list(place.parent.get("properties", {}))
    owner = place.parent.get("title", "this object")
    guess = _guess(place.parts[-1], fields) or _elsewhere(place.parts)
    return f"{guess}{owner} has no such field; expected one of {', '.join(fields)}"


def _missing(place: _Place) -> str:
    return f"missing; expected {describe(place.node)}"


def _wrong_type(place: _Place) -> str:
    return f"received {_kind(place.value)}, expected {describe(place.node)}"


def _wrong_value(place: _Place) -> str:
    words = [word for member in _members(place.node) for word in _words(member)]
    if isinstance(place.value, str) and words:
        hint = _other_name(place) or _guess(place.value, words)
        expected = f"one of {', '.join(words)}"
        return f"{hint}Expected {expected}" if hint else f"unknown value; expected {expected}"
    received = _size(place.value, place.node)
    return f"{received}expected {describe(place.node)}"


def _size(value: Any, node: Schema) -> str:
    """What is wrong with a number, in words: it may have many digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    most = [member[key] for member in _members(node) for key in _UPPER if key in member]
    if isinstance(value, float) and not math.isfinite(value):
        word = "a number that is not finite"
    elif most and value >= min(most):
        word = "a number that is too large"
    elif value <= 0:
        word = "a negative number" if value < 0 else "zero"
    else:
        word = "a number that is too small"
    return f"received {word}, "


def short_pointer(parts: Sequence[str | int]) -> str:
    """The pointer to `parts`, up to a name that is too long or malformed to send back."""
    kept: list[str | int] = []
    for part in parts:
        if isinstance(part, str) and (len(part) > _LONGEST_NAME or has_surrogate(part)):
            break
        kept.append(part)
    return pointer(*kept)


def has_surrogate(text: str) -> bool:
    """Whether `text` holds a lone surrogate, which UTF-8 cannot encode."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def describe(node: Schema) -> str:
    """A JSON schema in words."""
    return " or ".join(_describe_member(member) for member in _members(node))


def _describe_member(node: Schema) -> str:
    if words := _words(node):
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    if _tags(node):
        return f"an object with {node['discriminator']['propertyName']}"
    describe_type: Callable[[Schema], str] = {
        "object": _describe_object,
        "array": _describe_array,
        "integer": lambda number: f"an integer{_bounds(number)}",
        "number": lambda number: f"a finite number{_bounds(number)}",
        "boolean": lambda _: "true or false",
        "string": _describe_text,
    }[node["type"]]
    return describe_type(node)


def _describe_object(node: Schema) -> str:
    required = node.get("required", [])
    if required:
        return f"an object with {', '.join(required)}"
    fields = list(node.get("properties", {}))
    if not fields:
        return "an object"
    example = _EXAMPLES.get(str(node.get("title")))
    return f"an object with any of {', '.join(fields)}{f', such as {example}' if example else ''}"


def _describe_array(node: Schema) -> str:
    least, most = node.get("minItems"), node.get("maxItems")
    item = describe(node["items"]) if "items" in node else describe(node["prefixItems"][0])
    if least is not None and least == most:
        return f"a list of {least}, each {item}"
    limits = [f"at least {least}" if least else "", f"at most {most}" if most else ""]
    size = " and ".join(filter(None, limits))
    return f"a list{f' of {size}' if size else ''}, each {item}"


def _describe_text(node: Schema) -> str:
    if "pattern" in node:
        return f"a string that matches {node['pattern']}"
    least, most = node.get("minLength", 0), node.get("maxLength")
    return f"a string of {least} to {most} characters" if most else "a string"


def _bounds(node: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {node[bound]:.15g}" for bound, sign in signs.items() if bound in node]
    return " " + " and ".join(bounds) if bounds else ""


def _guess(name: Any, known: Sequence[str]) -> str:
    """A suggestion, where `name` nearly is one of the `known`, or its initials (mse)."""
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return ""
    if _SYNONYMS.get(name.lower()) in known:
        return f"use {_SYNONYMS[name.lower()]}. "
    if name.lower() in _OTHERS:
        return ""
    initials = {"".join(part[:1] for part in word.split("_")): word for word in known}
    near = closest(name, [*known, *initials], cutoff=_CUTOFF)
    return "" if near is None else f"did you mean {initials.get(near, near)}? "


def _other_name(place: _Place) -> str:
    """A suggestion for a name that is right elsewhere: in Keras, or with another source."""
    if place.parts[:2] == ("model", "layers") and place.value in _INPUT_LAYERS:
        return "leave this layer out: the input of the first layer is the data set. "
    if place.parts == ("dataset", "name") and place.value in KERAS:
        return f'{place.value} is a data set of Keras: add "source": "keras". '
    return ""


def _elsewhere(parts: Path) -> str:
    """A suggestion, where another section of the spec has a field of that name."""
    name = parts[-1]
    if parts[0] == "regularization" and name in _PENALTIES:
        return f"did you mean {pointer('regularization', 'weights', str(name))}? "
    for section in _root()["properties"]:
        for member in _members(_root()["properties"][section]):
            if name in member.get("properties", {}) and parts != (section, name):
                return f"did you mean {pointer(section, str(name))}? "
    return ""


def _kind(value: Any) -> str:
    """The type of a JSON value; its content is not sent back."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, float):
        return "a decimal number" if math.isfinite(value) else "a number that is not finite"
    return {int: "a number", str: "a string", list: "a list"}.get(type(value), "an object")


@functools.cache
def _root() -> Schema:
    return JobSpec.model_json_schema()


def _resolve(node: Schema) -> Schema:
    while "$ref" in node:
        definition: Schema = _root()["$defs"][node["$ref"].rpartition("/")[2]]
        node = {**definition, **{key: node[key] for key in node if key != "$ref"}}
    return node


def _members(node: Schema) -> list[Schema]:
    """The alternatives that `node` allows, without null."""
    node = _resolve(node)
    # With a discriminator, `oneOf` is described as one thing of several types.
    alternatives = node.get("anyOf") or ("discriminator" not in node and node.get("oneOf"))
    if not alternatives:
        return [node]
    members = [member for alternative in alternatives for member in _members(alternative)]
    return [member for member in members if member.get("type") != "null"]


def _tags(node: Schema) -> Mapping[str, str]:
    mapping: Mapping[str, str] = node.get("discriminator", {}).get("mapping", {})
    return mapping


def _words(node: Schema) -> list[str]:
    return [str(word) for word in node.get("enum", [node["const"]] if "const" in node else [])]


def _has(node: Schema, element: str | int, value: Any) -> bool:
    if isinstance(element, str):
        free = node.get("additionalProperties") and isinstance(value, dict) and element in value
        return element in node.get("properties", {}) or bool(free)
    return "items" in node or "prefixItems" in node


def _child(node: Schema, element: str | int) -> Schema:
    if isinstance(element, str):
        others = node.get("additionalProperties") or {}
        return _resolve(node.get("properties", {}).get(element, others))
    items: Schema = node.get("items") or node.get("prefixItems", [{}])[0]
    return _resolve(items)


def _item(value: Any, element: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(element)
    if isinstance(value, list) and isinstance(element, int) and element < len(value):
        return value[element]
    return value


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def walk(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every value in a parsed JSON document with the path to it, from the outside in."""
    stack: list[tuple[Path, Any]] = [((), value)]
    while stack:
        parts, value = stack.pop()
        yield parts, value
        if isinstance(value, dict):
            stack += [((*parts, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            stack += [((*parts, index), item) for index, item in enumerate(value)]
