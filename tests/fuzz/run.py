"""Batches of drafts, trained side by side until the time is over, and what came of them."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import NamedTuple

from ridgeline.spec.layers import LAYERS
from tests.fuzz.specs import Draft, drawn, layer_types
from tests.fuzz.trial import Outcome, attempt
from worker.trainer.forkserver import Forkserver

BATCH = 100
_BATCHES = 100_000
"""Of one seed: the drafts of seeds 1 and 2 have nothing in common."""


class Options(NamedTuple):
    """What to try."""

    seed: int
    seconds: float
    processes: int
    specs: int | None = None
    """Stop after so many; None: only when the time is over."""


class Tally:
    """How the drafts ended."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        self.trained: Counter[str] = Counter()
        """Specs that were trained, by precision and by layer type."""
        self.refusals: Counter[str] = Counter()
        self.broken: list[str] = []

    def add(self, draft: Draft, outcome: Outcome) -> None:
        """Count a draft."""
        self.results[outcome.result] += 1
        if outcome.result == "invalid":
            return
        self.trained.update([draft.spec["training"]["precision"], *layer_types(draft)])
        if outcome.result == "broken":
            self.broken.append(outcome.detail)
        if outcome.result == "refused":
            self.refusals[outcome.detail.partition(";")[0]] += 1

    def lines(self) -> Iterator[str]:
        """The summary."""
        missing = [kind for kind in LAYERS if kind not in self.trained]
        yield f"\n{dict(self.results)}"
        yield f"layer types trained: {len(LAYERS) - len(missing)} of {len(LAYERS)}"
        if missing:
            yield f"never: {', '.join(missing)}"
        yield from (f"refused {times} x: {why}" for why, times in self.refusals.most_common())
        yield f"{len(self.broken)} broken"


def fuzz(
    options: Options, forkserver: Forkserver, findings: Path, say: Callable[[str], None]
) -> Tally:
    """Try drafts until the time is over; write those that broke into the folder `findings`."""
    tally, until = Tally(), time.monotonic() + options.seconds
    with ThreadPoolExecutor(options.processes) as pool:
        for batch in count():
            drafts = _batch(options, batch)
            if not drafts:
                break
            tried = pool.map(lambda draft: _try(draft, forkserver, until), drafts)
            for number, result in enumerate(tried, batch * BATCH):
                if result is None:
                    return tally
                draft, outcome = result
                tally.add(draft, outcome)
                if outcome.result == "broken":
                    file = findings / f"{number}.json"
                    file.write_text(json.dumps(draft._asdict(), indent=1), encoding="utf-8")
                    say(f"{file}: {outcome.detail[-1500:]}\n")
            say(f"{dict(tally.results)}")
    return tally


def _batch(options: Options, number: int) -> list[Draft]:
    left = BATCH if options.specs is None else options.specs - number * BATCH
    return drawn(options.seed * _BATCHES + number, min(left, BATCH)) if left > 0 else []


def _try(draft: Draft, forkserver: Forkserver, until: float) -> tuple[Draft, Outcome] | None:
    """The draft and its end; None if there is no time left."""
    return None if time.monotonic() > until else (draft, attempt(draft, forkserver))
