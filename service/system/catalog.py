"""/catalog: what a spec may say.

What a spec may say, read off the contract.
"""

import functools
import hashlib
from collections.abc import Mapping
from typing import Any, Literal, get_args

from fastapi import APIRouter, Response

from ridgeline.api.catalog import Argument, arguments_of, description_of
from ridgeline.spec.dataset import (
    BUILTIN,
    KERAS,
    BuiltinDataset,
    KerasCifar100,
    KerasHousing,
    KerasImages,
    KerasReviews,
    UploadDataset,
)
from ridgeline.spec.dataset.contents import DatasetFormat
from ridgeline.spec.dataset.encodings import ENCODINGS
from ridgeline.spec.layers import LAYERS, Layer
from ridgeline.spec.layers.base import Activation, Initializer
from ridgeline.spec.outputs import OutputName
from ridgeline.spec.regularization.policy import DropoutPolicy, DropoutSite
from ridgeline.spec.regularization.regularizers import ACTIVITY, Scaling, WeightPenalty
from ridgeline.spec.schema import Contract
from ridgeline.spec.training import LOSSES, OPTIMIZERS, SCHEDULES, MetricName
from ridgeline.spec.training.callbacks import EarlyStopping, ReduceLROnPlateau
from ridgeline.spec.training.fit import Precision
from service.allocator import give_back
from service.http.answers import json_answer, not_modified
from service.http.documentation import headers
from service.http.headers import matches
from service.http.problems import responses
from service.jobs.routes import IfNoneMatch

router = APIRouter(tags=["catalog"])


AnyDataset = BuiltinDataset | KerasImages | KerasCifar100 | KerasReviews | KerasHousing


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
    """Rows to be divided by the split."""
    features: tuple[int, ...]
    """Shape of one row."""
    classes: int | None
    """Null where the target is a real value."""
    test_rows: int
    """Rows the set itself keeps apart for testing; 0 if it does not."""
    bytes_per_number: int
    """What a feature takes in memory."""
    arguments: tuple[Argument, ...]


class UploadEntry(Contract):
    """What a spec says of an uploaded data set."""

    description: str
    arguments: tuple[Argument, ...]
    encodings: tuple[NamedEntry, ...]
    """How a column of a table becomes numbers."""
    formats: tuple[str, ...]
    """What may be uploaded."""


class RegularizationEntry(Contract):
    """What a regularization policy may say."""

    weight_penalty: dict[str, Any]
    dropout: dict[str, Any]
    dropout_sites: tuple[str, ...]
    scalings: tuple[str, ...]


class Catalog(Contract):
    """Everything a spec may name."""

    layers: tuple[LayerEntry, ...]
    optimizers: tuple[NamedEntry, ...]
    schedules: tuple[NamedEntry, ...]
    """What `learning_rate` may be beside a number."""
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


@router.get(
    "/catalog",
    response_model=Catalog,
    responses={
        200: {"headers": headers("ETag")},
        304: {"description": "The client has it", "headers": headers("ETag")},
        **responses(),
    },
)
async def read_catalog(if_none_match: IfNoneMatch = None) -> Response:
    """Read what a spec may name: layers, optimizers, losses, metrics, data sets."""
    content, tag = _content()
    if matches(if_none_match, tag):
        return not_modified({"ETag": tag})
    return json_answer(content, headers={"ETag": tag})


@functools.cache
def _content() -> tuple[bytes, str]:
    content = catalog_json()
    give_back()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def catalog_json() -> bytes:
    """Read the contract: a Catalog as GET answers it.

    Layer by layer, for the schemas of all at once would take 8 MiB, and leave them to the process.
    """
    layers = [_layer(LAYERS[name]).model_dump_json().encode() for name in sorted(LAYERS)]
    others = _without_layers().model_dump_json(exclude={"layers"}).encode()
    return b'{"layers":[' + b",".join(layers) + b"]," + others[1:]


def _without_layers() -> Catalog:
    return Catalog(
        layers=(),
        optimizers=_named(OPTIMIZERS),
        schedules=_named(SCHEDULES),
        regularization=RegularizationEntry(
            weight_penalty=WeightPenalty.model_json_schema(),
            dropout=DropoutPolicy.model_json_schema(),
            dropout_sites=get_args(DropoutSite),
            scalings=get_args(Scaling),
        ),
        losses=_named(LOSSES),
        metrics=get_args(MetricName),
        callbacks=_named(
            {"early_stopping": EarlyStopping, "reduce_lr_on_plateau": ReduceLROnPlateau}
        ),
        precisions=get_args(Precision),
        datasets=tuple(entry for model in get_args(AnyDataset) for entry in _datasets(model)),
        uploads=UploadEntry(
            description=description_of(UploadDataset),
            arguments=arguments_of(UploadDataset, "source", "stored"),
            encodings=_named(ENCODINGS, "type"),
            formats=tuple(DatasetFormat),
        ),
        outputs=get_args(OutputName),
        activations=get_args(Activation),
        initializers=get_args(Initializer),
    )


def _layer(layer: type[Layer]) -> LayerEntry:
    least, most = layer.arity
    return LayerEntry(
        type=layer.type_name(),
        description=description_of(layer),
        arguments=arguments_of(layer, "type"),
        min_inputs=least,
        max_inputs=most,
        regularized_weights=tuple(
            role for role, _ in layer.regularizers.values() if role != ACTIVITY
        ),
        dropout_site=layer.dropout_site,
        json_schema=layer.model_json_schema(),
    )


def _named(models: Mapping[str, type[Contract]], tag: str = "name") -> tuple[NamedEntry, ...]:
    return tuple(
        NamedEntry(
            name=name,
            description=description_of(model),
            arguments=arguments_of(model, tag),
            json_schema=model.model_json_schema(),
        )
        for name, model in models.items()
    )


def _datasets(model: type[AnyDataset]) -> list[DatasetEntry]:
    return [
        DatasetEntry(
            name=name,
            source=get_args(model.model_fields["source"].annotation)[0],
            description=description_of(model),
            **_shape(name),
            arguments=arguments_of(model, "source", "name"),
        )
        for name in get_args(model.model_fields["name"].annotation)
    ]


def _shape(name: str) -> dict[str, Any]:
    """A data set's shape but for what depends on its scaling, and what uploads alone have."""
    shape = (BUILTIN | KERAS)[name]._asdict()
    return {field: shape[field] for field in shape.keys() - {"tokens", "validation_rows"}}
