"""The scheduler of pytest-xdist that keeps tests with their servers."""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.rig.lanes import group_of


class ByServers(LoadScopeScheduling):  # type: ignore[misc] # xdist is not typed
    """Sends a group of tests to a process whenever it has nearly finished its last one."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # their order is by duration already

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
