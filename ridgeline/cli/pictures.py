"""Pictures: where they go."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from ridgeline.cli.errors import UsageError
from ridgeline.cli.figures import size
from ridgeline.cli.session import Session

PictureFormat = Literal["png", "svg"]
STDOUT = Path("-")


def asked_for(
    files: Mapping[PictureFormat, Path | None], printed: Sequence[str]
) -> dict[PictureFormat, Path]:
    """The pictures that are to be written, `-` being standard output.

    Raises UsageError where more than one of them and of what is `printed` would go there.
    """
    pictures = {kind: path for kind, path in files.items() if path is not None}
    to_stdout = [*printed, *(kind for kind, path in pictures.items() if path == STDOUT)]
    if len(to_stdout) > 1:
        raise UsageError(f"only one of {', '.join(to_stdout)} can go to standard output")
    return pictures


def write_picture(session: Session, path: Path, content: bytes) -> None:
    """Write a picture to a file, or to standard output where that is no terminal."""
    if path != STDOUT:
        path.write_bytes(content)
        session.output.remark(f"{path}  {size(len(content))}")
        return
    if sys.stdout.isatty():
        raise UsageError("a picture is no text: pipe it, or name a file")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
