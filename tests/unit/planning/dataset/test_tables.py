"""Options for a stored table, spelled out or rejected."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ridgeline.api.datasets import StoredDataset
from ridgeline.planning.advice import Advice
from ridgeline.planning.dataset import dataset_shape, spell_out
from ridgeline.planning.resolve import resolve
from ridgeline.spec.dataset import DatasetShape, UploadDataset
from ridgeline.spec.dataset.contents import Column, ColumnType
from ridgeline.spec.dataset.encodings import (
    MultiHotEncoding,
    NumberEncoding,
    OneHotEncoding,
    OrdinalEncoding,
)
from ridgeline.spec.faults import MAX_FAULTS, SpecError
from ridgeline.spec.job_spec import JobSpec
from tests.unit.planning.dataset.stored import ID, counts, integer, number, stored_spec, table, text

FLOWERS = table(
    number("length"), integer("petals"), text("color", "blue", "red"), text("kind", "a", "b", "c")
)
YES_NO = Column(
    name="wild",
    type=ColumnType.BOOLEAN,
    missing=0,
    distinct=2,
    values=counts({"false": 1, "true": 149}),
)


def spelled_out(dataset: StoredDataset, **options: Any) -> UploadDataset:
    resolved = resolve(stored_spec(dataset, **options)).spec.dataset
    assert isinstance(resolved, UploadDataset)
    return resolved


def shape_of(dataset: StoredDataset, **options: Any) -> DatasetShape:
    return dataset_shape(stored_spec(dataset, **options).dataset)


def faults(dataset: StoredDataset, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        dataset_shape(stored_spec(dataset, **options).dataset)
    for fault in caught.value.faults:
        assert len(fault.detail) < 1000
    return [(fault.pointer, fault.rule) for fault in caught.value.faults]


# Defaults ----------------------------------------------------------------------------------------


def test_every_default_is_spelled_out() -> None:
    spelled = spelled_out(FLOWERS, target="kind")
    assert (spelled.task, spelled.scaling) == ("classification", "standard")
    assert spelled.features == ("length", "petals", "color")
    assert spelled.encodings == {
        "length": NumberEncoding(),
        "petals": NumberEncoding(),
        "color": OneHotEncoding(categories=("blue", "red")),
    }
    assert dataset_shape(spelled) == DatasetShape(150, (4,), 3)


@pytest.mark.parametrize(
    ("column", "encoding"),
    [
        (number("x"), NumberEncoding()),
        (YES_NO, NumberEncoding()),
        (text("x", *map(str, range(100))), OneHotEncoding(categories=tuple(map(str, range(100))))),
        (text("x", *map(str, range(101))), MultiHotEncoding()),
        (text("x", "a" * 101, "b"), MultiHotEncoding()),
        (text("x"), MultiHotEncoding()),
    ],
)
def test_a_column_is_encoded_by_its_type(column: Column, encoding: object) -> None:
    spelled = spelled_out(table(column, text("kind", "a", "b", "c")), target="kind")
    assert list(spelled.encodings.values()) == [encoding]


def test_an_empty_column_is_no_feature_by_default() -> None:
    empty = text("notes", missing=150, distinct=0)
    spelled = spelled_out(table(number("x"), empty, text("kind", "a", "b", "c")), target="kind")
    assert spelled.features == ("x",)


@pytest.mark.parametrize(
    ("column", "task", "classes"),
    [
        (text("y", "a", "b"), "classification", 2),
        (YES_NO.model_copy(update={"name": "y"}), "classification", 2),
        (integer("y", values=counts({"3": 70, "7": 80}), distinct=2), "classification", 2),
        (integer("y", values=counts(dict.fromkeys(map(str, range(101)), 9))), "regression", None),
        (integer("y", values=counts(dict.fromkeys(map(str, range(75)), 2))), "classification", 75),
        (integer("y", values=counts(dict.fromkeys(map(str, range(76)), 1))), "regression", None),
        (integer("y"), "regression", None),
        (number("y"), "regression", None),
        (number("y", values=counts({"0": 70, "1": 80})), "regression", None),
    ],
)
def test_the_task_is_inferred_from_the_target(
    column: Column, task: str, classes: int | None
) -> None:
    dataset = table(number("x"), column)
    spelled = spell_out(
        UploadDataset(source="upload", id=ID, target="y").with_stored(dataset.snapshot())
    )
    assert (spelled.task, dataset_shape(spelled).classes) == (task, classes)


def test_an_explicit_task_takes_precedence() -> None:
    whole = integer("y", values=counts({"3": 70, "7": 80}))
    assert shape_of(table(number("x"), whole), target="y", task="regression").classes is None
    real = number("y", values=counts({"0": 70, "1": 80}))
    assert shape_of(table(number("x"), real), target="y", task="classification").classes == 2


# Rows --------------------------------------------------------------------------------------------


def test_a_row_has_the_numbers_of_all_encodings() -> None:
    dataset = table(
        number("a"), text("b", "u", "v"), text("c", "w"), text("d"), text("kind", "x", "y")
    )
    encodings = {"c": "ordinal", "d": {"type": "multi_hot", "num_words": 50}}
    shape = shape_of(dataset, target="kind", encodings=encodings)
    assert (shape.features, shape.bytes_per_number, shape.tokens) == ((1 + 2 + 1 + 50,), 4, None)


def test_ones_and_zeros_take_one_byte_each() -> None:
    dataset = table(text("b", "u", "v"), text("d"), text("kind", "x", "y"))
    shape = shape_of(dataset, target="kind")
    assert (shape.features, shape.bytes_per_number, shape.tokens) == ((1002,), 1, 2)
    assert spelled_out(dataset, target="kind", units=2).scaling == "none"


def test_a_sequence_is_tokens_for_an_embedding() -> None:
    dataset = table(text("review"), text("kind", "x", "y"))
    encoding = {"type": "sequence", "num_words": 500, "maxlen": 20}
    shape = shape_of(dataset, target="kind", encodings={"review": encoding})
    assert (shape.features, shape.bytes_per_number, shape.tokens) == ((20,), 4, 500)


@pytest.mark.parametrize(
    ("columns", "encodings", "tokens"),
    [
        ([text("a", "u", "v"), text("b", "w")], {"a": "ordinal", "b": "ordinal"}, 3),
        ([integer("a", 0, 41)], {}, 42),
        ([integer("a", 0, 41), YES_NO], {}, 42),
        ([integer("a", -1, 41)], {}, None),
        ([integer("a", 0, 2**24)], {}, None),
        ([integer("a", 0, 41, missing=1)], {"a": {"type": "number", "missing": "zero"}}, 42),
        ([integer("a", 0, 41, missing=1)], {"a": {"type": "number", "missing": "mean"}}, None),
        ([number("a", 0, 41)], {}, None),
    ],
)
def test_unscaled_whole_numbers_are_tokens(
    columns: list[Column], encodings: Any, tokens: int | None
) -> None:
    dataset = table(*columns, text("kind", "x", "y"))
    options = {"target": "kind", "encodings": encodings}
    assert shape_of(dataset, scaling="none", **options).tokens == tokens
    assert shape_of(dataset, **options).tokens is None


# Resolved ----------------------------------------------------------------------------------------


def test_a_resolved_spec_keeps_only_columns_in_use_and_resolves_to_itself() -> None:
    rest = [number(f"unused {index}") for index in range(5)]
    dataset = table(*(FLOWERS.columns or ()), *rest)
    spec = stored_spec(dataset, target="kind", features=["color", "length"])
    once = resolve(spec).spec
    assert isinstance(once.dataset, UploadDataset)
    stored = once.dataset.stored
    assert stored is not None
    assert stored.columns is not None
    assert [(column.name, column.values is None) for column in stored.columns] == [
        ("color", True),
        ("length", True),
        ("kind", False),
    ]
    written = once.model_dump_json()
    assert resolve(JobSpec.model_validate_json(written)).spec.model_dump_json() == written
    # Posted again, it meets all of the file's columns again.
    assert (
        resolve(
            once.model_copy(update={"dataset": once.dataset.with_stored(dataset.snapshot())})
        ).spec
        == once
    )


COLUMNS = st.one_of(
    st.builds(number, st.just("n")),
    st.builds(integer, st.just("i"), st.sampled_from([-3.0, 0.0]), st.sampled_from([5.0, 1e9])),
    st.lists(st.text(max_size=5), min_size=1, max_size=4, unique=True).map(
        lambda values: text("t", *sorted(values))
    ),
    st.just(text("w")),
    st.just(YES_NO),
)


@given(st.lists(COLUMNS, min_size=1, max_size=6), st.sampled_from(["auto", "none", "minmax"]))
def test_any_table_resolves_to_itself(columns: list[Column], scaling: str) -> None:
    named = [
        column.model_copy(update={"name": f"c{index}"}) for index, column in enumerate(columns)
    ]
    dataset = table(*named, text("kind", "a", "b", "c"))
    spec = stored_spec(dataset, target="kind", scaling=scaling)
    once = resolve(spec).spec
    assert dataset_shape(once.dataset) == dataset_shape(spec.dataset)
    written = once.model_dump_json()
    assert resolve(JobSpec.model_validate_json(written)).spec.model_dump_json() == written


def test_a_posted_spec_can_be_posted_again() -> None:
    posted = {"source": "upload", "id": ID, "target": "kind", "encodings": {"color": "ordinal"}}
    model = {"layers": [{"type": "Dense", "units": 3}]}
    body = {"dataset": posted, "model": model, "training": {"loss": "mse"}}
    spec = JobSpec.model_validate_json(json.dumps(body))
    written = spec.model_dump_json(exclude_unset=True)
    encodings = {"color": {"type": "ordinal"}}
    assert json.loads(written)["dataset"] == posted | {"encodings": encodings}
    assert JobSpec.model_validate_json(written) == spec


def test_stored_contents_replace_what_was_sent() -> None:
    sent = stored_spec(table(number("x"), text("kind", "a", "b", "c")), target="kind").dataset
    assert isinstance(sent, UploadDataset)
    assert dataset_shape(sent.with_stored(FLOWERS.snapshot())).features == (4,)


# Faults ------------------------------------------------------------------------------------------

MANY = [text(f"t{index}", *(f"{value} {'x' * 90}" for value in range(100))) for index in range(40)]


@pytest.mark.parametrize(
    ("columns", "options", "expected"),
    [
        ([], {}, [("/dataset/target", "target-named")]),
        ([], {"target": "knid"}, [("/dataset/target", "unknown-column")]),
        (
            [],
            {"target": "kind", "features": ["x", "kind", "nothing"]},
            [
                ("/dataset/features/0", "unknown-column"),
                ("/dataset/features/1", "target-is-feature"),
                ("/dataset/features/2", "unknown-column"),
            ],
        ),
        (
            [number("n")],
            {
                "target": "kind",
                "features": ["n"],
                "encodings": {"m/n": "number", "kind": "one_hot"},
            },
            [
                ("/dataset/encodings/m~1n", "unknown-column"),
                ("/dataset/encodings/kind", "encodes-feature"),
            ],
        ),
        (
            [number("n"), number("m")],
            {"target": "kind", "features": ["n"], "encodings": {"m": "number"}},
            [("/dataset/encodings/m", "encodes-feature")],
        ),
        ([], {"target": "kind"}, [("/dataset/target", "no-features")]),
        (
            [text("e", distinct=0, missing=150)],
            {"target": "kind"},
            [("/dataset/target", "no-features")],
        ),
        ([number("n")], {"target": "kind", "image": {}}, [("/dataset/image", "option-fits-data")]),
        (
            [number("n")],
            {"target": "kind", "scaling": "unit"},
            [("/dataset/scaling", "scaling-fits-data")],
        ),
        (
            [text("t")],
            {"target": "kind", "scaling": "standard", "encodings": {"t": "sequence"}},
            [("/dataset/scaling", "scaling-fits-data")],
        ),
        (
            [text("t"), number("n")],
            {"target": "kind", "encodings": {"t": "sequence"}},
            [("/dataset/encodings/t", "sequence-alone")],
        ),
        (
            [number("n", missing=3), number("m", 0, 1e39)],
            {"target": "kind"},
            [("/dataset/encodings/n", "missing-values"), ("/dataset/encodings/m", "number-range")],
        ),
        (
            [text("t", "a", "b")],
            {"target": "kind", "encodings": {"t": "number"}},
            [("/dataset/encodings/t", "encoding-fits-column")],
        ),
        (
            [number("n")],
            {"target": "kind", "encodings": {"n": "multi_hot"}},
            [("/dataset/encodings/n", "encoding-fits-column")],
        ),
        (
            [text("t", distinct=5000), text("u")],
            {"target": "kind", "encodings": {"t": "one_hot", "u": "ordinal"}},
            [
                ("/dataset/encodings/t", "too-many-categories"),
                ("/dataset/encodings/u", "too-many-categories"),
            ],
        ),
        (
            [text("e", distinct=0, missing=150)],
            {"target": "kind", "features": ["e"], "encodings": {"e": "one_hot"}},
            [("/dataset/encodings/e", "empty-column")],
        ),
        (
            [text("t", "S", "M", "L")],
            {"target": "kind", "encodings": {"t": {"type": "ordinal", "categories": ["S", "L"]}}},
            [("/dataset/encodings/t/categories", "categories-fit-column")],
        ),
        (
            [integer("i", values=counts({"3": 1, "12": 1}), distinct=2)],
            {"target": "kind", "encodings": {"i": {"type": "one_hot", "categories": ["3", "no"]}}},
            [("/dataset/encodings/i/categories", "categories-fit-column")],
        ),
        (MANY, {"target": "kind"}, [("/dataset/features", "long-categories")]),
    ],
)
def test_options_that_do_not_fit_the_columns_are_rejected(
    columns: list[Column], options: Any, expected: list[tuple[str, str]]
) -> None:
    assert faults(table(*columns, text("kind", "a", "b", "c")), **options) == expected


@pytest.mark.parametrize(
    ("column", "options", "expected"),
    [
        (text("y", "a", "b", missing=2), {}, ("/dataset/target", "missing-target")),
        (text("y", "a"), {}, ("/dataset/target", "single-class")),
        (text("y"), {}, ("/dataset/target", "too-many-classes")),
        (integer("y"), {"task": "classification"}, ("/dataset/target", "too-many-classes")),
        (text("y", "a", "b"), {"task": "regression"}, ("/dataset/task", "task-fits-target")),
        (number("y", 2, 2, distinct=1), {}, ("/dataset/target", "constant-target")),
        (number("y", 0, 1e39), {}, ("/dataset/target", "number-range")),
    ],
)
def test_a_column_that_cannot_be_predicted_is_rejected(
    column: Column, options: Any, expected: tuple[str, str]
) -> None:
    assert faults(table(number("x"), column), target="y", **options) == [expected]


def test_an_unknown_name_suggests_a_close_one_and_long_names_are_cut() -> None:
    dataset = table(number("a" * 900), *(number(f"column {index}") for index in range(30)))
    with pytest.raises(
        SpecError, match=r"did you mean 'column 7'\? its columns are .* and 23 more"
    ):
        dataset_shape(stored_spec(dataset, target="colum 7").dataset)


def test_no_more_faults_are_computed_than_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    guessed: list[str] = []

    def guess(name: str, _: object) -> str:
        guessed.append(name)
        return ""

    monkeypatch.setattr("ridgeline.planning.dataset.table.guess", guess)
    names = [f"no {index}" for index in range(3000)]
    dataset = table(number("x"), text("kind", "a", "b"))
    encodings = dict.fromkeys(names, "number")
    reported = faults(dataset, target="kind", features=names, encodings=encodings)
    assert len(reported) == len(guessed) == MAX_FAULTS


def test_a_long_name_is_left_out_of_the_pointer() -> None:
    dataset = table(number("x"), text("kind", "a", "b"))
    reported = faults(dataset, target="kind", encodings={"n" * 65: "number"})
    assert reported == [("/dataset/encodings", "unknown-column")]


def test_extra_categories_are_accepted_and_numbers_compare_as_numbers() -> None:
    seen = number("i", values=counts({"0.5": 1, "3": 149}), distinct=2)
    encodings = {"i": {"type": "ordinal", "categories": ["0.50", "3.0", "4"]}}
    spelled = spelled_out(
        table(seen, text("kind", "a", "b", "c")), target="kind", encodings=encodings
    )
    assert spelled.encodings["i"] == OrdinalEncoding(categories=("0.50", "3.0", "4"))


def test_a_data_set_with_unknown_contents_is_rejected() -> None:
    spec = UploadDataset(source="upload", id=ID, target="kind")
    with pytest.raises(SpecError, match="received none"):
        dataset_shape(spec)


@pytest.mark.parametrize(
    "options",
    [
        {"id": "ds_0"},
        {"features": []},
        {"features": ["a", "a"]},
        {"encodings": {"a": "hashed"}},
        {"encodings": {"a": {"type": "one_hot", "categories": []}}},
        {"encodings": {"a": {"type": "one_hot", "categories": ["u", "u"]}}},
        {"encodings": {"a": {"type": "sequence", "num_words": 2}}},
        {"image": {"channels": 2}},
    ],
)
def test_an_option_of_a_wrong_type_is_rejected(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UploadDataset.model_validate_json(json.dumps({"source": "upload", "id": ID, **options}))


# With the rest of the spec -----------------------------------------------------------------------


def test_a_loss_that_fits_no_classes_hints_at_regression() -> None:
    whole = integer("y", values=counts({"3": 70, "7": 40, "9": 40}))
    loss = {"loss": "mean_squared_error"}
    dataset = table(number("x"), whole)
    with pytest.raises(SpecError, match='set /dataset/task to "regression"'):
        resolve(stored_spec(dataset, units=1, target="y", training=loss))
    explicit = stored_spec(dataset, units=1, target="y", task="regression", training=loss)
    assert resolve(explicit).encoding == "value"


def test_a_loss_that_fits_no_real_values_hints_at_classification() -> None:
    """Labels that once had a missing value are written as 0.0 and 1.0."""
    label = number("y", 0, 1, distinct=2, values=counts({"0": 75, "1": 75}))
    dataset = table(number("x"), label)
    with pytest.raises(SpecError, match='set /dataset/task to "classification"'):
        resolve(stored_spec(dataset, units=2, target="y"))
    explicit = stored_spec(dataset, units=2, target="y", task="classification")
    assert resolve(explicit).encoding == "one_hot"


def test_stratifying_a_class_of_one_row_is_rejected() -> None:
    kind = text("kind", "a", "b").model_copy(update={"values": counts({"a": 149, "b": 1})})
    spec = stored_spec(
        table(number("x"), kind),
        units=2,
        target="kind",
        split={"validation": 0.2, "stratify": True},
    )
    with pytest.raises(SpecError, match="1 class") as caught:
        resolve(spec)
    assert caught.value.faults[0].pointer == "/split/stratify"


def test_stratified_shares_too_small_for_a_class_are_rejected_with_one_that_would_do() -> None:
    kind = text("kind", "a", "b").model_copy(update={"values": counts({"a": 147, "b": 3})})
    dataset = table(number("x"), kind)
    split = {"validation": 0.34, "test": 0.1, "stratify": True}
    with pytest.raises(SpecError, match=r"Set split.test to 0.17, or stratify to") as caught:
        resolve(stored_spec(dataset, units=2, target="kind", split=split))
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.rule) == ("/split/test", "stratify-classes")
    assert "of the 3 row(s) of class 'b' the test rows get none" in fault.detail
    resolve(stored_spec(dataset, units=2, target="kind", split=split | {"stratify": False}))


def advice(dataset: StoredDataset, **options: Any) -> dict[str, tuple[str, str]]:
    return {remark.id: (remark.pointer, remark.message) for remark in _advice(dataset, **options)}


def test_row_numbers_constants_and_rare_classes_are_remarked() -> None:
    kind = text("kind", "a", "b").model_copy(update={"values": counts({"a": 140, "b": 10})})
    dataset = table(integer("row", 1, 150), number("same", 2, 2, distinct=1), number("x"), kind)
    remarks = advice(dataset)
    assert remarks["row-number-column"][0] == remarks["constant-column"][0] == "/dataset"
    assert "'row'" in remarks["row-number-column"][1]
    assert "'same'" in remarks["constant-column"][1]
    at, message = remarks["imbalanced-classes"]
    assert at == "/training"
    assert "right in 93% of all rows" in message
    named = advice(dataset, features=["row", "x"])
    assert named["row-number-column"][0] == "/dataset/features"
    assert "constant-column" not in named
    training = {
        "loss": {"name": "categorical_crossentropy", "from_logits": True},
        "class_weight": "balanced",
    }
    assert "imbalanced-classes" not in advice(dataset, training=training)
    even = table(integer("a", 1, 9), number("x"), text("kind", "a", "b"))
    assert {"row-number-column", "constant-column", "imbalanced-classes"}.isdisjoint(advice(even))


def test_numbers_and_dates_read_as_text_are_remarked() -> None:
    powers = text("power", *(str(number) for number in range(40, 90)), "?")
    prices = text("price", *(str(number) for number in range(40, 90)), "1,000")
    codes = text("code", "1", "2", "a", "b")
    days = text("day", *(f"2024-02-{day:02}" for day in range(1, 29)))
    times = text("time", *(f"{day}/3/2024 10:00" for day in range(1, 29)))
    dataset = table(powers, prices, codes, days, times, number("x"), text("kind", "a", "b"))
    messages = [(remark.id, remark.message) for remark in _advice(dataset)]
    (numbers,) = [message for rule, message in messages if rule == "numbers-as-text"]
    assert "'power', 'price' are numbers" in numbers
    assert "such as '?', '1,000', make it text" in numbers
    (dates,) = [message for rule, message in messages if rule == "dates-as-text"]
    assert "Dates in 'day', 'time' are read as text" in dates
    left_out = {remark.id for remark in _advice(dataset, features=["x", "code"])}
    assert left_out.isdisjoint({"numbers-as-text", "dates-as-text"})


@pytest.mark.parametrize(("missing", "mask_zero"), [(2, True), (0, True), (2, False)])
def test_empty_texts_under_a_masked_mean_are_remarked(missing: int, mask_zero: bool) -> None:
    words = text("words", "a b", "c").model_copy(update={"missing": missing})
    dataset = table(words, text("kind", "a", "b"))
    embedding = {"type": "Embedding", "input_dim": 9, "output_dim": 2, "mask_zero": mask_zero}
    mean: dict[str, Any] = {"type": "GlobalAveragePooling1D"}
    remarks = advice(
        dataset,
        encodings={"words": {"type": "sequence", "num_words": 9, "maxlen": 4}},
        model={"layers": [embedding, mean, {"type": "Dense", "units": 2}]},
    )
    assert ("empty-texts" in remarks) == (missing > 0 and mask_zero)
    if "empty-texts" in remarks:
        at, message = remarks["empty-texts"]
        assert at == "/model/layers/1"
        assert "2 row(s) have no text in 'words'" in message


def _advice(dataset: StoredDataset, **options: Any) -> Sequence[Advice]:
    return resolve(stored_spec(dataset, target="kind", units=2, **options)).advice
