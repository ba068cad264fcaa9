"""Slots: where attempts run. One for each GPU; on a machine without any, one for its CPUs."""

import os
import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_LISTING_S = 30
_DEVICE = re.compile(r"^(?P<indent>[ \t]*)(?:GPU|MIG) .*\(UUID: (?P<uuid>[\w-]+)\)", re.MULTILINE)


class Slot(NamedTuple):
    """A place for one attempt at a time."""

    name: str
    visible_devices: str
    """What CUDA_VISIBLE_DEVICES is in its trainers."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables its trainers get."""
        return {_VISIBLE: self.visible_devices}


def find_slots(limit: int | None = None) -> list[Slot]:
    """The slots of this machine.

    `limit` is how many attempts may run at once: fewer than there are GPUs leaves some unused; on
    the CPUs it is how many share them, one by default.
    """
    gpus = _gpus()
    if gpus:
        return [Slot(f"gpu:{gpu}", gpu) for gpu in gpus[:limit]]
    # -1 names no device: CUDA is not even asked.
    return [Slot(f"cpu:{number}", "-1") for number in range(limit or 1)]


class SlotPool:
    """Lends slots; threads may share it."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.size = len(slots)
        self._free = deque(slots)
        self._polled: set[Slot] = set()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def for_hints(self) -> int:
        """How many slots are free or taken by hints: the others run what the database told of."""
        return self.size - len(self._polled)

    def take(self, *, polled: bool = False) -> Slot | None:
        """A free slot, to be given back; None while all are taken.

        `polled` says that no hint takes it.
        """
        with self._lock:
            if not self._free:
                return None
            slot = self._free.popleft()
            if polled:
                self._polled.add(slot)
            return slot

    def give_back(self, slot: Slot) -> None:
        """Let the next attempt have the slot."""
        with self._lock:
            self._polled.discard(slot)
            self._free.append(slot)
        for listener in self._listeners:
            listener()

    def when_free(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a slot has become free, in any thread."""
        self._listeners.append(listener)


def _gpus() -> list[str]:
    """The GPUs this process may use: by CUDA_VISIBLE_DEVICES if it is set, else all there are."""
    visible = os.environ.get(_VISIBLE)
    return _listed_by_nvidia() if visible is None else _named(visible)


def _named(visible: str) -> list[str]:
    """The devices in CUDA_VISIBLE_DEVICES; as in CUDA, a negative index ends the list."""
    names: list[str] = []
    for name in (part.strip() for part in visible.split(",")):
        if not name or name.startswith("-") or name == "NoDevFiles":
            break
        names.append(name)
    return list(dict.fromkeys(names))


def _listed_by_nvidia() -> list[str]:
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    try:
        listing = subprocess.run(
            [command, "-L"], capture_output=True, text=True, timeout=_LISTING_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_listing(listing)


def parse_listing(listing: str) -> list[str]:
    """The UUIDs in the output of `nvidia-smi -L`; a GPU cut into MIG instances counts as those."""
    uuids: list[str] = []
    whole: str | None = None  # the GPU above the present line, while no instance of it was seen
    for device in _DEVICE.finditer(listing):
        if not device["indent"]:
            whole = device["uuid"]
        elif whole is not None:
            uuids.remove(whole)
            whole = None
        uuids.append(device["uuid"])
    return uuids
