"""The formats a training is published in, and which networks each can hold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.wrapper import Wrapper

OutputName = Literal[
    "keras",  # `model.keras`: architecture, weights, regularizers, optimizer state
    "weights",  # `model.weights.h5`, and `model.json`, the architecture they belong to
    "saved_model",  # `saved_model.zip`: TensorFlow's SavedModel, prediction alone
    "litert",  # `model.tflite`: LiteRT (TensorFlow Lite), built-in operations alone
    "onnx",  # `model.onnx`: ONNX, standard operations alone
    "tensorboard",  # `tensorboard.zip`: no model, but its curves and weights as event files
]

MAX_BYTES = 2**31 - 2**20
"""What one file of `litert` or `onnx` holds: 2 GiB, less a margin for all that is no weight."""
_BYTES_PER_PARAMETER = 4

Arguments = Mapping[str, Any]
Unfit = Callable[[Arguments], bool]


def check_outputs(outputs: Sequence[OutputName], layers: Sequence[Layer], parameters: int) -> None:
    """Raise SpecError where a format cannot hold the network, before it is trained."""
    faults = [
        Fault(pointer=pointer("outputs", index), detail=detail, rule="output-fits-model")
        for index, output in enumerate(outputs)
        for detail in _details(output, layers, parameters)
    ]
    if faults:
        raise SpecError(faults)


def obstacle(output: OutputName, layer_type: str, arguments: Arguments) -> str | None:
    """What of a layer `output` has no operation for; None where it holds the layer."""
    for what, unfit in _OBSTACLES.get(output, {}).get(layer_type, {}).items():
        if unfit(arguments):
            return what
    return None


def _details(output: OutputName, layers: Sequence[Layer], parameters: int) -> Iterator[str]:
    if output not in _OBSTACLES:
        return
    for layer in layers:
        for each in _with_wrapped(layer):
            what = obstacle(output, each.type_name(), each.arguments())
            if what is not None:
                yield (
                    f"{output} has no operation for {what} of {layer.name!r} ({each.type_name()});"
                    f" remove {output!r} or change the layer"
                )
    size = parameters * _BYTES_PER_PARAMETER
    if size > MAX_BYTES:
        yield (
            f"the model would take {size / 2**30:,.1f} GiB, a file of {output} holds less than"
            f" 2 GiB; remove {output!r} or make the network smaller"
        )


def _with_wrapped(layer: Layer) -> Iterator[Layer]:
    yield layer
    if isinstance(layer, Wrapper):
        yield from _with_wrapped(layer.layer)


def _always(_: Arguments) -> bool:
    return True


def _above_one(argument: str) -> Unfit:
    """Whether `argument`, a number or one per axis, is more than 1 anywhere."""

    def unfit(arguments: Arguments) -> bool:
        value = arguments.get(argument, 1)
        return any(one > 1 for one in (value if isinstance(value, list | tuple) else [value]))

    return unfit


def _one_of(argument: str, *values: str) -> Unfit:
    return lambda arguments: arguments.get(argument) in values


_POOLING_3D = {"pooling over three axes": _always}
_DILATED = {"the dilation": _above_one("dilation_rate")}
_GROUPED = {"the groups": _above_one("groups")}
_LANCZOS = ("lanczos3", "lanczos5")
#: Output → layer → what it has no operation for → whether a layer has that.
_OBSTACLES: Mapping[str, Mapping[str, Mapping[str, Unfit]]] = {
    "litert": {
        "MaxPooling3D": _POOLING_3D,
        "AveragePooling3D": _POOLING_3D,
        "AdaptiveMaxPooling3D": _POOLING_3D,
        "AdaptiveAveragePooling3D": _POOLING_3D,
        "Conv3D": _DILATED | _GROUPED,
        "Conv1DTranspose": _DILATED,
        "Conv2DTranspose": _DILATED,
        "UpSampling2D": {"the interpolation": _one_of("interpolation", "bicubic", *_LANCZOS)},
        "Resizing": {"the interpolation": _one_of("interpolation", "bicubic", "area", *_LANCZOS)},
    },
    "onnx": {
        "Conv3D": _GROUPED,
        "UpSampling2D": {"the interpolation": _one_of("interpolation", *_LANCZOS)},
        "Resizing": {"the interpolation": _one_of("interpolation", "bicubic", "area", *_LANCZOS)},
    },
}
