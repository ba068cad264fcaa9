"""Asks a person before something that cannot be taken back."""

import sys

import typer

from ridgeline.cli.errors import CommandError, UsageError


def confirm(question: str, *, yes: bool) -> None:
    """Ask a person; raises CommandError where the answer is no, UsageError where nobody is."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: say --yes")
    if not typer.confirm(question, err=True):
        raise CommandError("nothing was done")
