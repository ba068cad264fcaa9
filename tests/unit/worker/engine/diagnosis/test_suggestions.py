"""Advice after a verdict: each patch applies to the resolved spec, and the result validates."""

from collections.abc import Callable
from typing import Any

import pytest

from ridgeline.api.report import Evidence, Raise, Suggestion, Verdict
from ridgeline.planning.resolve import resolve
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec, apply_patch
from tests.unit import conftest as spec_fixtures
from worker.engine.diagnosis.suggestions import suggest
from worker.engine.diagnosis.verdict import Diagnosis

MakeSpec = Callable[..., JobSpec]
make_spec = spec_fixtures.make_spec  # digits; the engine's own tests make iris specs
Json = dict[str, Any]

BOTH: Json = {"weights": {"l2": 0.001}, "dropout": {"rate": 0.3}}
CNN: list[Json] = [
    {"type": "Reshape", "target_shape": [8, 8, 1]},
    {"type": "Conv2D", "filters": 8, "kernel_size": [3, 3], "activation": "relu"},
    {"type": "MaxPooling2D"},
    {"type": "Flatten"},
    {"type": "Dense", "units": 10, "activation": "softmax"},
]


def diagnosis(verdict: Verdict, *signs: str, **changes: Any) -> Diagnosis:
    values: Json = {
        "best_epoch": 40,
        "gap": 0.1,
        "gap_share": 0.05,
        "reference": 2.3,
        "baseline": 2.3,
        "level": 0.5,
        "improving": False,
        "falling": False,
    }
    evidence = tuple(Evidence(id=sign, message="", series=(), epochs=()) for sign in signs)
    return Diagnosis(verdict=verdict, evidence=evidence, **values | changes)


def suggestions(
    spec: JobSpec, verdict: Verdict, *signs: str, raises: tuple[Raise, ...] = (), **changes: Any
) -> dict[str, JobSpec]:
    """Suggestion id → the spec it leads to, resolved: so every patch is shown to validate."""
    resolved = resolve(spec).spec
    found = suggest(diagnosis(verdict, *signs, **changes), resolved, epochs=40, raises=raises)
    return {each.id: resolve(apply_patch(resolved, each.patch)).spec for each in found}


def rates(spec: JobSpec) -> list[float]:
    return [layer.rate for layer in spec.model.layers if layer.drops and hasattr(layer, "rate")]


def penalties(spec: JobSpec) -> list[float]:
    return [term.strength for term in resolve(spec).penalties]


