"""The short form of `make chaos`: half a minute of nearly every fault."""

from pathlib import Path

import pytest

from tests.chaos.checker import check, report
from tests.chaos.plan import Options, calm_scripts, scripts, strikes
from tests.chaos.run import run

SHORT = Options(seed=4, minutes=0.6, jobs=60, calm_jobs=4, zombies=False, bound_s=45)
#: Guarantees that half a minute of random strikes may not exercise.
RARE = {"3c", "5a", "5c", "5d"}


def test_seed_determines_the_plan() -> None:
    for plan in (scripts, calm_scripts, lambda options: [next(strikes(options)) for _ in range(9)]):
        assert plan(SHORT) == plan(SHORT)
    other = Options(seed=5, minutes=0.6, jobs=60, zombies=False)
    assert scripts(SHORT) != scripts(other)


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_guarantee_holds_under_a_nemesis(tmp_path: Path) -> None:
    lines: list[str] = []
    evidence = run(SHORT, tmp_path / "history.jsonl", lines.append)
    verdicts = check(evidence)
    story = "\n".join([*lines, *report(verdicts, evidence)])
    assert [verdict.guarantee.number for verdict in verdicts if verdict.violations] == [], story
    checked = {verdict.guarantee.number for verdict in verdicts if verdict.checked}
    assert {verdict.guarantee.number for verdict in verdicts} - checked <= RARE, story
