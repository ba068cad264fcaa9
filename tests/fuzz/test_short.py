"""The short form of `make fuzz`: the first specs of a seed, each of which trains."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.run import Tally
from tests.fuzz.specs import drawn
from tests.fuzz.trial import Outcome

ROOT = Path(__file__).parents[2]
SEED, SPECS = 1, 30
"""About half a minute on two cores."""


def test_seed_determines_the_specs() -> None:
    assert drawn(7, 5) == drawn(7, 5)
    assert drawn(7, 5) != drawn(8, 5)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_validates_trains_and_loads(tmp_path: Path) -> None:
    """In a process of its own, since a process has one forkserver and this one has TensorFlow."""
    command = [sys.executable, "-m", "tests.fuzz", "--findings", str(tmp_path)]
    command += ["--seed", str(SEED), "--specs", str(SPECS)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    succeeded = re.search(r"'succeeded': (\d+)", run.stdout)
    assert succeeded is not None, run.stdout
    assert int(succeeded[1]) > SPECS / 2, run.stdout


def test_broken_specs_are_told_from_refused_ones() -> None:
    tally, draft = Tally(), drawn(1, 1)[0]
    tally.add(draft, Outcome("succeeded"))
    tally.add(draft, Outcome("refused", "diverged: x; y"))
    tally.add(draft, Outcome("broken", "internal_error"))
    assert (tally.broken, dict(tally.refusals)) == (["internal_error"], {"diverged: x": 1})
