"""What the forkserver imports, so that its copies, the trainers, have TensorFlow and the engine.

Nothing here may touch a device or start a thread: neither survives the fork.
"""

import atexit
import gc
import importlib
import os
from collections.abc import MutableMapping, Sequence

from ridgeline import failpoints
from worker.logs import configure_logs
from worker.trainer.bounds import outlast_trainers

#: What a trainer may know of the environment; everything else, credentials above all, goes.
ALLOWED = frozenset(
    {"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", failpoints.VARIABLE}
)
ALLOWED_PREFIXES = (
    *("LC_", "LD_", "DYLD_", "PYTHON", "MALLOC_"),
    *("TF_", "XLA_", "KERAS_", "CUDA_", "NVIDIA_", "NCCL_", "OMP_", "MKL_", "KMP_"),
)
ENGINE = ("worker.trainer.child", "worker.engine.devices", "worker.engine.train")


def scrub(environment: MutableMapping[str, str]) -> None:
    """Remove every variable a trainer has no need of."""
    for name in list(environment):
        if name not in ALLOWED and not name.startswith(ALLOWED_PREFIXES):
            del environment[name]


def preload(modules: Sequence[str] = ENGINE) -> None:
    """Make this process what trainers are copied from; `modules` are those that hold the engine."""
    scrub(os.environ)
    atexit.register(outlast_trainers)
    configure_logs()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Arrow's own allocator sets a GiB aside at once, which counts against a trainer's limit.
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    for name in modules:
        importlib.import_module(name)
    # A collection in a trainer would walk all that was imported here and, since a walk writes,
    # copy it: 0.2 s of a job that takes one.
    gc.collect()
    gc.freeze()
