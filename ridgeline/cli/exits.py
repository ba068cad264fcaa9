"""How a command ends, for scripts: the one table of exit codes."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command tells the shell; a code once released stays."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_SUCCEEDED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    TIMEOUT = 124  # as timeout(1)
    INTERRUPTED = 130  # 128 and the signal's number, as are those below
    BROKEN_PIPE = 141


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done; of a job that was watched: it has succeeded",
    ExitCode.FAILED: "refused, or something went wrong: standard error says what",
    ExitCode.USAGE: "wrong options or arguments, or a file that cannot be read as a spec",
    ExitCode.UNREACHABLE: "no Ridgeline service answered, or it cannot now; try again later",
    ExitCode.NOT_SUCCEEDED: "the job that was watched has failed or was cancelled",
    ExitCode.NOT_FOUND: "no such job, data set, preset or file",
    ExitCode.CONFLICT: "does not fit the present state: not ended yet, over already, in use",
    ExitCode.TIMEOUT: "--timeout is over; the job goes on",
    ExitCode.INTERRUPTED: "Ctrl-C; jobs go on",
    ExitCode.BROKEN_PIPE: "whoever read the output has stopped reading",
}


def exit_codes_help() -> str:
    """The table as lines, for the end of --help."""
    lines = (f"{code.value:>5}  {MEANINGS[code]}" for code in ExitCode)
    return "\n".join(("Exit codes:", *lines))
