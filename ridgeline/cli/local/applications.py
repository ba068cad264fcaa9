"""Finds the application packages `service` and `worker`, which are not part of the wheel."""

import importlib.util
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from ridgeline.cli.errors import StartError

APPLICATIONS = ("service", "worker")
#: For each extra in pyproject.toml a package that nothing but it installs.
EXTRAS = {"service": "fastapi", "worker": "tensorflow"}
_CHECKOUT = (
    "Change into a checkout of Ridgeline and run `make run` or `make demo`, or install there with"
    " pip install --editable '.[service,worker,embedded]'"
)


def application_roots() -> list[str]:
    """Return the folders to import `service` and `worker` from, without importing them.

    Both are looked up in Python's import path, then in the working folder. Raises StartError if one
    of them, or what it needs, is not installed.
    """
    roots = [_root(name) for name in APPLICATIONS]
    missing = [extra for extra, name in EXTRAS.items() if importlib.util.find_spec(name) is None]
    if missing:
        packages = " and ".join(f"ridgeline[{extra}]" for extra in missing)
        raise StartError(
            f"expected the dependencies of {packages}, which are not installed. {_CHECKOUT}"
        )
    return list(dict.fromkeys(roots))


def _root(name: str) -> str:
    here = str(Path.cwd())
    for spec in (importlib.util.find_spec(name), PathFinder.find_spec(name, [here])):
        folder = _runnable(spec)
        if folder is not None:
            return str(folder.parent)
    raise StartError(
        f"expected the package {name!r} in Python's import path or the working folder. An installed"
        " wheel contains the client only, even with the extras [service] and [worker]: these"
        f" install dependencies. {_CHECKOUT}"
    )


def _runnable(spec: ModuleSpec | None) -> Path | None:
    """Return the package's folder if `python -m` can run it; other projects use these names too."""
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    return folder if (folder / "__main__.py").is_file() else None
