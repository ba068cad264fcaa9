"""Which slots a machine has, and how the pool lends them."""

from pathlib import Path

import pytest

from worker.slots.slots import Slot, SlotPool, find_slots, parse_listing

TWO_GPUS = """\
GPU 0: NVIDIA A100 (UUID: GPU-11111111-aaaa-bbbb-cccc-000000000001)
GPU 1: NVIDIA A100 (UUID: GPU-11111111-aaaa-bbbb-cccc-000000000002)
"""
MIG = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-10)
  MIG 3g.20gb     Device  1: (UUID: MIG-11)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-2)
GPU 2: NVIDIA A100-SXM4-40GB (UUID: GPU-3)
  MIG 7g.40gb     Device  0: (UUID: MIG-30)
"""


@pytest.fixture(autouse=True)
def machine_without_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty PATH, so that this machine's GPUs stay hidden."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install_nvidia_smi(folder: Path, listing: str, status: int = 0) -> None:
    script = folder / "nvidia-smi"
    script.write_text(f"#!/bin/sh\nprintf '%s' '{listing}'\nexit {status}\n")
    script.chmod(0o755)


def test_listing_has_every_gpu() -> None:
    first, second = parse_listing(TWO_GPUS)
    assert first == "GPU-11111111-aaaa-bbbb-cccc-000000000001"
    assert second.endswith("2")


def test_gpu_in_mig_mode_counts_as_its_instances() -> None:
    assert parse_listing(MIG) == ["MIG-10", "MIG-11", "GPU-2", "MIG-30"]


@pytest.mark.parametrize("listing", ["", "No devices found.\n", "NVIDIA-SMI has failed\n"])
def test_listing_without_gpus(listing: str) -> None:
    assert parse_listing(listing) == []


def test_machine_without_gpus_has_one_slot_for_its_cpus() -> None:
    (slot,) = find_slots()
    assert slot.environment == {"CUDA_VISIBLE_DEVICES": "-1"}


def test_cpus_can_be_shared() -> None:
    assert [slot.name for slot in find_slots(3)] == ["cpu:0", "cpu:1", "cpu:2"]


def test_one_slot_per_gpu(machine_without_gpus: Path) -> None:
    install_nvidia_smi(machine_without_gpus, TWO_GPUS)
    assert [slot.visible_devices for slot in find_slots()] == parse_listing(TWO_GPUS)
    assert len(find_slots(1)) == 1
    assert len(find_slots(5)) == 2


def test_broken_driver_leaves_the_cpu_slot(machine_without_gpus: Path) -> None:
    install_nvidia_smi(machine_without_gpus, TWO_GPUS, status=9)
    assert [slot.name for slot in find_slots()] == ["cpu:0"]


@pytest.mark.parametrize(
    ("visible", "devices"),
    [
        ("0,2", ["0", "2"]),
        ("GPU-1, MIG-7", ["GPU-1", "MIG-7"]),
        ("1,1", ["1"]),
        ("0,-1,1", ["0"]),
        ("-1", ["-1"]),
        ("", ["-1"]),
        ("NoDevFiles", ["-1"]),
    ],
)
def test_visible_devices_override_the_listing(
    monkeypatch: pytest.MonkeyPatch, machine_without_gpus: Path, visible: str, devices: list[str]
) -> None:
    install_nvidia_smi(machine_without_gpus, TWO_GPUS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [slot.visible_devices for slot in find_slots()] == devices


def test_slot_is_lent_once_at_a_time() -> None:
    pool = SlotPool([Slot("a", "0"), Slot("b", "1")])
    first, second = pool.acquire(), pool.acquire()
    assert first is not None
    assert second is not None
    assert {first.name, second.name} == {"a", "b"}
    assert pool.acquire() is None
    pool.release(first)
    assert pool.acquire() is first
    assert pool.size == 2


def test_slot_of_a_polled_job_is_not_for_hints() -> None:
    pool = SlotPool([Slot("a", "0"), Slot("b", "1")])
    freed: list[str] = []
    pool.when_free(lambda: freed.append("freed"))
    polled = pool.acquire(polled=True)
    assert polled is not None
    assert pool.for_hints == 1
    hinted = pool.acquire()
    assert hinted is not None
    assert pool.for_hints == 1
    pool.release(polled)
    pool.release(hinted)
    assert pool.for_hints == 2
    assert freed == ["freed", "freed"]
