"""The report of real runs: made to overfit, to underfit, to diverge, and to be good."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.report import Report, Verdict
from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import MAX_LAYERS, JobSpec, apply_patch
from tests.unit.worker.engine.conftest import MakeSpec
from worker.engine.context import InMemoryContext, TrainingFailed, TrainingResult
from worker.engine.diagnosis.report import TrainedRun, build_report
from worker.engine.train import train
from worker.trainer.messages import MAX_MESSAGE_BYTES, Finished, decode_from_trainer, encode

Json = dict[str, Any]

DIGITS: Json = {"source": "builtin", "name": "digits"}
OUTPUT: Json = {"type": "Dense", "units": 10, "activation": "softmax"}
POLICY: Json = {"weights": {"l2": 1e-4}, "dropout": {"rate": 0.3}}
#: 90 training rows, and many times as many weights.
FEW_ROWS: Json = {"validation": 0.2, "test": 0.75}


def hidden(units: int) -> Json:
    return {"type": "Dense", "units": units, "activation": "relu"}


def digits(make_spec: MakeSpec, units: int, epochs: int, rate: float, **sections: Any) -> JobSpec:
    return make_spec(
        dataset=DIGITS,
        model={"layers": [hidden(units), OUTPUT]},
        training={
            "epochs": epochs,
            "seed": 1,
            "optimizer": {"name": "adam", "learning_rate": rate},
        },
        **{"split": {"validation": 0.2}} | sections,
    )


def report_of(result: TrainingResult) -> Report:
    assert result.report is not None
    return result.report


def trained(spec: JobSpec, folder: Path) -> Report:
    return report_of(train(spec, InMemoryContext(folder)))


def check_suggestions(report: Report, spec: JobSpec) -> Mapping[str, JobSpec]:
    """Every patch applies to the resolved spec and gives one that could be trained."""
    resolved = resolve(spec).spec
    return {each.id: resolve(apply_patch(resolved, each.patch)).spec for each in report.suggestions}


@pytest.mark.parametrize("policy", [{}, {"dropout": {"rate": 0.3}}])
def test_overfit(make_spec: MakeSpec, workdir: Path, policy: Json) -> None:
    spec = digits(make_spec, 512, 100, 0.01, split=FEW_ROWS, regularization=policy)
    report = trained(spec, workdir)
    assert report.verdict is Verdict.OVERFIT
    assert {"large-gap", "low-training-loss"} <= {each.id for each in report.evidence}
    assert report.best_epoch is not None
    assert report.best_epoch < 50
    found = check_suggestions(report, spec)
    assert list(found) == [
        "raise-dropout" if policy else "add-dropout",
        "add-l2",
        "stop-at-best",
    ]


@pytest.mark.parametrize(
    ("units", "policy", "suggested"),
    [(1, {}, "widen"), (32, {"weights": {"l2": 1.0}}, "lower-penalty")],
)
def test_underfit(
    make_spec: MakeSpec, workdir: Path, units: int, policy: Json, suggested: str
) -> None:
    spec = digits(make_spec, units, 20, 0.001, regularization=policy)
    report = trained(spec, workdir)
    assert report.verdict is Verdict.UNDERFIT
    assert suggested in check_suggestions(report, spec)


def test_good(make_spec: MakeSpec, workdir: Path) -> None:
    spec = digits(make_spec, 64, 30, 0.002, regularization=POLICY)
    report = trained(spec, workdir)
    assert report.verdict is Verdict.GOOD
    assert report.gap_share is not None
    assert abs(report.gap_share) < 0.1


def test_smoothed_labels_leave_a_floor_that_is_no_underfitting(
    make_spec: MakeSpec, workdir: Path
) -> None:
    """A perfect model's loss is three quarters of what guessing costs."""
    spec = make_spec(
        dataset={"source": "builtin", "name": "digits"},
        split={"validation": 0.2, "stratify": True},
        model={
            "layers": [
                {"type": "Dense", "units": 64, "activation": "relu"},
                {"type": "Dense", "units": 10, "activation": "softmax"},
            ]
        },
        training={
            "loss": {"name": "categorical_crossentropy", "label_smoothing": 0.5},
            "metrics": ["accuracy"],
            "epochs": 20,
            "optimizer": {"name": "adam", "learning_rate": 0.003},
            "seed": 1,
        },
    )
    report = trained(spec, workdir)
    assert (report.losses["val_accuracy"] or 0) > 0.95
    assert report.verdict is Verdict.GOOD


def test_diverged_with_weights_that_are_still_numbers(make_spec: MakeSpec, workdir: Path) -> None:
    spec = digits(make_spec, 32, 10, 20.0)
    report = trained(spec, workdir)
    assert report.verdict is Verdict.DIVERGED
    assert len(report.weights) == 4
    lower = check_suggestions(report, spec)["lower-learning-rate"]
    assert lower.training.optimizer.learning_rate == 2.0


def test_diverged_beyond_numbers(make_spec: MakeSpec, workdir: Path) -> None:
    spec = make_spec(
        dataset={"source": "builtin", "name": "diabetes"},
        split={"validation": 0.2},
        model={"layers": [{"type": "Dense", "units": 1}]},
        training={
            "loss": "mean_squared_error",
            "epochs": 50,
            "optimizer": {"name": "sgd", "learning_rate": 1e9},
        },
    )
    with pytest.raises(TrainingFailed) as failure:
        train(spec, InMemoryContext(workdir))
    report = failure.value.report
    assert report is not None
    assert report.verdict is Verdict.DIVERGED
    assert report.evidence[0].id == "nonfinite"
    assert "dense/kernel" in report.nonfinite_weights
    check_suggestions(report, spec)


