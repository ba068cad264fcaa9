"""What goes wrong in a command before, beside or after the service."""

from ridgeline.cli.exits import ExitCode


class StartError(Exception):
    """Something needed could not be started, or has stopped; the message says what to do."""


class CommandError(Exception):
    """A command cannot go on; the message says what to do, `code` how it ends."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code


class UsageError(CommandError):
    """Wrong options, arguments or files."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.USAGE)
