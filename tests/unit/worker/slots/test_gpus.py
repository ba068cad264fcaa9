"""Which GPUs are healthy, according to a fake nvidia-smi."""

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from worker.slots.slots import Slot, SlotPool, gpu_ailment

Report = Callable[..., None]


@pytest.fixture
def nvidia_smi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Report:
    """Install one that prints the file named like the GPU, and fails if there is no such file.

    The output is in the format of: nvidia-smi --query-gpu=memory.used,memory.total
    --format=csv,noheader,nounits --id=GPU-1.
    """
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    script = tmp_path / "nvidia-smi"
    script.write_text(
        '#!/bin/sh\nfor word; do case "$word" in --id=*) gpu="${word#--id=}";;'
        f" -L) gpu=listing;; esac; done\nexec cat {tmp_path}/$gpu\n"
    )
    script.chmod(0o755)

    def report(gpu: str, output: str | None) -> None:
        path = tmp_path / gpu
        path.unlink(missing_ok=True) if output is None else path.write_text(output)

    return report


@pytest.mark.parametrize("output", ["4, 143771\n", "40000, 81920\n", "[N/A], [N/A]\n"])
def test_gpu_with_free_memory_is_healthy(nvidia_smi: Report, output: str) -> None:
    nvidia_smi("GPU-1", output)
    assert gpu_ailment("GPU-1") is None


@pytest.mark.parametrize(
    ("output", "because"),
    [
        (None, "fails for it"),
        ("70000, 81920\n", "other processes use 70000 of its 81920 MiB"),
        ("[GPU is lost]\n", "reports '[GPU is lost]'"),
    ],
)
def test_gpu_that_fails_or_is_full_is_unhealthy(
    nvidia_smi: Report, output: str | None, because: str
) -> None:
    nvidia_smi("GPU-1", output)
    assert because in str(gpu_ailment("GPU-1"))


def test_mig_instance_must_be_listed(nvidia_smi: Report) -> None:
    nvidia_smi("listing", "  MIG 3g.20gb     Device  0: (UUID: MIG-10)\n")
    assert gpu_ailment("MIG-10") is None
    assert "does not list it" in str(gpu_ailment("MIG-11"))


def test_gpu_counts_as_healthy_without_nvidia_smi(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_ailment("0") is None


def test_unhealthy_gpu_is_withheld_until_it_recovers(nvidia_smi: Report) -> None:
    nvidia_smi("GPU-2", "4, 81920\n")
    pool = SlotPool([Slot("gpu:1", "GPU-1"), Slot("gpu:2", "GPU-2")])
    with capture_logs() as lines:
        slot = pool.acquire()
        assert slot is not None
        assert slot.name == "gpu:2"
        for _ in range(3):
            assert (pool.acquire(), pool.acquire(polled=True)) == (None, None)
        assert pool.for_hints == 1
        nvidia_smi("GPU-1", "4, 81920\n")
        recovered = pool.acquire()
        assert recovered is not None
        assert (recovered.name, pool.for_hints) == ("gpu:1", 2)
    assert [(line["event"], line["slot"]) for line in lines] == [
        ("slot_kept_back", "gpu:1"),
        ("slot_well_again", "gpu:1"),
    ]


def test_cpu_slots_are_not_checked(nvidia_smi: Report) -> None:
    slot = SlotPool([Slot("cpu:0", "-1")]).acquire()
    assert slot is not None
