"""The note's VGG-like network: dropout behind poolings and behind the dense layer."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.convolution import Conv2D
from ridgeline.spec.layers.core import Dense
from ridgeline.spec.layers.images import Resizing
from ridgeline.spec.layers.pooling import MaxPooling2D
from ridgeline.spec.layers.regularization import Dropout
from ridgeline.spec.layers.reshaping import Flatten
from ridgeline.spec.presets.base import Preset
from ridgeline.spec.schema import PositiveInt, Rate

LEAST_SIZE = 16
"""What four convolutions without padding and two poolings leave something of."""
Filters = Annotated[int, Field(ge=1, le=2**30 - 1)]
_JOB = {
    "dataset": {"source": "keras", "name": "cifar10"},
    "split": {"validation": 0.1},
    "training": {
        "loss": "categorical_crossentropy",
        "optimizer": {
            "name": "sgd",
            "learning_rate": 0.01,
            "momentum": 0.9,
            "nesterov": True,
        },
        "metrics": ["accuracy"],
        "epochs": 10,
        "batch_size": 32,
    },
}


class VGGLike(Preset):
    """Two blocks of two 3x3 convolutions and a pooling, then a dense layer and a softmax.

    All of it is the note's, which has it from the guide to Keras's Sequential model; so is the
    optimizer (SGD, learning rate 0.01, Nesterov momentum 0.9). The note's pictures are 100x100x3;
    the job's are those of CIFAR-10, which a Resizing layer in front brings to that size.
    """

    preset: Literal["vgg_like"] = "vgg_like"
    input_size: Annotated[int, Field(ge=LEAST_SIZE, le=1024)] | None = 100
    """Height and width that pictures are brought to; null leaves them as they are."""
    filters: Filters = 32
    """Of the first block's convolutions; the second block's have twice as many."""
    units: PositiveInt = 256
    """Of the dense layer."""
    pooling_rate: Rate = 0.25
    """Of the dropouts behind the poolings."""
    dense_rate: Rate = 0.5
    """Of the dropout behind the dense layer."""
    classes: PositiveInt = 10

    source = "note, 2. Dropout: VGG-like convnet"
    job = _JOB

    @property
    def layers(self) -> tuple[Layer, ...]:
        """(height, width, channels) → (classes,)."""
        size = self.input_size
        return (
            *(() if size is None else (Resizing(height=size, width=size),)),
            *self._block(self.filters),
            *self._block(2 * self.filters),
            Flatten(),
            Dense(units=self.units, activation="relu"),
            Dropout(rate=self.dense_rate),
            Dense(units=self.classes, activation="softmax"),
        )

    def _block(self, filters: int) -> Iterator[Layer]:
        for _ in range(2):
            yield Conv2D(filters=filters, kernel_size=(3, 3), activation="relu")
        yield MaxPooling2D(pool_size=(2, 2))
        yield Dropout(rate=self.pooling_rate)
