"""The note's network for film reviews, in both of its variants."""

from typing import Literal

from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.core import Dense
from ridgeline.spec.layers.regularization import Dropout
from ridgeline.spec.presets.base import Preset
from ridgeline.spec.schema import PositiveInt, Rate

_JOB = {
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


class ImdbMLP(Preset):
    """Two hidden layers, each with dropout behind it, and one unit that says whether it is praise.

    The note shows the first hidden layer over 10,000 words, the dropout of 0.3 and the second
    hidden layer. The dropout behind that, the output and how it is trained are completed after the
    network for film reviews in F. Chollet, Deep Learning with Python (2017).
    """

    preset: Literal["imdb_mlp"] = "imdb_mlp"
    units: PositiveInt = 16
    """Of each hidden layer."""
    rate: Rate = 0.3
    """Of both dropouts."""

    source = "note, 2. Dropout: Dense(16), Dropout(0.3), Dense(16)"
    job = _JOB

    @property
    def layers(self) -> tuple[Layer, ...]:
        """(10000,) → (1,)."""
        return _layers(self.units, self.rate)


class ImdbMLPHalf(Preset):
    """imdb_mlp with the dropout of 0.5 that the note shows beside it."""

    preset: Literal["imdb_mlp_half"] = "imdb_mlp_half"
    units: PositiveInt = 16
    """Of each hidden layer."""
    rate: Rate = 0.5
    """Of both dropouts."""

    source = "note, 2. Dropout: Dropout(0.5)"
    job = _JOB

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
