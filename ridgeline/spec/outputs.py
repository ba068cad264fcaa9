"""The formats a trained model is published in, and which networks each can hold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.wrapper import with_wrapped

OutputName = Literal[
    "keras",  # `model.keras`: architecture, weights, regularizers, optimizer state
    "weights",  # `model.weights.h5`, with the architecture in `model.json`
    "saved_model",  # `saved_model.zip`: TensorFlow's SavedModel, for prediction only
    "litert",  # `model.tflite`: LiteRT (TensorFlow Lite), built-in operations only
    "onnx",  # `model.onnx`: ONNX, standard operations only
    "tensorboard",  # `tensorboard.zip`: curves and weights as event files, no model
]

MAX_BYTES = 2**31 - 2**20
"""Most weights in one `litert` or `onnx` file: 2 GiB, less a margin for everything else."""
_BYTES_PER_PARAMETER = 4

Arguments = Mapping[str, Any]
_Applies = Callable[[Arguments], bool]


def check_outputs(outputs: Sequence[OutputName], layers: Sequence[Layer], parameters: int) -> None:
    """Raise SpecError if a requested format cannot hold the network."""
    faults = [
        Fault(pointer=pointer("outputs", index), detail=detail, rule="output-fits-model")
        for index, output in enumerate(outputs)
        for detail in _details(output, layers, parameters)
    ]
    if faults:
        raise SpecError(faults)


def obstacle(output: OutputName, layer_type: str, arguments: Arguments) -> str | None:
    """The property of a layer that `output` has no operation for; None if it can hold the layer."""
    for unsupported, applies in _OBSTACLES.get(output, {}).get(layer_type, {}).items():
        if applies(arguments):
            return unsupported
    return None


def _details(output: OutputName, layers: Sequence[Layer], parameters: int) -> Iterator[str]:
    if output not in _OBSTACLES:
        return
    for named in layers:
        for layer in with_wrapped(named):
            unsupported = obstacle(output, layer.type_name(), layer.arguments())
            if unsupported is not None:
                yield (
                    f"{output} has no operation for {unsupported} of {named.name!r}"
                    f" ({layer.type_name()}); remove {output!r} or change the layer"
                )
    size = parameters * _BYTES_PER_PARAMETER
    if size > MAX_BYTES:
        yield (
            f"the model would take {size / 2**30:,.1f} GiB, but a file of {output} holds less than"
            f" 2 GiB; remove {output!r} or make the network smaller"
        )


def _always(_: Arguments) -> bool:
    return True


def _above_one(argument: str) -> _Applies:
    """Whether `argument`, a number or one per axis, is above 1 along any axis."""

    def applies(arguments: Arguments) -> bool:
        value = arguments.get(argument, 1)
        return any(size > 1 for size in (value if isinstance(value, list | tuple) else [value]))

    return applies


_POOLING_3D = {"pooling over three axes": _always}
_DILATED = {"the dilation": _above_one("dilation_rate")}
_GROUPED = {"the groups": _above_one("groups")}
#: Output → layer type → unsupported property → whether it applies to given arguments.
_OBSTACLES: Mapping[str, Mapping[str, Mapping[str, _Applies]]] = {
    "litert": {
        "MaxPooling3D": _POOLING_3D,
        "AveragePooling3D": _POOLING_3D,
        "AdaptiveMaxPooling3D": _POOLING_3D,
        "AdaptiveAveragePooling3D": _POOLING_3D,
        "Conv3D": _DILATED | _GROUPED,
        "Conv1DTranspose": _DILATED,
        "Conv2DTranspose": _DILATED,
    },
    "onnx": {
        "Conv3D": _GROUPED,
    },
}
