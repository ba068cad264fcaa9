"""Any options for any stored data set resolve, idempotently, or raise SpecError."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ridgeline.api.datasets import StoredDataset
from ridgeline.planning.dataset import dataset_shape
from ridgeline.planning.resolve import resolve
from ridgeline.spec.dataset import UploadDataset
from ridgeline.spec.dataset.contents import Column, ColumnType, DatasetFormat, OwnSplit, ValueCount
from ridgeline.spec.faults import Fault, SpecError
from ridgeline.spec.job_spec import JobSpec
from tests.unit.planning.dataset.stored import ID, array, images, stored

NAMES = st.sampled_from(["a", "x", "y", "z/~", "ü" * 70])
HELD = st.lists(NAMES, max_size=3, unique=True).map(
    lambda more: list({"x": 1, "y": 1} | dict.fromkeys(more))
)
"""Numbers in a file."""
NUMBERS = st.none() | st.sampled_from([-1e300, -1.0, 0.0, 3.0, 2.0**24, 1e19, 1e300])
VALUES = {
    ColumnType.INTEGER: ["-3", "0", "12"],
    ColumnType.NUMBER: ["-0.5", "0", "1e+20"],
    ColumnType.BOOLEAN: ["false", "true"],
    ColumnType.TEXT: ["", "a b", "ü" * 150],
}
ENCODINGS = st.sampled_from(
    [
        "number",
        {"type": "number", "missing": "mean"},
        "one_hot",
        {"type": "one_hot", "categories": ["0", "12", "true", "a b"]},
        "ordinal",
        {"type": "ordinal", "categories": ["false", "true"]},
        "multi_hot",
        {"type": "sequence", "num_words": 9, "maxlen": 5},
    ]
)


@st.composite
def columns(draw: st.DrawFn) -> Column:
    kind = draw(st.sampled_from(ColumnType))
    listed = draw(st.none() | st.integers(0, len(VALUES[kind])))
    values = None
    if listed is not None:
        values = tuple(ValueCount(value=value, rows=50) for value in VALUES[kind][:listed])
    return Column(
        name="column",
        type=kind,
        missing=draw(st.sampled_from([0, 3, 150])),
        distinct=draw(st.none() | st.just(5000)) if values is None else len(values),
        values=values,
        minimum=draw(NUMBERS),
        maximum=draw(NUMBERS),
    )


@st.composite
def tables(draw: st.DrawFn) -> StoredDataset:
    named = [draw(columns()).model_copy(update={"name": name}) for name in draw(HELD)]
    return stored(
        draw(st.sampled_from([DatasetFormat.CSV, DatasetFormat.PARQUET])), columns=tuple(named)
    )


@st.composite
def archives(draw: st.DrawFn) -> StoredDataset:
    members = [
        array(
            name,
            *draw(st.sampled_from([(), (1,), (4,), (3, 2), (1,) * 8, (1,) * 9])),
            dtype=draw(st.sampled_from(["bool", "uint8", "int64", "uint64", "float16", "float64"])),
            values=draw(
                st.none()
                | st.just((ValueCount(value="0", rows=70), ValueCount(value="7", rows=80)))
            ),
            minimum=draw(NUMBERS),
            maximum=draw(NUMBERS),
        )
        for name in draw(HELD)
    ]
    return stored(DatasetFormat.NPZ, arrays=tuple(members))


@st.composite
def divided_archives(draw: st.DrawFn) -> StoredDataset:
    """As inspected: every name has every part, with rows of the same shape."""
    rows = {"train": 100, **draw(st.sampled_from([{"test": 30}, {"validation": 1, "test": 9}]))}
    members = [
        member.model_copy(
            update={
                "name": f"{member.name}_{part}",
                "stem": member.name,
                "part": part,
                "shape": (count, *member.shape[1:]),
                "minimum": draw(NUMBERS),
                "values": draw(st.sampled_from([member.values, (), None])),
            }
        )
        for member in draw(archives()).arrays or ()
        for part, count in rows.items()
    ]
    split = OwnSplit(**{"validation": 0, "test": 0} | rows)
    return stored(DatasetFormat.NPZ, sum(rows.values()), arrays=tuple(members), split=split)


FOLDERS = st.builds(
    images,
    height=st.sampled_from([(8, 8), (8, 9), (5000, 5000)]),
    channels=st.sampled_from([(1,), (3,), (1, 3, 4)]),
    classes=st.sampled_from([{"a": 150}, {"a": 149, "b": 1}]),
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "target": st.just("y") | NAMES,
        "features": st.just(["x"]) | st.lists(NAMES, min_size=1, max_size=3, unique=True),
        "encodings": st.dictionaries(st.just("x") | NAMES, ENCODINGS, max_size=2),
        "task": st.sampled_from(["auto", "classification", "regression"]),
        "scaling": st.sampled_from(["auto", "standard", "minmax", "unit", "none"]),
        "image": st.sampled_from([{}, {"height": 4, "width": 4}, {"channels": 1}]),
    },
)


FITTING = {
    DatasetFormat.NPZ: ("target", "task", "scaling"),
    DatasetFormat.IMAGES: ("image", "scaling"),
}
"""Options that are meaningful for the format."""


@given(
    dataset=tables() | tables() | archives() | divided_archives() | FOLDERS,
    options=OPTIONS,
    split=st.sampled_from([{}, {"validation": 0.2}, {"test": 0.1}]),
    units=st.sampled_from([1, 2, 3]),
    stratify=st.booleans(),
    fitting=st.integers(0, 4),
)
def test_a_spec_resolves_to_itself_or_is_rejected(
    dataset: StoredDataset,
    options: dict[str, Any],
    split: dict[str, float],
    units: int,
    stratify: bool,
    fitting: int,
) -> None:
    if fitting:  # else most would be rejected for their first option
        known = FITTING.get(dataset.format, ("task", "encodings", "features", "scaling"))
        options = {name: value for name, value in options.items() if name in known}
        if dataset.columns:
            options["target"] = "y"
            encodings = options.get("encodings", {})
            options["encodings"] = {k: v for k, v in encodings.items() if k == "x"}
    body = {
        "dataset": {"source": "upload", "id": ID, **options},
        "split": {**split, "stratify": stratify},
        "model": {"layers": [{"type": "Flatten"}, {"type": "Dense", "units": units}]},
        "training": {"loss": "mean_squared_error"},
    }
    spec = JobSpec.model_validate_json(json.dumps(body))
    assert isinstance(spec.dataset, UploadDataset)
    spec = spec.model_copy(update={"dataset": spec.dataset.with_stored(dataset.snapshot())})
    try:
        once = resolve(spec).spec
    except SpecError as error:
        check_faults(error.faults)
        return
    event("resolves")
    written = once.model_dump_json()
    assert resolve(JobSpec.model_validate_json(written)).spec.model_dump_json() == written
    assert dataset_shape(once.dataset) == dataset_shape(spec.dataset)


def check_faults(faults: Sequence[Fault]) -> None:
    event(faults[0].rule)
    for fault in faults:
        assert fault.pointer.startswith(("/dataset", "/training", "/split"))
        assert len(fault.pointer) < 200
        assert len(fault.detail) < 1000
