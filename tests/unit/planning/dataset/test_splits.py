"""Arrays that are already split: which options fit, and which rows are held out."""

from typing import Any

import pytest

from ridgeline.api.datasets import StoredDataset
from ridgeline.planning.dataset import dataset_shape
from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.spec.dataset.contents import ArrayMember, OwnSplit, Part
from ridgeline.spec.dataset.contents import DatasetFormat as Format
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec
from tests.unit.planning.dataset.stored import array, counts, stored, stored_spec

ROWS: dict[Part, int] = {"train": 100, "validation": 20, "test": 30}


def part_of(member: ArrayMember, part: Part, **more: Any) -> ArrayMember:
    shape = (ROWS[part], *member.shape[1:])
    name = {"name": f"{member.name}_{part}", "stem": member.name, "part": part, "shape": shape}
    return member.model_copy(update=name | more)


def targets(part: Part, *classes: str) -> ArrayMember:
    values = counts(dict.fromkeys(classes, ROWS[part] // len(classes)))
    y = array("y", dtype="uint8", minimum=0, maximum=9)
    return part_of(y, part, values=values)


def divided(*members: ArrayMember) -> StoredDataset:
    parts = {member.part for member in members}
    split = OwnSplit(**{part: rows if part in parts else 0 for part, rows in ROWS.items()})
    rows = split.train + split.validation + split.test
    return stored(Format.NPZ, rows, split=split, arrays=members)


X = array("x", 4, dtype="float32", minimum=0.0, maximum=1.0)
TESTED = divided(
    part_of(X, "train"),
    part_of(X, "test"),
    targets("train", "0", "1", "2"),
    targets("test", "0", "1", "2"),
)
WHOLE = divided(*(TESTED.arrays or ()), part_of(X, "validation"), targets("validation", "0", "2"))


def resolved(dataset: StoredDataset, **sections: Any) -> Resolution:
    return resolve(stored_spec(dataset, **sections))


def faults(dataset: StoredDataset, **sections: Any) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        resolved(dataset, **sections)
    return [(fault.pointer, fault.rule) for fault in caught.value.faults]


def test_a_files_test_rows_are_the_test_part() -> None:
    assert resolved(TESTED).rows == (80, 20, 30)
    assert resolved(TESTED, split={"validation": 0.1, "stratify": True}).rows == (90, 10, 30)
    assert resolved(TESTED, split={"validation": 0.0, "test": 0.0}).rows == (100, 0, 30)


def test_a_files_validation_rows_are_the_validation_part() -> None:
    resolution = resolved(WHOLE)
    assert resolution.rows == (100, 20, 30)
    assert (resolution.spec.split.validation, resolution.spec.split.test) == (0.0, 0.0)
    assert resolved(WHOLE, split={"validation": 0.0}).rows == (100, 20, 30)
    assert "no-validation-split" not in {advice.id for advice in resolution.advice}
    stopping = {"loss": stored_spec(WHOLE).training.loss.model_dump(), "early_stopping": {}}
    assert resolved(WHOLE, training=stopping).rows.validation == 20


def test_a_file_without_test_rows_leaves_them_to_the_split() -> None:
    dataset = divided(*(member for member in WHOLE.arrays or () if member.part != "test"))
    assert resolved(dataset, split={"test": 0.1}).rows == (90, 20, 10)


@pytest.mark.parametrize(
    ("dataset", "split", "expected"),
    [
        (TESTED, {"test": 0.1}, [("/split/test", "own-test-rows")]),
        (WHOLE, {"validation": 0.2}, [("/split/validation", "own-validation-rows")]),
        (
            WHOLE,
            {"validation": 0.2, "test": 0.1},
            [("/split/validation", "own-validation-rows"), ("/split/test", "own-test-rows")],
        ),
    ],
)
def test_a_fraction_for_a_part_that_the_file_has_is_rejected(
    dataset: StoredDataset, split: dict[str, float], expected: list[tuple[str, str]]
) -> None:
    assert faults(dataset, split=split) == expected


@pytest.mark.parametrize("dataset", [TESTED, WHOLE])
def test_a_resolved_spec_resolves_to_itself(dataset: StoredDataset) -> None:
    once = resolved(dataset).spec
    written = once.model_dump_json()
    assert resolve(JobSpec.model_validate_json(written)).spec.model_dump_json() == written
    assert (once.dataset.target, once.dataset.features) == ("y", ("x",))  # type: ignore[union-attr]
    written = stored_spec(dataset).model_dump_json(exclude_unset=True)
    again = JobSpec.model_validate_json(written)
    assert resolve(again).spec == once


def test_only_arrays_in_use_are_kept() -> None:
    more = divided(
        *(TESTED.arrays or ()), *(part_of(array("z", 9), part) for part in ("train", "test"))
    )
    kept = resolved(more, features=["x"]).spec.dataset.stored  # type: ignore[union-attr]
    assert kept is not None
    assert {member.name for member in kept.arrays or ()} == {
        "x_train",
        "x_test",
        "y_train",
        "y_test",
    }
    assert kept.split == TESTED.split
    assert faults(more, features=["x", "z"]) == [("/dataset/features", "one-array")]


@pytest.mark.parametrize(
    ("options", "at"),
    [
        ({"target": "y_train"}, "/dataset/target"),
        ({"features": ["x_test"]}, "/dataset/features/0"),
    ],
)
def test_the_name_of_a_part_is_rejected(options: dict[str, Any], at: str) -> None:
    with pytest.raises(SpecError) as caught:
        resolved(TESTED, **options)
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.rule) == (at, "unknown-array")
    assert fault.detail.startswith(f"expected '{'y' if 'target' in options else 'x'}'")


@pytest.mark.parametrize("part", ["validation", "test"])
def test_held_out_classes_without_training_rows_are_rejected(part: Part) -> None:
    others = (member for member in WHOLE.arrays or () if member.name != f"y_{part}")
    dataset = divided(*others, targets(part, "0", "7"))
    with pytest.raises(SpecError) as caught:
        resolved(dataset)
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.rule) == ("/dataset/target", "unknown-classes")
    assert f"'y_{part}' has '7', 'y_train' does not" in fault.detail
    real = {"name": "mean_squared_error"}
    assert resolved(dataset, task="regression", units=1, training={"loss": real}).rows.train == 100


