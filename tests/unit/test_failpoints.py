"""A failpoint does nothing unless it is armed, and then acts exactly once."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ridgeline import failpoints
from ridgeline.failpoints import VARIABLE, InjectedFault, failpoint, switch_on

ROOT = Path(__file__).parents[2]
PASS_TWICE = """
from ridgeline.failpoints import failpoint
for passing in (1, 2):
    print(passing, flush=True)
    failpoint("claim.committed")
    failpoint("claim.committed")
"""


@pytest.fixture(autouse=True)
def off() -> Iterator[None]:
    yield
    failpoints._armed = None


def test_unarmed_failpoint_does_nothing() -> None:
    failpoint("claim.committed")


@pytest.mark.parametrize(
    ("value", "exit_code", "said"),
    [
        ("claim.committed", -signal.SIGKILL, "1\n"),
        ("claim.committed:3:kill", -signal.SIGKILL, "1\n2\n"),
        ("claim.committed:5", 0, "1\n2\n"),
        ("claim.before_commit", 0, "1\n2\n"),
        ("claim.committed:raise", 1, "1\n"),
        ("claim.commited", 1, ""),
        ("", 0, "1\n2\n"),
    ],
)
def test_variable_is_read_when_the_process_starts(value: str, exit_code: int, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PASS_TWICE],
        env={**os.environ, VARIABLE: value},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (exit_code, said)
    assert ("fail on purpose" in ended.stderr) is (value not in ("", "claim.commited"))


def test_enospc_raises_once() -> None:
    switch_on("publish.renamed:2:enospc")
    failpoint("publish.renamed")
    with pytest.raises(OSError, match="No space") as caught:
        failpoint("publish.renamed")
    assert caught.value.errno == errno.ENOSPC
    failpoint("publish.renamed")


def test_raise_raises_an_injected_fault() -> None:
    switch_on("publish.renamed:raise")
    with pytest.raises(InjectedFault):
        failpoint("publish.renamed")


@pytest.mark.parametrize(
    "text", ["", "publish", "publish.renamed:0", "publish.renamed:die", "publish.renamed:1:kill:2"]
)
def test_invalid_variable_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="expected name") as caught:
        switch_on(text)
    assert repr(text) in str(caught.value)
