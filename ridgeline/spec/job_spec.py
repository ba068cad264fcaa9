"""JobSpec: what a user POSTs."""

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag

from ridgeline.spec.dataset import Dataset, Split
from ridgeline.spec.layers import AnyLayer
from ridgeline.spec.outputs import OutputName
from ridgeline.spec.presets import AnyPreset, Preset
from ridgeline.spec.regularization.policy import Regularization
from ridgeline.spec.schema import Contract, Label, each_once
from ridgeline.spec.training import Training

MAX_LAYERS = 1000


class Model(Contract):
    """The network: layers wired into an acyclic graph.

    A layer takes the one above it unless `inputs` names others; `input` is the data. The last
    layer listed is the output.
    """

    layers: Annotated[tuple[AnyLayer, ...], Field(min_length=1, max_length=MAX_LAYERS)]


def _kind(value: Any) -> str:
    """The tag of the union's member that `value` is meant for."""
    named = "preset" in value if isinstance(value, dict) else isinstance(value, Preset)
    return "Preset" if named else "Model"


AnyModel = Annotated[
    Annotated[Model, Tag("Model")] | Annotated[AnyPreset, Tag("Preset")], Discriminator(_kind)
]
"""The layers, or a preset that stands for them."""


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
    """Formats the trained model is saved in."""
    tags: Annotated[
        tuple[Label, ...], Field(max_length=20, fail_fast=True), AfterValidator(each_once)
    ] = ()
