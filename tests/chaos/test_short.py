"""The short form of `make chaos`: half a minute of nearly everything that can go wrong."""

from pathlib import Path

import pytest

from tests.chaos.checker import check, report
from tests.chaos.plan import Options, calm_scripts, scripts, strikes
from tests.chaos.run import run

SHORT = Options(seed=4, minutes=0.6, jobs=60, calm_jobs=4, zombies=False, bound_s=45)
#: What half a minute of a random nemesis need not come across.
RARE = {"3c", "5a", "5c", "5d"}


def test_the_seed_decides_what_is_done_in_which_order() -> None:
    for plan in (scripts, calm_scripts, lambda options: [next(strikes(options)) for _ in range(9)]):
        assert plan(SHORT) == plan(SHORT)
    other = Options(seed=5, minutes=0.6, jobs=60, zombies=False)
    assert scripts(SHORT) != scripts(other)


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_guarantee_holds_under_a_nemesis(tmp_path: Path) -> None:
    said: list[str] = []
    evidence = run(SHORT, tmp_path / "history.jsonl", said.append)
    verdicts = check(evidence)
    story = "\n".join([*said, *report(verdicts, evidence)])
    assert [verdict.guarantee.number for verdict in verdicts if verdict.violations] == [], story
    looked_at = {verdict.guarantee.number for verdict in verdicts if verdict.checked}
    assert {verdict.guarantee.number for verdict in verdicts} - looked_at <= RARE, story
