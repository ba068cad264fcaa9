"""The catalogue says what the contract takes."""

import jsonschema
import pytest

from ridgeline.contract.layers import LAYERS
from service.operations.catalog import Argument, LayerEntry, catalog

CATALOG = catalog()


def test_every_layer_is_listed() -> None:
    assert [entry.type for entry in CATALOG.layers] == sorted(LAYERS)


@pytest.mark.parametrize("entry", CATALOG.layers, ids=lambda entry: entry.type)
def test_a_layer_is_what_the_contract_says(entry: LayerEntry) -> None:
    layer = LAYERS[entry.type]
    fields = {field.alias or name: field for name, field in layer.model_fields.items()}
    assert {argument.name for argument in entry.arguments} == set(fields) - {"type"}
    assert entry.description
    for argument in entry.arguments:
        assert argument.required == fields[argument.name].is_required()
        if not argument.required:
            jsonschema.validate(argument.default, argument.json_schema)


def test_a_layer_in_full() -> None:
    dropout = next(entry for entry in CATALOG.layers if entry.type == "Dropout")
    rate = next(argument for argument in dropout.arguments if argument.name == "rate")
    assert isinstance(rate, Argument)
    assert rate.required
    assert (rate.json_schema["minimum"], rate.json_schema["exclusiveMaximum"]) == (0.0, 1.0)
    dense = next(entry for entry in CATALOG.layers if entry.type == "Dense")
    assert dense.regularized_weights == ("kernel", "bias")
    assert dense.dropout_site == "dense"


def test_the_rest() -> None:
    assert {entry.name for entry in CATALOG.optimizers} == {"adam", "adamw", "sgd", "rmsprop"}
    assert "sparse_categorical_crossentropy" in CATALOG.losses
    assert "accuracy" in CATALOG.metrics
    assert {"relu", "softmax"} <= set(CATALOG.activations)
    assert "glorot_uniform" in CATALOG.initializers
    assert CATALOG.outputs == ("keras", "saved_model")
    digits = next(entry for entry in CATALOG.datasets if entry.name == "digits")
    assert (digits.rows, digits.features, digits.classes) == (1797, (64,), 10)
    assert CATALOG.regularization.scalings == ("keras", "textbook")
