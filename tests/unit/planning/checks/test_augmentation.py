"""Where augmentation is allowed, and which targets can be mixed."""

from typing import Any

import pytest

from ridgeline.planning.resolve import resolve

Json = dict[str, Any]
IMAGES: Json = {"type": "Reshape", "target_shape": [8, 8, 1]}
MIX: Json = {"type": "MixUp"}
CONV: Json = {"type": "Conv2D", "filters": 2, "kernel_size": 3}
HEAD: list[Json] = [{"type": "Flatten"}, {"type": "Dense", "units": 10, "activation": "softmax"}]
ONE_HOT = {"loss": "categorical_crossentropy"}


def test_augmentation_before_the_first_weights_is_accepted(make_spec: Any) -> None:
    layers = [IMAGES, {"type": "RandomFlip"}, {"type": "CutMix"}, MIX, CONV, *HEAD]
    resolve(make_spec(model={"layers": layers}, training=ONE_HOT))


def test_augmentation_of_tabular_data_is_rejected(make_spec: Any, faults_of: Any) -> None:
    spec = make_spec(model={"layers": [{"type": "RandomFlip"}, *HEAD]})
    (fault,) = faults_of(lambda: resolve(spec))
    assert (fault.pointer, fault.rule) == ("/model/layers/0", "shapes-connect")
    assert "expects images" in fault.detail


@pytest.mark.parametrize("between", [[], [{"type": "Activation", "activation": "relu"}]])
def test_augmentation_after_weights_is_rejected(
    between: list[Json], make_spec: Any, faults_of: Any
) -> None:
    layers = [IMAGES, CONV, *between, {"type": "RandomFlip"}, *HEAD]
    (fault,) = faults_of(lambda: resolve(make_spec(model={"layers": layers})))
    assert fault.pointer == f"/model/layers/{2 + len(between)}"
    assert (fault.rule, "received it after" in fault.detail) == ("augments-data", True)


@pytest.mark.parametrize("kind", ["MixUp", "CutMix"])
def test_mixing_without_one_hot_targets_is_rejected(
    kind: str, make_spec: Any, faults_of: Any
) -> None:
    spec = make_spec(model={"layers": [IMAGES, {"type": kind}, *HEAD]})
    (fault,) = faults_of(lambda: resolve(spec))
    assert (fault.pointer, fault.rule) == ("/model/layers/1", "mixes-one-hot")
    assert "use categorical_crossentropy" in fault.detail


@pytest.mark.parametrize(
    "layers",
    [
        # A branch around it.
        [
            IMAGES,
            {**MIX, "name": "mix"},
            {"type": "Add", "inputs": ["mix", "reshape"]},
            *HEAD,
        ],
        # The data bypasses it.
        [
            {**IMAGES, "inputs": ["input"]},
            MIX,
            {"type": "Flatten", "name": "mixed"},
            {"type": "Concatenate", "inputs": ["mixed", "input"]},
            HEAD[1],
        ],
        # Noise is no rescaling.
        [IMAGES, {"type": "GaussianNoise", "stddev": 0.1}, MIX, *HEAD],
    ],
)
def test_mixing_that_does_not_see_all_data_is_rejected(
    layers: list[Json], make_spec: Any, faults_of: Any
) -> None:
    (fault,) = faults_of(lambda: resolve(make_spec(model={"layers": layers}, training=ONE_HOT)))
    at = [layer["type"] for layer in layers].index("MixUp")
    assert (fault.pointer, fault.rule) == (f"/model/layers/{at}", "mixes-data")
