"""Kill scenarios of the data set failpoints, and the state expected after them."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from ridgeline.failpoints import FAILPOINTS
from ridgeline.storage.files.datasets import (
    DatasetRecord,
    DatasetStore,
    NewUpload,
    UploadRecord,
    UploadStore,
)
from tests.integration.failpoints import processes
from tests.integration.failpoints.conftest import Rig
from tests.rig.process import files_in

CSV = b"a,b,c\n" + b"".join(b"%d,%d,%s\n" % (n, n % 5, b"xy"[n % 2 :][:1]) for n in range(40))
OTHER = CSV.replace(b"a,b,c", b"d,e,f")
PART = 100


def uploaded(rig: Rig, name: str) -> None:
    """POST /datasets: the data set is stored whole or not at all, and can be sent again."""
    rig.killed_at(name, processes.send, rig.home, "POST", "/datasets", CSV)
    assert rig.rows().get("datasets", 0) == int(name == "dataset.committed")
    rig.run(processes.send, rig.home, "POST", "/datasets", CSV)
    assert_only(rig, CSV)


def deleted(rig: Rig, name: str) -> None:
    """DELETE /datasets/{id}: the data set exists with its file or is gone; it can be sent again."""
    rig.run(processes.send, rig.home, "POST", "/datasets", CSV)
    path = f"/datasets/{assert_only(rig, CSV).id}"
    rig.killed_at(name, processes.send, rig.home, "DELETE", path)
    if name == "dataset_delete.before_commit":
        assert_only(rig, CSV)
        rig.run(processes.send, rig.home, "DELETE", path)
    assert "datasets" not in rig.rows()
    rig.run(processes.collect_datasets, rig.home)
    assert files(rig) == []
    rig.run(processes.send, rig.home, "POST", "/datasets", CSV)
    assert_only(rig, CSV)


def part_sent(rig: Rig, name: str) -> None:
    """PUT of an existing part with other bytes: either version is stored, whole."""
    upload = begin(rig)
    first = f"/uploads/{upload.id}/parts/1"
    rig.run(processes.send, rig.home, "PUT", first, bytes(PART))
    rig.killed_at(name, processes.send, rig.home, "PUT", first, CSV[:PART])
    key = uploads(rig, upload.id).parts[1]
    kept = CSV[:PART] if name == "part.committed" else bytes(PART)
    assert (folder(rig) / key).read_bytes() == kept
    send_all(rig, upload)
    rig.run(processes.send, rig.home, "POST", f"/uploads/{upload.id}/complete")
    assert_only(rig, CSV)


def completed(rig: Rig, name: str) -> None:
    """POST /uploads/{id}/complete: no received byte is lost, and a retry is safe."""
    upload = begin(rig)
    send_all(rig, upload)
    complete = f"/uploads/{upload.id}/complete"
    rig.killed_at(name, processes.send, rig.home, "POST", complete)
    done = name == "upload.completed"
    assert rig.rows().get("datasets", 0) == int(done)
    assert len(uploads(rig, upload.id).parts) == (0 if done else upload.part_count)
    rig.run(processes.send, rig.home, "POST", complete)
    assert_only(rig, CSV)


def aborted(rig: Rig, name: str) -> None:
    """DELETE /uploads/{id}: files without a row are deleted later."""
    rig.run(processes.send, rig.home, "POST", "/datasets", OTHER)
    upload = begin(rig)
    send_all(rig, upload)
    rig.killed_at(name, processes.send, rig.home, "DELETE", f"/uploads/{upload.id}")
    assert not {"uploads", "upload_parts"} & set(rig.rows())
    assert_only(rig, OTHER)


def begin(rig: Rig) -> UploadRecord:
    return UploadStore(rig.database, 3600).create(
        NewUpload(name="parts", bytes=len(CSV), part_bytes=PART, sha256=sha256(CSV))
    )


def send_all(rig: Rig, upload: UploadRecord) -> None:
    parts = [CSV[begin : begin + PART] for begin in range(0, len(CSV), PART)]
    rig.run(processes.send, rig.home, "PUT", f"/uploads/{upload.id}/parts/{{}}", *parts)


def uploads(rig: Rig, upload_id: str) -> UploadRecord:
    upload = UploadStore(rig.database, 3600).get(upload_id)
    assert upload is not None
    return upload


def assert_only(rig: Rig, content: bytes) -> DatasetRecord:
    """Assert that one data set with these bytes exists and, after garbage collection, one file."""
    (record,) = DatasetStore(rig.database).list().records
    assert (record.bytes, record.sha256) == (len(content), sha256(content))
    rig.run(processes.collect_datasets, rig.home)
    assert files(rig) == [record.key]
    assert (folder(rig) / record.key).read_bytes() == content
    return record


def files(rig: Rig) -> list[str]:
    """Every file of data sets: stored, staged or a part."""
    return [str(path.relative_to(folder(rig))) for path in files_in(folder(rig))]


def folder(rig: Rig) -> Path:
    return rig.folder / ".datasets"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


SCENARIOS: Mapping[str, tuple[Callable[[Rig, str], None], ...]] = {
    **{name: (uploaded,) for name in FAILPOINTS if name.startswith(("dataset.", "dataset_file."))},
    **{name: (deleted,) for name in FAILPOINTS if name.startswith("dataset_delete.")},
    **{name: (part_sent,) for name in FAILPOINTS if name.startswith("part.")},
    "upload.assembled": (completed,),
    "upload.completed": (completed,),
    "upload.deleted": (aborted,),
}
