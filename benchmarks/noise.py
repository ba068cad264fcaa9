"""How noisy the machine is while a benchmark runs.

All processes that a benchmark starts count as its own, even when their parent has ended: on Linux
this process adopts those. The rest of the machine's busy time belongs to others.
"""

import ctypes
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil

QUIET_SHARE = 0.05
"""Other processes, and a hypervisor, may use this share of the cores on a quiet machine."""
QUIET_SPREAD = 0.10
"""The fixed loop may vary by this much on a quiet machine."""
_PR_SET_CHILD_SUBREAPER = 36
_LOOPS = 50
_ADDITIONS = 50_000


@contextmanager
def reported() -> Iterator[None]:
    """Run the block, then print how noisy the machine was during it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    loops = _loop_times()
    own, busy, stolen, began = _own_s(), *_machine_s(), time.perf_counter()
    yield
    seconds = time.perf_counter() - began
    own, (busy_after, stolen_after) = _own_s() - own, _machine_s()
    available = seconds * (psutil.cpu_count() or 1)
    others = max(0.0, busy_after - busy - own) / available
    loops += _loop_times()
    print(verdict(others, (stolen_after - stolen) / available, spread(loops), seconds))


def verdict(others: float, stolen: float, loop_spread: float, seconds: float) -> str:
    """One line: how noisy the machine was, and by what signs."""
    quiet = max(others, stolen) <= QUIET_SHARE and loop_spread <= QUIET_SPREAD
    word = "quiet" if quiet else "NOISY; repeat on an idle machine"
    return (
        f"\nMachine: {word}. {psutil.cpu_count()} cores over {seconds:.0f} s: {others:.0%} used by"
        f" other processes, {stolen:.0%} stolen by the hypervisor; a fixed loop varied by"
        f" {loop_spread:.0%}."
    )


def spread(seconds: Sequence[float]) -> float:
    """How far the 90th percentile is above the median, as a share of it."""
    return statistics.quantiles(seconds, n=10)[8] / statistics.median(seconds) - 1


def with_range(values: Sequence[float], form: str = ".2f", unit: str = "s") -> str:
    """The median, with the lowest and the highest of the runs: "1.20 s (1.18 to 1.31)"."""
    middle, low, high = (
        format(value, form) for value in (statistics.median(values), min(values), max(values))
    )
    return f"{middle} {unit}".rstrip() + (f" ({low} to {high})" if len(values) > 1 else "")


def _loop_times() -> list[float]:
    """Seconds of the fixed loop, measured many times."""
    seconds = []
    for _ in range(_LOOPS):
        began = time.perf_counter()
        total = 0
        for number in range(_ADDITIONS):
            total += number
        seconds.append(time.perf_counter() - began)
    return seconds


def _machine_s() -> tuple[float, float]:
    """Seconds of all cores since the machine started: busy, and stolen by the hypervisor."""
    times = psutil.cpu_times()
    busy = times.user + times.system + getattr(times, "irq", 0.0) + getattr(times, "softirq", 0.0)
    return busy + getattr(times, "nice", 0.0), getattr(times, "steal", 0.0)


def _own_s() -> float:
    """Seconds of this process and of its descendants, those that have ended included."""
    with suppress(ChildProcessError):  # there is none
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            """An adopted process has ended; its time counts from now on."""
    alive = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            alive += sum(process.cpu_times()[:4])
    return sum(os.times()[:4]) + alive
