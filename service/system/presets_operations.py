"""The note's networks, each as a job ready to be posted."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ridgeline.api.presets import PresetEntry, preset_entry
from ridgeline.spec.faults import Fault, ProblemCode
from ridgeline.spec.presets import PRESETS
from service.http.faults import spec_faults
from service.http.problems import ApiProblem, not_found

_ENTRIES = TypeAdapter(tuple[PresetEntry, ...])
_MODEL = "/model/"


def presets_json() -> str:
    """All presets; what a spec need not say is left out."""
    entries = tuple(preset_entry(preset) for preset in PRESETS.values())
    return _ENTRIES.dump_json(entries, exclude_unset=True).decode()


def preset_json(name: str, query: Mapping[str, str]) -> str:
    """One preset with the parameters that a query gives it.

    Raises ApiProblem: not-found, and invalid-request where the preset does not take them.
    """
    if name not in PRESETS:
        raise not_found(f"No preset has this name; there are {', '.join(PRESETS)}.")
    parameters = {key: _value(text) for key, text in query.items()}
    try:
        entry = preset_entry(PRESETS[name], **parameters)
    except ValidationError as error:
        body = {"model": {"preset": name, **parameters}}
        faults = [_as_parameter(fault) for fault in spec_faults(error, body)]
        detail = "See `errors`; `?name` is a query parameter, `name:` a header."
        raise ApiProblem(ProblemCode.INVALID_REQUEST, detail, errors=faults) from None
    return entry.model_dump_json(exclude_unset=True)


def _value(text: str) -> Any:
    """A parameter's value, which is JSON: `0.5`, `true`, `null`. What is not stays text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _as_parameter(fault: Fault) -> Fault:
    return fault.model_copy(update={"pointer": "?" + fault.pointer.removeprefix(_MODEL)})
