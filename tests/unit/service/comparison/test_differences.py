"""How specs differ."""

import json
from typing import Any

from ridgeline.api.comparison import Comparison
from ridgeline.spec.job_spec import JobSpec
from service.comparison.rules import MAX_DIFFERENCES, differences
from tests.unit.service.comparison.compared import (
    BASE,
    compared,
    dense,
    dropout,
    layers,
    resolved,
    stored,
    values_by_label,
)


def raw(*specs: str) -> dict[str, dict[str, Any]]:
    """The values by pointer, of specs that no release accepts."""
    by_id = {f"job_{n}": spec for n, spec in enumerate(specs)}
    listed, left_out = differences(by_id, by_id)
    assert left_out == 0
    return {difference.pointer: difference.values for difference in listed}


def test_equal_specs_do_not_differ() -> None:
    assert compared(stored(), stored(), stored()) == []


def test_two_values_and_an_absent_one_are_one_difference() -> None:
    strong = stored(regularization={"weights": {"l2": 0.1}})
    weak = stored(regularization={"weights": {"l2": 0.01}})
    (difference,) = compared(strong, weak, stored())
    assert difference.model_dump() == {
        "label": "regularization.weights.l2",
        "pointer": "/regularization/weights/l2",
        "pointers": dict.fromkeys("01", "/regularization/weights/l2"),
        "values": {"0": 0.1, "1": 0.01},
    }


def test_a_posted_default_is_no_difference() -> None:
    default = JobSpec.model_validate_json(stored()).training.batch_size
    training = BASE["training"]
    posted = stored(training={**training, "batch_size": default})
    assert compared(stored(), posted) == []
    other = stored(training={**training, "batch_size": default + 1})
    (difference,) = compared(stored(), other)
    assert difference.values == {"0": default, "1": default + 1}
    assert difference.pointers == {"1": difference.pointer}


def test_a_layer_without_a_regularizer_has_the_policys() -> None:
    """`kernel_regularizer: null` means none; without a policy that is the default."""
    none = dense(kernel_regularizer=None)
    assert values_by_label(layers(dense()), layers(none)) == {}
    policy = {"regularization": {"weights": {"l2": 0.1}}}
    (difference,) = compared(layers(dense(), **policy), layers(none, **policy))
    assert difference.label == "dense: kernel_regularizer"
    assert difference.values["1"] is None
    assert isinstance(difference.values["0"], dict)
    assert difference.values["0"]["l2"] == 0.1
    own = dense(kernel_regularizer={"l2": 0.1})
    assert values_by_label(layers(dense(), **policy), layers(own, **policy)) == {}


def test_an_inserted_layer_is_one_difference() -> None:
    plain = layers(dense(), dense())
    assert values_by_label(plain, layers(dense(), dropout(), dense())) == {
        "Dropout after dense": [..., dropout()]
    }
    both = layers(dense(), dropout(0.3), dense(kernel_regularizer={"l2": 0.1}), dropout(0.3))
    assert values_by_label(plain, layers(dense(), dense(), dropout()), both) == {
        "Dropout after dense": [..., ..., dropout(0.3)],
        "dense_1: kernel_regularizer.l2": [..., ..., 0.1],
        "Dropout after dense_1": [..., dropout(), dropout(0.3)],
    }


def test_each_job_has_its_own_pointer() -> None:
    weak, strong = (dense(kernel_regularizer={"l2": l2}) for l2 in (0.1, 0.2))
    listed = compared(layers(dense(), weak), layers(dense(), dropout(), strong), layers(dense()))
    assert [difference.label for difference in listed] == [
        "Dropout after dense",
        "Dense after dense",
    ]
    listed = compared(layers(weak), layers(dropout(), strong))
    assert [difference.label for difference in listed] == [
        "Dropout after input",
        "dense: kernel_regularizer.l2",
    ]
    assert listed[1].pointers == {
        "0": "/model/layers/0/kernel_regularizer/l2",
        "1": "/model/layers/1/kernel_regularizer/l2",
    }
    assert listed[1].pointer == listed[1].pointers["0"]


def test_a_layer_replaced_by_one_of_its_family_is_one_difference() -> None:
    noise = {"type": "GaussianDropout", "rate": 0.5}
    assert values_by_label(layers(dense(), dropout()), layers(dense(), noise)) == {
        "Dropout / GaussianDropout after dense": [dropout(), noise]
    }