class TestOverfit:
    def test_neither_technique_used(self, make_spec: MakeSpec) -> None:
        found = suggestions(make_spec(), Verdict.OVERFIT)
        assert list(found) == ["add-dropout", "add-l2"]
        assert rates(found["add-dropout"]) == [0.3]
        assert penalties(found["add-l2"]) == [1e-4, 1e-4]

    def test_dropout_goes_behind_the_pooling_of_a_network_without_hidden_dense_layers(
        self, make_spec: MakeSpec
    ) -> None:
        found = suggestions(make_spec(model={"layers": CNN}), Verdict.OVERFIT)
        layers = [layer.type_name() for layer in found["add-dropout"].model.layers]
        assert layers[2:5] == ["MaxPooling2D", "Flatten", "Dropout"]

    def test_a_network_without_hidden_layers_gets_no_dropout(self, make_spec: MakeSpec) -> None:
        model = {"layers": [{"type": "Dense", "units": 10, "activation": "softmax"}]}
        assert list(suggestions(make_spec(model=model), Verdict.OVERFIT)) == ["add-l2"]

    @pytest.mark.parametrize(
        ("rate", "raised"), [(0.1, 0.3), (0.25, 0.3), (0.3, 0.4), (0.4, 0.5), (0.45, 0.5)]
    )
    def test_raises_dropout_and_adds_l2(
        self, make_spec: MakeSpec, rate: float, raised: float
    ) -> None:
        spec = make_spec(regularization={"dropout": {"rate": rate}})
        found = suggestions(spec, Verdict.OVERFIT)
        assert list(found) == ["raise-dropout", "add-l2"]
        assert rates(found["raise-dropout"]) == [raised]

    def test_use_both_types_is_the_notes(self, make_spec: MakeSpec) -> None:
        resolved = resolve(make_spec(regularization={"dropout": {"rate": 0.3}})).spec
        found = suggest(diagnosis(Verdict.OVERFIT), resolved, epochs=40)
        assert "use both types" in by_id(found, "add-l2").source

    def test_both_used_raises_dropout_first(self, make_spec: MakeSpec) -> None:
        found = suggestions(make_spec(regularization=BOTH), Verdict.OVERFIT)
        assert list(found) == ["raise-dropout"]

    def test_dropout_at_its_highest_raises_l2(self, make_spec: MakeSpec) -> None:
        policy = BOTH | {"dropout": {"rate": 0.5}}
        found = suggestions(make_spec(regularization=policy), Verdict.OVERFIT)
        assert list(found) == ["raise-l2"]
        assert penalties(found["raise-l2"]) == [0.003, 0.003]

    def test_a_rate_that_training_has_raised_goes_on_from_there(self, make_spec: MakeSpec) -> None:
        made = Raise(epoch=9, restored_epoch=4, what="dropout", before=0.3, after=0.4)
        found = suggestions(make_spec(regularization=BOTH), Verdict.OVERFIT, raises=(made,))
        assert rates(found["raise-dropout"]) == [0.5]

    def test_l2_that_training_has_raised_goes_on_from_there(self, make_spec: MakeSpec) -> None:
        policy = BOTH | {"dropout": {"rate": 0.5}}
        made = Raise(epoch=9, restored_epoch=4, what="l2", before=0.001, after=0.01)
        spec = make_spec(regularization=policy)
        found = suggestions(spec, Verdict.OVERFIT, raises=(made,))
        assert penalties(found["raise-l2"]) == [0.03, 0.03]

    def test_l2_is_in_the_units_of_the_loss(self, make_spec: MakeSpec) -> None:
        spec = make_spec(
            dataset={"source": "builtin", "name": "diabetes"},
            model={"layers": [{"type": "Dense", "units": 1}]},
            training={"loss": "mean_squared_error"},
        )
        found = suggestions(spec, Verdict.OVERFIT, reference=6137.0)
        assert penalties(found["add-l2"]) == [0.6]

    def test_stops_at_the_best_epoch(self, make_spec: MakeSpec) -> None:
        found = suggestions(make_spec(), Verdict.OVERFIT, best_epoch=12)
        assert found["stop-at-best"].training.epochs == 12

    def test_keeps_the_best_weights_of_a_run_that_early_stopping_watched(
        self, make_spec: MakeSpec
    ) -> None:
        spec = make_spec(training={"early_stopping": {"patience": 10}})
        changed = suggestions(spec, Verdict.OVERFIT, best_epoch=12)["stop-at-best"].training
        assert changed.early_stopping is not None
        assert changed.early_stopping.restore_best_weights
        assert changed.epochs == spec.training.epochs

    def test_unless_it_has_done_so(self, make_spec: MakeSpec) -> None:
        assert "stop-at-best" not in suggestions(
            make_spec(), Verdict.OVERFIT, "restored", best_epoch=12
        )


