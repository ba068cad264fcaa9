"""What the rules reject. Each message becomes the `detail` of a problem, in http/problems.py.

Messages say what was expected and how to fix it, and quote nothing that the client sent.
"""

from collections.abc import Iterable, Sequence

from ridgeline.api.lifecycle import EndCode, JobStatus
from ridgeline.spec.faults import Fault

_MOST_LISTED = 20

_WITHOUT_REPORT: dict[str | None, str] = {
    EndCode.CANCELLED_BY_USER: "it was cancelled before its training had ended",
    EndCode.DEADLINE_EXCEEDED: "its deadline passed before its training had ended",
}


class ServiceError(Exception):
    """The rules reject a request."""


class InvalidRequest(ServiceError):
    """Parameters, headers or a body are wrong; `faults` says where."""

    def __init__(self, faults: Sequence[Fault], detail: str = "") -> None:
        super().__init__(
            detail
            or "See `errors`. A pointer `?name` is a query parameter, `name:` a header, `{name}` a"
            " part of the path; `/…` leads into the body."
        )
        self.faults = tuple(faults)


class MalformedJson(ServiceError):
    """The body is not JSON with one meaning; the fault leads to the place, if it is known."""

    def __init__(self, what: str, *, at: str = "", rule: str = "json") -> None:
        super().__init__(f"Malformed JSON: {what}.")
        self.faults = (Fault(pointer=at, detail=what, rule=rule),)


class NotFound(ServiceError):
    """The path names nothing that exists."""


class UnknownFile(NotFound):
    """The job has published no file of this name."""

    def __init__(self, names: Sequence[str], status: JobStatus) -> None:
        if names:
            detail = f"The job has no file of this name; it has {', '.join(names)}."
        elif status.terminal:
            detail = "The job has no such file; it ended without publishing any."
        else:
            detail = f"The job has no files yet; it is {status.value}. Try again once it has ended."
        super().__init__(detail)


class UnknownChart(NotFound):
    """No chart has this name."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(f"No chart has this name; the charts are {', '.join(names)}.")


class UnknownPreset(NotFound):
    """No preset has this name."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(f"No preset has this name; the presets are {', '.join(names)}.")


class UnknownPart(NotFound):
    """The upload has no part of this number."""

    def __init__(self, count: int) -> None:
        super().__init__(f"The upload has no part of this number; expected 1 to {count}.")


class NoReport(NotFound):
    """The job ended without a report."""

    def __init__(self, reason_code: str | None) -> None:
        why = _WITHOUT_REPORT.get(reason_code, f"it ended with {reason_code} before one was made")
        super().__init__(f"The job has no report: {why}.")


class Conflict(ServiceError):
    """The present state does not allow the request."""


class ReportPending(Conflict):
    """The job has not ended, so it has no report yet."""

    def __init__(self, status: JobStatus) -> None:
        super().__init__(
            f"The job is {status.value}; its report exists once its training has ended. Until then"
            " read GET /jobs/{id}/curves."
        )


class StoredInAnotherFormat(Conflict):
    """The same bytes are stored as a data set of another format."""

    def __init__(self, dataset_id: str, format_: str) -> None:
        super().__init__(
            f"The same bytes are stored as {dataset_id} in the format {format_}; leave the format"
            " out, or delete that data set first."
        )


class MissingParts(Conflict):
    """The upload cannot be completed yet."""

    def __init__(self, numbers: Sequence[int]) -> None:
        listed = ", ".join(map(str, numbers[:_MOST_LISTED]))
        more = ", …" if len(numbers) > _MOST_LISTED else ""
        super().__init__(f"Parts are missing: {listed}{more}. Send them, then complete the upload.")


class WrongSize(InvalidRequest):
    """A part, or the whole upload, has another size than was announced."""

    def __init__(self, detail: str) -> None:
        fault = Fault(pointer="", detail=detail, rule="part-size")
        super().__init__([fault], f"Wrong size: {detail}.")


class UnusableFile(ServiceError):
    """The file cannot be used as a data set; `faults` says why."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        plural = "fault" if len(faults) == 1 else "faults"
        super().__init__(f"{len(faults)} {plural} in the file; nothing of it was stored.")
        self.faults = tuple(faults)


class DigestMismatch(ServiceError):
    """The received bytes have another hash than the client announced."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"The received bytes have SHA-256 {sha256} (hex); send the file again.")


class FileTooLarge(ServiceError):
    """The body exceeds what this path accepts."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"The body is too large; expected at most {max_bytes} bytes here.")


class TransferAborted(ServiceError):
    """The client closed the connection before the body was complete."""

    def __init__(self) -> None:
        super().__init__("The body is incomplete; nothing of it was stored. Send it again.")


class TransferTooSlow(ServiceError):
    """The body arrives too slowly."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(
            f"Received nothing, or hardly anything, for {timeout_s:g} s; send the file in parts"
            " (POST /uploads)."
        )


class DiskFull(ServiceError):
    """The service's disk has no room for the file."""

    def __init__(self) -> None:
        super().__init__(
            "The service's disk has no room for the file; nothing of it was stored. Delete data"
            " sets, or ask the operator for space."
        )


class Busy(ServiceError):
    """The service works at its limit; the same request may succeed in a moment."""


class TooManyTransfers(Busy):
    """As many files are being received as the service allows."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} files are being received already; send this one again soon.")


class TooManyStreams(Busy):
    """As many event streams are open as the service allows."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} event streams are open, as many as RIDGELINE_MAX_STREAMS allows. Try again"
            " later, or request application/json with ?wait=."
        )


class RendererBusy(Busy):
    """As many pictures as may wait are waiting."""

    def __init__(self) -> None:
        super().__init__("Too many pictures are waiting to be drawn; try again in a moment.")


class RenderingFailed(Busy):
    """The child could not draw the chart, or died twice over it."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            "The process that draws pictures failed; try again. Operators: see the service log."
        )
        self.cause = cause


class Stopping(ServiceError):
    """The service is shutting down."""

    def __init__(self) -> None:
        super().__init__("The service is stopping; send the request again once it is back.")
