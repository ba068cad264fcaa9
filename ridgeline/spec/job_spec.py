"""JobSpec, the body of POST /jobs, and changes to it as JSON Patches (RFC 6902)."""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, JsonValue, Tag

from ridgeline.spec.dataset import Dataset, Split
from ridgeline.spec.layers import AnyLayer
from ridgeline.spec.outputs import OutputName
from ridgeline.spec.presets import AnyPreset, Preset
from ridgeline.spec.regularization.policy import Regularization
from ridgeline.spec.schema import Contract, Label, each_once
from ridgeline.spec.training import Training

MAX_LAYERS = 800
"""Keras builds and loads a model by recursion, with a frame for each layer of a chain, and Python's
limit is 1,000 frames: a chain of 980 layers loads in a script, one of 800 in a notebook too."""


class Model(Contract):
    """The network: layers wired into an acyclic graph.

    A layer's input is the layer above it, unless `inputs` names others; `input` is the data. The
    last layer in the list is the output.
    """

    layers: Annotated[tuple[AnyLayer, ...], Field(min_length=1, max_length=MAX_LAYERS)]


def _kind(value: Any) -> str:
    """The tag of the union's member for `value`."""
    named = "preset" in value if isinstance(value, dict) else isinstance(value, Preset)
    return "Preset" if named else "Model"


AnyModel = Annotated[
    Annotated[Model, Tag("Model")] | Annotated[AnyPreset, Tag("Preset")], Discriminator(_kind)
]
"""Layers, or a preset in their place."""


class JobSpec(Contract):
    """A training job: data, model, regularization, training, outputs."""

    name: Label | None = None
    dataset: Dataset
    split: Split = Split()
    model: AnyModel
    regularization: Regularization = Regularization()
    training: Training
    outputs: Annotated[
        tuple[OutputName, ...],
        Field(min_length=1, max_length=10, fail_fast=True),
        AfterValidator(each_once),
    ] = ("keras",)
    """Formats to save the trained model in."""
    tags: Annotated[
        tuple[Label, ...], Field(max_length=20, fail_fast=True), AfterValidator(each_once)
    ] = ()


class PatchOperation(Contract):
    """One operation of a JSON Patch: `add` or `replace`."""

    op: Literal["add", "replace"]
    path: Annotated[str, Field(pattern=r"^(/([^~/]|~[01])*)+$")]
    """JSON pointer (RFC 6901) to the member to set."""
    value: JsonValue


Patch = tuple[PatchOperation, ...]


def apply_patch(spec: JobSpec, patch: Patch) -> JobSpec:
    """`spec` with all defaults spelled out and `patch` applied.

    >>> better = apply_patch(job.resolved, client.report(job.id).suggestions[0].patch)

    Raises LookupError if a path does not exist, pydantic.ValidationError if the result is not a
    valid JobSpec.
    """
    document: Any = spec.model_dump(mode="json")
    for operation in patch:
        _apply(document, operation)
    return JobSpec.model_validate_json(json.dumps(document))


def _apply(document: Any, operation: PatchOperation) -> None:
    *way, last = [_unescaped(part) for part in operation.path.split("/")[1:]]
    holder = document
    try:
        for part in way:
            holder = holder[int(part) if isinstance(holder, list) else part]
        if isinstance(holder, list) and operation.op == "add":
            holder.insert(len(holder) if last == "-" else int(last), operation.value)
            return
        key = int(last) if isinstance(holder, list) else last
        if operation.op == "replace":
            holder[key]  # must exist
        holder[key] = operation.value
    except (LookupError, TypeError, ValueError):
        raise LookupError(f"expected a path into the spec, received {operation.path}") from None


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
