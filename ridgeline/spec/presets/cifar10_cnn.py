"""The note's baseline network for CIFAR-10, with an L2 penalty on every convolution."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.activation import Activation
from ridgeline.spec.layers.convolution import Conv2D
from ridgeline.spec.layers.core import Dense
from ridgeline.spec.layers.normalization import BatchNormalization
from ridgeline.spec.layers.pooling import MaxPooling2D
from ridgeline.spec.layers.regularization import Dropout
from ridgeline.spec.layers.reshaping import Flatten
from ridgeline.spec.presets.base import Preset
from ridgeline.spec.regularization.regularizers import WeightPenalty
from ridgeline.spec.schema import NonNegativeFloat, PositiveInt, Rate

Units = Annotated[int, Field(ge=1, le=2**29 - 1)]
_JOB = {
    "dataset": {"source": "keras", "name": "cifar10", "scaling": "standard"},
    "split": {"validation": 0.1},
    "training": {
        "loss": "sparse_categorical_crossentropy",
        "optimizer": "adam",
        "metrics": ["accuracy"],
        "epochs": 50,
        "batch_size": 64,
    },
}


class Cifar10CNN(Preset):
    """Three blocks of two 3x3 convolutions with an L2 penalty, pooled, and a softmax.

    The note shows the first convolution: base_hidden_units filters of 3x3, padding `same`, an L2
    penalty of 1e-4 and the activation as a layer of its own. The other blocks, of two and four
    times as many filters, the poolings with dropout behind them and the output are completed after
    the baseline network in M. Elgendy, Deep Learning for Vision Systems (2020), chapter 6. There a
    BatchNormalization follows every activation; the note says nothing of it, so it is a parameter.
    """

    preset: Literal["cifar10_cnn"] = "cifar10_cnn"
    base_hidden_units: Units = 32
    """Filters of the first block; the second has twice, the third four times as many."""
    weight_decay: NonNegativeFloat = 1e-4
    """The note's name for the L2 strength of every convolution: weight_decay·Σw²."""
    batch_normalization: bool = False
    """Whether one follows every activation."""
    first_rate: Rate = 0.2
    """Of the dropout behind the first pooling."""
    second_rate: Rate = 0.3
    third_rate: Rate = 0.4
    classes: PositiveInt = 10

    source = "note, 1. Weight Regularization: CONV1 of the CIFAR-10 baseline network"
    job = _JOB

    @property
    def layers(self) -> tuple[Layer, ...]:
        """(32, 32, 3) → (classes,)."""
        rates = (self.first_rate, self.second_rate, self.third_rate)
        blocks = (self._block(2**index, rate) for index, rate in enumerate(rates))
        output = Dense(units=self.classes, activation="softmax")
        return (*(layer for block in blocks for layer in block), Flatten(), output)

    def _block(self, times: int, rate: float) -> Iterator[Layer]:
        for _ in range(2):
            yield Conv2D(
                filters=times * self.base_hidden_units,
                kernel_size=(3, 3),
                padding="same",
                kernel_regularizer=WeightPenalty(l2=self.weight_decay),
            )
            yield Activation(activation="relu")
            if self.batch_normalization:
                yield BatchNormalization()
        yield MaxPooling2D(pool_size=(2, 2))
        yield Dropout(rate=rate)
