"""The `training` section of a spec.

What watches the epochs: early stopping and the learning rate's plateau, as in Keras.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from ridgeline.spec.schema import Contract, NonNegativeFloat, PositiveInt
from ridgeline.spec.training.losses import RISING_METRICS, AnyLoss, AnyMetric
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


Direction = Literal["min", "max"]


Epochs = Annotated[int, Field(ge=0, le=100_000)]


Series = Annotated[str, Field(min_length=1, max_length=100)]


class Monitor(Contract):
    """Watches one series of the curves for an improvement by more than `min_delta`."""

    monitor: Series = "val_data_loss"
    """A loss, `penalty`, a metric or `gap`; with `val_` of the validation rows, with `train_` of
    a sample of training rows in inference mode."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether less or more is better; `auto` knows it from the series."""

    @property
    def direction(self) -> Direction:
        """Whether less or more is better."""
        if self.mode != "auto":
            return self.mode
        name = self.monitor.removeprefix("val_").removeprefix("train_")
        return "max" if name in RISING_METRICS else "min"


class EarlyStopping(Monitor):
    """Stop when the series has not improved for `patience` epochs (Prechelt, 1998).

    Keras watches `val_loss`, which holds the penalty; here it is the loss of the data alone.
    """

    min_delta: NonNegativeFloat = 0.0
    patience: Epochs = 0
    baseline: Annotated[float, Field(ge=-1e30, le=1e30)] | None = None
    """A value that has to be beaten too before the patience starts anew."""
    restore_best_weights: bool = False
    """Whether to end with the weights of the best epoch."""
    start_from_epoch: Epochs = 0
    """Epochs at the start that are not watched."""


class ReduceLROnPlateau(Monitor):
    """Multiply the learning rate by `factor` when the series stays put for `patience` epochs."""

    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    patience: Epochs = 10
    min_delta: NonNegativeFloat = 1e-4
    cooldown: Epochs = 0
    """Epochs after a reduction that are not counted."""
    min_lr: NonNegativeFloat = 0.0


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
