"""Proximal L1: a soft threshold after each step, which reaches exact zeros.

A gradient step on c·Σ|w| moves a weight across zero and back, never onto it. The proximal step
takes the penalty out of the gradient and, after the step on the data loss, solves it exactly:

    w ← argmin_u ½‖u − w‖²/s + c·|u| = sign(w)·max(|w| − s·c, 0)

For plain SGD s = η, the learning rate: ISTA (Daubechies et al., 2004; Beck & Teboulle, 2009), for
mini-batches proximal SGD.

An adaptive optimizer steps in a metric of its own, by s_i per unit of gradient for weight i. The
proximal step in that metric is still a threshold by weight, t_i = c·s_i, and exact because the
metric is diagonal (AdaGrad's: Duchi et al., 2011; ProxGen, for Adam and its kin: Yun et al.,
2021). A threshold of c·η for all would solve another problem, in which a weight's penalty grows
with its gradient's root mean square.

s_i is the distance that step k moves weight i for each unit of a gradient that has stayed the same.
So a weight rests where it should, on the lasso's optimality conditions: g_i = −c·sign(w_i) where
w_i ≠ 0, and zeros stay zero while |g_i| ≤ c, g_i the gradient as the optimizer has averaged it.

    SGD        η·G            G = 1 without momentum; (1 − μ^k)/(1 − μ) with; (1 − μ^(k+1))/(1 − μ)
                              with Nesterov's: Keras's momentum adds gradients up
    Adam(W)    η/(√v̂_i + ε′)  v̂ with bias corrected, ε′ = ε/√(1 − β₂^k); amsgrad: its maximum
    Nadam      η/(√v̂_i + ε)
    Adamax     η/(u_i + ε)
    RMSprop    η·G/√(v_i + ε)  centered: v_i − ḡ_i²
    Adagrad    η/√(a_i + ε)
    Adadelta   η·√((d_i + ε)/(a_i + ε))
    others     η              Lion and Muon's steps do not grow with the gradient, and those of
                              Lamb and Adafactor have a factor they do not keep

Ftrl computes each weight anew from its sums and so forgets a threshold: use its own
l1_regularization_strength, which is proximal too.
"""

from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

StepSize = Callable[[keras.Optimizer, int, tf.Tensor], tf.Tensor | float]


def threshold(
    optimizer: keras.Optimizer,
    variables: Sequence[keras.Variable],
    coefficients: Mapping[int, tf.Tensor],
    rate: tf.Tensor,
    step: tf.Tensor,
) -> None:
    """Soft-threshold the variables in `coefficients`, by index, by c·s_i.

    `rate` is the learning rate η of the step just taken, 0 for one that was not; `step` is its
    number k, from 1.
    """
    step_size = _STEP_SIZES.get(type(optimizer), _unknown)
    for index, coefficient in coefficients.items():
        weight = variables[index].value
        limit = coefficient * rate * step_size(optimizer, index, step)
        # w − w where |w| ≤ t, w ∓ t elsewhere.
        weight.assign_sub(tf.clip_by_value(weight, -limit, limit))


def _unknown(optimizer: keras.Optimizer, index: int, step: tf.Tensor) -> float:
    del optimizer, index, step
    return 1.0


def _sgd(optimizer: keras.Optimizer, index: int, step: tf.Tensor) -> tf.Tensor | float:
    del index
    return _gain(optimizer.momentum, step + 1.0 if optimizer.nesterov else step)


def _adam(optimizer: keras.Optimizer, index: int, step: tf.Tensor) -> tf.Tensor:
    slots = optimizer._velocity_hats if optimizer.amsgrad else optimizer._velocities  # noqa: SLF001
    correction = tf.sqrt(1 - tf.pow(optimizer.beta_2, step))
    return correction / (tf.sqrt(slots[index].value) + optimizer.epsilon)


def _nadam(optimizer: keras.Optimizer, index: int, step: tf.Tensor) -> tf.Tensor:
    velocity = optimizer._velocities[index].value  # noqa: SLF001
    corrected = velocity / (1 - tf.pow(optimizer.beta_2, step))
    return 1 / (tf.sqrt(corrected) + optimizer.epsilon)


def _adamax(optimizer: keras.Optimizer, index: int, step: tf.Tensor) -> tf.Tensor:
    del step
    return 1 / (optimizer._u[index].value + optimizer.epsilon)  # noqa: SLF001


def _rmsprop(optimizer: keras.Optimizer, index: int, step: tf.Tensor) -> tf.Tensor:
    variance = tf.convert_to_tensor(optimizer._velocities[index].value)  # noqa: SLF001
    if optimizer.centered:
        variance -= tf.square(optimizer._average_gradients[index].value)  # noqa: SLF001
    return _gain(optimizer.momentum, step) * tf.math.rsqrt(variance + optimizer.epsilon)


def _adagrad(optimizer: keras.Optimizer, index: int, step: tf.Tensor) -> tf.Tensor:
    del step
    return tf.math.rsqrt(optimizer._accumulators[index].value + optimizer.epsilon)  # noqa: SLF001


def _adadelta(optimizer: keras.Optimizer, index: int, step: tf.Tensor) -> tf.Tensor:
    del step
    moved = optimizer._accumulated_delta_vars[index].value  # noqa: SLF001
    gradients = optimizer._accumulated_grads[index].value  # noqa: SLF001
    return tf.sqrt((moved + optimizer.epsilon) / (gradients + optimizer.epsilon))


def _gain(momentum: float, steps: tf.Tensor) -> tf.Tensor | float:
    """The gain of a momentum after this many equal gradients."""
    return (1 - tf.pow(momentum, steps)) / (1 - momentum) if momentum else 1.0


_STEP_SIZES: dict[type[keras.Optimizer], StepSize] = {
    keras.optimizers.SGD: _sgd,
    keras.optimizers.Adam: _adam,
    keras.optimizers.AdamW: _adam,
    keras.optimizers.Nadam: _nadam,
    keras.optimizers.Adamax: _adamax,
    keras.optimizers.RMSprop: _rmsprop,
    keras.optimizers.Adagrad: _adagrad,
    keras.optimizers.Adadelta: _adadelta,
}
