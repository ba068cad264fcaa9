"""The catalog agrees with the models of a spec."""

import json

import jsonschema
import pytest

from ridgeline.api.catalog import Argument, LayerEntry, NamedEntry
from ridgeline.spec.dataset import BUILTIN, KERAS
from ridgeline.spec.dataset.encodings import ENCODINGS
from ridgeline.spec.layers import LAYERS
from ridgeline.spec.training import LOSSES, OPTIMIZERS, SCHEDULES
from service.system.catalog import catalog

CATALOG = catalog()


def test_every_layer_is_listed() -> None:
    assert [entry.type for entry in CATALOG.layers] == sorted(LAYERS)


@pytest.mark.parametrize("entry", CATALOG.layers, ids=lambda entry: entry.type)
def test_a_layers_entry_agrees_with_its_model(entry: LayerEntry) -> None:
    layer = LAYERS[entry.type]
    fields = {field.alias or name: field for name, field in layer.model_fields.items()}
    assert {argument.name for argument in entry.arguments} == set(fields) - {"type"}
    assert entry.description
    for argument in entry.arguments:
        assert argument.required == fields[argument.name].is_required()
        if not argument.required:
            jsonschema.validate(json.loads(json.dumps(argument.default)), argument.json_schema)


def test_a_layer_lists_arguments_weights_and_dropout_site() -> None:
    dropout = next(entry for entry in CATALOG.layers if entry.type == "Dropout")
    rate = next(argument for argument in dropout.arguments if argument.name == "rate")
    assert isinstance(rate, Argument)
    assert rate.required
    assert (rate.json_schema["minimum"], rate.json_schema["exclusiveMaximum"]) == (0.0, 1.0)
    dense = next(entry for entry in CATALOG.layers if entry.type == "Dense")
    assert dense.regularized_weights == ("kernel", "bias")
    assert dense.dropout_site == "dense"


def test_optimizers_schedules_losses_and_callbacks_with_their_arguments() -> None:
    assert [entry.name for entry in CATALOG.optimizers] == list(OPTIMIZERS)
    assert [entry.name for entry in CATALOG.schedules] == list(SCHEDULES)
    assert [entry.name for entry in CATALOG.losses] == list(LOSSES)
    lamb = next(entry for entry in CATALOG.optimizers if entry.name == "lamb")
    assert {"beta_1", "weight_decay_on", "clipnorm"} <= {each.name for each in lamb.arguments}
    huber = next(entry for entry in CATALOG.losses if entry.name == "huber")
    assert {each.name: each.default for each in huber.arguments} == {
        "from_logits": False,
        "delta": 1.0,
    }
    callbacks = {entry.name: entry for entry in CATALOG.callbacks}
    assert set(callbacks) == {"early_stopping", "reduce_lr_on_plateau"}
    assert "cooldown" in {each.name for each in callbacks["reduce_lr_on_plateau"].arguments}
    assert CATALOG.precisions == ("float32", "mixed_bfloat16", "mixed_float16")


NAMED = [*CATALOG.optimizers, *CATALOG.schedules, *CATALOG.losses, *CATALOG.callbacks]


@pytest.mark.parametrize("entry", NAMED, ids=lambda entry: entry.name)
def test_defaults_fit_their_schema(entry: NamedEntry) -> None:
    assert entry.description
    assert entry.json_schema["additionalProperties"] is False
    for argument in entry.arguments:
        if not argument.required:
            jsonschema.validate(argument.default, argument.json_schema)


def test_other_members_list_their_names() -> None:
    assert "accuracy" in CATALOG.metrics
    assert {"relu", "softmax"} <= set(CATALOG.activations)
    assert "glorot_uniform" in CATALOG.initializers
    formats = ("keras", "weights", "saved_model", "litert", "onnx", "tensorboard")
    assert CATALOG.outputs == formats
    digits = next(entry for entry in CATALOG.datasets if entry.name == "digits")
    assert (digits.rows, digits.features, digits.classes) == (1797, (64,), 10)
    assert CATALOG.regularization.scalings == ("keras", "textbook")


def test_data_sets_list_their_shapes() -> None:
    names = {entry.name: entry for entry in CATALOG.datasets}
    assert {name for name, entry in names.items() if entry.source == "builtin"} == set(BUILTIN)
    assert {name for name, entry in names.items() if entry.source == "keras"} == set(KERAS)
    mnist, imdb = names["mnist"], names["imdb"]
    assert (mnist.rows, mnist.test_rows, mnist.features) == (60_000, 10_000, (28, 28, 1))
    assert (mnist.bytes_per_number, names["digits"].test_rows) == (1, 0)
    arguments = {argument.name: argument for argument in imdb.arguments}
    assert set(arguments) == {"rows", "test_rows", "loading", "num_words", "encoding", "maxlen"}
    assert arguments["num_words"].json_schema["maximum"] == 100_000
    for entry in CATALOG.datasets:
        assert entry.description
        for argument in entry.arguments:
            assert argument.description
            jsonschema.validate(argument.default, argument.json_schema)


def test_stored_data_sets_list_arguments_and_encodings() -> None:
    uploads = CATALOG.uploads
    assert uploads.formats == ("csv", "parquet", "npz", "npy", "images")
    assert [entry.name for entry in uploads.encodings] == list(ENCODINGS)
    assert {"id", "target", "features", "encodings", "image", "scaling", "loading", "task"} == {
        argument.name for argument in uploads.arguments
    }
    for argument in uploads.arguments:
        assert argument.description
        if not argument.required:
            jsonschema.validate(argument.default, argument.json_schema)
    for entry in uploads.encodings:
        for argument in entry.arguments:
            jsonschema.validate(argument.default, argument.json_schema)
