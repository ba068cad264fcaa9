"""The API as a process; several can share one database."""

import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.rig.process import Process, free_port

_RESPONSE_S = 2.0


class Api(Process):
    """`python -m service` on a loopback port that is kept across restarts."""

    def __init__(self, name: str, folder: Path, settings: Mapping[str, str]) -> None:
        self.port = free_port()
        environment = {**settings, "RIDGELINE_HOST": "127.0.0.1", "RIDGELINE_PORT": str(self.port)}
        command = [sys.executable, "-m", "service"]
        super().__init__(name, command, folder=folder, environment=environment)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def responds(self) -> bool:
        """Whether it responds to requests."""
        try:
            return httpx.get(f"{self.url}/healthz", timeout=_RESPONSE_S, trust_env=False).is_success
        except httpx.TransportError:
            return False
