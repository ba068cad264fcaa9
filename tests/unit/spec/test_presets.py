"""Presets are the networks that the note's code builds, and their jobs can be posted."""

import json
from typing import Any

import keras
import pytest
from jsonschema import Draft202012Validator
from keras import regularizers
from keras.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
    Resizing,
)
from pydantic import ValidationError

from ridgeline.api.catalog import PresetEntry, arguments_of, preset_entry
from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.spec.job_spec import JobSpec, Model
from ridgeline.spec.presets import PRESETS, Preset

NAMES = list(PRESETS)


def resolved(name: str, **parameters: Any) -> Resolution:
    return resolve(preset_entry(PRESETS[name], **parameters).spec)


def imdb(rate: float) -> keras.Sequential:
    model = keras.Sequential([keras.Input((10_000,))])
    model.add(Dense(16, activation="relu"))
    model.add(Dropout(rate))
    model.add(Dense(16, activation="relu"))
    model.add(Dropout(rate))
    model.add(Dense(1, activation="sigmoid"))
    return model


def cifar10(base_hidden_units: int, weight_decay: float, normalized: bool) -> keras.Sequential:
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for times, rate in ((1, 0.2), (2, 0.3), (4, 0.4)):
        for _ in range(2):
            l2 = regularizers.l2(weight_decay)
            filters = times * base_hidden_units
            model.add(Conv2D(filters, (3, 3), padding="same", kernel_regularizer=l2))
            model.add(Activation("relu"))
            if normalized:
                model.add(BatchNormalization())
        model.add(MaxPooling2D(pool_size=(2, 2)))
        model.add(Dropout(rate))
    model.add(Flatten())
    model.add(Dense(10, activation="softmax"))
    return model


def vgg(resized: bool) -> keras.Sequential:
    model = keras.Sequential([keras.Input((32, 32, 3) if resized else (100, 100, 3))])
    if resized:
        model.add(Resizing(100, 100))
    for filters in (32, 64):
        model.add(Conv2D(filters, (3, 3), activation="relu"))
        model.add(Conv2D(filters, (3, 3), activation="relu"))
        model.add(MaxPooling2D(pool_size=(2, 2)))
        model.add(Dropout(0.25))
    model.add(Flatten())
    model.add(Dense(256, activation="relu"))
    model.add(Dropout(0.5))
    model.add(Dense(10, activation="softmax"))
    return model


@pytest.mark.parametrize(
    ("name", "parameters", "model", "count"),
    [
        ("imdb_mlp", {}, imdb(0.3), 160_305),
        ("imdb_mlp_half", {}, imdb(0.5), 160_305),
        ("cifar10_cnn", {}, cifar10(32, 1e-4, normalized=False), 307_498),
        (
            "cifar10_cnn",
            {"base_hidden_units": 8, "weight_decay": 0.01, "batch_normalization": True},
            cifar10(8, 0.01, normalized=True),
            23_762,
        ),
        ("vgg_like", {}, vgg(resized=True), 7_998_250),
    ],
)
def test_a_preset_is_the_notes_network(name: str, parameters: Any, model: Any, count: int) -> None:
    resolution = resolved(name, **parameters)
    assert resolution.parameters.total == model.count_params() == count
    for node, layer in zip(resolution.graph.nodes, model.layers, strict=True):
        assert node.layer.type_name() == type(layer).__name__
        assert node.shape == tuple(layer.output.shape)[1:]
        assert getattr(node.layer, "activation", "linear") == _activation(layer)
        assert getattr(node.layer, "rate", None) == getattr(layer, "rate", None)
        penalty = getattr(layer, "kernel_regularizer", None)
        ours = getattr(node.layer, "kernel_regularizer", None)
        assert (ours and ours.l2) == (penalty and pytest.approx(float(penalty.l2)))


def _activation(layer: Any) -> str:
    return str(getattr(getattr(layer, "activation", None), "__name__", "linear"))


def test_vgg_resizes_pictures_to_100_by_100_as_in_the_note() -> None:
    assert vgg(resized=False).count_params() == resolved("vgg_like").parameters.total


def test_without_resizing_pictures_keep_their_size() -> None:
    first = resolved("vgg_like", input_size=None).graph.nodes[0]
    assert (first.layer.type_name(), first.input_shapes) == ("Conv2D", ((32, 32, 3),))
    assert resolved("vgg_like", input_size=16).parameters.total > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_with_a_preset_can_be_read_again(name: str) -> None:
    spec = preset_entry(PRESETS[name]).spec
    written = spec.model_dump_json(exclude_unset=True)
    assert json.loads(written)["model"]["preset"] == name
    assert JobSpec.model_validate_json(written) == spec
    once = resolve(spec).spec
    assert isinstance(once.model, Model)
    assert resolve(JobSpec.model_validate_json(once.model_dump_json())).spec == once


