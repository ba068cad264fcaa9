"""What uploaded files are called: media types, suffixes, and what a request says of its body."""

from email.message import Message

from fastapi import Request

from ridgeline.api.problems import ProblemCode
from ridgeline.spec.dataset.contents import DatasetFormat
from service.http.problems import ApiProblem

MEDIA_TYPES = {
    DatasetFormat.CSV: "text/csv",
    DatasetFormat.PARQUET: "application/vnd.apache.parquet",
    DatasetFormat.NPZ: "application/vnd.numpy.npz",
    DatasetFormat.NPY: "application/vnd.numpy.npy",
    DatasetFormat.IMAGES: "application/zip",
}
"""What a download is answered as."""
SUFFIXES = {
    DatasetFormat.CSV: ".csv",
    DatasetFormat.PARQUET: ".parquet",
    DatasetFormat.NPZ: ".npz",
    DatasetFormat.NPY: ".npy",
    DatasetFormat.IMAGES: ".zip",
}
_SAID = {
    "text/csv": DatasetFormat.CSV,
    "application/csv": DatasetFormat.CSV,
    "application/vnd.apache.parquet": DatasetFormat.PARQUET,
    "application/x-parquet": DatasetFormat.PARQUET,
    "application/vnd.numpy.npz": DatasetFormat.NPZ,
    "application/vnd.numpy.npy": DatasetFormat.NPY,
}
#: These say nothing of the format; the fourth is what curl sends where it is told none.
_SILENT = (
    "application/octet-stream",
    "application/zip",
    "application/x-zip-compressed",
    "application/x-www-form-urlencoded",
    "text/plain",
)
_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii")


def said_format(request: Request) -> DatasetFormat | None:
    """The format that Content-Type names; None where it names none, so that the bytes tell it.

    Raises ApiProblem (unsupported-media-type).
    """
    content_type = request.headers.get("content-type", "")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    header = Message()
    header["content-type"] = content_type
    kind = header.get_content_type() if content_type else _SILENT[0]
    charset = str(header.get_param("charset", "utf-8")).lower()
    if encoding != "identity" or charset not in _CHARSETS or kind not in (*_SAID, *_SILENT):
        raise _unsupported()
    return _SAID.get(kind)


def _unsupported() -> ApiProblem:
    detail = (
        "Expected the bytes of the file as the body (no form), without Content-Encoding, text in"
        " UTF-8, and as `Content-Type` application/octet-stream, which leaves it to the bytes to"
        " tell their format, text/csv, application/vnd.apache.parquet or application/zip."
    )
    headers = {"Accept-Post": ", ".join((*_SAID, *_SILENT[:2]))}
    return ApiProblem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, detail, headers=headers)
