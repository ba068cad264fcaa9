"""Which GPUs are fit for work, as an nvidia-smi of a few lines tells it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from worker.slots.gpus import ailment
from worker.slots.slots import Slot, SlotPool

Say = Callable[..., None]


@pytest.fixture
def nvidia_smi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Say:
    """Install one that answers for a GPU with what the file of its name holds, and fails without.

    The real one writes its figures so: nvidia-smi --query-gpu=memory.used,memory.total
    --format=csv,noheader,nounits --id=GPU-1.
    """
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    script = tmp_path / "nvidia-smi"
    script.write_text(
        '#!/bin/sh\nfor word; do case "$word" in --id=*) gpu="${word#--id=}";;'
        f" -L) gpu=listing;; esac; done\nexec cat {tmp_path}/$gpu\n"
    )
    script.chmod(0o755)

    def say(gpu: str, answer: str | None) -> None:
        path = tmp_path / gpu
        path.unlink(missing_ok=True) if answer is None else path.write_text(answer)

    return say


@pytest.mark.parametrize("answer", ["4, 143771\n", "40000, 81920\n", "[N/A], [N/A]\n"])
def test_a_gpu_that_answers_and_has_room_is_well(nvidia_smi: Say, answer: str) -> None:
    nvidia_smi("GPU-1", answer)
    assert ailment("GPU-1") is None


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (None, "does not answer"),
        ("70000, 81920\n", "70000 of its 81920 MiB are taken by others"),
        ("[GPU is lost]\n", "says '[GPU is lost]'"),
    ],
)
def test_a_sick_one_is_not(nvidia_smi: Say, answer: str | None, because: str) -> None:
    nvidia_smi("GPU-1", answer)
    assert because in str(ailment("GPU-1"))


def test_an_instance_has_to_be_listed(nvidia_smi: Say) -> None:
    nvidia_smi("listing", "  MIG 3g.20gb     Device  0: (UUID: MIG-10)\n")
    assert ailment("MIG-10") is None
    assert "does not list it" in str(ailment("MIG-11"))


def test_without_nvidia_smi_nothing_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ailment("0") is None


def test_a_sick_gpu_is_kept_back_until_it_is_well(nvidia_smi: Say) -> None:
    nvidia_smi("GPU-2", "4, 81920\n")
    pool = SlotPool([Slot("gpu:1", "GPU-1"), Slot("gpu:2", "GPU-2")])
    with capture_logs() as lines:
        slot = pool.take()
        assert slot is not None
        assert slot.name == "gpu:2"
        for _ in range(3):
            assert (pool.take(), pool.take(polled=True)) == (None, None)
        assert pool.for_hints == 1
        nvidia_smi("GPU-1", "4, 81920\n")
        well = pool.take()
        assert well is not None
        assert (well.name, pool.for_hints) == ("gpu:1", 2)
    assert [(line["event"], line["slot"]) for line in lines] == [
        ("slot_kept_back", "gpu:1"),
        ("slot_well_again", "gpu:1"),
    ]


def test_cpus_are_asked_nothing(nvidia_smi: Say) -> None:
    slot = SlotPool([Slot("cpu:0", "-1")]).take()
    assert slot is not None
