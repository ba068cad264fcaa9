"""Rows that stream from disk go through the same compiled epoch, to the same bits."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.unit.worker.engine.conftest import MakeSpec
from worker.engine import passes
from worker.engine.context import InMemoryContext
from worker.engine.train import train

POLICY = {"weights": {"l2": 0.001}, "activity": {"l1": 1e-4}, "dropout": {"rate": 0.3}}


LAYERS = [
    {"type": "Dense", "units": 12, "activation": "relu"},
    {"type": "Dense", "units": 10, "activation": "softmax"},
]


@pytest.mark.parametrize("scaling", ["standard", "minmax", "none"])
def test_streamed_and_held_rows_train_alike(
    scaling: str, make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Blocks of three batches, so that an epoch is several blocks and the last one is short.
    monkeypatch.setattr(passes, "block_rows", lambda *_, batch_size: 3 * batch_size)
    results: dict[str, Any] = {}
    for loading in ("memory", "stream"):
        dataset = {"source": "builtin", "name": "digits", "scaling": scaling, "loading": loading}
        spec = make_spec(
            dataset=dataset,
            model={"layers": LAYERS},
            regularization=POLICY,
            training={"metrics": ["accuracy"], "batch_size": 50},
        )
        (tmp_path / loading).mkdir()
        context = InMemoryContext(tmp_path / loading)
        result = train(spec, context)
        model = keras.models.load_model(context.workdir / "model.keras")
        results[loading] = (model.get_weights(), result.metrics)
    (held, held_metrics), (streamed, streamed_metrics) = results.values()
    for mine, theirs in zip(held, streamed, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert streamed_metrics == held_metrics
