"""What a spec may say, read off the contract."""

import json
from typing import Any, Literal, get_args

from ridgeline.contract.dataset import BUILTIN
from ridgeline.contract.layers import LAYERS, Layer
from ridgeline.contract.layers.base import Activation, Initializer
from ridgeline.contract.regularization import DropoutPolicy, DropoutSite
from ridgeline.contract.regularizers import ACTIVITY, Scaling, WeightPenalty
from ridgeline.contract.schema import Contract
from ridgeline.contract.training import (
    SGD,
    Adam,
    AdamW,
    LossName,
    MetricName,
    Optimizer,
    OutputName,
    RMSprop,
)


class Argument(Contract):
    """An argument of a layer or an optimizer."""

    name: str
    required: bool
    default: Any
    """The value when it is left out; null if it is required, too."""
    description: str
    json_schema: dict[str, Any]


class LayerEntry(Contract):
    """A layer that a model may have."""

    type: str
    description: str
    arguments: tuple[Argument, ...]
    min_inputs: int
    max_inputs: int | None
    """Null for any number."""
    regularized_weights: tuple[str, ...]
    dropout_site: DropoutSite | None
    """The name by which `regularization.dropout.after` knows it."""
    json_schema: dict[str, Any]


class OptimizerEntry(Contract):
    """An optimizer."""

    name: str
    description: str
    arguments: tuple[Argument, ...]
    json_schema: dict[str, Any]


class DatasetEntry(Contract):
    """A built-in data set."""

    name: str
    source: Literal["builtin"]
    rows: int
    features: tuple[int, ...]
    """Shape of one row."""
    classes: int | None
    """Null where the target is a real value."""


class RegularizationEntry(Contract):
    """What a regularization policy may say."""

    weight_penalty: dict[str, Any]
    dropout: dict[str, Any]
    dropout_sites: tuple[str, ...]
    scalings: tuple[str, ...]


class Catalog(Contract):
    """Everything a spec may name."""

    layers: tuple[LayerEntry, ...]
    optimizers: tuple[OptimizerEntry, ...]
    regularization: RegularizationEntry
    losses: tuple[str, ...]
    metrics: tuple[str, ...]
    datasets: tuple[DatasetEntry, ...]
    outputs: tuple[str, ...]
    activations: tuple[str, ...]
    initializers: tuple[str, ...]


def catalog() -> Catalog:
    """Read the contract."""
    return Catalog(
        layers=tuple(_layer(LAYERS[name]) for name in sorted(LAYERS)),
        optimizers=tuple(_optimizer(model) for model in (Adam, AdamW, SGD, RMSprop)),
        regularization=RegularizationEntry(
            weight_penalty=WeightPenalty.model_json_schema(),
            dropout=DropoutPolicy.model_json_schema(),
            dropout_sites=get_args(DropoutSite),
            scalings=get_args(Scaling),
        ),
        losses=get_args(LossName),
        metrics=get_args(MetricName),
        datasets=tuple(
            DatasetEntry(name=name, source="builtin", **shape._asdict())
            for name, shape in BUILTIN.items()
        ),
        outputs=get_args(OutputName),
        activations=get_args(Activation),
        initializers=get_args(Initializer),
    )


def _layer(layer: type[Layer]) -> LayerEntry:
    least, most = layer.arity
    return LayerEntry(
        type=layer.type_name(),
        description=_description(layer),
        arguments=_arguments(layer, tag="type"),
        min_inputs=least,
        max_inputs=most,
        regularized_weights=tuple(
            role for role, _ in layer.regularizers.values() if role != ACTIVITY
        ),
        dropout_site=layer.dropout_site,
        json_schema=layer.model_json_schema(),
    )


def _optimizer(model: type[Optimizer]) -> OptimizerEntry:
    return OptimizerEntry(
        name=str(model.model_fields["name"].default),
        description=_description(model),
        arguments=_arguments(model, tag="name"),
        json_schema=model.model_json_schema(),
    )


def _arguments(model: type[Contract], *, tag: str) -> tuple[Argument, ...]:
    schema = model.model_json_schema()
    return tuple(
        Argument(
            name=field.alias or name,
            required=field.is_required(),
            default=None if field.is_required() else field.default,
            description=field.description or "",
            json_schema=_standalone(
                schema["properties"][field.alias or name], schema.get("$defs", {})
            ),
        )
        for name, field in model.model_fields.items()
        if name != tag
    )


def _standalone(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """`node` with the definitions that it refers to."""
    return {**node, "$defs": definitions} if "$ref" in json.dumps(node) else node


def _description(model: type[Contract]) -> str:
    return (model.__doc__ or "").strip()
