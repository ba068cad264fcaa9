"""Engines that log, in every way a trainer can."""

import ctypes
import logging
import os
import threading
import time
import warnings

import structlog

from ridgeline.spec.job_spec import JobSpec
from tests.integration.worker.stub_engine import row
from worker.engine.context import TrainingContext, TrainingResult

PASSWORD = "hunter2hunter2"
NOISE = 20_000


def train(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Train with the behaviour named by the spec."""
    context.epoch_ended(row(1))
    return BEHAVIOURS[str(spec.name)](context)


def talk(context: TrainingContext) -> TrainingResult:
    structlog.get_logger().warning("data_is_odd", rows=3, level_of=float("nan"), source="mine")
    logging.getLogger("keras.somewhere").info("loading %s", "weights")
    warnings.warn("this will change", UserWarning, stacklevel=1)
    thread = threading.Thread(target=lambda: logging.getLogger("other").error("from a thread"))
    thread.start()
    thread.join()
    structlog.get_logger().info("unprintable", what=Unprintable(), number=10**6000)
    try:
        fail_to_connect()
    except OSError:
        structlog.get_logger().exception("caught", text=f"\x00\ud800 {PASSWORD}")
    os.write(2, f"a native library says {PASSWORD}\n".encode())
    return TrainingResult({}, ())


class Unprintable:
    def __repr__(self) -> str:
        raise ZeroDivisionError


def fail_to_connect() -> None:
    raise OSError(f"cannot reach postgresql://user:{PASSWORD}@db/x")


def shout(context: TrainingContext) -> TrainingResult:
    """Log more lines than are accepted, some of them long, while training."""
    began = time.monotonic()
    for number in range(NOISE):
        logging.getLogger("noise").info("%d %s", number, "x" * 20_000 if number % 100 == 0 else "")
    for epoch in range(2, 6):
        context.epoch_ended(row(epoch))
    return TrainingResult({"seconds": time.monotonic() - began}, ())


def abort(context: TrainingContext) -> TrainingResult:
    """Die as C++ does from an exception, with a message after much other output."""
    for _ in range(50):
        os.write(2, b"." * 100_000)
    os.write(2, b"\nterminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def segfault(context: TrainingContext) -> TrainingResult:
    """Read from address 0."""
    ctypes.string_at(0)
    return TrainingResult({}, ())


def murmur(context: TrainingContext) -> TrainingResult:
    """Log forever without any progress."""
    while True:
        logging.getLogger("murmur").info("still at it")
        time.sleep(0.02)


BEHAVIOURS = {behaviour.__name__: behaviour for behaviour in (talk, shout, abort, segfault, murmur)}
