"""Options for stored arrays and images, spelled out or rejected."""

from typing import Any

import pytest

from ridgeline.api.datasets import StoredDataset
from ridgeline.planning.dataset import dataset_shape, spell_out
from ridgeline.planning.resolve import resolve
from ridgeline.spec.dataset import DatasetShape, UploadDataset
from ridgeline.spec.dataset.contents import ArrayMember
from ridgeline.spec.dataset.stored import ImageSize
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec
from tests.unit.planning.dataset.stored import array, arrays, images, labels, stored_spec


def spelled_out(dataset: StoredDataset, **options: Any) -> UploadDataset:
    dataset_options = stored_spec(dataset, **options).dataset
    assert isinstance(dataset_options, UploadDataset)
    return spell_out(dataset_options)


def faults(dataset: StoredDataset, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        spelled_out(dataset, **options)
    return [(fault.pointer, fault.rule) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("x", "scaling", "shape"),
    [
        (array("x", 4), "standard", DatasetShape(150, (4,), 3)),
        (array("x"), "standard", DatasetShape(150, (1,), 3)),
        (array("x", 4, dtype="uint8"), "standard", DatasetShape(150, (4,), 3, 0, 1)),
        (array("x", 8, 8, dtype="uint8"), "unit", DatasetShape(150, (8, 8), 3, 0, 1)),
        (array("x", 8, 8, 3, dtype="uint8"), "unit", DatasetShape(150, (8, 8, 3), 3, 0, 1)),
        (array("x", 8, dtype="bool"), "none", DatasetShape(150, (8,), 3, 0, 1, tokens=2)),
    ],
)
def test_defaults_of_arrays(x: ArrayMember, scaling: str, shape: DatasetShape) -> None:
    spelled = spelled_out(arrays(x, labels()))
    assert (spelled.features, spelled.target, spelled.task) == (("x",), "y", "classification")
    assert (spelled.scaling, dataset_shape(spelled)) == (scaling, shape)
    assert spell_out(spelled) == spelled


@pytest.mark.parametrize(
    ("x", "tokens"),
    [
        (array("x", 9, dtype="int32", minimum=0, maximum=41), 42),
        (array("x", 9, dtype="int32", minimum=-1, maximum=41), None),
        (array("x", 9, dtype="int32"), None),
        (array("x", 9, dtype="float32", minimum=0, maximum=41), None),
        (array("x", 9, dtype="uint8"), 256),
    ],
)
def test_unscaled_whole_numbers_are_tokens(x: ArrayMember, tokens: int | None) -> None:
    assert dataset_shape(spelled_out(arrays(x, labels()), scaling="none")).tokens == tokens
    assert dataset_shape(spelled_out(arrays(x, labels()), scaling="standard")).tokens is None


def test_arrays_can_have_any_name() -> None:
    spelled = spelled_out(arrays(array("rows", 4), labels("kinds")), target="kinds")
    assert (spelled.features, spelled.target) == (("rows",), "kinds")
    three = arrays(array("a", 4), array("b", 4), labels())
    assert dataset_shape(spelled_out(three, features=["b"])).features == (4,)
    assert spelled_out(arrays(array("x", 4), array("b", 4), labels())).features == ("x",)
    assert faults(three) == [("/dataset/features", "one-array")]


def test_a_target_of_real_values_is_regression() -> None:
    real = arrays(array("x", 4), array("y", 1, dtype="float64"))
    assert dataset_shape(spelled_out(real)).classes is None
    many = arrays(array("x", 4), array("y", dtype="int32"))
    assert spelled_out(many).task == "regression"
    assert (
        dataset_shape(spelled_out(arrays(array("x", 4), labels()), task="regression")).classes
        is None
    )


@pytest.mark.parametrize(
    ("members", "options", "expected"),
    [
        ([array("x", 4), labels("z")], {}, [("/dataset/target", "unknown-array")]),
        ([array("x", 4), labels()], {"target": "z"}, [("/dataset/target", "unknown-array")]),
        (
            [array("x", 4), labels()],
            {"features": ["z"]},
            [("/dataset/features/0", "unknown-array")],
        ),
        (
            [array("x", 4), labels()],
            {"features": ["y"]},
            [("/dataset/features/0", "target-is-feature")],
        ),
        (
            [array("x", 4), labels()],
            {"features": ["x", "x2"]},
            [("/dataset/features/1", "unknown-array"), ("/dataset/features", "one-array")],
        ),
        (
            [array("x", 4), labels()],
            {"encodings": {"x": "number"}},
            [("/dataset/encodings", "option-fits-data")],
        ),
        ([array("x", 4), labels()], {"image": {}}, [("/dataset/image", "option-fits-data")]),
        (
            [array("x", 4), labels()],
            {"scaling": "unit"},
            [("/dataset/scaling", "scaling-fits-data")],
        ),
        ([array("x", 4), array("y", 3)], {}, [("/dataset/target", "target-shape")]),
        ([array("x", 4), labels(classes=1)], {}, [("/dataset/target", "single-class")]),
        ([array("x", *[1] * 9), labels()], {}, [("/dataset/features", "array-shape")]),
        ([array("x", 4, maximum=1e39), labels()], {}, [("/dataset/features", "number-range")]),
        (
            [array("x", 4, dtype="complex64"), labels()],
            {},
            [("/dataset/features", "array-of-numbers")],
        ),
    ],
)
def test_options_that_do_not_fit_arrays_are_rejected(
    members: list[ArrayMember], options: Any, expected: list[tuple[str, str]]
) -> None:
    assert faults(arrays(*members), **options) == expected


@pytest.mark.parametrize(
    ("dataset", "options", "shape", "scaling"),
    [
        (images(), {}, (8, 9, 3), "unit"),
        (images(channels=(1,)), {}, (8, 9, 1), "unit"),
        (images(channels=(1, 4)), {}, (8, 9, 3), "unit"),
        (images(), {"image": {"channels": 1}, "scaling": "standard"}, (8, 9, 1), "standard"),
        (images(height=(5, 90)), {"image": {"height": 32}}, (32, 9, 3), "unit"),
    ],
)
def test_defaults_of_images(
    dataset: StoredDataset, options: Any, shape: tuple[int, ...], scaling: str
) -> None:
    spelled = spelled_out(dataset, **options)
    height, width, channels = shape
    assert spelled.image == ImageSize(height=height, width=width, channels=channels)  # type: ignore[arg-type]
    assert (spelled.scaling, dataset_shape(spelled)) == (scaling, DatasetShape(150, shape, 2, 0, 1))
    assert spell_out(spelled) == spelled


def test_unscaled_pixels_are_tokens() -> None:
    assert dataset_shape(spelled_out(images(), scaling="none")).tokens == 256


@pytest.mark.parametrize(
    ("dataset", "options", "expected"),
    [
        (
            images(height=(5, 90), width=(5, 90)),
            {},
            [("/dataset/image/height", "image-size"), ("/dataset/image/width", "image-size")],
        ),
        (images(height=(5000, 5000)), {}, [("/dataset/image/height", "image-size")]),
        (images(), {"target": "y"}, [("/dataset/target", "option-fits-data")]),
        (images(), {"features": ["x"]}, [("/dataset/features", "option-fits-data")]),
        (images(), {"encodings": {"x": "number"}}, [("/dataset/encodings", "option-fits-data")]),
        (images(), {"task": "regression"}, [("/dataset/task", "task-fits-target")]),
        (images(), {"scaling": "minmax"}, [("/dataset/scaling", "scaling-fits-data")]),
        (images(classes={"cats": 150}), {}, [("/dataset/id", "single-class")]),
    ],
)
def test_options_that_do_not_fit_images_are_rejected(
    dataset: StoredDataset, options: Any, expected: list[tuple[str, str]]
) -> None:
    assert faults(dataset, **options) == expected


@pytest.mark.parametrize(
    ("dataset", "units"), [(arrays(array("x", 4), labels()), 3), (images(), 2)]
)
def test_a_resolved_spec_resolves_to_itself(dataset: StoredDataset, units: int) -> None:
    once = resolve(stored_spec(dataset, units=units)).spec
    written = once.model_dump_json()
    assert resolve(JobSpec.model_validate_json(written)).spec.model_dump_json() == written


def test_a_preset_trains_on_stored_images() -> None:
    pictures = images(height=(5, 90), width=(5, 90))
    options: dict[str, Any] = {"image": {"height": 32, "width": 32}, "training": {"loss": "mse"}}
    model = {"preset": "cifar10_cnn", "classes": 2}
    assert resolve(stored_spec(pictures, model=model, **options)).graph.output.shape == (2,)
    with pytest.raises(SpecError) as caught:
        resolve(stored_spec(pictures, model={"preset": "imdb_mlp"}, **options))
    assert {fault.pointer for fault in caught.value.faults} <= {"/model", "/training/loss"}
