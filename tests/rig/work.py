"""The work of the rig's jobs and the result that it must produce.

The result depends only on the name, the seed and the number of epochs, so a test can compute the
expected records and files, however often training was interrupted.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

import numpy as np

SIZE = 64
MODEL = "model.keras"
PAYLOAD = "payload.bin"


class Fault(StrEnum):
    """A fault of a trainer."""

    EXIT = "exit"  #: exits with code 7
    SEGFAULT = "segfault"  #: reads address 0
    KILL = "kill"  #: SIGKILL, as from a kernel that is out of memory
    HANG = "hang"  #: stops responding and ignores SIGTERM
    NAN = "nan"  #: the loss becomes NaN
    MEMORY = "memory"  #: MemoryError
    DISK_FULL = "disk_full"  #: ENOSPC
    ERROR = "error"  #: raises an unexpected exception
    LEAVE = "leave"  #: exits with code 0, without a result
    GARBAGE = "garbage"  #: writes an unreadable message to the pipe
    HALF = "half"  #: stops within a message
    EAT = "eat"  #: allocates 600 MB, above the limit of a cgroup
    CHATTER = "chatter"  #: repeats messages forever without progress


@dataclass(frozen=True)
class Work:
    """The work of the stub engine, encoded in the job's name."""

    label: str = "work"
    """A word that makes the result unique to this job."""
    epoch_s: float = 0.02
    """The duration of an epoch."""
    fault: Fault | None = None
    at: int = 1
    """The epoch in which the fault occurs, before the epoch is reported."""
    always: bool = False
    """Whether it occurs in every attempt or only in the first."""
    payload: int = 4096
    """The size of the second published file in bytes."""

    @property
    def name(self) -> str:
        """The name under which the job is posted."""
        words = [f"{key}={value}" for key, value in self._changed()]
        return " ".join([self.label, *words])

    @classmethod
    def named(cls, name: str) -> Self:
        """Parse a job's name."""
        label, *words = name.split()
        options = dict(word.split("=", 1) for word in words)
        values: dict[str, Any] = {"label": label}
        for key, text in options.items():
            values[key] = _READERS[key](text)
        return cls(**values)

    def strikes(self, epoch: int, attempt: int) -> bool:
        """Whether the fault occurs in this epoch of this attempt."""
        return self.fault is not None and epoch >= self.at and (self.always or attempt == 1)

    def spec(self, epochs: int, seed: int = 0, **training: Any) -> dict[str, Any]:
        """The spec to POST."""
        return {
            "name": self.name,
            "dataset": {"source": "builtin", "name": "iris"},
            "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
            "training": {
                "epochs": epochs,
                "seed": seed,
                "loss": "sparse_categorical_crossentropy",
                **training,
            },
        }

    def files(self, epochs: int, seed: int = 0) -> dict[str, bytes]:
        """The published files by name, after all epochs."""
        *_, weights = epochs_of(seed, epochs)
        return {MODEL: weights.tobytes(), PAYLOAD: self.content(seed)}

    def content(self, seed: int) -> bytes:
        """The bytes of the second file, unique to label and seed."""
        word = f"{self.label} {seed}".encode()
        blocks = (hashlib.sha256(b"%d %s" % (n, word)).digest() for n in range(self.payload // 32))
        return b"".join(blocks)

    def _changed(self) -> Iterator[tuple[str, object]]:
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if value != field.default:
                yield field.name, int(value) if isinstance(value, bool) else value


_READERS: dict[str, Any] = {
    "epoch_s": float,
    "fault": Fault,
    "at": int,
    "always": lambda text: text == "1",
    "payload": int,
}


def epochs_of(seed: int, epochs: int) -> Iterator["np.ndarray"]:
    """Yield the weights after every epoch."""
    weights = np.zeros(SIZE)
    for epoch in range(1, epochs + 1):
        weights = after(weights, seed, epoch)
        yield weights


def after(weights: "np.ndarray", seed: int, epoch: int) -> "np.ndarray":
    """The weights after one more epoch; a missing or repeated epoch changes them."""
    change = np.random.default_rng([seed, epoch]).standard_normal(SIZE)
    return weights * 0.9 + change


def loss_of(weights: "np.ndarray") -> float:
    """The loss that an epoch with these final weights reports."""
    return float(np.square(weights).mean())
