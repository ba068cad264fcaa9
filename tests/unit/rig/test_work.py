"""The name of a rig job encodes its work, and the work determines its result."""

import json

import pytest

from ridgeline.spec.job_spec import JobSpec
from tests.rig.work import Fault, Work, epochs_of


@pytest.mark.parametrize(
    "work",
    [
        Work(),
        Work("a", epoch_s=0.125, payload=64),
        Work("b-2", fault=Fault.SEGFAULT, at=3, always=True),
    ],
)
def test_work_is_restored_from_the_job_name(work: Work) -> None:
    assert Work.named(work.name) == work
    assert JobSpec.model_validate_json(json.dumps(work.spec(epochs=4, seed=1))).name == work.name


def test_fault_occurs_in_the_first_attempt_or_in_all() -> None:
    once, always = Work(fault=Fault.EXIT, at=2), Work(fault=Fault.EXIT, at=2, always=True)
    assert [once.strikes(1, 1), once.strikes(2, 1), once.strikes(2, 2)] == [False, True, False]
    assert always.strikes(2, 9)
    assert not Work().strikes(1, 1)


def test_files_depend_on_epochs_seed_and_label() -> None:
    work = Work("a")
    assert work.files(5, seed=1) == work.files(5, seed=1)
    different = [work.files(5, 1), work.files(4, 1), work.files(5, 2), Work("b").files(5, 1)]
    assert len({str(sorted(files.items())) for files in different}) == 4
    assert len(list(epochs_of(seed=1, epochs=5))) == 5
