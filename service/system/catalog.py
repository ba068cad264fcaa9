"""/catalog and /presets: what a spec may contain, and the note's networks to start from."""

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any, get_args

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter, ValidationError

from ridgeline.api.catalog import (
    Catalog,
    DatasetEntry,
    LayerEntry,
    NamedEntry,
    PresetEntry,
    RegularizationEntry,
    UploadEntry,
    arguments_of,
    description_of,
    preset_entry,
)
from ridgeline.api.problems import ProblemCode
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
from ridgeline.spec.faults import Fault
from ridgeline.spec.layers import LAYERS, Layer
from ridgeline.spec.layers.base import Activation, Initializer
from ridgeline.spec.outputs import OutputName
from ridgeline.spec.presets import PRESETS
from ridgeline.spec.regularization.policy import DropoutPolicy, DropoutSite
from ridgeline.spec.regularization.regularizers import ACTIVITY, Scaling, WeightPenalty
from ridgeline.spec.schema import Contract
from ridgeline.spec.training import LOSSES, OPTIMIZERS, SCHEDULES, MetricName
from ridgeline.spec.training.fit import EarlyStopping, Precision, ReduceLROnPlateau
from service.allocator import release_free_memory
from service.errors import InvalidRequest, UnknownPreset
from service.http.documentation import headers
from service.http.problems import responses
from service.http.representations import json_answer, not_modified
from service.http.requests import matches
from service.http.spec_faults import spec_faults
from service.jobs.routes import IfNoneMatch

router = APIRouter(tags=["catalog"])
AnyDataset = BuiltinDataset | KerasImages | KerasCifar100 | KerasReviews | KerasHousing
_CACHEABLE: dict[int | str, dict[str, Any]] = {
    200: {"headers": headers("ETag")},
    304: {"description": "The client has it", "headers": headers("ETag")},
}
#: The keywords of a parameter's JSON schema that OpenAPI shows.
_KEYWORDS = ("type", "anyOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_ENTRIES = TypeAdapter(tuple[PresetEntry, ...])
_MODEL = "/model/"


@router.get(
    "/catalog",
    response_model=Catalog,
    responses={**_CACHEABLE, **responses()},
)
async def read_catalog(if_none_match: IfNoneMatch = None) -> Response:
    """Read what a spec may contain: layers, optimizers, losses, metrics, data sets."""
    return _cacheable(_catalog_json(), if_none_match)


@functools.cache
def _catalog_json() -> bytes:
    content = catalog().model_dump_json().encode()
    release_free_memory()
    return content


def catalog() -> Catalog:
    """Read the catalog off the models of a spec."""
    return Catalog(
        layers=tuple(_layer(LAYERS[name]) for name in sorted(LAYERS)),
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
    """A built-in data set's shape; fields of stored data sets are left out."""
    shape = (BUILTIN | KERAS)[name]._asdict()
    return {field: shape[field] for field in shape.keys() - {"tokens", "validation_rows"}}


def _parameters() -> list[dict[str, Any]]:
    """The query parameters that any preset has, for OpenAPI."""
    schemas: dict[str, list[dict[str, Any]]] = {}
    presets_with: dict[str, list[str]] = {}
    for name, preset in PRESETS.items():
        for argument in preset_entry(preset).parameters:
            schema = {k: v for k, v in argument.json_schema.items() if k in _KEYWORDS}
            known = schemas.setdefault(argument.name, [])
            known += [] if schema in known else [schema]
            presets_with.setdefault(argument.name, []).append(name)
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": f"A parameter of {', '.join(presets_with[name])}, as JSON.",
            "schema": known[0] if len(known) == 1 else {"anyOf": known},
        }
        for name, known in schemas.items()
    ]


@router.get("/presets", response_model=list[PresetEntry], responses={**_CACHEABLE, **responses()})
async def list_presets(if_none_match: IfNoneMatch = None) -> Response:
    """List the note's networks, each with its parameters and a job to post."""
    return _cacheable(_presets_json(), if_none_match)


@router.get(
    "/presets/{name}",
    response_model=PresetEntry,
    responses={**_CACHEABLE, **responses(ProblemCode.NOT_FOUND)},
    openapi_extra={"parameters": _parameters()},
)
async def read_preset(name: str, request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """Read one of the note's networks; query parameters replace its own."""
    return _cacheable(_preset_json(name, request.query_params), if_none_match)


def _cacheable(content: bytes, if_none_match: str | None) -> Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    if matches(if_none_match, tag):
        return not_modified({"ETag": tag})
    return json_answer(content, headers={"ETag": tag})


@functools.cache
def _presets_json() -> bytes:
    """All presets; fields that equal a spec's defaults are left out."""
    entries = tuple(preset_entry(preset) for preset in PRESETS.values())
    return _ENTRIES.dump_json(entries, exclude_unset=True)


def _preset_json(name: str, query: Mapping[str, str]) -> bytes:
    """One preset with the parameters of a query; raises UnknownPreset and InvalidRequest."""
    if name not in PRESETS:
        raise UnknownPreset(PRESETS)
    parameters = {key: _value(text) for key, text in query.items()}
    try:
        entry = preset_entry(PRESETS[name], **parameters)
    except ValidationError as error:
        body = {"model": {"preset": name, **parameters}}
        faults = [_as_parameter(fault) for fault in spec_faults(error, body)]
        raise InvalidRequest(faults) from None
    return entry.model_dump_json(exclude_unset=True).encode()


def _value(text: str) -> Any:
    """A parameter's value: JSON such as `0.5`, `true`, `null`; anything else stays text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _as_parameter(fault: Fault) -> Fault:
    return fault.model_copy(update={"pointer": "?" + fault.pointer.removeprefix(_MODEL)})
