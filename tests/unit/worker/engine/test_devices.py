"""One thread for small steps, all cores for large ones."""

import multiprocessing
from multiprocessing.connection import Connection

import pytest
import tensorflow as tf

from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import JobSpec
from tests.unit.worker.engine.conftest import MakeSpec
from worker.engine import devices
from worker.engine.devices import ALL_CORES, SMALL_STEP, threads_per_operation

CONVOLUTION = [
    {"type": "Reshape", "target_shape": [8, 8, 1]},
    {"type": "Conv2D", "filters": 3, "kernel_size": [2, 5], "padding": "same"},
    {"type": "Flatten"},
    {"type": "Dense", "units": 10, "activation": "softmax"},
]


def test_multiply_adds_count_every_position_of_a_kernel(make_spec: MakeSpec) -> None:
    digits = {"source": "builtin", "name": "digits"}
    graph = resolve(make_spec(dataset=digits, model={"layers": CONVOLUTION})).graph
    assert graph.multiply_adds == 64 * (2 * 5 * 1 * 3) + 192 * 10


@pytest.mark.parametrize(("more", "threads"), [(0, 1), (1, ALL_CORES)])
def test_the_size_of_a_step_decides(more: int, threads: int, make_spec: MakeSpec) -> None:
    layers = [{"type": "Dense", "units": 3, "activation": "softmax"}]
    spec = make_spec(
        model={"layers": layers}, training={"batch_size": SMALL_STEP // (4 * 3) + more}
    )
    assert threads_per_operation(spec) == threads


def test_the_threads_are_set_before_a_device_is_used(make_spec: MakeSpec) -> None:
    """In a process of its own, since it works once only."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_prepare, args=(theirs, make_spec()))
    process.start()
    theirs.close()
    assert ours.recv() == 1
    process.join()


def _prepare(pipe: Connection, spec: JobSpec) -> None:
    import tensorflow as tf

    from worker.engine.devices import prepare

    prepare(spec)
    tf.constant(1.0)
    pipe.send(tf.config.threading.get_intra_op_parallelism_threads())


def test_memory_of_every_gpu_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    grown: dict[str, bool] = {}
    monkeypatch.setattr(tf.config, "list_physical_devices", {"GPU": ["first", "second"]}.get)
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", grown.__setitem__)
    devices._let_memory_grow()
    assert grown == {"first": True, "second": True}
