"""The note's networks as presets: a spec may name one in place of layers."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.activation import Activation
from ridgeline.spec.layers.convolution import Conv2D
from ridgeline.spec.layers.core import Dense
from ridgeline.spec.layers.images import Resizing
from ridgeline.spec.layers.normalization import BatchNormalization
from ridgeline.spec.layers.pooling import MaxPooling2D
from ridgeline.spec.layers.regularization import Dropout
from ridgeline.spec.layers.reshaping import Flatten
from ridgeline.spec.regularization.regularizers import WeightPenalty
from ridgeline.spec.schema import Contract, NonNegativeFloat, PositiveInt, Rate

LEAST_SIZE = 16
"""The smallest picture that four unpadded convolutions and two poolings do not use up."""
_IMDB_JOB = {
    "dataset": {"source": "keras", "name": "imdb", "num_words": 10_000},
    "split": {"validation": 0.4},  # 10,000 reviews, as many as the book holds out
    "training": {
        "loss": "binary_crossentropy",
        "optimizer": "rmsprop",
        "metrics": ["accuracy"],
        "epochs": 20,
        "batch_size": 512,
    },
}
_CIFAR10_JOB = {
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
_VGG_JOB = {
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


class Preset(Contract):
    """A network by name, used in a spec in place of `layers`.

    To add a preset, write one subclass (its parameters with bounds, its layers, the other sections
    of a job) and add it to the union below.
    """

    preset: str

    #: Its place in the note.
    source: ClassVar[str]
    #: The other sections of a job that trains it, as in a spec.
    job: ClassVar[dict[str, Any]]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The network's layers, wired in order."""
        raise NotImplementedError


class ImdbMLP(Preset):
    """Two hidden layers, each followed by dropout, and one sigmoid unit: is the review positive?

    The note shows the first hidden layer over 10,000 words, the dropout of 0.3 and the second
    hidden layer. The second dropout, the output and the training settings follow the film review
    network in F. Chollet, Deep Learning with Python (2017).
    """

    preset: Literal["imdb_mlp"] = "imdb_mlp"
    units: PositiveInt = 16
    """Units of each hidden layer."""
    rate: Rate = 0.3
    """Rate of both dropout layers."""

    source = "note, 2. Dropout: Dense(16), Dropout(0.3), Dense(16)"
    job = _IMDB_JOB

    @property
    def layers(self) -> tuple[Layer, ...]:
        """(10000,) → (1,)."""
        return _layers(self.units, self.rate)


class ImdbMLPHalf(Preset):
    """imdb_mlp with dropout 0.5, the note's second variant."""

    preset: Literal["imdb_mlp_half"] = "imdb_mlp_half"
    units: PositiveInt = 16
    """Units of each hidden layer."""
    rate: Rate = 0.5
    """Rate of both dropout layers."""

    source = "note, 2. Dropout: Dropout(0.5)"
    job = _IMDB_JOB

    @property
    def layers(self) -> tuple[Layer, ...]:
        """(10000,) → (1,)."""
        return _layers(self.units, self.rate)


def _layers(units: int, rate: float) -> tuple[Layer, ...]:
    return (
        Dense(units=units, activation="relu"),
        Dropout(rate=rate),
        Dense(units=units, activation="relu"),
        Dropout(rate=rate),
        Dense(units=1, activation="sigmoid"),
    )


class Cifar10CNN(Preset):
    """Three blocks of two L2-penalized 3x3 convolutions and a pooling, then a softmax.

    The note shows the first convolution: base_hidden_units filters of 3x3, padding `same`, an L2
    penalty of 1e-4 and the activation as a layer of its own. The rest (two and four times as many
    filters in the other blocks, pooling followed by dropout, the output) follows the baseline
    network in M. Elgendy, Deep Learning for Vision Systems (2020), chapter 6. There a
    BatchNormalization follows every activation; the note does not mention it, so it is optional.
    """

    preset: Literal["cifar10_cnn"] = "cifar10_cnn"
    base_hidden_units: Annotated[int, Field(ge=1, le=2**29 - 1)] = 32
    """Filters of the first block; the second has twice, the third four times as many."""
    weight_decay: NonNegativeFloat = 1e-4
    """L2 strength of every convolution, by the note's name for it: weight_decay·Σw²."""
    batch_normalization: bool = False
    """Whether a BatchNormalization follows every activation."""
    first_rate: Rate = 0.2
    """Rate of the dropout after the first pooling."""
    second_rate: Rate = 0.3
    """Rate of the dropout after the second pooling."""
    third_rate: Rate = 0.4
    """Rate of the dropout after the third pooling."""
    classes: PositiveInt = 10

    source = "note, 1. Weight Regularization: CONV1 of the CIFAR-10 baseline network"
    job = _CIFAR10_JOB

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


class VGGLike(Preset):
    """Two blocks of two 3x3 convolutions and a pooling, then a dense layer and a softmax.

    The network and its optimizer (SGD, learning rate 0.01, Nesterov momentum 0.9) are the note's,
    taken from the guide to Keras's Sequential model. The note's pictures are 100x100x3; the job
    trains on CIFAR-10, resized to 100x100 by a Resizing layer in front.
    """

    preset: Literal["vgg_like"] = "vgg_like"
    input_size: Annotated[int, Field(ge=LEAST_SIZE, le=1024)] | None = 100
    """Height and width to resize pictures to; null keeps their size."""
    filters: Annotated[int, Field(ge=1, le=2**30 - 1)] = 32
    """Filters of the first block's convolutions; the second block has twice as many."""
    units: PositiveInt = 256
    """Units of the dense layer."""
    pooling_rate: Rate = 0.25
    """Rate of the dropout after each pooling."""
    dense_rate: Rate = 0.5
    """Rate of the dropout after the dense layer."""
    classes: PositiveInt = 10

    source = "note, 2. Dropout: VGG-like convnet"
    job = _VGG_JOB

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


_Any = ImdbMLP | ImdbMLPHalf | Cifar10CNN | VGGLike
AnyPreset = Annotated[_Any, Field(discriminator="preset")]

#: Every preset by its name.
PRESETS: dict[str, type[Preset]] = {
    preset.model_fields["preset"].default: preset for preset in get_args(_Any)
}
