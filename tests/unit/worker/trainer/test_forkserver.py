"""Which of the worker's variables a trainer sees."""

from worker.trainer.forkserver import scrub


def test_scrub_keeps_only_variables_for_training() -> None:
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
