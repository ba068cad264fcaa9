"""kill -9 at every failpoint there is; a fresh process follows, and every guarantee holds."""

import pytest

from tests.integration.failpoints.scenarios import SCENARIOS, WITH_BROKER, Scenario

pytestmark = pytest.mark.servers

CASES = [(name, scenario) for name, scenarios in SCENARIOS.items() for scenario in scenarios]


@pytest.mark.parametrize(
    ("name", "scenario"), CASES, ids=[f"{name}-{scenario.__name__}" for name, scenario in CASES]
)
def test_killed_at(request: pytest.FixtureRequest, name: str, scenario: Scenario) -> None:
    rig = request.getfixturevalue("rig_with_broker" if scenario in WITH_BROKER else "rig")
    scenario(rig, name)
