"""An MLflow server as a process."""

import sys
from pathlib import Path

import httpx

from tests.rig.process import Process, free_port

_RESPONSE_S = 2.0
#: Imports and migrations take ten seconds of CPU time; the machine may be busy.
_START_S = 120.0


class Mlflow(Process):
    """A tracking server on a loopback port, with its records in a SQLite file."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        command = [
            sys.executable,
            *("-m", "mlflow", "server"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
            *("--default-artifact-root", str(folder / "artifacts")),
        ]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true"}
        super().__init__("mlflow", command, folder=folder, environment=quiet)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def wait_ready(self, seconds: float = _START_S) -> None:
        """Wait until it responds; raises NotReady with the end of its log."""
        super().wait_ready(seconds)

    def responds(self) -> bool:
        """Whether it is healthy."""
        try:
            return httpx.get(f"{self.url}/health", timeout=_RESPONSE_S).is_success
        except httpx.HTTPError:
            return False
