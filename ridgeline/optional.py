"""Imports without what a library could use but need not, and that takes memory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Hide modules from what the block imports, unless they are there already."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment] # the documented way to forbid an import
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
