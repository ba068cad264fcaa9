"""Everything random in training, as a function of (seed, epoch): a resumed epoch repeats it.

Keras's own: a seeded `fit` repeats one permutation every epoch, and a saved model forgets how far
its generators had counted.
"""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

_SAMPLE = 2**32 - 1
"""The epoch number for drawing the sample of training rows; no trained epoch has it."""


def row_order(seed: int, epoch: int, rows: int) -> npt.NDArray[np.int32]:
    """The order of rows in an epoch: one permutation per (seed, epoch)."""
    return np.random.default_rng([seed, epoch]).permutation(rows).astype(np.int32)


def sample_rows(seed: int, rows: int, size: int) -> npt.NDArray[np.int32]:
    """The training rows that every epoch is measured on, ascending."""
    drawn = np.random.default_rng([seed, _SAMPLE]).permutation(rows)[:size]
    return np.sort(drawn).astype(np.int32)


def mask_seed(seed: int, epoch: int) -> tf.Tensor:
    """Two numbers that determine an epoch's dropout masks, shape (2,)."""
    state = np.random.SeedSequence([seed, epoch]).generate_state(2)
    return tf.constant(state.astype(np.int32), tf.int32)


def seed_generators(layers: Iterable[keras.Layer]) -> list[keras.random.SeedGenerator]:
    """The generators of all layers and nested layers, without duplicates."""
    generators = {
        id(generator): generator
        for layer in layers
        for part in layer._flatten_layers()  # noqa: SLF001 - Keras has no public way
        for generator in part._seed_generators  # noqa: SLF001
    }
    return list(generators.values())


def set_generators(generators: Sequence[keras.random.SeedGenerator], seed: int, epoch: int) -> None:
    """Set every generator to its state at the start of an epoch."""
    for number, generator in enumerate(generators):
        state = np.random.SeedSequence([seed, epoch, number]).generate_state(2)
        generator.state.assign(state.astype(generator.state.dtype))
