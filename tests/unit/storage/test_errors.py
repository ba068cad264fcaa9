"""Every error says what happened and how to fix it."""

import pytest

from ridgeline.api.job import JobStatus
from ridgeline.storage import errors

JOB = "job_" + "a" * 32

EXAMPLES: list[tuple[errors.StorageError, tuple[str, ...]]] = [
    (errors.UnusableDatabaseUrl("Expected this."), ("URL", "Expected this.")),
    (errors.DatabaseUnavailable("Refused."), ("did not respond", "Refused.")),
    (errors.NewerDatabase("0009", "0007"), ("0009", "0007", "start the newer release")),
    (errors.MigrationFailed("Refused."), ("as they were", "Refused.")),
    (errors.UnknownJob(JOB), (JOB, "list the jobs")),
    (errors.IllegalTransition(JOB, JobStatus.FAILED, "paused"), (JOB, "failed", "paused")),
    (errors.IdempotencyConflict("key", JOB), (JOB, "same body", "new key")),
    (errors.NonFiniteValue(["loss", "mae"]), ("loss, mae", "finite")),
    (errors.InvalidArtifactKey("../x"), ("../x", "expected")),
    (errors.InvalidStagedFile("x"), ("x", "staging()")),
    (errors.ArtifactExists("a/b"), ("a/b", "another name")),
    (errors.UnknownArtifact("a/b"), ("a/b", "deleted")),
    (errors.DamagedArtifact("a/b"), ("a/b", "check the store")),
    (errors.ArtifactsUnavailable("Refused."), ("did not respond", "Refused.")),
    (errors.UnusableArtifactStore("Expected this."), ("store", "Expected this.")),
    (errors.UnknownDataset("ds_1"), ("ds_1", "list them")),
    (errors.DatasetInUse("ds_1", [JOB]), ("ds_1", JOB)),
    (errors.UnknownUpload("up_1"), ("up_1", "start a new one")),
    (errors.UploadEnded("up_1", "ds_1"), ("up_1", "ds_1")),
]


@pytest.mark.parametrize(("error", "words"), EXAMPLES)
def test_message_names_cause_and_fix(error: errors.StorageError, words: tuple[str, ...]) -> None:
    assert all(word in str(error) for word in words)
    assert str(error).startswith(str(type(error).__doc__).partition("\n")[0])


def test_every_error_has_an_example() -> None:
    assert {type(error) for error, _ in EXAMPLES} == set(errors.StorageError.__subclasses__())


def test_docstring_draws_the_actual_tree() -> None:
    drawn = {line[3:].strip() for line in str(errors.__doc__).splitlines() if line[:1] in "├└"}
    assert drawn - {""} == {error.__name__ for error in errors.StorageError.__subclasses__()}
