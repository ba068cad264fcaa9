"""Every script of `make bench` runs to its end; at sizes this small its figures mean nothing."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SMALL = {
    "job": "--repeats 1 --epochs 2 --no-warm-up --files 'model.keras and SavedModel'",
    "train": "--epochs 1 --rows 64 --matrix 64 --network 'digits MLP 64-64-10'",
    "api": "--repeats 1 --count 10",
    "queue": "--repeats 1 --posts 10 --claims 2 --pages 2 --queued 20 --listed 50",
    "events": "--streams 2 --pauses 0.05:20 --idle-s 0.2",
    "curves": "--repeats 1 --epochs 20 --count 2 --transactions 2",
    "transfer": "--repeats 1 --bytes 100000",
    "dashboard": "--repeats 1 --jobs 2",
}
NEEDS = {"dashboard": ("chromium", "chromium-browser")}
TABLE = re.compile(r"^\|.+\|\n\|(---\|)+\n(\|.+\|\n)+", re.MULTILINE)


def test_every_script_of_make_bench_has_a_small_size() -> None:
    subjects = re.search(r"for subject in ([a-z ]+);", (CHECKOUT / "Makefile").read_text())
    assert subjects is not None
    assert sorted(subjects[1].split()) == sorted(SMALL)


@pytest.mark.servers
@pytest.mark.timeout(300)
@pytest.mark.parametrize("subject", SMALL)
def test_benchmark_prints_its_tables_and_the_noise(subject: str) -> None:
    if subject in NEEDS and not any(map(shutil.which, NEEDS[subject])):
        pytest.skip(f"{NEEDS[subject][0]} is not installed")
    script = CHECKOUT / "benchmarks" / f"bench_{subject}.py"
    result = subprocess.run(
        [sys.executable, script, *shlex.split(SMALL[subject])],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert TABLE.search(result.stdout), result.stdout
    assert "\nMachine: " in result.stdout
