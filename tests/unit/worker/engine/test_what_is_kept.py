"""The metrics, the report and the files of a job are all of the model that is saved."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ridgeline.api.report import Report
from tests.unit.worker.engine.conftest import MakeSpec, Setup
from worker.engine.context import InMemoryContext, TrainingFailed, TrainingResult
from worker.engine.train import train

pytestmark = pytest.mark.slow

DIGITS = {"source": "builtin", "name": "digits"}
SPLIT = {"validation": 0.3, "test": 0.65}
#: What overfits at once: something is raised after its second epoch already.
RAISING = {
    "weights": {"l2": 1e-4, "raise_on_overfit": {"to": 0.01, "factor": 5, "patience": 1}},
    "dropout": {"rate": 0.1, "raise_on_overfit": {"to": 0.6, "step": 0.1, "patience": 1}},
}
FAST = {"batch_size": 16, "optimizer": {"name": "adam", "learning_rate": 0.02}}
LAYERS = [
    {"type": "Dense", "units": 64, "activation": "relu"},
    {"type": "Dense", "units": 10, "activation": "softmax"},
]


def report_of(result: TrainingResult) -> Report:
    assert result.report is not None
    return result.report


def saved_loss(workdir: Path, spec: Any) -> float:
    """The saved model's mean crossentropy on the validation rows, by plain Keras."""
    data = Setup(spec).data
    model = keras.models.load_model(workdir / "model.keras")
    raw = data.validation.x * np.sqrt(data.scaling.variance) + data.scaling.mean
    loss = keras.losses.SparseCategoricalCrossentropy()
    return float(loss(data.validation.y, model.predict(raw, verbose=0)))


@pytest.mark.parametrize("epochs", range(3, 8))
def test_no_way_back_after_the_last_epoch(make_spec: MakeSpec, workdir: Path, epochs: int) -> None:
    """A raise there would save other weights than those that were measured."""
    spec = make_spec(
        dataset=DIGITS,
        split=SPLIT,
        model={"layers": LAYERS},
        regularization=RAISING,
        training=FAST | {"epochs": epochs},
    )
    result = train(spec, InMemoryContext(workdir))
    assert result.metrics["val_data_loss"] == pytest.approx(saved_loss(workdir, spec), rel=1e-4)
    assert all(made.epoch < epochs for made in report_of(result).raises)


def test_the_saved_model_has_the_raised_rates_and_strengths(
    make_spec: MakeSpec, workdir: Path
) -> None:
    layers: list[Any] = [{"type": "Reshape", "target_shape": [8, 8]}]
    layers += [{"type": "Bidirectional", "layer": {"type": "GRU", "units": 8}}, *LAYERS]
    spec = make_spec(
        dataset=DIGITS,
        split=SPLIT,
        model={"layers": layers},
        regularization=RAISING,
        training=FAST | {"epochs": 14},
    )
    context = InMemoryContext(workdir)
    result = train(spec, context)
    last = context.rows[-1].values
    assert {made.what for made in report_of(result).raises} == {"dropout", "l2"}
    model = keras.models.load_model(workdir / "model.keras")
    assert model.get_layer("dropout").rate == pytest.approx(last["dropout_rate"])
    for name in ("dense", "dense_1"):
        assert model.get_layer(name).kernel_regularizer.l2 == pytest.approx(last["l2"])
    for direction in ("forward_layer", "backward_layer"):
        cell = getattr(model.get_layer("bidirectional"), direction).cell
        assert cell.kernel_regularizer.l2 == pytest.approx(last["l2"])


def test_the_gap_of_averaged_weights_is_theirs(make_spec: MakeSpec, workdir: Path) -> None:
    averaging = {"name": "adam", "learning_rate": 0.01, "use_ema": True}
    spec = make_spec(
        dataset=DIGITS,
        split=SPLIT,
        model={"layers": LAYERS},
        training={"optimizer": averaging, "epochs": 3},
    )
    metrics: dict[str, Any] = train(spec, InMemoryContext(workdir)).metrics
    assert metrics["val_data_loss"] == pytest.approx(saved_loss(workdir, spec), rel=1e-4)
    assert metrics["gap"] == metrics["val_data_loss"] - metrics["train_data_loss"]


