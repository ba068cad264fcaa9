"""What is saved predicts what was trained, from raw rows, without our code."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.unit.worker.engine.conftest import DENSE, MakeSpec, Setup
from worker.engine.context import InMemoryContext
from worker.engine.data.sources import load
from worker.engine.export import Exporting


def export_all(setup: Setup, workdir: Path) -> dict[str, Path]:
    context = InMemoryContext(workdir)
    files, _ = Exporting(
        setup.network, setup.objective, setup.data, ["keras", "saved_model"], context
    ).settle()
    assert {file.path for file in files} == set(workdir.iterdir())
    return {file.name: file.path for file in files}


@pytest.mark.parametrize("scaling", ["standard", "minmax", "none"])
def test_saved_models_take_raw_rows(scaling: str, make_spec: MakeSpec, workdir: Path) -> None:
    dataset = {"source": "builtin", "name": "iris", "scaling": scaling}
    setup = Setup(make_spec(dataset=dataset))
    files = export_all(setup, workdir)
    raw, _ = load(setup.spec.dataset)
    expected = setup.network.predict(tf.constant(setup.data.scaling.apply(raw)))
    in_keras = keras.models.load_model(files["model.keras"])
    np.testing.assert_allclose(in_keras.predict(raw, verbose=0), expected, atol=1e-6)
    with zipfile.ZipFile(files["saved_model.zip"]) as archive:
        archive.extractall(workdir)
    served = tf.saved_model.load(str(workdir / "saved_model"))
    np.testing.assert_allclose(served.serve(tf.constant(raw)), expected, atol=1e-6)
    (signed,) = served.signatures["serving_default"](tf.constant(raw)).values()
    np.testing.assert_allclose(signed, expected, atol=1e-6)
    layer = keras.layers.TFSMLayer(workdir / "saved_model", call_endpoint="serve")
    np.testing.assert_allclose(layer(raw), expected, atol=1e-6)


def test_the_saved_model_keeps_regularizers_and_dropout(make_spec: MakeSpec, workdir: Path) -> None:
    policy = {"weights": {"l1": 0.1, "l2": 0.2}, "dropout": {"rate": 0.4}}
    files = export_all(Setup(make_spec(regularization=policy)), workdir)
    model = keras.models.load_model(files["model.keras"])
    config = model.get_layer("dense").kernel_regularizer.get_config()
    assert config["l1"] == pytest.approx(0.1)
    assert config["l2"] == pytest.approx(0.2)
    assert model.get_layer("dropout").rate == 0.4


def test_the_saved_model_is_compiled_and_trains_on(make_spec: MakeSpec, workdir: Path) -> None:
    setup = Setup(make_spec(training={"metrics": ["accuracy"]}))
    files = export_all(setup, workdir)
    model = keras.models.load_model(files["model.keras"])
    features, target = load(setup.spec.dataset)
    before = model.evaluate(features, target, verbose=0)
    model.fit(features, target, epochs=2, verbose=0)
    assert model.evaluate(features, target, verbose=0)[0] < before[0]


def test_the_split_is_saved(make_spec: MakeSpec, workdir: Path) -> None:
    setup = Setup(make_spec(model={"layers": DENSE}))
    with np.load(export_all(setup, workdir)["split.npz"], allow_pickle=False) as split:
        for part in ("train", "validation", "test"):
            np.testing.assert_array_equal(split[part], setup.data.indices[part])