def test_a_layer_whose_number_moved_has_both_names() -> None:
    one, two = layers(dense(4), dense(16)), layers(dense(4), dense(9), dense(17))
    listed = values_by_label(one, two, layers(dense(4), dense(9), dense(16)))
    assert listed == {"Dense after dense": [..., dense(9), dense(9)]} | {
        "dense_1 / dense_2: units": [16, 17, 16]
    }


def test_layers_with_the_same_name_get_different_labels() -> None:
    """A dropout after the first layer and one after the second, both named `dropout`."""
    listed = compared(
        layers(dense(), dropout(0.1), dense(9)),
        layers(dense(), dropout(0.2), dense(9)),
        layers(dense(), dense(9), dropout(0.3)),
    )
    labels = [difference.label for difference in listed]
    assert labels == ["Dropout after dense", "Dropout after dense_1"]


def test_a_name_matches_a_layer_at_any_place() -> None:
    first, second = dense(name="wide"), dense(9, name="narrow")
    listed = values_by_label(layers(first, second), layers(second, first))
    assert listed == {
        "wide: inputs": [["input"], ["narrow"]],
        "narrow: inputs": [["wide"], ["input"]],
        "dense: inputs": [["narrow"], ["wide"]],
    }
    assert values_by_label(layers(dense(name="a")), layers(dense(name="b"))) == {
        "a / b: name": ["a", "b"]
    }
    # The posted name equals the default name.
    assert values_by_label(layers(dense(name="dense")), layers(dense())) == {}


def branches(*layers_of: dict[str, Any], **changes: Any) -> str:
    merge = {"type": "Add", "name": "sum", "inputs": ["one", "two"]} | changes
    return layers(dense(name="stem"), *layers_of, merge)


ONE, TWO = ({"name": name, "inputs": ["stem"]} for name in ("one", "two"))


def test_layers_of_a_graph_are_matched_by_name_and_inputs() -> None:
    plain = branches(dense(8, **ONE), dense(8, **TWO))
    assert values_by_label(plain, branches(dense(8, **TWO), dense(8, **ONE))) == {}
    longer = branches(
        dense(8, **ONE),
        dense(8, **TWO),
        dropout(name="drop", inputs=["two"]),
        inputs=["one", "drop"],
    )
    assert values_by_label(plain, longer) == {
        "Dropout after two": [..., dropout(name="drop", inputs=["two"])]
    }
    chained = branches(dense(8, **ONE), dense(8, name="two"))
    assert values_by_label(plain, chained) == {"two: inputs": [["stem"], ["one"]]}


def test_jobs_that_share_an_inserted_layer_are_compared_with_each_other() -> None:
    """An inserted layer that two jobs share is skipped only when comparing with the third."""
    drop = dropout(name="drop", inputs=["stem"])
    plain = branches(dense(8, **ONE), dense(8, **TWO))
    first = branches(drop, dense(8, name="one", inputs=["drop"]), dense(8, **TWO))
    second = branches(drop, dense(8, **ONE), dense(8, name="two", inputs=["drop"]))
    assert values_by_label(plain, first, second) == {
        "Dropout after stem": [..., drop, drop],
        "one: inputs": [["stem"], ["drop"], ["stem"]],
        "two: inputs": [["stem"], ["stem"], ["drop"]],
    }


def test_layers_that_the_policy_inserts_are_no_difference_of_their_own() -> None:
    policy = {"regularization": {"dropout": {"rate": 0.5}, "weights": {"l2": 0.1}}}
    assert values_by_label(layers(dense(), dense()), layers(dense(), dense(), **policy)) == {
        "regularization.weights.l2": [..., 0.1],
        "regularization.dropout.rate": [..., 0.5],
    }
    posted = layers(dense(), dropout())
    assert values_by_label(layers(dense(), **policy), posted)["regularization.dropout.rate"] == [
        0.5,
        ...,
    ]
    assert "Dropout after dense" not in values_by_label(layers(dense(), **policy), posted)


def test_a_resolved_spec_differs_from_the_posted_one_by_its_policy_alone() -> None:
    """Advice is applied to the resolved spec."""
    posted = layers(dense(), dense(), regularization={"weights": {"l2": 0.1}})
    assert values_by_label(posted, resolved(posted)) == {"regularization.weights.l2": [0.1, ...]}


