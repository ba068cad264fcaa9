"""The catalog: what a spec may contain, and presets to start from.

Everything is read off the contract's models.
"""

import inspect
import json
import re
from typing import Any, Literal

from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.presets import Preset
from ridgeline.spec.regularization.policy import DropoutSite
from ridgeline.spec.schema import Contract


class Argument(Contract):
    """An argument of a layer, an optimizer, a schedule, a loss, a callback or a preset."""

    name: str
    required: bool
    default: Any
    """The default; null if the argument is required."""
    description: str
    json_schema: dict[str, Any]


class LayerEntry(Contract):
    """A kind of layer."""

    type: str
    description: str
    arguments: tuple[Argument, ...]
    min_inputs: int
    max_inputs: int | None
    """Null: any number."""
    regularized_weights: tuple[str, ...]
    dropout_site: DropoutSite | None
    """Its name in `regularization.dropout.after`."""
    json_schema: dict[str, Any]


class NamedEntry(Contract):
    """An optimizer, a schedule of its learning rate, a loss, a callback or an encoding."""

    name: str
    description: str
    arguments: tuple[Argument, ...]
    json_schema: dict[str, Any]


class DatasetEntry(Contract):
    """A data set, with its arguments' defaults."""

    name: str
    source: Literal["builtin", "keras"]
    description: str
    rows: int
    """Rows that the split divides."""
    features: tuple[int, ...]
    """Shape of one row."""
    classes: int | None
    """Null where the target is a real number."""
    test_rows: int
    """Rows that the data set itself reserves for testing; 0 if none."""
    bytes_per_number: int
    """Bytes that a feature takes in memory."""
    arguments: tuple[Argument, ...]


class UploadEntry(Contract):
    """How a spec names a stored data set."""

    description: str
    arguments: tuple[Argument, ...]
    encodings: tuple[NamedEntry, ...]
    """How a column of a table becomes numbers."""
    formats: tuple[str, ...]
    """File formats that can be stored."""


class RegularizationEntry(Contract):
    """What a regularization policy may contain."""

    weight_penalty: dict[str, Any]
    dropout: dict[str, Any]
    dropout_sites: tuple[str, ...]
    scalings: tuple[str, ...]


class Catalog(Contract):
    """Everything that a spec may name."""

    layers: tuple[LayerEntry, ...]
    optimizers: tuple[NamedEntry, ...]
    schedules: tuple[NamedEntry, ...]
    """Values of `learning_rate` other than a number."""
    regularization: RegularizationEntry
    losses: tuple[NamedEntry, ...]
    metrics: tuple[str, ...]
    callbacks: tuple[NamedEntry, ...]
    precisions: tuple[str, ...]
    datasets: tuple[DatasetEntry, ...]
    uploads: UploadEntry
    outputs: tuple[str, ...]
    activations: tuple[str, ...]
    initializers: tuple[str, ...]


class PresetEntry(Contract):
    """A preset, its parameters and a job that trains it."""

    name: str
    description: str
    source: str
    """Its place in the note."""
    parameters: tuple[Argument, ...]
    spec: JobSpec
    """A job ready to post, with the requested parameters."""


def preset_entry(preset: type[Preset], **parameters: Any) -> PresetEntry:
    """A preset with `parameters` (JSON values) in place of its defaults.

    Raises pydantic.ValidationError, with locations in the spec, if a parameter is unknown or
    invalid.
    """
    name = preset.model_fields["preset"].default
    defaults = {
        field: info.default for field, info in preset.model_fields.items() if field != "preset"
    }
    model = {"preset": name, **defaults, **parameters}
    spec = {"name": name, **preset.job, "model": model}
    return PresetEntry(
        name=name,
        description=description_of(preset),
        source=preset.source,
        parameters=arguments_of(preset, "preset"),
        spec=JobSpec.model_validate_json(json.dumps(spec)),
    )


def arguments_of(model: type[Contract], *tags: str) -> tuple[Argument, ...]:
    """The fields of `model` except its `tags`."""
    schema = model.model_json_schema()
    return tuple(
        Argument(
            name=field.alias or name,
            required=field.is_required(),
            default=None if field.is_required() else field.get_default(call_default_factory=True),
            description=field.description or "",
            json_schema=_standalone(
                schema["properties"][field.alias or name], schema.get("$defs", {})
            ),
        )
        for name, field in model.model_fields.items()
        if name not in tags
    )


def description_of(model: type[Contract]) -> str:
    """The docstring of `model`."""
    return inspect.cleandoc(model.__doc__ or "")


def _standalone(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """`node` with every definition that it refers to, directly or not."""
    needed: dict[str, Any] = {}
    waiting = _references(node)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = definitions[name]
            waiting |= _references(definitions[name])
    return {**node, "$defs": needed} if needed else node


def _references(node: dict[str, Any]) -> set[str]:
    return set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(node)))