def test_the_report_has_the_losses_of_the_kept_epoch(make_spec: MakeSpec, workdir: Path) -> None:
    spec = make_spec(
        dataset=DIGITS,
        split=SPLIT,
        model={"layers": LAYERS},
        regularization={"weights": {"l2": 1e-3}},
        training=FAST | {"epochs": 30, "early_stopping": {"restore_best_weights": True}},
    )
    context = InMemoryContext(workdir)
    result = train(spec, context)
    report = report_of(result)
    assert report.best_epoch is not None
    assert report.best_epoch < report.epochs
    kept = context.rows[report.best_epoch - 1]
    assert report.losses == kept.values
    assert {each.value for each in report.penalties} == set(kept.penalty_by_layer.values())
    assert result.metrics["val_data_loss"] == report.losses["val_data_loss"]
    assert report.kept_epoch == report.best_epoch
    assert report.evidence[-1].id == "stopped-early"
    assert report.evidence[-1].message == result.detail
    assert result.detail == (
        f"Early stopping ended the training after epoch {report.epochs} of 30: val_data_loss had"
        f" not improved for 1 epoch. Its best value, {result.metrics['val_data_loss']:.4g}, was"
        f" that of epoch {report.best_epoch}, whose weights were kept."
    )
    assert not {"train-longer"} & {suggestion.id for suggestion in report.suggestions}


def test_an_earlier_epoch_kept_after_all_epochs_is_said(make_spec: MakeSpec, workdir: Path) -> None:
    spec = make_spec(
        dataset=DIGITS,
        split=SPLIT,
        model={"layers": LAYERS},
        training={
            "optimizer": {"name": "sgd", "learning_rate": 3.0},
            "epochs": 6,
            "early_stopping": {"patience": 6, "restore_best_weights": True},
        },
    )
    result = train(spec, InMemoryContext(workdir))
    kept = report_of(result).kept_epoch
    expected = f"All epochs ran; the weights of epoch {kept}, the best one, were kept."
    assert result.detail == (None if kept == 6 else expected)


@pytest.mark.parametrize("decayed", ["kernels", "all"])
def test_the_report_says_what_weight_decay_takes(
    make_spec: MakeSpec, workdir: Path, decayed: str
) -> None:
    layers: list[Any] = [
        {"type": "Embedding", "input_dim": 20, "output_dim": 4},
        {"type": "Flatten"},
        {"type": "LayerNormalization"},
        {"type": "Dense", "units": 10, "activation": "softmax"},
    ]
    spec = make_spec(
        model={"layers": layers},
        dataset={"source": "builtin", "name": "digits", "scaling": "none"},
        training={"optimizer": {"name": "sgd", "weight_decay": 0.5, "weight_decay_on": decayed}},
    )
    weights = report_of(train(spec, InMemoryContext(workdir))).weights
    found = {(each.layer, each.name): each.shrinkage for each in weights}
    decaying = {where for where, shrinkage in found.items() if shrinkage is not None}
    if decayed == "all":
        assert decaying == set(found)
    else:
        assert decaying == {("embedding", "embeddings"), ("dense", "kernel")}
    assert {found[where].factor for where in decaying} == {0.01 * 0.5}  # type: ignore[union-attr]
    assert len(found) == 5


def test_the_baseline_is_of_the_loss_that_curves_are_measured_in(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    """Balanced weights make a constant guess evenly, and smoothed labels have an entropy."""

    def baseline(**training: Any) -> float | None:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        spec = make_spec(
            dataset={"source": "builtin", "name": "breast_cancer"},
            model={"layers": [{"type": "Dense", "units": 1, "activation": "sigmoid"}]},
            training={"loss": "binary_crossentropy"} | training,
        )
        return report_of(train(spec, InMemoryContext(folder))).baseline

    assert baseline(class_weight="balanced") == pytest.approx(np.log(2))
    plain, smoothed = (
        baseline(),
        baseline(loss={"name": "binary_crossentropy", "label_smoothing": 0.5}),
    )
    assert plain is not None
    assert smoothed is not None
    assert plain < smoothed < np.log(2)


def test_class_weights_are_no_divergence(make_spec: MakeSpec, workdir: Path) -> None:
    """They make data_loss many times what a constant prediction has; the rows are fitted well."""
    spec = make_spec(
        split={"validation": 0.2},
        training={"class_weight": {str(number): 60.0 for number in range(3)}, "epochs": 12},
    )
    result = train(spec, InMemoryContext(workdir))
    report = report_of(result)
    assert report.baseline is not None
    assert (report.losses["data_loss"] or 0.0) > 10 * report.baseline
    assert report.verdict != "diverged"


def test_weights_that_the_last_step_broke_are_no_success(
    make_spec: MakeSpec, workdir: Path
) -> None:
    """Without validation rows the sample of training rows alone has seen them."""
    spec = make_spec(
        split={},
        dataset={"source": "builtin", "name": "iris", "scaling": "none"},
        model={"layers": [*[{"type": "Dense", "units": 8}] * 5, {"type": "Dense", "units": 3}]},
        training={
            "loss": {"name": "sparse_categorical_crossentropy", "from_logits": True},
            "epochs": 1,
            "batch_size": 150,
            "optimizer": {"name": "sgd", "learning_rate": 1e9},
        },
    )
    with pytest.raises(TrainingFailed, match="train_data_loss became infinite or NaN in epoch 1"):
        train(spec, InMemoryContext(workdir))
