"""The default value_range of layers that change colors, and advice on a wrong one."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ridgeline.api.datasets import StoredDataset
from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.spec.dataset import UploadDataset
from ridgeline.spec.dataset.contents import ArrayMember, DatasetFormat, ImageFolder
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.layers import LAYERS
from ridgeline.spec.layers.augmentation import ValueRanged
from tests.unit.planning.dataset.stored import ID, counts, table

MakeSpec = Callable[..., JobSpec]
Json = dict[str, Any]
DIGIT_PICTURES = {"type": "Reshape", "target_shape": [8, 8, 1]}
BRIGHTER = {"type": "RandomBrightness", "factor": 0.2}
TWO_CLASSES = counts({"0": 30, "1": 30})


def network(*layers: Json, units: int = 10) -> Json:
    last = {"type": "Dense", "units": units, "activation": "softmax"}
    return {"layers": [*layers, {"type": "Flatten"}, last]}


def ranges(resolution: Resolution) -> list[tuple[float, float] | None]:
    layers = resolution.spec.model.layers
    return [layer.value_range for layer in layers if isinstance(layer, ValueRanged)]


def of_digits(scaling: str, *layers: Json, make_spec: MakeSpec) -> Resolution:
    dataset = {"name": "digits", "scaling": scaling}
    return resolve(make_spec(dataset=dataset, model=network(DIGIT_PICTURES, *layers)))


def of_file(dataset: StoredDataset, scaling: str, *layers: Json) -> Resolution:
    body = {
        "dataset": {"source": "upload", "id": ID, "scaling": scaling},
        "model": network(*layers, units=2),
        "training": {"loss": "sparse_categorical_crossentropy"},
    }
    spec = JobSpec.model_validate_json(json.dumps(body))
    assert isinstance(spec.dataset, UploadDataset)
    dataset_ = spec.dataset.with_stored(dataset.snapshot())
    return resolve(spec.model_copy(update={"dataset": dataset_}))


def arrays(dtype: str, low: float, high: float) -> StoredDataset:
    x = ArrayMember(name="x", shape=(60, 6, 6, 1), dtype=dtype, minimum=low, maximum=high)
    y = ArrayMember(name="y", shape=(60,), dtype="int64", values=TWO_CLASSES, minimum=0, maximum=1)
    return stored(DatasetFormat.NPZ, arrays=(x, y))


def stored(kind: DatasetFormat, **contents: Any) -> StoredDataset:
    return table().model_copy(update={"format": kind, "rows": 60, "columns": None, **contents})


@pytest.mark.parametrize(
    ("scaling", "expected"), [("none", (0, 16)), ("minmax", (0, 1)), ("standard", (-3, 3))]
)
def test_the_default_follows_the_scaling_of_a_built_in_set(
    scaling: str, expected: tuple[float, float], make_spec: MakeSpec
) -> None:
    resolution = of_digits(scaling, BRIGHTER, make_spec=make_spec)
    assert ranges(resolution) == [expected]
    assert "value-range" not in [advice.id for advice in resolution.advice]
    assert ranges(resolve(resolution.spec)) == [expected]


@pytest.mark.parametrize("scaling", ["unit", "none", "standard"])
def test_the_default_follows_the_scaling_of_keras_pictures(
    scaling: str, make_spec: MakeSpec
) -> None:
    dataset = {"source": "keras", "name": "mnist", "scaling": scaling}
    resolution = resolve(make_spec(dataset=dataset, model=network(BRIGHTER)))
    expected = {"unit": (0, 1), "none": (0, 255), "standard": (-3, 3)}
    assert ranges(resolution) == [expected[scaling]]


@pytest.mark.parametrize(
    ("dtype", "low", "high", "scaling", "expected"),
    [
        ("uint8", 3, 200, "unit", (0, 1)),
        ("uint8", 3, 200, "none", (0, 255)),
        ("float32", 0.0, 0.9, "none", (0, 1)),
        ("float32", -0.7, 1.0, "none", (-1, 1)),
        ("float32", 0.0, 250.0, "none", (0, 255)),
        ("float32", 0.0, 4000.0, "none", (0, 4000)),
        ("float32", 0.0, 4000.0, "minmax", (0, 1)),
        ("float32", 0.0, 4000.0, "standard", (-3, 3)),
    ],
)
def test_the_default_follows_a_stored_array(
    dtype: str, low: float, high: float, scaling: str, expected: tuple[float, float]
) -> None:
    assert ranges(of_file(arrays(dtype, low, high), scaling, BRIGHTER)) == [expected]


@pytest.mark.parametrize(("scaling", "expected"), [("unit", (0, 1)), ("none", (0, 255))])
def test_the_default_follows_stored_pictures(scaling: str, expected: tuple[float, float]) -> None:
    folder = ImageFolder(height=(6, 6), width=(6, 6), channels=(1,), classes=TWO_CLASSES)
    dataset = stored(DatasetFormat.IMAGES, images=folder)
    assert ranges(of_file(dataset, scaling, BRIGHTER)) == [expected]


def test_the_default_follows_layers_before_it(make_spec: MakeSpec) -> None:
    rescaled = {"type": "Rescaling", "scale": -2.0, "offset": 1.0}
    flipped = {"type": "RandomFlip"}
    resolution = of_digits("minmax", flipped, rescaled, BRIGHTER, BRIGHTER, make_spec=make_spec)
    assert ranges(resolution) == [(-1, 1), (-1, 1)]
    unknown = {"type": "UnitNormalization"}
    assert ranges(of_digits("minmax", unknown, BRIGHTER, make_spec=make_spec)) == [(0, 255)]


@pytest.mark.parametrize(
    "kind",
    [kind for kind, layer in LAYERS.items() if issubclass(layer, ValueRanged)],
)
def test_a_range_that_is_not_the_pictures_is_advised_against(
    kind: str, make_spec: MakeSpec
) -> None:
    required = {
        name: 1 if name == "factor" else 0.5
        for name, field in LAYERS[kind].model_fields.items()
        if field.is_required()
    }
    color = 3 in (getattr(LAYERS[kind], "channels", None) or ())
    name = "cifar10" if color else "mnist"
    for span, given in (([0, 255], True), ([0, 1], False), (None, False)):
        layer = {"type": kind, **required} | ({} if span is None else {"value_range": span})
        spec = make_spec(dataset={"source": "keras", "name": name}, model=network(layer))
        (*advice,) = (each for each in resolve(spec).advice if each.id == "value-range")
        assert [each.pointer for each in advice] == ["/model/layers/0/value_range"] * given
