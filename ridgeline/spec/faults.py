"""Faults of a request, and the error that carries them."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from ridgeline.spec.schema import Contract

MAX_FAULTS = 20
"""Most faults listed in one response; a body of 1 MiB may have hundreds of thousands."""


class Fault(Contract):
    """One thing wrong with a request."""

    pointer: str
    """JSON pointer (RFC 6901) into the body, such as `/model/layers/0/units`; `?name` for a query
    parameter, `{name}` for a path parameter, `name:` for a header."""
    detail: str
    """What was received, what was expected, and how to fix it."""
    rule: str
    """The broken rule, for programs."""


class SpecError(ValueError):
    """The spec has the right form but cannot be trained; `faults` lists why."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults[:MAX_FAULTS])
        super().__init__("; ".join(f"{fault.pointer}: {fault.detail}" for fault in self.faults))


def pointer(*parts: str | int) -> str:
    """The JSON pointer (RFC 6901) to `parts`: `pointer("a/b", 0)` is `/a~1b/0`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def closest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that `name` is most likely a misspelling of; None if none is close."""
    spellings = {word.lower(): word for word in known}
    near = get_close_matches(name.lower(), spellings, n=1, cutoff=cutoff)
    return spellings[near[0]] if near else None
