"""Free memory is what the machine and the container leave."""

from pathlib import Path

import psutil
import pytest

from worker.engine.data.prepare import available_memory

MEMINFO = "MemTotal:       16000000 kB\nMemFree:  1000000 kB\nMemAvailable:    8000000 kB\n"


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Path]:
    """A machine with 8,192,000,000 bytes to spare, and its control group's folder."""
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "group").mkdir()
    return tmp_path / "meminfo", tmp_path / "group"


@pytest.mark.parametrize(
    ("limit", "expected"), [(None, 8_192_000_000), ("max", 8_192_000_000), ("5000", 2_500)]
)
def test_the_smaller_of_both(limit: str | None, expected: int, machine: tuple[Path, Path]) -> None:
    if limit:
        (machine[1] / "memory.max").write_text(f"{limit}\n")
        (machine[1] / "memory.current").write_text("3000\n")
        (machine[1] / "memory.stat").write_text("anon 2000\ninactive_file 500\n")
    assert available_memory(*machine) == expected


def test_this_machine() -> None:
    assert 0 < available_memory() <= psutil.virtual_memory().total


def test_a_system_without_meminfo(tmp_path: Path) -> None:
    total = psutil.virtual_memory().total
    assert available_memory(tmp_path / "none", tmp_path) == pytest.approx(total, rel=0.01)
