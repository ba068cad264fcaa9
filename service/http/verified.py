"""Remembers which files were seen to have the right hash, so that few are hashed on their way out.

Hashing takes longer than sending. A file is known by what the file system says of it, which changes
with whatever is written to it: so only a disk that forgets is noticed later, within the hour.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

REMEMBERED_S = 3600.0
SETTLED_S = 2.0
"""How old the last change must be: two within a tick of the file system's clock look like one."""
_MOST = 1000


class Verified:
    """Files by key, and as what they were seen. One event loop writes it, any thread may ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, tuple[Hashable, float]] = OrderedDict()

    def knows(self, key: str, identity: Hashable | None) -> bool:
        """Whether the file was seen to be right lately, and is still the same."""
        seen = self._seen.get(key)
        if seen is None or identity is None:
            return False
        return seen[0] == identity and self._clock() - seen[1] < REMEMBERED_S

    def remember(self, key: str, identity: Hashable | None) -> None:
        """Note that the file was right; one without an identity is not remembered."""
        if identity is None:
            return
        self._seen[key] = identity, self._clock()
        self._seen.move_to_end(key)
        while len(self._seen) > _MOST:
            self._seen.popitem(last=False)
