"""JobSpec: what a user POSTs."""

from typing import Annotated

from pydantic import AfterValidator, Field

from ridgeline.contract.dataset import Dataset, Split
from ridgeline.contract.layers import AnyLayer
from ridgeline.contract.outputs import OutputName
from ridgeline.contract.regularization import Regularization
from ridgeline.contract.schema import Contract, Label, each_once
from ridgeline.contract.training import Training

MAX_LAYERS = 1000


class Model(Contract):
    """The network: layers wired into an acyclic graph.

    A layer takes the one above it unless `inputs` names others; `input` is the data. The last
    layer listed is the output.
    """

    layers: Annotated[tuple[AnyLayer, ...], Field(min_length=1, max_length=MAX_LAYERS)]


class JobSpec(Contract):
    """A training job: data, model, regularization, training, outputs."""

    name: Label | None = None
    dataset: Dataset
    split: Split = Split()
    model: Model
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
