"""The worker as a process, complete except for TensorFlow."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from tests.rig.process import Process

_READY = "trainers_warm"


class Worker(Process):
    """`python -m tests.rig.worker`: the worker's own program with the engine of the rig."""

    def __init__(self, name: str, folder: Path, settings: Mapping[str, str]) -> None:
        environment = {**settings, "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-m", "tests.rig.worker"]
        super().__init__(name, command, folder=folder, environment=environment)
        self._log_start = 0

    def launch(self) -> None:
        """Start it if it is not running, without waiting."""
        if not self.running:
            self._log_start = self.log.stat().st_size if self.log.exists() else 0
        super().launch()

    def responds(self) -> bool:
        """Whether it is ready to start trainers; its broker may be away."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return _READY.encode() in log.read()

    def trainers(self) -> list[psutil.Process]:
        """The processes that train, each of which leads its own session."""
        trainers = []
        for process in self.descendants():
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                if os.getsid(process.pid) == process.pid:
                    trainers.append(process)
        return trainers
