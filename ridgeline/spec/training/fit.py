"""The `training` section of a spec, and its callbacks."""

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
# An explicit discriminator, so that a wrong weight is one fault, at its class.
ClassWeight = Annotated[
    Annotated[_ByClass, Tag("classes")] | Annotated[Literal["balanced"], Tag("word")],
    Discriminator(lambda value: "classes" if isinstance(value, dict) else "word"),
    BeforeValidator(lambda value: value, json_schema_input_type=_ByClass | Literal["balanced"]),
]
Direction = Literal["min", "max"]
Epochs = Annotated[int, Field(ge=0, le=100_000)]
Series = Annotated[str, Field(min_length=1, max_length=100)]


class Monitor(Contract):
    """A callback that monitors one series of the curves."""

    monitor: Series = "val_data_loss"
    """A loss, `penalty`, a metric or `gap`. The prefix `val_` means validation rows, `train_` a
    sample of training rows in inference mode."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether lower (`min`) or higher (`max`) is better; `auto` infers it from the series."""

    @property
    def direction(self) -> Direction:
        """Whether lower or higher is better."""
        if self.mode != "auto":
            return self.mode
        name = self.monitor.removeprefix("val_").removeprefix("train_")
        return "max" if name in RISING_METRICS else "min"


class EarlyStopping(Monitor):
    """Stop when the series has not improved for `patience` epochs (Prechelt, 1998).

    Keras monitors `val_loss`, which includes the penalty; the default here is the data loss alone.
    """

    min_delta: NonNegativeFloat = 0.0
    """An improvement must exceed this."""
    patience: Epochs = 0
    """Epochs without improvement before training stops."""
    baseline: Annotated[float, Field(ge=-1e30, le=1e30)] | None = None
    """A value that an improvement must also beat to reset the patience."""
    restore_best_weights: bool = False
    """Whether to end with the weights of the best epoch."""
    start_from_epoch: Epochs = 0
    """Number of initial epochs that are not monitored."""


class ReduceLROnPlateau(Monitor):
    """Multiply the learning rate by `factor` after `patience` epochs without improvement."""

    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    patience: Epochs = 10
    """Epochs without improvement before the rate is reduced."""
    min_delta: NonNegativeFloat = 1e-4
    """An improvement must exceed this."""
    cooldown: Epochs = 0
    """Epochs after a reduction that do not count towards the patience."""
    min_lr: NonNegativeFloat = 0.0
    """The lowest learning rate."""


class Training(Contract):
    """How the model is fitted."""

    loss: AnyLoss
    optimizer: AnyOptimizer = Adam()
    metrics: Annotated[tuple[AnyMetric, ...], Field(max_length=10, fail_fast=True)] = ()
    class_weight: ClassWeight | None = None
    """Weight of each class's rows in the training loss, by class number: `{"0": 1, "1": 5}`;
    classes left out weigh 1. `balanced`: rows/(classes·rows of the class)."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 10
    batch_size: Annotated[PositiveInt, Field(le=1_000_000)] = 32
    early_stopping: EarlyStopping | None = None
    reduce_lr_on_plateau: ReduceLROnPlateau | None = None
    precision: Precision = "float32"
    """The type that layers compute in; weights and losses are always float32. `mixed_float16` uses
    loss scaling."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Determines the split, the initial weights, the order of rows and every dropout mask."""
    deadline_s: Annotated[int, Field(ge=1, le=30 * 86_400)] = DEFAULT_DEADLINE_S
    """Seconds a job may take from its first start, after which it ends as `failed`."""
