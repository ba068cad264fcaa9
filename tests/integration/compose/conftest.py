"""docker-compose.yml, parsed as Docker does, with helpers to run its services locally."""

import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]

#: ${NAME}, ${NAME:-default} and ${NAME:?message}; $$ is a dollar sign.
VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\})")


@dataclass(frozen=True)
class Compose:
    """A compose file with its variables filled in."""

    raw: dict[str, Any]
    services: dict[str, Any]

    def command(self, service: str) -> list[str]:
        """The command of the container."""
        command: list[str] = self.services[service]["command"]
        return command

    def environment(self, service: str) -> dict[str, str]:
        """The environment of the container, without names that .env does not set."""
        environment: dict[str, str | None] = self.services[service].get("environment", {})
        return {name: value for name, value in environment.items() if value is not None}


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout's folder."""
    return ROOT


@pytest.fixture(scope="session")
def compose() -> Compose:
    """The compose file with the passwords of .env filled in."""
    raw = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    passwords = {"POSTGRES_PASSWORD": "4f6d61", "REDIS_PASSWORD": "9c2e70"}
    return Compose(raw=raw, services=interpolate(raw["services"], passwords))


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder that other users can enter: PostgreSQL does not run as root.

    Its path is short, because the path of a Unix socket is limited to 107 characters.
    """
    folder = Path(tempfile.mkdtemp(prefix="ridgeline-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def free_port() -> "FreePort":
    """Call it for a free port of the loopback interface."""
    return FreePort()


class FreePort:
    """Returns free ports, none of them twice."""

    def __init__(self) -> None:
        self._used: set[int] = set()

    def __call__(self) -> int:
        while True:
            with closing(socket.socket()) as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            if port not in self._used:
                self._used.add(port)
                return port


def interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    """Fill in variables as Compose does; a missing required one raises KeyError."""
    if isinstance(value, dict):
        return {key: interpolate(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, variables) for item in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: _replacement(match, variables), value)
    return value


def _replacement(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match["escaped"]:
        return "$"
    if match["name"] in variables:
        return variables[match["name"]]
    if match["kind"] == "-":
        return match["rest"]
    raise KeyError(f"docker-compose.yml needs {match['name']}: {match['rest']}")
