"""Properties of comparing any specs."""

import json
from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ridgeline.api.comparison import Difference
from service.comparison.rules import differences
from tests.unit.service.comparison.compared import BASE, OUTPUT, compared, resolved, stored

L2 = st.none() | st.sampled_from([0.1, 0.2]).map(lambda l2: {"l2": l2})
DENSE = st.fixed_dictionaries(
    {"type": st.just("Dense"), "units": st.sampled_from([2, 3])},
    optional={"activation": st.sampled_from(["relu", "linear"]), "kernel_regularizer": L2},
)
RATED = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["Dropout", "AlphaDropout", "GaussianDropout"]),
        "rate": st.sampled_from([0.1, 0.5]),
    }
)
NORMALIZATION = st.fixed_dictionaries(
    {"type": st.sampled_from(["LayerNormalization", "BatchNormalization"])},
    optional={"epsilon": st.sampled_from([0.001, 0.01])},
)
LAYER = DENSE | RATED | NORMALIZATION
PENALTIES = {"weights": L2, "bias": L2}
DROPOUT = {"dropout": st.none() | st.fixed_dictionaries({"rate": st.sampled_from([0.1, 0.5])})}
POLICY = st.fixed_dictionaries({}, optional=PENALTIES | DROPOUT)
TRAINING = st.fixed_dictionaries(
    {"loss": st.just(BASE["training"]["loss"])},
    optional={
        "metrics": st.lists(
            st.sampled_from(["accuracy", "precision", "recall"]), unique=True, max_size=3
        ),
        "batch_size": st.sampled_from([16, 32]),
        "optimizer": st.sampled_from(
            ["adam", {"name": "adam", "learning_rate": 0.1}, {"name": "sgd", "momentum": 0.5}]
        ),
        "early_stopping": st.sampled_from([None, {}, {"patience": 0}, {"patience": 2}]),
    },
)


@st.composite
def lists_of_layers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to six layers, some with names, and the output."""
    layers = draw(st.lists(LAYER, max_size=6))
    names = draw(st.permutations(["a", "b", "c", "d", "e", "f"]))
    named = draw(st.lists(st.booleans(), min_size=6, max_size=6))
    return [
        layer | {"name": name} if has else layer
        for layer, name, has in zip(layers, names, named, strict=False)
    ] + [OUTPUT]


@st.composite
def specs(draw: st.DrawFn) -> str:
    return stored(
        model={"layers": draw(lists_of_layers())},
        regularization=draw(POLICY),
        training=draw(TRAINING),
        tags=draw(st.lists(st.sampled_from(["x", "y", "z"]), unique=True)),
    )


def distinguishes(listed: list[Difference], one: str, other: str) -> bool:
    return any(each.values.get(one, ...) != each.values.get(other, ...) for each in listed)


@given(specs())
def test_a_spec_does_not_differ_from_itself(spec: str) -> None:
    assert compared(spec, spec) == []


@given(specs())
def test_a_resolved_spec_differs_from_the_posted_one_by_its_policy_alone(spec: str) -> None:
    for each in compared(spec, resolved(spec)):
        assert each.label.startswith("regularization")


@given(
    lists_of_layers(),
    LAYER,
    st.none() | st.just("new"),
    st.data(),
    st.fixed_dictionaries({}, optional=PENALTIES),
)
def test_a_layer_inserted_anywhere_is_one_difference(
    layers: list[dict[str, Any]],
    new: dict[str, Any],
    name: str | None,
    data: st.DataObject,
    policy: dict[str, Any],
) -> None:
    # Without the policy's dropout, which the policy leaves out where a layer drops by itself.
    place = data.draw(st.integers(0, len(layers) - 1))
    put = new if name is None else new | {"name": name}
    more = [*layers[:place], put, *layers[place:]]
    (difference,) = compared(
        *(stored(model={"layers": each}, regularization=policy) for each in (layers, more))
    )
    assert difference.values.keys() == {"1"}
    assert difference.values["1"]["type"] == new["type"]  # type: ignore[index, call-overload]


@given(st.lists(specs(), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_the_jobs_is_the_order_of_the_values_only(
    listed: list[str], random: Any
) -> None:
    by_id = {str(number): spec for number, spec in enumerate(listed)}
    meant = {job_id: resolved(spec) for job_id, spec in by_id.items()}
    before, _ = differences(by_id, meant)
    shuffled = random.sample(list(by_id), len(by_id))
    after, _ = differences({job_id: by_id[job_id] for job_id in shuffled}, meant)
    assert [(each.label, each.values, each.pointers) for each in after] == [
        (each.label, each.values, each.pointers) for each in before
    ]
    for each in after:
        assert list(each.values) == [job_id for job_id in shuffled if job_id in each.values]
        assert each.pointer == next(iter(each.pointers.values()))


@given(st.lists(specs(), min_size=2, max_size=4))
def test_jobs_without_a_difference_have_the_same_resolved_spec(listed: list[str]) -> None:
    listed_differences = compared(*listed)
    for one, other in combinations(range(len(listed)), 2):
        if not distinguishes(listed_differences, str(one), str(other)):
            assert resolved(listed[one]) == resolved(listed[other])


@given(st.lists(specs(), min_size=2, max_size=4))
def test_labels_are_unique_and_pointers_lead_to_the_values(listed: list[str]) -> None:
    labelled = compared(*listed)
    assert len({each.label for each in labelled}) == len(labelled)
    for each in labelled:
        for job_id in each.pointers.keys() & each.values.keys():
            posted: Any = json.loads(listed[int(job_id)])
            for part in each.pointers[job_id].split("/")[1:]:
                posted = posted[int(part) if isinstance(posted, list) else part]
            value = each.values[job_id]
            if isinstance(value, dict):  # a whole layer may show its inputs too
                assert {name: value[name] for name in posted} == posted
            elif not each.label.endswith(": inputs"):
                assert posted == value
