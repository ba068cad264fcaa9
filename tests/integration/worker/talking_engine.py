"""Engines that say something, in every way in which a trainer can."""

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
    """Do what the spec's name says."""
    context.epoch_ended(row(1))
    return BEHAVIOURS[str(spec.name)](context)


def talk(context: TrainingContext) -> TrainingResult:
    structlog.get_logger().warning("data_is_odd", rows=3, level_of=float("nan"), source="mine")
    logging.getLogger("keras.somewhere").info("loading %s", "weights")
    warnings.warn("this will change", UserWarning, stacklevel=1)
    thread = threading.Thread(target=lambda: logging.getLogger("other").error("from a thread"))
    thread.start()
    thread.join()
    structlog.get_logger().info("unspeakable", what=Unspeakable(), number=10**6000)
    try:
        refuse()
    except OSError:
        structlog.get_logger().exception("caught", text=f"\x00\ud800 {PASSWORD}")
    os.write(2, f"a native library says {PASSWORD}\n".encode())
    return TrainingResult({}, ())


class Unspeakable:
    def __repr__(self) -> str:
        raise ZeroDivisionError


def refuse() -> None:
    raise OSError(f"cannot reach postgresql://user:{PASSWORD}@db/x")


def shout(context: TrainingContext) -> TrainingResult:
    """Log more than anybody can take, at length, while epochs go on."""
    began = time.monotonic()
    for number in range(NOISE):
        logging.getLogger("noise").info("%d %s", number, "x" * 20_000 if number % 100 == 0 else "")
    for epoch in range(2, 6):
        context.epoch_ended(row(epoch))
    return TrainingResult({"seconds": time.monotonic() - began}, ())


def abort(context: TrainingContext) -> TrainingResult:
    """Die as C++ dies of an exception, with a few words and an earlier flood of them."""
    for _ in range(50):
        os.write(2, b"." * 100_000)
    os.write(2, b"\nterminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def segfault(context: TrainingContext) -> TrainingResult:
    """Read where nothing is."""
    ctypes.string_at(0)
    return TrainingResult({}, ())


def murmur(context: TrainingContext) -> TrainingResult:
    """Say something for ever, and get nowhere."""
    while True:
        logging.getLogger("murmur").info("still at it")
        time.sleep(0.02)


BEHAVIOURS = {each.__name__: each for each in (talk, shout, abort, segfault, murmur)}
