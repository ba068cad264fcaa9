"""Which networks each format can hold, checked before training."""

from typing import Any, get_args

import pytest

from ridgeline.planning.resolve import resolve
from ridgeline.spec.faults import SpecError
from ridgeline.spec.outputs import OutputName, check_outputs, obstacle


class AnyLayer:
    """The part of a layer that the check reads, for layers of any kind."""

    def __init__(self, type_name: str, name: str = "layer", **arguments: Any) -> None:
        self.name = name
        self._type_name, self._arguments = type_name, arguments

    def type_name(self) -> str:
        return self._type_name

    def arguments(self) -> dict[str, Any]:
        return self._arguments


def faults(*outputs: OutputName, layers: list[Any], parameters: int = 10) -> dict[str, list[str]]:
    """The details of faults, by pointer."""
    details: dict[str, list[str]] = {}
    try:
        check_outputs(outputs, layers, parameters)
    except SpecError as error:
        for fault in error.faults:
            details.setdefault(fault.pointer, []).append(fault.detail)
    return details


def test_a_fault_names_the_layer_and_the_format() -> None:
    layers = [AnyLayer("Conv3D", "deep", groups=2), AnyLayer("MaxPooling3D", "pool")]
    details = faults("keras", "onnx", "litert", layers=layers)
    assert list(details) == ["/outputs/1", "/outputs/2"]
    assert details["/outputs/1"] == [
        "onnx has no operation for the groups of 'deep' (Conv3D); remove 'onnx' or change the layer"
    ]
    grouped, pooled = details["/outputs/2"]
    assert grouped.startswith("litert has no operation for the groups of 'deep' (Conv3D)")
    assert pooled.startswith("litert has no operation for pooling over three axes of 'pool'")


def test_own_formats_hold_everything() -> None:
    layers = [AnyLayer("Conv3D", groups=2), AnyLayer("MaxPooling3D")]
    assert faults("keras", "weights", "saved_model", layers=layers, parameters=2**40) == {}


@pytest.mark.parametrize(
    ("dilation_rate", "fits"), [(1, True), ((1, 1), True), (2, False), ((1, 2), False)]
)
def test_an_argument_may_be_a_number_or_one_per_axis(dilation_rate: Any, fits: bool) -> None:
    layer = AnyLayer("Conv2DTranspose", dilation_rate=dilation_rate)
    assert bool(faults("litert", layers=[layer])) is not fits


def test_a_layer_without_the_argument_fits() -> None:
    assert obstacle("litert", "Conv2DTranspose", {}) is None
    assert obstacle("onnx", "UpSampling2D", {"interpolation": "nearest"}) is None


@pytest.mark.parametrize("output", ["litert", "onnx"])
def test_a_file_holds_less_than_two_gib(output: OutputName) -> None:
    assert faults(output, layers=[], parameters=2**29 - 2**18) == {}
    (detail,) = faults(output, layers=[], parameters=2**29)["/outputs/0"]
    assert "the model would take 2.0 GiB" in detail


def test_resolving_checks_outputs(make_spec: Any) -> None:
    model = {
        "layers": [
            *({"type": "Dense", "units": units} for units in (30_000, 30_000)),
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ]
    }
    outputs = list(get_args(OutputName))
    with pytest.raises(SpecError) as caught:
        resolve(make_spec(model=model, outputs=outputs), memory_limit=None)
    assert [fault.pointer for fault in caught.value.faults] == ["/outputs/3", "/outputs/4"]
    assert {fault.rule for fault in caught.value.faults} == {"output-fits-model"}
    resolve(make_spec(model=model, outputs=outputs[:3]), memory_limit=None)


def test_wrapped_layers_are_checked_too(parse_layers: Any) -> None:
    inner = {"type": "Conv3D", "filters": 2, "kernel_size": 1, "groups": 2}
    layers = parse_layers({"type": "TimeDistributed", "name": "steps", "layer": inner})
    (detail,) = faults("onnx", layers=list(layers))["/outputs/0"]
    assert "the groups of 'steps' (Conv3D)" in detail
