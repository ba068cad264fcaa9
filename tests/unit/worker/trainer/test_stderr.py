"""The last words of a trainer."""

from pathlib import Path

from worker.trainer.stderr import StderrFile


def test_a_missing_driver_is_no_cause_of_death(tmp_path: Path) -> None:
    """TensorFlow tells of it in every attempt on a machine without a GPU."""
    noise = (
        "E0000 00:00:1795392599.247941   11989 cuda_platform.cc:52] failed call to cuInit:"
        " INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)\n"
    )
    (tmp_path / "stderr.log").write_text(f"{noise}Segmentation fault\n")
    assert StderrFile(tmp_path).last_words() == "Segmentation fault"
    (tmp_path / "stderr.log").write_text(noise)
    assert StderrFile(tmp_path).last_words() == ""


def test_a_gpu_that_fails_is_told(tmp_path: Path) -> None:
    words = "cuda_platform.cc:52] failed call to cuInit: CUDA_ERROR_UNKNOWN: unknown error (999)"
    (tmp_path / "stderr.log").write_text(words)
    assert StderrFile(tmp_path).last_words() == words