class TestUnderfit:
    def test_less_regularization(self, make_spec: MakeSpec) -> None:
        found = suggestions(make_spec(regularization=BOTH), Verdict.UNDERFIT)
        assert list(found) == ["lower-penalty", "lower-dropout"]
        assert penalties(found["lower-penalty"]) == [0.0001, 0.0001]
        assert rates(found["lower-dropout"]) == [0.15]

    def test_without_regularization_a_wider_network(self, make_spec: MakeSpec) -> None:
        found = suggestions(make_spec(), Verdict.UNDERFIT)
        assert list(found) == ["widen"]
        units = [getattr(layer, "units", None) for layer in found["widen"].model.layers]
        assert units == [32, 10]

    def test_a_wider_one_that_would_not_fit_together_is_left_out(self, make_spec: MakeSpec) -> None:
        model = {
            "layers": [
                {"type": "Dense", "units": 16},
                {"type": "Reshape", "target_shape": [4, 4]},
                {"type": "Flatten"},
                {"type": "Dense", "units": 10, "activation": "softmax"},
            ]
        }
        assert suggestions(make_spec(model=model), Verdict.UNDERFIT) == {}

    def test_longer_where_it_still_improves(self, make_spec: MakeSpec) -> None:
        spec = make_spec(training={"epochs": 40})
        found = suggestions(spec, Verdict.UNDERFIT, improving=True, falling=True)
        assert found["train-longer"].training.epochs == 80

    def test_more_patience_where_early_stopping_ended_it(self, make_spec: MakeSpec) -> None:
        """More epochs would not run."""
        spec = make_spec(training={"epochs": 40, "early_stopping": {"patience": 3}})
        found = suggestions(spec, Verdict.UNDERFIT, "stopped-early", improving=True, falling=True)
        assert "train-longer" not in found
        stopping = found["raise-patience"].training.early_stopping
        assert stopping is not None
        assert stopping.patience == 6

    @pytest.mark.parametrize(("falling", "rate"), [(True, 0.01), (False, 0.0001)])
    def test_another_learning_rate_where_nothing_was_learned(
        self, make_spec: MakeSpec, *, falling: bool, rate: float
    ) -> None:
        found = suggestions(make_spec(), Verdict.UNDERFIT, level=1.1, falling=falling)
        (changed,) = found.values()
        assert changed.training.optimizer.learning_rate == rate


class TestDiverged:
    def test_slower_and_with_less_penalty(self, make_spec: MakeSpec) -> None:
        found = suggestions(make_spec(regularization=BOTH), Verdict.DIVERGED)
        assert list(found) == ["lower-learning-rate", "lower-penalty"]
        assert found["lower-learning-rate"].training.optimizer.learning_rate == 0.0001


class TestUnclear:
    def test_hold_rows_out(self, make_spec: MakeSpec) -> None:
        found = suggestions(make_spec(split={"validation": 0.0}), Verdict.UNCLEAR)
        assert found["hold-out"].split.validation == 0.2

    def test_more_epochs(self, make_spec: MakeSpec) -> None:
        spec = make_spec(training={"epochs": 2})
        found = suggestions(spec, Verdict.UNCLEAR, "too-few-epochs")
        assert found["train-longer"].training.epochs == 10

    def test_more_patience_where_early_stopping_left_too_few_epochs(
        self, make_spec: MakeSpec
    ) -> None:
        spec = make_spec(training={"epochs": 40, "early_stopping": {}})
        found = suggestions(spec, Verdict.UNCLEAR, "too-few-epochs", "stopped-early")
        assert list(found) == ["raise-patience"]
        stopping = found["raise-patience"].training.early_stopping
        assert stopping is not None
        assert stopping.patience == 5

    def test_slower_where_both_losses_rose(self, make_spec: MakeSpec) -> None:
        found = suggestions(make_spec(), Verdict.UNCLEAR, "both-rose")
        assert list(found) == ["lower-learning-rate"]


def test_a_good_run_needs_nothing(make_spec: MakeSpec) -> None:
    assert suggestions(make_spec(), Verdict.GOOD) == {}
    assert list(suggestions(make_spec(), Verdict.GOOD, best_epoch=9)) == ["stop-at-best"]


def test_what_is_refused_is_left_out(make_spec: MakeSpec) -> None:
    def refuse(spec: JobSpec) -> None:
        raise SpecError([])

    resolved = resolve(make_spec()).spec
    assert suggest(diagnosis(Verdict.OVERFIT), resolved, epochs=40, accepts=refuse) == ()


def by_id(found: tuple[Suggestion, ...], identifier: str) -> Suggestion:
    return next(each for each in found if each.id == identifier)
