"""Optimizer updates by TensorFlow's fused kernels: one operation per variable instead of a dozen.

Each function updates variables and slots as the Keras optimizer's `update_step` does, up to
rounding.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf


class Update(NamedTuple):
    """A gradient, its variable, and the variable's index among the slots."""

    place: int
    variable: keras.Variable
    gradient: tf.Tensor


Kernel = Callable[[keras.Optimizer, Sequence[Update], tf.Tensor], None]


def kernel_of(optimizer: keras.Optimizer) -> Kernel | None:
    """The fused update for `optimizer`, or None if there is none."""
    return _KERNELS.get(type(optimizer))


def _sgd(optimizer: keras.Optimizer, updates: Sequence[Update], rate: tf.Tensor) -> None:
    for place, variable, gradient in updates:
        if optimizer.momentum:
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable.value.handle,
                accum=optimizer.momentums[place].value.handle,
                lr=rate,
                grad=gradient,
                momentum=optimizer.momentum,
                use_nesterov=optimizer.nesterov,
            )
        else:
            tf.raw_ops.ResourceApplyGradientDescent(
                var=variable.value.handle, alpha=rate, delta=gradient
            )


def _adam(optimizer: keras.Optimizer, updates: Sequence[Update], rate: tf.Tensor) -> None:
    step = tf.cast(optimizer.iterations.value + 1, tf.float32)
    common = {
        "beta1_power": tf.pow(optimizer.beta_1, step),
        "beta2_power": tf.pow(optimizer.beta_2, step),
        "lr": rate * _rounding(optimizer.beta_2, step),
        "beta1": optimizer.beta_1,
        "beta2": optimizer.beta_2,
        "epsilon": optimizer.epsilon,
    }
    for place, variable, gradient in updates:
        slots = {
            "m": optimizer._momentums[place].value.handle,  # noqa: SLF001
            "v": optimizer._velocities[place].value.handle,  # noqa: SLF001
        }
        if optimizer.amsgrad:
            tf.raw_ops.ResourceApplyAdamWithAmsgrad(
                var=variable.value.handle,
                vhat=optimizer._velocity_hats[place].value.handle,  # noqa: SLF001
                grad=gradient,
                **slots,
                **common,
            )
        else:
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle, grad=gradient, **slots, **common
            )


def _rounding(beta_2: float, step: tf.Tensor) -> tf.Tensor | float:
    """√(v of the kernel / v of Keras) for a constant gradient.

    The kernel computes 1 − β₂ in float32 (0.00100005 for 0.001), Keras in double precision.
    Uncorrected, every step would differ by 2·10⁻⁵ of its length.
    """
    exact, rounded = 1 - beta_2, float(np.float32(1) - np.float32(beta_2))
    if exact == rounded:
        return 1.0
    steps = tf.cast(step, tf.float64)
    ours, theirs = (tf.math.expm1(steps * np.log1p(-share)) for share in (rounded, exact))
    return tf.cast(tf.sqrt(ours / theirs), step.dtype)


def _rmsprop(optimizer: keras.Optimizer, updates: Sequence[Update], rate: tf.Tensor) -> None:
    """The fused kernels need a momentum; without one the update is explicit."""
    for place, variable, gradient in updates:
        velocity = optimizer._velocities[place].value  # noqa: SLF001
        if not optimizer.momentum:
            _plain_rmsprop(optimizer, Update(place, variable, gradient), rate)
            continue
        common = {
            "var": variable.value.handle,
            "ms": velocity.handle,
            "mom": optimizer._momentums[place].value.handle,  # noqa: SLF001
            "lr": rate,
            "rho": optimizer.rho,
            "momentum": optimizer.momentum,
            "epsilon": optimizer.epsilon,
            "grad": gradient,
        }
        if optimizer.centered:
            mean = optimizer._average_gradients[place].value  # noqa: SLF001
            tf.raw_ops.ResourceApplyCenteredRMSProp(mg=mean.handle, **common)
        else:
            tf.raw_ops.ResourceApplyRMSProp(**common)


def _plain_rmsprop(optimizer: keras.Optimizer, update: Update, rate: tf.Tensor) -> None:
    place, variable, gradient = update
    velocity = optimizer._velocities[place].value  # noqa: SLF001
    variance = _towards(velocity, tf.square(gradient), optimizer.rho)
    velocity.assign(variance)
    if optimizer.centered:
        mean = optimizer._average_gradients[place].value  # noqa: SLF001
        centre = _towards(mean, gradient, optimizer.rho)
        mean.assign(centre)
        variance -= tf.square(centre)
    root = tf.math.rsqrt(variance + optimizer.epsilon)
    variable.value.assign_sub(rate * gradient * root)


def _towards(average: tf.Tensor, value: tf.Tensor, momentum: float) -> tf.Tensor:
    return momentum * average + (1 - momentum) * value


_KERNELS: dict[type[keras.Optimizer], Kernel] = {
    keras.optimizers.Adam: _adam,
    keras.optimizers.AdamW: _adam,
    keras.optimizers.SGD: _sgd,
    keras.optimizers.RMSprop: _rmsprop,
}
