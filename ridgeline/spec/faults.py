"""The one error body (RFC 9457) and the codes it carries."""

from collections.abc import Sequence

from ridgeline.spec.schema import Contract

MAX_FAULTS = 20
"""How many faults one answer lists: a body of 1 MiB may hold hundreds of thousands."""


class Fault(Contract):
    """One thing wrong with a request."""

    pointer: str
    """RFC 6901 JSON pointer into the body, such as `/model/layers/0/units`; for a query
    parameter `?name`, for one of the path `{name}`, for a header `name:`."""
    detail: str
    """What was expected, and how to fix it."""
    rule: str
    """The rule that was broken, for programs."""


class SpecError(ValueError):
    """The spec is well-formed JSON of the right types, but it cannot be trained."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults[:MAX_FAULTS])
        super().__init__("; ".join(f"{fault.pointer}: {fault.detail}" for fault in self.faults))


def pointer(*parts: str | int) -> str:
    """The RFC 6901 pointer to `parts`: `pointer("a/b", 0)` is `/a~1b/0`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
