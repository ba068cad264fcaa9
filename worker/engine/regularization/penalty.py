"""L1 and L2 weight penalties, apart from the data loss."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from ridgeline.contract.regularizers import PenaltyTerm


class WeightPenalties:
    """All weight penalties of a model as one vector, a term each.

    A term is coefficient·Σ|w| (l1) or coefficient·Σw² (l2), as keras.regularizers.L1 and L2
    compute them. The coefficients are an input, so changing one retraces nothing.
    """

    def __init__(self, terms: Sequence[PenaltyTerm], layers: dict[str, keras.Layer]) -> None:
        self.terms = tuple(terms)
        self._weights = [getattr(layers[term.layer], term.weight) for term in terms]

    @property
    def coefficients(self) -> tf.Tensor:
        """The coefficients as the spec gives them, shape (terms,)."""
        return tf.constant([term.coefficient for term in self.terms], tf.float32, [len(self.terms)])

    def __call__(self, coefficients: tf.Tensor) -> tf.Tensor:
        """The penalties at the present weights, shape (terms,)."""
        if not self.terms:
            return tf.zeros([0])
        # l2_loss is Σw²/2 in one kernel, and its gradient another.
        sums = [
            tf.reduce_sum(tf.abs(weight)) if term.kind == "l1" else 2 * tf.nn.l2_loss(weight)
            for term, weight in zip(self.terms, self._weights, strict=True)
        ]
        # With the number of terms left open, a single one would give a vector of unknown length.
        return tf.ensure_shape(coefficients, [len(sums)]) * tf.stack(sums)


def keras_regularizer(terms: Sequence[PenaltyTerm]) -> keras.Regularizer | None:
    """The Keras regularizer that says the same as one weight's terms, for the saved model."""
    by_kind = {term.kind: term.coefficient for term in terms}
    if not by_kind:
        return None
    if len(by_kind) > 1:
        return keras.regularizers.L1L2(**by_kind)
    if "l1" in by_kind:
        return keras.regularizers.L1(by_kind["l1"])
    return keras.regularizers.L2(by_kind["l2"])
