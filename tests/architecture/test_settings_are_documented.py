"""docs/deployment.md names every setting, and no other."""

import re
from pathlib import Path

from service.settings import Settings
from worker.settings import WorkerSettings

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"


def test_table_lists_every_setting_and_no_other() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `RIDGELINE_")]
    documented = set(re.findall(r"`(RIDGELINE_[A-Z_]+)`", "\n".join(rows)))
    fields = {*Settings.model_fields, *WorkerSettings.model_fields}
    assert documented == {f"RIDGELINE_{name.upper()}" for name in fields}
