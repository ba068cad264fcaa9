"""What a trainer may know of the worker's environment."""

from worker.trainer.preload import scrub


def test_only_what_training_needs_is_left() -> None:
    environment = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "RIDGELINE_FAILPOINT": "claim.committed",
        "PYTHONPATH": "/app",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "0",
        "RIDGELINE_DATABASE_URL": "postgresql://user:hunter2@host/name",
        "PGPASSWORD": "hunter2",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "SOMEBODYS_TOKEN": "hunter2",
    }
    scrub(environment)
    assert sorted(environment) == [
        "CUDA_VISIBLE_DEVICES",
        "LC_ALL",
        "PATH",
        "PYTHONPATH",
        "RIDGELINE_FAILPOINT",
        "TF_CPP_MIN_LOG_LEVEL",
    ]
