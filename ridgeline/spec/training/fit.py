"""The `training` section of a spec."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from ridgeline.spec.schema import Contract, NonNegativeFloat, PositiveInt
from ridgeline.spec.training.callbacks import EarlyStopping, ReduceLROnPlateau
from ridgeline.spec.training.losses import AnyLoss
from ridgeline.spec.training.metrics import AnyMetric
from ridgeline.spec.training.optimizers import Adam, AnyOptimizer

DEFAULT_DEADLINE_S = 86_400
MAX_CLASS_WEIGHTS = 10_000

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
_ByClass = Annotated[
    dict[Annotated[str, Field(max_length=20)], NonNegativeFloat],
    Field(min_length=1, max_length=MAX_CLASS_WEIGHTS),
]
# Told apart by hand, so that a wrong weight is one fault, at its class.
ClassWeight = Annotated[
    Annotated[_ByClass, Tag("classes")] | Annotated[Literal["balanced"], Tag("word")],
    Discriminator(lambda value: "classes" if isinstance(value, dict) else "word"),
    BeforeValidator(lambda value: value, json_schema_input_type=_ByClass | Literal["balanced"]),
]


class Training(Contract):
    """How the model is fitted."""

    loss: AnyLoss
    optimizer: AnyOptimizer = Adam()
    metrics: Annotated[tuple[AnyMetric, ...], Field(max_length=10, fail_fast=True)] = ()
    class_weight: ClassWeight | None = None
    """How much a row of each class counts in the training loss, by the class's number: `{"0": 1,
    "1": 5}`, 1 where it is not named; `balanced` is rows/(classes·rows of the class)."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 10
    batch_size: Annotated[PositiveInt, Field(le=1_000_000)] = 32
    early_stopping: EarlyStopping | None = None
    reduce_lr_on_plateau: ReduceLROnPlateau | None = None
    precision: Precision = "float32"
    """What the layers compute in; weights and losses are float32 in each. `mixed_float16` scales
    the loss."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Decides the split, the initial weights, the order of rows and every dropout mask."""
    deadline_s: Annotated[int, Field(ge=1, le=30 * 86_400)] = DEFAULT_DEADLINE_S
    """Seconds a job may take from its first start; after that it ends `failed`."""