class TestAgainstTheSavedModel:
    """Built once: a run that L1 has thinned out."""

    @pytest.fixture(scope="class")
    @staticmethod
    def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("run")

    @pytest.fixture(scope="class")
    @staticmethod
    def report(folder: Path) -> Report:
        spec = {
            "dataset": DIGITS,
            "model": {"layers": [hidden(32), OUTPUT]},
            "regularization": {"weights": {"l1": 0.01, "l2": 0.0005}},
            "training": {
                "loss": "sparse_categorical_crossentropy",
                "epochs": 40,
                "optimizer": {"name": "sgd", "learning_rate": 0.05},
            },
        }
        return trained(JobSpec.model_validate_json(json.dumps(spec)), folder)

    def test_every_weight(self, report: Report, folder: Path) -> None:
        model = keras.models.load_model(folder / "model.keras")
        values = {v.path: v.numpy() for v in model.trainable_variables}
        assert {f"{each.layer}/{each.name}" for each in report.weights} == set(values)
        for found in report.weights:
            w = values[f"{found.layer}/{found.name}"]
            assert found.shape == w.shape
            assert found.l1_norm == pytest.approx(float(np.abs(w).sum()), rel=1e-5)
            assert found.l2_norm == pytest.approx(float(np.linalg.norm(w)), rel=1e-5)
            assert found.zero_share == np.mean(w == 0)
            assert found.histogram is not None
            assert sum(found.histogram.counts) == w.size
            assert found.histogram.edges[0] == pytest.approx(w.min(), rel=1e-6)
            assert found.histogram.edges[-1] == pytest.approx(w.max(), rel=1e-6)

    def test_units(self, report: Report, folder: Path) -> None:
        """L1 this strong makes some of the hidden units negligible, by the documented rule."""
        w = keras.models.load_model(folder / "model.keras").get_layer("dense").kernel.numpy()
        usual = max(np.sqrt(np.mean(w**2)), np.sqrt(2 / sum(w.shape)))
        negligible = np.sum(np.all(np.abs(w) <= 0.01 * usual, axis=0))
        found = report.weights[0]
        assert (found.layer, found.name, found.units) == ("dense", "kernel", 32)
        assert found.negligible_units == negligible > 0
        assert found.nearly_zero_share == np.mean(np.abs(w) <= 0.01 * usual)
        assert found.max_unit_norm == pytest.approx(np.linalg.norm(w, axis=0).max())

    def test_penalties(self, report: Report) -> None:
        assert {(each.layer, each.weight, each.kind) for each in report.penalties} == {
            (layer, "kernel", kind) for layer in ("dense", "dense_1") for kind in ("l1", "l2")
        }
        assert sum(each.share or 0 for each in report.penalties) == pytest.approx(
            report.penalty_share
        )
        penalty, loss = report.losses["penalty"], report.losses["loss"]
        assert penalty is not None
        assert loss is not None
        assert report.penalty_share == pytest.approx(penalty / loss)

    def test_shrinkage(self, report: Report) -> None:
        found = report.weights[0].shrinkage
        assert found is not None
        assert found.factor == pytest.approx(2 * 0.05 * 0.0005)
        assert found.step == pytest.approx(0.05 * 0.01)
        assert report.weights[1].name == "bias"
        assert report.weights[1].shrinkage is None

    def test_it_is_published_with_the_model(self, report: Report, folder: Path) -> None:
        assert Report.model_validate_json((folder / "report.json").read_bytes()) == report
        assert report.environment.keras == keras.__version__
        assert report.environment.devices


def test_the_report_of_the_longest_model_fits_into_a_message(
    make_spec: MakeSpec,
) -> None:
    """Eight weights a layer, more than any but attention has, and penalties on half of them."""
    layers = [{"type": "Dense", "units": 8} for _ in range(MAX_LAYERS - 2)]
    spec = make_spec(
        model={"layers": [*layers, hidden(8), {"type": "Dense", "units": 3}]},
        training={"loss": {"name": "sparse_categorical_crossentropy", "from_logits": True}},
        regularization={"weights": {"l1": 0.1, "l2": 0.1}, "bias": {"l2": 0.1}},
    )
    resolution = resolve(spec)
    names = [node.name for node in resolution.graph.nodes]
    values = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
    weights = [(name, f"some_long_name_{k}/kernel", values) for name in names for k in range(8)]
    row = EpochRow(
        epoch=1,
        values={"loss": 2.0, "data_loss": 1.0, "penalty": 1.0},
        penalty_by_layer={term.key: 0.123456789 for term in resolution.penalties},
        seconds=1.0,
    )
    report = build_report(
        TrainedRun(
            rows=[row],
            resolved=resolution.spec,
            weights=weights,
            penalties=resolution.penalties,
            learning_rate=0.1,
        )
    )
    assert report.histograms_left_out == 8 * MAX_LAYERS - 1000
    message = encode(Finished(metrics={}, files=(), report=report))
    assert len(message) < MAX_MESSAGE_BYTES / 2
    assert decode_from_trainer(message) == Finished(metrics={}, files=(), report=report)
