"""The short form of `make fuzz`: the first specs of a seed, each of which trains."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.fuzz.run import Tally
from tests.fuzz.specs import drawn
from tests.fuzz.trial import Outcome, attempt
from worker.trainer.forkserver import Forkserver

SEED, SPECS = 1, 30
"""About half a minute on two cores."""


def test_seed_determines_the_specs() -> None:
    assert drawn(7, 5) == drawn(7, 5)
    assert drawn(7, 5) != drawn(8, 5)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_validates_trains_and_loads() -> None:
    drafts, tally = drawn(SEED, SPECS), Tally()
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
        outcomes = list(pool.map(partial(attempt, forkserver=Forkserver()), drafts))
    for draft, outcome in zip(drafts, outcomes, strict=True):
        tally.add(draft, outcome)
    assert not tally.broken, "\n\n".join(tally.broken)
    assert tally.results["succeeded"] > SPECS / 2, "\n".join(tally.lines())


def test_broken_specs_are_told_from_refused_ones() -> None:
    tally, draft = Tally(), drawn(1, 1)[0]
    tally.add(draft, Outcome("succeeded"))
    tally.add(draft, Outcome("refused", "diverged: x; y"))
    tally.add(draft, Outcome("broken", "internal_error"))
    assert (tally.broken, dict(tally.refusals)) == (["internal_error"], {"diverged: x": 1})
