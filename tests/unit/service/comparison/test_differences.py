"""What specs say differently."""

import json
from typing import Any

from ridgeline.api.comparison import Comparison
from ridgeline.spec.job_spec import JobSpec
from service.comparison.differences import MAX_DIFFERENCES, differences
from tests.unit.service.comparison.compared import (
    BASE,
    compared,
    dense,
    dropout,
    layers,
    resolved,
    stored,
    told,
)


def raw(*specs: str) -> dict[str, dict[str, Any]]:
    """The values by pointer, of specs that no release takes."""
    by_id = {f"job_{n}": spec for n, spec in enumerate(specs)}
    listed, left_out = differences(by_id, by_id)
    assert left_out == 0
    return {each.pointer: each.values for each in listed}


def test_alike_is_no_difference() -> None:
    assert compared(stored(), stored(), stored()) == []


def test_a_value_another_and_one_that_is_not_there() -> None:
    strong = stored(regularization={"weights": {"l2": 0.1}})
    weak = stored(regularization={"weights": {"l2": 0.01}})
    (found,) = compared(strong, weak, stored())
    assert found.model_dump() == {
        "label": "regularization.weights.l2",
        "pointer": "/regularization/weights/l2",
        "pointers": dict.fromkeys("01", "/regularization/weights/l2"),
        "values": {"0": 0.1, "1": 0.01},
    }


def test_a_default_that_is_said_is_no_difference() -> None:
    default = JobSpec.model_validate_json(stored()).training.batch_size
    training = BASE["training"]
    said = stored(training={**training, "batch_size": default})
    assert compared(stored(), said) == []
    other = stored(training={**training, "batch_size": default + 1})
    (found,) = compared(stored(), other)
    assert found.values == {"0": default, "1": default + 1}
    assert found.pointers == {"1": found.pointer}


def test_silence_of_a_layer_is_what_the_policy_says() -> None:
    """`kernel_regularizer: null` means none; to say it without a policy says nothing new."""
    none = dense(kernel_regularizer=None)
    assert told(layers(dense()), layers(none)) == {}
    policy = {"regularization": {"weights": {"l2": 0.1}}}
    (found,) = compared(layers(dense(), **policy), layers(none, **policy))
    assert found.label == "dense: kernel_regularizer"
    assert found.values["1"] is None
    assert isinstance(found.values["0"], dict)
    assert found.values["0"]["l2"] == 0.1
    own = dense(kernel_regularizer={"l2": 0.1})
    assert told(layers(dense(), **policy), layers(own, **policy)) == {}


def test_a_layer_between_two_is_one_line() -> None:
    plain = layers(dense(), dense())
    assert told(plain, layers(dense(), dropout(), dense())) == {
        "Dropout after dense": [..., dropout()]
    }
    both = layers(dense(), dropout(0.3), dense(kernel_regularizer={"l2": 0.1}), dropout(0.3))
    assert told(plain, layers(dense(), dense(), dropout()), both) == {
        "Dropout after dense": [..., ..., dropout(0.3)],
        "dense_1: kernel_regularizer.l2": [..., ..., 0.1],
        "Dropout after dense_1": [..., dropout(), dropout(0.3)],
    }


def test_where_it_stands_is_told_of_each_job() -> None:
    weak, strong = (dense(kernel_regularizer={"l2": l2}) for l2 in (0.1, 0.2))
    found = compared(layers(dense(), weak), layers(dense(), dropout(), strong), layers(dense()))
    assert [each.label for each in found] == ["Dropout after dense", "Dense after dense"]
    found = compared(layers(weak), layers(dropout(), strong))
    assert [each.label for each in found] == ["Dropout after input", "dense: kernel_regularizer.l2"]
    assert found[1].pointers == {
        "0": "/model/layers/0/kernel_regularizer/l2",
        "1": "/model/layers/1/kernel_regularizer/l2",
    }
    assert found[1].pointer == found[1].pointers["0"]


def test_a_layer_in_the_place_of_another_of_its_family_is_one_line() -> None:
    noise = {"type": "GaussianDropout", "rate": 0.5}
    assert told(layers(dense(), dropout()), layers(dense(), noise)) == {
        "Dropout / GaussianDropout after dense": [dropout(), noise]
    }


