"""Where the application packages `service` and `worker` lie. They are not part of the wheel."""

import importlib.util
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from ridgeline.cli.errors import StartError

APPLICATIONS = ("service", "worker")


def application_roots() -> list[str]:
    """The folders to import `service` and `worker` from, found without importing them.

    They are looked for where Python imports from, and then in the working folder.
    """
    roots = [_root(name) for name in APPLICATIONS]
    return list(dict.fromkeys(roots))


def _root(name: str) -> str:
    here = str(Path.cwd())
    for spec in (importlib.util.find_spec(name), PathFinder.find_spec(name, [here])):
        folder = _runnable(spec)
        if folder is not None:
            return str(folder.parent)
    raise StartError(
        f"the package {name!r} was not found: the installed `ridgeline` is the client alone."
        " The service runs from a checkout: change into it, and call `make run` or `make demo`"
    )


def _runnable(spec: ModuleSpec | None) -> Path | None:
    """The package's folder if `python -m` can run it; other projects use these names too."""
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    return folder if (folder / "__main__.py").is_file() else None