@pytest.mark.parametrize("name", NAMES)
def test_a_presets_name_alone_is_enough(name: str) -> None:
    entry = preset_entry(PRESETS[name])
    short = entry.spec.model_dump(mode="json", exclude_unset=True) | {"model": {"preset": name}}
    assert Draft202012Validator(JobSpec.model_json_schema()).is_valid(short)
    spec = JobSpec.model_validate_json(json.dumps(short))
    assert resolve(spec).spec == resolve(entry.spec).spec
    assert json.loads(spec.model_dump_json(exclude_unset=True))["model"] == {"preset": name}


ONE_ONLY = ("one-technique-only", "")
RATES = ("dropout-rate-range", "/model")


@pytest.mark.parametrize(
    ("name", "parameters", "advice"),
    [
        ("imdb_mlp", {}, [ONE_ONLY]),
        ("imdb_mlp", {"rate": 0.1}, [RATES, RATES, ONE_ONLY]),
        ("imdb_mlp_half", {}, [ONE_ONLY]),
        ("cifar10_cnn", {}, [RATES]),
        ("cifar10_cnn", {"first_rate": 0.3}, []),
        ("vgg_like", {}, [RATES, RATES, ONE_ONLY]),
    ],
)
def test_advice_on_a_preset(name: str, parameters: Any, advice: Any) -> None:
    remarks = resolved(name, **parameters).advice
    assert [(remark.id, remark.pointer) for remark in remarks] == advice


def test_advice_and_faults_name_the_layer_and_point_at_the_preset(faults_of: Any) -> None:
    messages = [advice.message for advice in resolved("vgg_like").advice]
    assert messages[0].startswith("dropout: ")
    assert messages[1].startswith("dropout_1: ")
    entry = preset_entry(PRESETS["vgg_like"])
    spec = entry.spec.model_dump(mode="json", exclude_unset=True) | {"dataset": {"name": "digits"}}
    (fault,) = faults_of(lambda: resolve(JobSpec.model_validate_json(json.dumps(spec))))
    assert (fault.pointer, fault.rule) == ("/model", "shapes-connect")
    assert "'resizing'" in fault.detail


def test_a_fault_outside_the_preset_keeps_its_pointer(faults_of: Any) -> None:
    (fault,) = faults_of(lambda: resolved("cifar10_cnn", classes=3))
    assert fault.pointer == "/training/loss"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("imdb_mlp", {"rate": 1.0}),
        ("imdb_mlp", {"units": 0}),
        ("imdb_mlp", {"units": "16"}),
        ("imdb_mlp", {"base_hidden_units": 3}),
        ("cifar10_cnn", {"weight_decay": -1e-4}),
        ("cifar10_cnn", {"base_hidden_units": 2**30}),
        ("vgg_like", {"input_size": 15}),
        ("vgg_like", {"preset": "vgg"}),
        ("vgg_like", {"layers": []}),
    ],
)
def test_an_unknown_or_invalid_parameter_is_rejected(name: str, parameters: Any) -> None:
    spec = preset_entry(PRESETS[name]).spec.model_dump(mode="json", exclude_unset=True)
    spec["model"] |= parameters
    with pytest.raises(ValidationError):
        JobSpec.model_validate_json(json.dumps(spec))
    assert not Draft202012Validator(JobSpec.model_json_schema()).is_valid(spec)


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_has_source_and_parameters(name: str) -> None:
    entry = preset_entry(PRESETS[name])
    assert entry.source.startswith("note, ")
    assert {parameter.name for parameter in entry.parameters} == set(PRESETS[name].model_fields) - {
        "preset"
    }
    assert PresetEntry.model_validate_json(entry.model_dump_json(exclude_unset=True)) == entry


@pytest.mark.parametrize("preset", PRESETS.values())
def test_the_largest_parameters_give_valid_layers(preset: type[Preset]) -> None:
    """Even in the block with several times as many filters as the first."""
    for argument in arguments_of(preset, "preset"):
        largest = argument.json_schema.get("maximum")
        if largest is not None:
            assert preset.model_validate({argument.name: largest}).layers
            with pytest.raises(ValidationError):
                preset.model_validate({argument.name: largest + 1})
