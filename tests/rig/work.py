"""What a job of the rig is to do, and what must come of it if nothing goes wrong on the way.

The result follows from the name, the seed and the number of epochs alone. So whoever looks at the
records and the files afterwards can tell what they have to be, however often training broke off.
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
    """What goes wrong in a trainer."""

    EXIT = "exit"  #: the process ends without a word
    SEGFAULT = "segfault"  #: it reads where nothing is
    KILL = "kill"  #: SIGKILL, as from a kernel that is out of memory
    HANG = "hang"  #: it says nothing any more, and heeds nobody
    NAN = "nan"  #: the loss is no number, so training cannot succeed
    MEMORY = "memory"  #: MemoryError
    DISK_FULL = "disk_full"  #: ENOSPC
    ERROR = "error"  #: an exception that nobody has foreseen
    LEAVE = "leave"  #: exit(0), without a last word
    GARBAGE = "garbage"  #: it writes into the pipe what is no message
    HALF = "half"  #: it stops amid a message, and says nothing any more
    EAT = "eat"  #: it takes 600 MB for its own, which a cgroup may not let it have
    CHATTER = "chatter"  #: it repeats itself for ever, and gets no further


@dataclass(frozen=True)
class Work:
    """What the stub engine does; it travels as the job's name."""

    label: str = "work"
    """A word, which makes the result this job's own."""
    epoch_s: float = 0.02
    """How long an epoch takes."""
    fault: Fault | None = None
    at: int = 1
    """The epoch in which the fault strikes, before it is reported."""
    always: bool = False
    """Whether it strikes in every attempt; otherwise in the first alone."""
    payload: int = 4096
    """Bytes of the second file that is published."""

    @property
    def name(self) -> str:
        """The name by which the job is posted."""
        words = [f"{key}={value}" for key, value in self._changed()]
        return " ".join([self.label, *words])

    @classmethod
    def named(cls, name: str) -> Self:
        """Read it from a job's name."""
        label, *words = name.split()
        given = dict(word.split("=", 1) for word in words)
        values: dict[str, Any] = {"label": label}
        for key, text in given.items():
            values[key] = _READERS[key](text)
        return cls(**values)

    def strikes(self, epoch: int, attempt: int) -> bool:
        """Whether the fault strikes in this epoch of this attempt."""
        return self.fault is not None and epoch >= self.at and (self.always or attempt == 1)

    def spec(self, epochs: int, seed: int = 0, **training: Any) -> dict[str, Any]:
        """The body of its POST."""
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
        """What is published under which name when all epochs ran."""
        *_, weights = epochs_of(seed, epochs)
        return {MODEL: weights.tobytes(), PAYLOAD: self.content(seed)}

    def content(self, seed: int) -> bytes:
        """The bytes of the second file, which nothing else has."""
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
    """The weights after each epoch."""
    weights = np.zeros(SIZE)
    for epoch in range(1, epochs + 1):
        weights = after(weights, seed, epoch)
        yield weights


def after(weights: "np.ndarray", seed: int, epoch: int) -> "np.ndarray":
    """The weights after one more epoch: none before it may be missing, and none come twice."""
    change = np.random.default_rng([seed, epoch]).standard_normal(SIZE)
    return weights * 0.9 + change


def loss_of(weights: "np.ndarray") -> float:
    """What an epoch that ends with these weights reports."""
    return float(np.square(weights).mean())
