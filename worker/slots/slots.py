"""Slots, where attempts run: one per GPU or, on a machine without GPUs, one for its CPUs."""

import os
import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import structlog

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_NO_DEVICE = "-1"
_NVIDIA_SMI_S = 30
_DEVICE = re.compile(r"^(?P<indent>[ \t]*)(?:GPU|MIG) .*\(UUID: (?P<uuid>[\w-]+)\)", re.MULTILINE)
_QUERY = ("--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits")
_FIGURES = 2
_MAX_USED = 0.5
"""The share of a GPU's memory that other processes may hold."""

log = structlog.get_logger()


class Slot(NamedTuple):
    """A place for one attempt at a time."""

    name: str
    visible_devices: str
    """The value of CUDA_VISIBLE_DEVICES in its trainers."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables for its trainers."""
        return {_VISIBLE: self.visible_devices}

    def ailment(self) -> str | None:
        """Why nothing should run here now, in a few words; None if healthy, as CPUs always are."""
        if self.visible_devices == _NO_DEVICE:
            return None
        return gpu_ailment(self.visible_devices)


def find_slots(limit: int | None = None) -> list[Slot]:
    """The slots of this machine.

    `limit` is the number of attempts at once. Below the number of GPUs it leaves some unused; on
    CPUs it is how many attempts share them, by default one.
    """
    gpus = _gpus()
    if gpus:
        return [Slot(f"gpu:{gpu}", gpu) for gpu in gpus[:limit]]
    # Names no device, so CUDA is not even initialized.
    return [Slot(f"cpu:{number}", _NO_DEVICE) for number in range(limit or 1)]


class SlotPool:
    """Lends healthy slots; thread-safe.

    An unhealthy slot is withheld and checked again at every request for a slot.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.size = len(slots)
        self.names = tuple(slot.name for slot in slots)
        self._free = deque(slots)
        self._unhealthy: set[Slot] = set()
        self._polled: set[Slot] = set()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def for_hints(self) -> int:
        """How many slots are free or run a hinted job.

        The others run a job that a poll found, or are withheld.
        """
        return self.size - len(self._polled | self._unhealthy)

    def acquire(self, *, polled: bool = False) -> Slot | None:
        """A free slot, to be released; None while all are in use or withheld.

        `polled`: for a job that a poll finds, not a hint.
        """
        tried: set[Slot] = set()
        while (slot := self._pop(tried, polled)) is not None:
            if self._is_healthy(slot):
                return slot
            tried.add(slot)
            self._put_back(slot)
        return None

    def release(self, slot: Slot) -> None:
        """Return the slot for the next attempt."""
        self._put_back(slot)
        for listener in self._listeners:
            listener()

    def when_free(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a slot has become free, in any thread."""
        self._listeners.append(listener)

    def _pop(self, tried: Collection[Slot], polled: bool) -> Slot | None:
        with self._lock:
            slot = next((slot for slot in self._free if slot not in tried), None)
            if slot is not None:
                self._free.remove(slot)
                if polled:
                    self._polled.add(slot)
            return slot

    def _put_back(self, slot: Slot) -> None:
        with self._lock:
            self._polled.discard(slot)
            self._free.append(slot)

    def _is_healthy(self, slot: Slot) -> bool:
        ailment = slot.ailment()
        with self._lock:
            was_unhealthy = slot in self._unhealthy
            if ailment is None:
                self._unhealthy.discard(slot)
            else:
                self._unhealthy.add(slot)
        if ailment is not None and not was_unhealthy:
            log.warning("slot_kept_back", slot=slot.name, because=ailment)
        if ailment is None and was_unhealthy:
            log.info("slot_well_again", slot=slot.name)
        return ailment is None


def _gpus() -> list[str]:
    """The GPUs that this process may use: those in CUDA_VISIBLE_DEVICES if set, else all."""
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
    listing = None if command is None else _output(command, "-L")
    return parse_listing(listing) if listing else []


def parse_listing(listing: str) -> list[str]:
    """The UUIDs in the output of `nvidia-smi -L`; a GPU in MIG mode counts as its instances."""
    uuids: list[str] = []
    whole: str | None = None  # the GPU above the current line, until one of its instances is seen
    for device in _DEVICE.finditer(listing):
        if not device["indent"]:
            whole = device["uuid"]
        elif whole is not None:
            uuids.remove(whole)
            whole = None
        uuids.append(device["uuid"])
    return uuids


def gpu_ailment(gpu: str) -> str | None:
    """What is wrong with the GPU of this index or UUID, in a few words; None if it is healthy.

    It must respond, and other processes must not hold most of its memory, so call this while none
    of our trainers runs on it. A MIG instance's memory is not reported; it only has to be listed.
    Without nvidia-smi every GPU counts as healthy.
    """
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    if gpu.startswith("MIG-"):
        return _instance_ailment(command, gpu)
    memory = _output(command, f"--id={gpu}", *_QUERY)
    if memory is None:
        return "nvidia-smi fails for it"
    return _memory_ailment(memory)


def _memory_ailment(memory: str) -> str | None:
    figures = [part.strip() for part in memory.split(",")]
    if len(figures) != _FIGURES or not all(part.isdecimal() for part in figures):
        # "[N/A]" where a GPU shares the machine's memory; anything else is an error.
        return None if "N/A" in memory else f"nvidia-smi reports {memory[:100]!r}"
    used, total = map(int, figures)
    if used > _MAX_USED * total:
        return f"other processes use {used} of its {total} MiB"
    return None


def _instance_ailment(command: str, instance: str) -> str | None:
    listing = _output(command, "-L")
    return None if listing and instance in listing else "nvidia-smi does not list it"


def _output(command: str, *arguments: str) -> str | None:
    """The output of nvidia-smi; None if it fails, as it does for a GPU that fell off the bus."""
    try:
        return subprocess.run(
            [command, *arguments],
            capture_output=True,
            text=True,
            timeout=_NVIDIA_SMI_S,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
