"""The notebook that the client runs in, if it does. IPython is not imported unless it is there."""

import sys
from importlib import import_module
from typing import Any

Picture = dict[str, Any]
"""One thing in several media types; the notebook shows the richest that it can."""

#: JupyterLab, Notebook 7 and VS Code draw it. It names the version of what draws.
VEGA_LITE = "application/vnd.vegalite.v5+json"
SVG = "image/svg+xml"
TEXT = "text/plain"


def running() -> bool:
    """Whether this is a notebook's kernel, and not a script or a shell in a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class Output:
    """A picture below a cell, which can be changed afterwards, also by another thread."""

    def __init__(self, picture: Picture) -> None:
        display = import_module("IPython.display").display
        self._handle: Any = display(picture, raw=True, display_id=True)

    def show(self, picture: Picture) -> None:
        """Put `picture` in the place of the one before."""
        self._handle.update(picture, raw=True)
