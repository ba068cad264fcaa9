"""The tail of a trainer's standard error."""

from pathlib import Path

from worker.trainer.logs import StderrFile


def test_missing_driver_is_left_out(tmp_path: Path) -> None:
    """TensorFlow logs it in every attempt on a machine without a GPU."""
    noise = (
        "E0000 00:00:1795392599.247941   11989 cuda_platform.cc:52] failed call to cuInit:"
        " INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)\n"
    )
    (tmp_path / "stderr.log").write_text(f"{noise}Segmentation fault\n")
    assert StderrFile(tmp_path).take_tail() == "Segmentation fault"
    (tmp_path / "stderr.log").write_text(noise)
    assert StderrFile(tmp_path).take_tail() == ""


def test_gpu_failure_is_kept(tmp_path: Path) -> None:
    line = "cuda_platform.cc:52] failed call to cuInit: CUDA_ERROR_UNKNOWN: unknown error (999)"
    (tmp_path / "stderr.log").write_text(line)
    assert StderrFile(tmp_path).take_tail() == line
