"""The catalog: what a spec may contain, for people and for forms, read off the models of a spec."""

import inspect
import json
import re
from typing import Any, Literal

from ridgeline.spec.regularization.policy import DropoutSite
from ridgeline.spec.schema import Contract


class Argument(Contract):
    """An argument of a layer, an optimizer, a schedule, a loss, a callback or a preset."""

    name: str
    required: bool
    default: Any
    """The value when it is left out; null if it is required, too."""
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


def arguments_of(model: type[Contract], *tags: str) -> tuple[Argument, ...]:
    """The fields of `model` without its `tags`."""
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
    """The model's docstring."""
    return inspect.cleandoc(model.__doc__ or "")


def _standalone(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """`node` with all definitions that it refers to, directly or not."""
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
