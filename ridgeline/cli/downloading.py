"""Downloads a job's files, without replacing others."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ridgeline.api.job import Artifact
from ridgeline.cli.errors import CommandError, UsageError
from ridgeline.cli.exits import ExitCode
from ridgeline.cli.figures import size
from ridgeline.cli.session import Session
from ridgeline.cli.transfers import transferring


def download_files(
    session: Session, job_id: str, names: Sequence[str], to: Path, *, force: bool
) -> dict[str, Path]:
    """Download the files of these names, or all, and return where each lies.

    Raises CommandError where another file is in the way and `force` is not said.
    """
    artifacts = {artifact.name: artifact for artifact in session.client.artifacts(job_id)}
    wanted = list(dict.fromkeys(names)) or list(artifacts)
    if not wanted:
        raise CommandError(f"{job_id} has no files: it has not succeeded", ExitCode.NOT_FOUND)
    places = _places(to, wanted)
    # What is not published is left for the client to say.
    there = {name for name in wanted if name in artifacts and _is(places[name], artifacts[name])}
    for name in wanted:
        if places[name].exists() and name not in there and not force:
            raise CommandError(f"{places[name]} is there and differs; say --force, or another --to")
    for name in wanted:
        if name not in there:
            with transferring(session.output, name) as on_progress:
                session.client.download(job_id, name, places[name], on_progress)
        if not session.output.as_json:
            session.output.show(f"{places[name]}  {size(artifacts[name].bytes)}")
    return places


def _places(to: Path, names: Sequence[str]) -> dict[str, Path]:
    """Where each file goes: `to` is a file's name where it is one file and no folder."""
    if len(names) == 1 and not to.is_dir():
        return {names[0]: to}
    if not to.exists():
        to.mkdir()
    elif not to.is_dir():
        raise UsageError(f"--to: expected a folder for {len(names)} files, received {to}")
    return {name: to / name for name in names}


def _is(path: Path, artifact: Artifact) -> bool:
    """Whether the file is the artifact."""
    if not path.is_file() or path.stat().st_size != artifact.bytes:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256
