"""Configures TensorFlow's devices; must run before anything touches one."""

import os

import tensorflow as tf

from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import JobSpec

SMALL_STEP = 8_000_000
"""Multiply-adds of a batch's forward pass up to which one thread is faster than several.

Handing a small operation to another thread takes longer than doing it. On 2 cores, an epoch of the
digits MLP (0.3 million) takes 7 ms with one thread and 14 ms with two, at 10 million 29 and 39 ms,
at 36 million 134 and 113 ms.
"""
ALL_CORES = 0
NO_GPU = "-1"


def prepare(spec: JobSpec) -> None:
    """Configure threads and GPU memory for training `spec`.

    GPU memory grows on demand, so that other processes keep theirs. Raises RuntimeError if a device
    is in use already.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads_per_operation(spec))
    if os.environ.get("CUDA_VISIBLE_DEVICES") != NO_GPU:  # listing would only log its absence
        _let_memory_grow()


def threads_per_operation(spec: JobSpec) -> int:
    """Threads that one operation of a step may use; 0 means all cores."""
    graph = resolve(spec, memory_limit=None).graph
    return 1 if graph.multiply_adds * spec.training.batch_size <= SMALL_STEP else ALL_CORES


def _let_memory_grow() -> None:
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
