"""Penalties on weights and outputs, apart from the data loss."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from ridgeline.spec.regularization.regularizers import ACTIVITY, OrthogonalMode, PenaltyTerm

Weights = Mapping[tuple[str, str], keras.Variable]
"""Variables by layer and weight name."""


class Penalties:
    """All penalties of a model as one vector, one entry per term.

    A term is coefficient·Σ|w| (l1), coefficient·Σw² (l2) or the orthogonal one, as
    keras.regularizers computes them; on a layer's output the sum is divided by the batch's rows.
    The coefficients are an input, so changing one retraces nothing.
    """

    def __init__(self, terms: Sequence[PenaltyTerm], weights: Weights) -> None:
        self.terms = tuple(terms)
        self._weights = [
            None if term.weight == ACTIVITY else weights[term.layer, term.weight] for term in terms
        ]
        self.proximal = {
            number: weight
            for number, (term, weight) in enumerate(zip(terms, self._weights, strict=True))
            if term.proximal
        }
        """The variables of terms that a soft threshold minimizes, by term number."""
        self.on_outputs = any(term.weight == ACTIVITY for term in terms)
        """Whether any term needs the layers' outputs."""
        self._differentiated = np.array([not term.proximal for term in terms], np.float32)

    @property
    def coefficients(self) -> tf.Tensor:
        """The coefficients as the spec gives them, shape (terms,)."""
        return tf.constant([term.coefficient for term in self.terms], tf.float32, [len(self.terms)])

    def __call__(self, coefficients: tf.Tensor, outputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The penalties of the current weights and outputs (by layer), shape (terms,)."""
        if not self.terms:
            return tf.zeros([0])
        sums = [
            _sum(term, outputs[term.layer] if weight is None else weight.value)
            for term, weight in zip(self.terms, self._weights, strict=True)
        ]
        # With the number of terms left open, a single one would give a vector of unknown length.
        return tf.ensure_shape(coefficients, [len(sums)]) * tf.stack(sums)

    def differentiated(self, penalties: tf.Tensor) -> tf.Tensor:
        """The sum of the terms that are minimized by gradient."""
        if not self.proximal:
            return tf.reduce_sum(penalties)
        return tf.reduce_sum(penalties * self._differentiated)


def keras_regularizer(terms: Sequence[PenaltyTerm]) -> keras.Regularizer | None:
    """The Keras regularizer equivalent to one weight's terms, for the saved model."""
    by_kind = {term.kind: term.coefficient for term in terms}
    if not by_kind:
        return None
    if "orthogonal" in by_kind:
        return keras.regularizers.OrthogonalRegularizer(by_kind["orthogonal"], terms[0].mode)
    if len(by_kind) > 1:
        return keras.regularizers.L1L2(**by_kind)
    if "l1" in by_kind:
        return keras.regularizers.L1(by_kind["l1"])
    return keras.regularizers.L2(by_kind["l2"])


def _sum(term: PenaltyTerm, value: tf.Tensor) -> tf.Tensor:
    """The factor of the term's coefficient, as a float32 scalar."""
    if term.kind == "orthogonal":
        return _mean_cosine(value, term.mode or "rows")
    # A layer's output may be a half-precision number; its sum would overflow.
    value = tf.cast(value, tf.float32)
    total = _SUMS[term.kind](value)
    if term.weight != ACTIVITY:
        return total
    return total / tf.cast(tf.shape(value)[0], tf.float32)


def _mean_cosine(matrix: tf.Tensor, mode: OrthogonalMode) -> tf.Tensor:
    """½·Σ|cos(wᵢ, wⱼ)| over i ≠ j, divided by size·(size − 1)/2: the mean |cos| of all pairs."""
    axis = 1 if mode == "rows" else 0
    unit = tf.math.l2_normalize(matrix, axis=axis, epsilon=_EPSILON)
    cosines = tf.matmul(unit, unit, transpose_b=axis == 1, transpose_a=axis == 0)
    size = matrix.shape[1 - axis]
    apart = tf.abs(cosines * (1.0 - tf.eye(size)))
    return 0.5 * tf.reduce_sum(apart) / (size * (size - 1) / 2)


_EPSILON = 1e-14
"""Smallest squared norm to divide by: that of Keras's 1e-7."""
# l2_loss is Σw²/2 in one kernel, and its gradient another.
_SUMS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "l1": lambda value: tf.reduce_sum(tf.abs(value)),
    "l2": lambda value: 2 * tf.nn.l2_loss(value),
}