def test_too_many_classes_among_the_test_rows_are_rejected() -> None:
    others = (member for member in TESTED.arrays or () if member.name != "y_test")
    dataset = divided(*others, targets("test", "0").model_copy(update={"values": None}))
    assert faults(dataset) == [("/dataset/target", "unknown-classes")]


def test_a_class_missing_in_the_test_rows_is_accepted() -> None:
    others = (member for member in TESTED.arrays or () if member.name != "y_test")
    assert resolved(divided(*others, targets("test", "1"))).rows.test == 30


def test_tokens_cover_all_parts() -> None:
    """An Embedding must have vectors for the tokens of the test rows too."""
    words = array("x", 4, dtype="int32", minimum=0, maximum=9)
    dataset = divided(
        part_of(words, "train"),
        part_of(words, "test", maximum=41),
        *(member for member in TESTED.arrays or () if member.stem == "y"),
    )
    assert dataset_shape(stored_spec(dataset, scaling="none").dataset).tokens == 42
    large = divided(
        part_of(X, "train"), part_of(X, "test", maximum=1e39), *(dataset.arrays or ())[2:]
    )
    assert faults(large) == [("/dataset/features", "number-range")]


def test_the_only_other_array_is_the_features() -> None:
    """Such as X_train, as scikit-learn's users write it."""
    features = array("X", 4)
    dataset = divided(
        *(part_of(features, part) for part in ("train", "test")),
        *(member for member in TESTED.arrays or () if member.stem == "y"),
    )
    assert resolved(dataset).spec.dataset.features == ("X",)  # type: ignore[union-attr]


def test_memory_counts_every_part() -> None:
    shape = dataset_shape(resolved(WHOLE).spec.dataset)
    assert shape.all_rows == 150
    assert (shape.rows, shape.validation_rows, shape.test_rows) == (100, 20, 30)


def test_specs_of_files_without_a_split_have_no_part_fields() -> None:
    new = ('"split":{"train"', '"part"', '"stem"')
    y = array("y", dtype="uint8", values=counts({"0": 30, "1": 30, "2": 40}))
    written = resolved(stored(Format.NPZ, 100, arrays=(X, y))).spec.model_dump_json()
    assert [word for word in ('"split":null', *new) if word in written] == []
    written = resolved(TESTED).spec.model_dump_json()
    assert [word for word in new if word not in written] == []
