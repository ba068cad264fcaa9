"""Jobs on a running service, through its HTTP interface alone."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ridgeline.api.job import EndCode, Job, JobStatus
from ridgeline.api.report import Report, Verdict
from ridgeline.client import Client
from ridgeline.spec.job_spec import apply_patch

pytestmark = pytest.mark.servers

IRIS: dict[str, Any] = {
    "dataset": {"source": "builtin", "name": "iris"},
    "split": {"validation": 0.2, "test": 0.2, "stratify": True},
    "model": {
        "layers": [
            {"type": "Dense", "units": 16, "activation": "relu"},
            {"type": "Dense", "units": 3, "activation": "softmax"},
        ]
    },
    "training": {
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "epochs": 5,
    },
}
CONVOLUTION = [
    {"type": "Reshape", "target_shape": [8, 8, 1]},
    {"type": "Conv2D", "filters": 8, "kernel_size": 3, "padding": "same"},
    {"type": "BatchNormalization"},
    {"type": "Activation", "activation": "relu", "name": "stem"},
    {"type": "Conv2D", "filters": 8, "kernel_size": 3, "padding": "same", "activation": "relu"},
    {"type": "SpatialDropout2D", "rate": 0.1},
    {"type": "Add", "inputs": ["stem", "spatial_dropout2d"]},
    {"type": "MaxPooling2D"},
    {"type": "AveragePooling2D"},
    {"type": "Flatten"},
    {"type": "Dense", "units": 10, "activation": "softmax"},
]


@pytest.fixture
def client(service_url: str) -> Iterator[Client]:
    with Client(service_url) as client:
        yield client


def run(client: Client, **sections: Any) -> Job:
    return client.wait(client.submit(IRIS | sections).id, timeout=120)


@pytest.mark.parametrize(
    ("name", "classes", "loss"),
    [
        ("breast_cancer", 2, "sparse_categorical_crossentropy"),
        ("wine", 3, "categorical_crossentropy"),
        ("iris", 3, "categorical_hinge"),
        ("diabetes", None, "mean_squared_error"),
    ],
)
def test_every_builtin_table_trains(
    client: Client, name: str, classes: int | None, loss: str
) -> None:
    activation = "softmax" if classes else "linear"
    job = run(
        client,
        dataset={"source": "builtin", "name": name},
        split={"validation": 0.2, "test": 0.1},
        model={"layers": [{"type": "Dense", "units": classes or 1, "activation": activation}]},
        training={"loss": loss, "epochs": 3},
    )
    assert job.status is JobStatus.SUCCEEDED, job.reason
    assert job.metrics["test_data_loss"] is not None


def test_residual_convnet_trains_with_every_kind_of_regularization(client: Client) -> None:
    job = run(
        client,
        dataset={"source": "builtin", "name": "digits"},
        model={"layers": CONVOLUTION},
        regularization={
            "weights": {"l1": 0.01, "l2": 0.1, "scaling": "textbook", "n": "rows"},
            "bias": {"l2": 0.001},
            "dropout": {"rate": 0.25, "after": ["pooling"]},
        },
        training=IRIS["training"] | {"batch_size": 64, "epochs": 4},
        outputs=["keras", "weights", "saved_model", "litert", "onnx"],
    )
    assert job.status is JobStatus.SUCCEEDED, job.reason
    assert {artifact.name for artifact in job.artifacts} == {
        *("model.keras", "model.weights.h5", "model.json", "saved_model.zip", "model.tflite"),
        *("model.onnx", "split.npz", "report.json"),
    }
    curves = client.curves(job.id)
    assert curves.complete
    assert curves.epoch == (1, 2, 3, 4)
    assert set(curves.penalty_by_layer) == {
        f"{term.layer}/{term.weight}/{term.kind}" for term in job.penalties
    }
    for total, data, penalty in zip(
        *(curves.series[name] for name in ("loss", "data_loss", "penalty")), strict=True
    ):
        assert total == pytest.approx(data + penalty)


def test_split_of_an_uploaded_file_is_used(client: Client, tmp_path: Path) -> None:
    """Ten of the fifty test labels are wrong, so a perfect model has an accuracy of 0.8."""
    random = np.random.default_rng(5)
    labels = {"train": np.arange(120) % 2, "test": np.arange(50) % 2}
    x = {
        part: (random.integers(0, 100, (len(y), 7, 7)) + 150 * y[:, None, None]).astype(np.uint8)
        for part, y in labels.items()
    }
    labels["test"][:10] ^= 1
    path = tmp_path / "mnist.npz"
    np.savez_compressed(
        path, x_test=x["test"], x_train=x["train"], y_train=labels["train"], y_test=labels["test"]
    )
    dataset = client.upload(path)
    assert dataset.split is not None
    assert (dataset.split.train, dataset.split.validation, dataset.split.test) == (120, 0, 50)
    dense = {"type": "Dense", "units": 2, "activation": "softmax"}
    job = run(
        client,
        dataset={"source": "upload", "id": dataset.id},
        split={"validation": 0.25, "stratify": True},
        model={"layers": [{"type": "Flatten"}, dense]},
        training=IRIS["training"]
        | {"epochs": 30, "optimizer": {"name": "adam", "learning_rate": 0.05}},
    )
    assert job.status is JobStatus.SUCCEEDED, job.reason
    assert job.metrics["val_accuracy"] == 1.0
    assert job.metrics["test_accuracy"] == pytest.approx(0.8)
    path = client.download(job.id, "split.npz", tmp_path / "split.npz")
    with np.load(path) as split:
        assert [len(split[part]) for part in ("train", "validation", "test")] == [90, 30, 50]


def test_downloaded_artifacts_match_their_records(client: Client, tmp_path: Any) -> None:
    job = run(client, outputs=["saved_model"])
    contents = {}
    for artifact in job.artifacts:
        path = client.download(job.id, artifact.name, tmp_path / artifact.name)
        contents[artifact.name] = path.read_bytes()
        assert hashlib.sha256(contents[artifact.name]).hexdigest() == artifact.sha256
        assert len(contents[artifact.name]) == artifact.bytes
    assert set(contents) == {"saved_model.zip", "report.json", "split.npz"}
    assert Report.model_validate_json(contents["report.json"]) == client.report(job.id)
    with zipfile.ZipFile(io.BytesIO(contents["saved_model.zip"])) as archive:
        assert "saved_model/saved_model.pb" in archive.namelist()
    with np.load(io.BytesIO(contents["split.npz"])) as split:
        assert len(split["test"]) == 30


def test_diverged_job_suggests_a_working_change(client: Client) -> None:
    job = run(
        client,
        dataset={"source": "builtin", "name": "diabetes"},
        split={"validation": 0.2},
        model={"layers": [{"type": "Dense", "units": 1}]},
        training={
            "loss": "mean_squared_error",
            "epochs": 50,
            "optimizer": {"name": "sgd", "learning_rate": 1e8},
        },
    )
    assert job.status is JobStatus.FAILED
    assert job.reason is not None
    assert job.reason.code is EndCode.DIVERGED
    assert "learning_rate" in job.reason.detail
    assert not job.artifacts
    curves = client.curves(job.id)
    assert curves.series["data_loss"][-1] is None
    assert curves.epoch[-1] in curves.nonfinite["data_loss"]
    report = client.report(job.id)
    assert report.verdict is Verdict.DIVERGED
    better = apply_patch(job.resolved, report.suggestions[0].patch)
    assert client.validate(better).resolved.training.optimizer.learning_rate == 1e7


def test_report_agrees_with_the_curves(client: Client) -> None:
    job = run(client, training=IRIS["training"] | {"epochs": 60})
    report = client.report(job.id)
    assert report.verdict is not Verdict.UNCLEAR
    assert report.epochs == 60
    validation = client.curves(job.id).series["val_data_loss"]
    least = min(value for value in validation if value is not None)
    assert report.best_epoch == validation.index(least) + 1
    assert [weight.shape for weight in report.weights] == [(4, 16), (16,), (16, 3), (3,)]


def test_running_job_can_be_cancelled_and_deleted(client: Client) -> None:
    job = client.submit(IRIS | {"training": IRIS["training"] | {"epochs": 100_000}})

    def cancel_once_it_trains(seen: Job) -> None:
        if seen.status is JobStatus.RUNNING and seen.progress.epoch:
            client.cancel(job.id)

    ended = client.wait(job.id, timeout=60, on_change=cancel_once_it_trains)
    assert ended.status is JobStatus.CANCELLED
    assert ended.reason is not None
    assert ended.reason.code is EndCode.CANCELLED_BY_USER
    client.delete(job.id)
    assert job.id not in {listed.id for listed in client.jobs()}


def test_job_past_its_deadline_fails(client: Client) -> None:
    job = run(client, training=IRIS["training"] | {"epochs": 100_000, "deadline_s": 2})
    assert job.status is JobStatus.FAILED
    assert job.reason is not None
    assert job.reason.code is EndCode.DEADLINE_EXCEEDED


def test_same_spec_gives_the_same_metrics(client: Client) -> None:
    first, again = (run(client) for _ in range(2))
    assert first.metrics == again.metrics
    resolved = client.wait(client.submit(first.resolved).id, timeout=120)
    assert resolved.metrics == first.metrics
