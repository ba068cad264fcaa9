"""What watches the epochs: early stopping and the learning rate's plateau, as in Keras."""

from typing import Annotated, Literal

from pydantic import Field

from ridgeline.spec.schema import Contract, NonNegativeFloat
from ridgeline.spec.training.metrics import RISING_METRICS

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
