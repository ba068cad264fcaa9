"""Constraints: what each weight is projected onto after a step."""

from collections.abc import Sequence

import keras


def constrain(variables: Sequence[keras.Variable]) -> None:
    """Apply each variable's own Keras constraint: max-norm, unit-norm, non-negative, min-max-norm.

    As in Keras it comes last, after the moving average: the averages are of unconstrained weights.
    """
    for variable in variables:
        if variable.constraint is not None:
            variable.assign(variable.constraint(variable))
