"""Slots: where attempts run. One for each GPU; on a machine without any, one for its CPUs."""

import os
import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import structlog

from worker.slots import gpus

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_LISTING_S = 30
_DEVICE = re.compile(r"^(?P<indent>[ \t]*)(?:GPU|MIG) .*\(UUID: (?P<uuid>[\w-]+)\)", re.MULTILINE)
_NO_DEVICE = "-1"

log = structlog.get_logger()


class Slot(NamedTuple):
    """A place for one attempt at a time."""

    name: str
    visible_devices: str
    """What CUDA_VISIBLE_DEVICES is in its trainers."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables its trainers get."""
        return {_VISIBLE: self.visible_devices}

    def ailment(self) -> str | None:
        """Why nothing should run here now, in a few words; None if all is well. CPUs always are."""
        if self.visible_devices == _NO_DEVICE:
            return None
        return gpus.ailment(self.visible_devices)


def find_slots(limit: int | None = None) -> list[Slot]:
    """The slots of this machine.

    `limit` is how many attempts may run at once: fewer than there are GPUs leaves some unused; on
    the CPUs it is how many share them, one by default.
    """
    gpus = _gpus()
    if gpus:
        return [Slot(f"gpu:{gpu}", gpu) for gpu in gpus[:limit]]
    # It names no device: CUDA is not even asked.
    return [Slot(f"cpu:{number}", _NO_DEVICE) for number in range(limit or 1)]


class SlotPool:
    """Lends slots that are well; threads may share it.

    One that is not is kept back, and looked at again whenever somebody asks for a slot.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.size = len(slots)
        self.names = tuple(slot.name for slot in slots)
        self._free = deque(slots)
        self._sick: set[Slot] = set()
        self._polled: set[Slot] = set()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def for_hints(self) -> int:
        """How many slots are free or taken by hints.

        The others run what the database told of, or are kept back.
        """
        return self.size - len(self._polled | self._sick)

    def take(self, *, polled: bool = False) -> Slot | None:
        """A free slot, to be given back; None while all are taken, or kept back.

        `polled` says that no hint takes it.
        """
        tried: set[Slot] = set()
        while (slot := self._pop(tried, polled)) is not None:
            if self._is_well(slot):
                return slot
            tried.add(slot)
            self._put_back(slot)
        return None

    def give_back(self, slot: Slot) -> None:
        """Let the next attempt have the slot."""
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

    def _is_well(self, slot: Slot) -> bool:
        ailment = slot.ailment()
        with self._lock:
            was_sick = slot in self._sick
            if ailment is None:
                self._sick.discard(slot)
            else:
                self._sick.add(slot)
        if ailment is not None and not was_sick:
            log.warning("slot_kept_back", slot=slot.name, because=ailment)
        if ailment is None and was_sick:
            log.info("slot_well_again", slot=slot.name)
        return ailment is None


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