IMDB: dict[str, Any] = {
    "dataset": {"source": "keras", "name": "imdb", "num_words": 100},
    "training": {"loss": "binary_crossentropy"},
}


def test_presets_differ_by_their_parameters() -> None:
    listed = values_by_label(
        *(
            stored(**IMDB, model=model)
            for model in ({"preset": "imdb_mlp"}, {"preset": "imdb_mlp", "units": 4})
        )
    )
    assert listed == {"model.units": [16, 4]}


def test_a_preset_is_compared_by_the_layers_it_stands_for() -> None:
    preset = stored(**IMDB, model={"preset": "imdb_mlp"})
    output = dense(1, activation="sigmoid")
    own = stored(**IMDB, model={"layers": [dense(16), dropout(0.4), dense(16), output]})
    assert values_by_label(preset, own) == {
        "model.preset": ["imdb_mlp", ...],
        "dropout: rate": [0.3, 0.4],
        "Dropout after dense_1": [dropout(0.3), ...],
    }
    assert compared(preset, own)[-1].pointers == {"0": "/model/preset"}


def test_items_of_lists_are_matched_by_identity() -> None:
    def measured(*metrics: str) -> str:
        return stored(training=BASE["training"] | {"metrics": metrics})

    auc = {"training.metrics: auc": ["auc", ...]}
    assert values_by_label(measured("auc", "accuracy"), measured("accuracy")) == auc
    assert values_by_label(measured("auc"), stored()) == auc
    # In another order, the lists are compared as a whole.
    assert values_by_label(measured("auc", "accuracy"), measured("accuracy", "auc")) == {
        "training.metrics": [["auc", "accuracy"], ["accuracy", "auc"]]
    }
    listed = compared(stored(), stored(outputs=["onnx"]))
    assert [(difference.label, difference.pointer) for difference in listed] == [
        ("outputs: keras", "/outputs"),
        ("outputs: onnx", "/outputs/0"),
    ]


def test_columns_are_matched_by_name() -> None:
    columns = [{"name": name, "missing": missing} for name, missing in (("a", 0), ("b", 1))]
    one = json.dumps({"columns": columns})
    two = json.dumps({"columns": [{"name": "new"}, columns[0], columns[1] | {"missing": 2}]})
    assert raw(one, two) == {
        "/columns/1/missing": {"job_0": 1, "job_1": 2},
        "/columns/0": {"job_1": {"name": "new"}},
    }


def test_a_list_of_numbers_is_compared_as_a_whole() -> None:
    assert raw('{"a": [3, 3]}', '{"a": [5, 3]}') == {"/a": {"job_0": [3, 3], "job_1": [5, 3]}}


def test_an_empty_object_differs_from_null() -> None:
    watched = stored(training=BASE["training"] | {"early_stopping": {}})
    assert values_by_label(stored(), watched) == {"training.early_stopping": [None, {}]}


def test_a_name_with_a_slash_is_escaped() -> None:
    listed = raw('{"a/b": 1, "c~d": []}', '{"a/b": 2, "c~d": [1]}')
    assert set(listed) == {"/a~1b", "/c~0d"}


def test_true_is_not_one() -> None:
    assert raw('{"a": true}', '{"a": 1}') == {"/a": {"job_0": True, "job_1": 1}}


def test_unknown_layers_of_an_older_release_are_compared_as_posted() -> None:
    old = '{"model": {"layers": [{"type": "Old", "name": "a"}, {"type": "Dense", "units": 1}]}}'
    new = '{"model": {"layers": [{"type": "Dense", "units": 2}]}}'
    listed, _ = differences({"0": old, "1": new}, {"0": old, "1": new})
    assert [difference.label for difference in listed] == ["Old after input", "dense: units"]


def test_the_number_of_listed_differences_is_bounded() -> None:
    many = {"a": json.dumps({str(n): n for n in range(2 * MAX_DIFFERENCES)}), "b": '{"0": 0}'}
    listed, left_out = differences(many, many)
    assert (len(listed), left_out) == (MAX_DIFFERENCES, MAX_DIFFERENCES - 1)


def test_a_comparison_round_trips_through_json() -> None:
    listed = compared(stored(name="x"), layers(dropout(), name="y"))
    whole = Comparison(jobs=(), differences=tuple(listed), differences_left_out=0, curves={})
    assert Comparison.model_validate_json(whole.model_dump_json()) == whole
