"""Whether a GPU can be given work: it answers, and no stranger has its memory."""

import shutil
import subprocess

_ANSWER_S = 30
_MOST = 0.5
"""The share of its memory that others may hold."""
_QUERY = ("--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits")
_FIGURES = 2


def ailment(gpu: str) -> str | None:
    """What is wrong with the GPU of this index or UUID, in a few words; None if it is well.

    Ask while none of our trainers runs there. A MIG instance's memory is not told; it has to be
    listed. Where there is no nvidia-smi, nothing can be said against the GPU.
    """
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    if gpu.startswith("MIG-"):
        return _ailment_of_instance(command, gpu)
    answer = _ask(command, f"--id={gpu}", *_QUERY)
    if answer is None:
        return "nvidia-smi does not answer for it"
    return _ailment_by_memory(answer)


def _ailment_by_memory(answer: str) -> str | None:
    figures = [part.strip() for part in answer.split(",")]
    if len(figures) != _FIGURES or not all(part.isdecimal() for part in figures):
        # Some GPUs share the machine's memory, and say "[N/A]". Others say what is wrong.
        return None if "N/A" in answer else f"nvidia-smi says {answer[:100]!r}"
    used, total = map(int, figures)
    if used > _MOST * total:
        return f"{used} of its {total} MiB are taken by others"
    return None


def _ailment_of_instance(command: str, instance: str) -> str | None:
    listing = _ask(command, "-L")
    return None if listing and instance in listing else "nvidia-smi does not list it"


def _ask(command: str, *arguments: str) -> str | None:
    """What nvidia-smi says; None if it fails, as it does where a GPU has fallen off the bus."""
    try:
        return subprocess.run(
            [command, *arguments], capture_output=True, text=True, timeout=_ANSWER_S, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