def test_a_layer_whose_number_moved_has_both_names() -> None:
    one, two = layers(dense(4), dense(16)), layers(dense(4), dense(9), dense(17))
    found = told(one, two, layers(dense(4), dense(9), dense(16)))
    assert found == {"Dense after dense": [..., dense(9), dense(9)]} | {
        "dense_1 / dense_2: units": [16, 17, 16]
    }


def test_labels_are_told_apart() -> None:
    """A dropout behind the first layer and one behind the second, both `dropout`."""
    found = compared(
        layers(dense(), dropout(0.1), dense(9)),
        layers(dense(), dropout(0.2), dense(9)),
        layers(dense(), dense(9), dropout(0.3)),
    )
    labels = [each.label for each in found]
    assert labels == ["Dropout after dense", "Dropout after dense_1"]


def test_a_name_matches_a_layer_wherever_it_stands() -> None:
    first, second = dense(name="wide"), dense(9, name="narrow")
    found = told(layers(first, second), layers(second, first))
    assert found == {
        "wide: inputs": [["input"], ["narrow"]],
        "narrow: inputs": [["wide"], ["input"]],
        "dense: inputs": [["narrow"], ["wide"]],
    }
    assert told(layers(dense(name="a")), layers(dense(name="b"))) == {"a / b: name": ["a", "b"]}
    # What is said of it is what it is called anyway.
    assert told(layers(dense(name="dense")), layers(dense())) == {}


def branches(*layers_of: dict[str, Any], **changes: Any) -> str:
    merge = {"type": "Add", "name": "sum", "inputs": ["one", "two"]} | changes
    return layers(dense(name="stem"), *layers_of, merge)


ONE, TWO = ({"name": name, "inputs": ["stem"]} for name in ("one", "two"))


def test_layers_of_a_graph_are_matched_by_what_they_take() -> None:
    plain = branches(dense(8, **ONE), dense(8, **TWO))
    assert told(plain, branches(dense(8, **TWO), dense(8, **ONE))) == {}
    longer = branches(
        dense(8, **ONE),
        dense(8, **TWO),
        dropout(name="drop", inputs=["two"]),
        inputs=["one", "drop"],
    )
    assert told(plain, longer) == {"Dropout after two": [..., dropout(name="drop", inputs=["two"])]}
    chained = branches(dense(8, **ONE), dense(8, name="two"))
    assert told(plain, chained) == {"two: inputs": [["stem"], ["one"]]}


def test_jobs_that_share_a_layer_which_another_lacks_are_told_apart() -> None:
    """What two have between layers is passed over only where the third is compared with them."""
    drop = dropout(name="drop", inputs=["stem"])
    plain = branches(dense(8, **ONE), dense(8, **TWO))
    first = branches(drop, dense(8, name="one", inputs=["drop"]), dense(8, **TWO))
    second = branches(drop, dense(8, **ONE), dense(8, name="two", inputs=["drop"]))
    assert told(plain, first, second) == {
        "Dropout after stem": [..., drop, drop],
        "one: inputs": [["stem"], ["drop"], ["stem"]],
        "two: inputs": [["stem"], ["stem"], ["drop"]],
    }


def test_what_the_policy_puts_in_is_told_by_the_policy() -> None:
    policy = {"regularization": {"dropout": {"rate": 0.5}, "weights": {"l2": 0.1}}}
    assert told(layers(dense(), dense()), layers(dense(), dense(), **policy)) == {
        "regularization.weights.l2": [..., 0.1],
        "regularization.dropout.rate": [..., 0.5],
    }
    said = layers(dense(), dropout())
    assert told(layers(dense(), **policy), said)["regularization.dropout.rate"] == [0.5, ...]
    assert "Dropout after dense" not in told(layers(dense(), **policy), said)


def test_a_spec_spelled_out_differs_by_its_policy_alone() -> None:
    """As advice is applied: to the resolved spec."""
    posted = layers(dense(), dense(), regularization={"weights": {"l2": 0.1}})
    assert told(posted, resolved(posted)) == {"regularization.weights.l2": [0.1, ...]}


