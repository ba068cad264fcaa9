"""Builds the Keras optimizer a spec names, and applies it by TensorFlow's fused kernels."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from ridgeline.contract.training import AdamW, AnyOptimizer

_OPTIMIZERS: dict[str, type[keras.Optimizer]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}
#: Options whose work the fused kernels do not do.
_EXTRAS = (
    *("clipnorm", "clipvalue", "global_clipnorm", "use_ema", "gradient_accumulation_steps"),
    *("loss_scale_factor", "amsgrad"),
)


def build_optimizer(
    optimizer: AnyOptimizer, variables: Sequence[keras.Variable]
) -> keras.Optimizer:
    """The optimizer, built for `variables`.

    AdamW's decay spares every variable but the kernels: biases, gamma and beta are not what makes
    a network complex (Keras's own decays them all).
    """
    built = _OPTIMIZERS[optimizer.name](**optimizer.model_dump(exclude={"name"}))
    if isinstance(optimizer, AdamW):
        built.exclude_from_weight_decay(var_list=[v for v in variables if not _decays(v)])
    built.build(variables)
    return built


def apply_gradients(
    optimizer: keras.Optimizer, gradients: Sequence[tf.Tensor], variables: Sequence[keras.Variable]
) -> None:
    """Take one step, as `optimizer.apply` does, and leave the optimizer's state as it would.

    Keras writes a step out as a dozen operations per variable, which is half the time of a small
    network's epoch; one kernel per variable computes the same. Where there is none, Keras steps.
    """
    step = _FUSED.get(type(optimizer))
    extras = any(getattr(optimizer, name, None) for name in _EXTRAS)
    if step is None or extras or any(v.constraint is not None for v in variables):
        optimizer.apply(gradients, variables)
        return
    step(optimizer, gradients, variables)
    optimizer.iterations.assign_add(1)


def _adam(
    optimizer: keras.Optimizer, gradients: Sequence[tf.Tensor], variables: Sequence[keras.Variable]
) -> None:
    rate = optimizer.learning_rate.value
    if optimizer.weight_decay:
        kept = 1 - optimizer.weight_decay * rate
        for variable in filter(_decays, variables):
            variable.assign(variable.value * kept)
    step = tf.cast(optimizer.iterations.value + 1, tf.float32)
    powers = tf.pow(optimizer.beta_1, step), tf.pow(optimizer.beta_2, step)
    moments = zip(optimizer._momentums, optimizer._velocities, strict=True)  # noqa: SLF001
    for gradient, variable, (first, second) in zip(gradients, variables, moments, strict=True):
        tf.raw_ops.ResourceApplyAdam(
            var=variable.value.handle,
            m=first.value.handle,
            v=second.value.handle,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=rate,
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            grad=gradient,
        )


def _sgd(
    optimizer: keras.Optimizer, gradients: Sequence[tf.Tensor], variables: Sequence[keras.Variable]
) -> None:
    rate = optimizer.learning_rate.value
    if not optimizer.momentum:
        for gradient, variable in zip(gradients, variables, strict=True):
            tf.raw_ops.ResourceApplyGradientDescent(
                var=variable.value.handle, alpha=rate, delta=gradient
            )
        return
    steps = zip(gradients, variables, optimizer.momentums, strict=True)
    for gradient, variable, momentum in steps:
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.value.handle,
            accum=momentum.value.handle,
            lr=rate,
            grad=gradient,
            momentum=optimizer.momentum,
            use_nesterov=optimizer.nesterov,
        )


def _decays(variable: keras.Variable) -> bool:
    return bool(variable.name == "kernel")


Step = Callable[[keras.Optimizer, Sequence[tf.Tensor], Sequence[keras.Variable]], None]
_FUSED: dict[type[keras.Optimizer], Step] = {
    keras.optimizers.Adam: _adam,
    keras.optimizers.AdamW: _adam,
    keras.optimizers.SGD: _sgd,
}
