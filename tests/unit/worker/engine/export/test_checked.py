"""Files that do not predict what the model does are written in another way, or refused."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as kl

from ridgeline.spec.outputs import OutputName
from tests.unit.worker.engine.conftest import MakeSpec, Setup
from tests.unit.worker.engine.export.runtimes import InThisProcess
from worker.engine.context import ExportedFile, InMemoryContext, Rows
from worker.engine.export import checked
from worker.engine.export.agreement import Agreement, Disagrees
from worker.engine.export.checked import CheckedExports, Exports
from worker.engine.export.litert import write_litert
from worker.engine.export.onnx import write_onnx
from worker.engine.export.probes import Probes, probe_rows

pytestmark = pytest.mark.slow

OUTPUTS: tuple[OutputName, ...] = ("keras", "weights", "saved_model", "litert", "onnx")


def model_of(activation: str = "softplus") -> keras.Model:
    x = keras.Input((3,), name="input")
    return keras.Model(x, kl.Dense(2, activation=activation)(x))


def probes() -> Probes:
    rows = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    wild = np.array([[1e4] * 3, [-1e4] * 3], np.float32)
    return Probes(rows, tuple(f"row {number}" for number in range(9)), wild)


def exported(model: keras.Model, outputs: Sequence[OutputName], folder: Path) -> Exports:
    context = InMemoryContext(folder, readers={name: InThisProcess(name) for name in outputs})
    return CheckedExports(model, probes(), outputs, context).settle()


def of_another_model(
    write: Callable[..., tuple[ExportedFile, ...]],
) -> Callable[[keras.Model, Path], tuple[ExportedFile, ...]]:
    """A faulty converter: it writes a file of other weights."""

    def write_other(model: keras.Model, folder: Path) -> tuple[ExportedFile, ...]:
        twin = keras.models.clone_model(model)
        twin.set_weights([weight + 0.5 for weight in model.get_weights()])
        return write(twin, folder)

    return write_other


def test_all_formats_agree(workdir: Path) -> None:
    files, refused = exported(model_of(), OUTPUTS, workdir)
    assert refused == ()
    assert {file.path for file in files} == set(workdir.iterdir())


def test_file_that_differs_is_written_in_the_next_way(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = {"onnx": (of_another_model(write_onnx), write_onnx)}
    monkeypatch.setattr(checked, "WRITERS", ways)
    files, refused = exported(model_of(), ["onnx"], workdir)
    assert refused == ()
    assert [file.name for file in files] == ["model.onnx"]


def test_output_without_a_file_that_agrees_is_refused_alone(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = {**checked.WRITERS, "litert": (of_another_model(write_litert),)}
    monkeypatch.setattr(checked, "WRITERS", ways)
    files, (refused,) = exported(model_of(), ["keras", "litert", "onnx"], workdir)
    assert refused.pointer == "/outputs/1"
    assert refused.output == "litert"
    assert "for row 0, in a batch of 1, it predicts" in refused.detail
    assert {file.name for file in files} == {"model.keras", "model.onnx"}
    assert {file.path for file in files} == set(workdir.iterdir())


def test_file_that_no_runtime_loads_is_refused(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_nothing(_: keras.Model, folder: Path) -> tuple[ExportedFile, ...]:
        (folder / "model.onnx").write_bytes(b"no model")
        return (ExportedFile(folder / "model.onnx", "application/onnx"),)

    monkeypatch.setattr(checked, "WRITERS", {"onnx": (write_nothing,)})
    files, (refused,) = exported(model_of(), ["onnx"], workdir)
    assert files == ()
    assert "model.onnx was run and rejected" in refused.detail


def test_overflow_far_outside_the_data_is_found(workdir: Path) -> None:
    """As TensorFlow has it, softplus is infinite in LiteRT above 88."""
    model = model_of()
    write_litert(model, workdir, as_it_is=True)
    agreement, reader = Agreement(model, probes()), InThisProcess("litert")
    agreement.start(reader, workdir)
    with pytest.raises(Disagrees, match=r"for a row of -?10000, it predicts inf"):
        agreement.check(reader, in_single=True)


def test_network_more_sensitive_than_single_precision_is_no_fault(workdir: Path) -> None:
    """Differences of numbers near 1e6: Keras itself is off by more than 1e-4."""
    model = model_of("linear")
    kernel, _ = model.get_weights()
    model.set_weights([np.float32(1e6) * np.sign(kernel), np.zeros(2, np.float32)])
    x = keras.Input((3,), name="input")
    sensitive = keras.Model(x, kl.Activation("tanh")(kl.Dense(1)(model(x))))
    assert exported(sensitive, ["keras", "litert", "onnx"], workdir).refused == ()


def test_probes_are_raw_rows_of_the_data(make_spec: MakeSpec) -> None:
    setup = Setup(make_spec())
    made = probe_rows(setup.data, tokens=False)
    assert len(made.rows) == len(made.names)
    by_name: dict[str, Rows] = dict(zip(made.names, made.rows, strict=True))
    first = setup.data.train.x[:1] * np.sqrt(setup.data.scaling.variance) + setup.data.scaling.mean
    np.testing.assert_allclose(by_name["the first training row"], first[0], rtol=1e-6)
    np.testing.assert_array_equal(by_name["a row of zeros"], np.zeros(4))
    assert (by_name["the greatest values"] >= by_name["the least values"]).all()
    assert by_name["a row padded after its half"][2:].tolist() == [0, 0]
    assert made.wild.min() == -1e4
    assert len(probe_rows(setup.data, tokens=True).wild) == 0


def test_saved_model_has_the_signature_of_tensorflow_serving(workdir: Path) -> None:
    model = model_of()
    exported(model, ["saved_model"], workdir)
    with zipfile.ZipFile(workdir / "saved_model.zip") as archive:
        archive.extractall(workdir)
    served = tf.saved_model.load(str(workdir / "saved_model"))
    signature = served.signatures["serving_default"]
    assert list(signature.structured_input_signature[1]) == ["input"]
    assert list(signature.structured_outputs) == ["output"]
    rows = tf.constant(probes().rows)
    np.testing.assert_allclose(signature(input=rows)["output"], model(rows), atol=1e-6)