IMDB: dict[str, Any] = {
    "dataset": {"source": "keras", "name": "imdb", "num_words": 100},
    "training": {"loss": "binary_crossentropy"},
}


def test_presets_are_told_by_their_parameters() -> None:
    found = told(
        *(
            stored(**IMDB, model=model)
            for model in ({"preset": "imdb_mlp"}, {"preset": "imdb_mlp", "units": 4})
        )
    )
    assert found == {"model.units": [16, 4]}


def test_a_preset_is_compared_by_the_layers_it_stands_for() -> None:
    preset = stored(**IMDB, model={"preset": "imdb_mlp"})
    output = dense(1, activation="sigmoid")
    own = stored(**IMDB, model={"layers": [dense(16), dropout(0.4), dense(16), output]})
    assert told(preset, own) == {
        "model.preset": ["imdb_mlp", ...],
        "dropout: rate": [0.3, 0.4],
        "Dropout after dense_1": [dropout(0.3), ...],
    }
    assert compared(preset, own)[-1].pointers == {"0": "/model/preset"}


def test_items_of_lists_are_what_they_say() -> None:
    def measured(*metrics: str) -> str:
        return stored(training=BASE["training"] | {"metrics": metrics})

    auc = {"training.metrics: auc": ["auc", ...]}
    assert told(measured("auc", "accuracy"), measured("accuracy")) == auc
    assert told(measured("auc"), stored()) == auc
    # In another order: then the lists as they are.
    assert told(measured("auc", "accuracy"), measured("accuracy", "auc")) == {
        "training.metrics": [["auc", "accuracy"], ["accuracy", "auc"]]
    }
    found = compared(stored(), stored(outputs=["onnx"]))
    assert [(each.label, each.pointer) for each in found] == [
        ("outputs: keras", "/outputs"),
        ("outputs: onnx", "/outputs/0"),
    ]


def test_columns_are_known_by_their_names() -> None:
    columns = [{"name": name, "missing": missing} for name, missing in (("a", 0), ("b", 1))]
    one = json.dumps({"columns": columns})
    two = json.dumps({"columns": [{"name": "new"}, columns[0], columns[1] | {"missing": 2}]})
    assert raw(one, two) == {
        "/columns/1/missing": {"job_0": 1, "job_1": 2},
        "/columns/0": {"job_1": {"name": "new"}},
    }


def test_sizes_are_whole() -> None:
    assert raw('{"a": [3, 3]}', '{"a": [5, 3]}') == {"/a": {"job_0": [3, 3], "job_1": [5, 3]}}


def test_an_object_without_members_is_something() -> None:
    watched = stored(training=BASE["training"] | {"early_stopping": {}})
    assert told(stored(), watched) == {"training.early_stopping": [None, {}]}


def test_a_name_with_a_slash_is_escaped() -> None:
    listed = raw('{"a/b": 1, "c~d": []}', '{"a/b": 2, "c~d": [1]}')
    assert set(listed) == {"/a~1b", "/c~0d"}


def test_true_is_not_one() -> None:
    assert raw('{"a": true}', '{"a": 1}') == {"/a": {"job_0": True, "job_1": 1}}


def test_layers_that_this_release_does_not_know() -> None:
    old = '{"model": {"layers": [{"type": "Old", "name": "a"}, {"type": "Dense", "units": 1}]}}'
    new = '{"model": {"layers": [{"type": "Dense", "units": 2}]}}'
    listed, _ = differences({"0": old, "1": new}, {"0": old, "1": new})
    assert [each.label for each in listed] == ["Old after input", "dense: units"]


def test_not_without_end() -> None:
    many = {"a": json.dumps({str(n): n for n in range(2 * MAX_DIFFERENCES)}), "b": '{"0": 0}'}
    listed, left_out = differences(many, many)
    assert (len(listed), left_out) == (MAX_DIFFERENCES, MAX_DIFFERENCES - 1)


def test_it_survives_its_own_json() -> None:
    found = compared(stored(name="x"), layers(dropout(), name="y"))
    whole = Comparison(jobs=(), differences=tuple(found), differences_left_out=0, curves={})
    assert Comparison.model_validate_json(whole.model_dump_json()) == whole
