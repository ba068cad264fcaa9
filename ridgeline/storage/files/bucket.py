"""Files in a bucket, through obstore: S3, Google Cloud Storage, Azure, or a folder.

All errors are raised as StorageErrors, whose messages contain no credentials.
"""

import hashlib
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import BytesIO
from typing import IO, Any, NamedTuple

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import from_url

from ridgeline.storage.errors import (
    ArtifactExists,
    ArtifactsUnavailable,
    UnknownArtifact,
    UnusableArtifactStore,
)
from ridgeline.storage.files.digests import Hash
from ridgeline.storage.files.marker import MARKER, MAX_MARKER_BYTES
from ridgeline.storage.files.protocol import Keys, StoredObject

CHUNK_BYTES = 4 * 2**20
"""The bytes read by one request: enough to hide the latency, few enough for memory and timeouts."""
PART_BYTES = 8 * 2**20
"""Larger files are sent in parts of this size."""
_PARTS_AT_ONCE = 4
_LISTED = 1000
_PROBE = "ridgeline-probe"
_PROBE_S = 5.0
_SIGNING = ("S3Store", "GCSStore", "AzureStore")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"non-2xx status code: (\d+)")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")


class Retrying(NamedTuple):
    """The retries of one request; CHUNK_BYTES or PART_BYTES must be transferred within `request_s`.

    Callers retry beyond that.
    """

    retries: int = 2
    request_s: float = 60.0
    all_s: float = 10.0


class Bucket:
    """The objects below a URL, by paths relative to it."""

    def __init__(self, url: str, retrying: Retrying | None = None) -> None:
        """Use `url`: `s3://bucket/prefix`, `gs://`, `az://`, `file:///folder`.

        Endpoint, region and keys are in the environment, for example in `AWS_*`. Raises
        UnusableArtifactStore for any other URL. Sends no request.
        """
        self._url = url
        self._store = _opened(url, retrying or Retrying())
        # Created now: the keys may be removed from the environment later.
        self._prober = _opened(url, Retrying(0, _PROBE_S, _PROBE_S))

    @property
    def place(self) -> str:
        """The URL without a password."""
        return re.sub(r"//[^/@]*@", "//", self._url)

    def check(self) -> None:
        """Check that the store responds, with one request of a few seconds.

        Raises ArtifactsUnavailable, and UnusableArtifactStore if bucket or keys are rejected.
        """
        try:
            obstore.get(self._prober, _PROBE)
        except (FileNotFoundError, NotFoundError) as error:
            if _code(error) in _NO_BUCKET:
                raise UnusableArtifactStore(_rejection(self.place, error)) from None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise UnusableArtifactStore(_rejection(self.place, error)) from None
        except (BaseError, OSError) as error:
            raise ArtifactsUnavailable(_summary(error)) from None

    def put(self, path: str, file: IO[bytes], size: int, *, create: bool = False) -> None:
        """Store `size` bytes of `file` from its current position, atomically.

        With `create`, raises ArtifactExists instead of replacing an object. For a large file, which
        is sent in parts, and with a store without conditional requests
        (AWS_CONDITIONAL_PUT=disabled) this is only checked before. Needs memory for a few parts.
        """
        name = path.rpartition("/")[2]
        attributes = {"Content-Disposition": f'attachment; filename="{name}"'}
        with _translated(path):
            if size <= PART_BYTES:
                self._put_at_once(path, _exactly(file, size), attributes, create=create)
                return
            if create and self._has(path):
                raise ArtifactExists(path)
            obstore.put(
                self._store,
                path,
                _parts(file, size),
                attributes=attributes,
                chunk_size=PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )

    def size(self, path: str) -> int:
        """The size of an object in bytes; raises UnknownArtifact."""
        with _translated(path):
            return int(obstore.head(self._store, path)["size"])

    def read(self, path: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes of a range, in chunks; raises UnknownArtifact.

        Each chunk is a request of its own, so a slow reader holds no connection open.
        """
        while start < end:
            stop = min(start + CHUNK_BYTES, end)
            with _translated(path):
                chunk = bytes(obstore.get_range(self._store, path, start=start, end=stop))
            yield chunk
            if len(chunk) < stop - start:
                return
            start = stop

    def sha256(self, path: str, size: int) -> str | None:
        """The hash of the stored bytes; None if there are not `size` of them."""
        digest = hashlib.sha256()
        if self.size(path) != size or self.copy(path, size, None, digest) != size:
            return None
        return digest.hexdigest()

    def copy(self, path: str, size: int, file: IO[bytes] | None, digest: Hash) -> int:
        """Read an object of `size` bytes into `file` and `digest`; returns how many it read."""
        received = 0
        for chunk in self.read(path, 0, size):
            received += len(chunk)
            digest.update(chunk)
            if file is not None:
                file.write(chunk)
        return received

    def objects(self, prefix: str = "") -> Iterator[StoredObject]:
        """The objects below a folder, in the order of their keys."""
        with _translated(prefix):
            for batch in obstore.list(self._store, prefix or None, chunk_size=_LISTED):
                for entry in batch:
                    modified_at = entry["last_modified"].timestamp()
                    yield StoredObject(entry["path"], entry["size"], modified_at)

    def folders(self, prefix: str = "") -> list[str]:
        """The names of the folders in a folder."""
        with _translated(prefix):
            listed = obstore.list_with_delimiter(self._store, prefix or None)
        return sorted(path.rpartition("/")[2] for path in listed["common_prefixes"])

    def delete(self, paths: Iterable[str]) -> None:
        """Delete objects; those that no longer exist are skipped."""
        doomed = list(paths)
        if not doomed:
            return
        with _translated(doomed[0]):
            for path in doomed:
                try:
                    obstore.delete(self._store, path)
                except (FileNotFoundError, NotFoundError):
                    continue

    def delete_below(self, prefix: str) -> None:
        """Delete every object below a folder."""
        self.delete([stored.key for stored in self.objects(prefix)])

    def signed_url(self, path: str, seconds: float) -> str | None:
        """A URL for GET that is valid for `seconds`; None if the store cannot sign URLs."""
        if type(self._store).__name__ not in _SIGNING:
            return None
        with _translated(path):
            store: Any = self._store
            return str(obstore.sign(store, "GET", path, timedelta(seconds=seconds)))

    def _put_at_once(
        self, path: str, data: bytes, attributes: dict[str, str], *, create: bool
    ) -> None:
        if create:
            with suppress(NotImplementedError, NotSupportedError):
                obstore.put(self._store, path, data, attributes=attributes, mode="create")
                return
            if self._has(path):
                raise ArtifactExists(path)
        obstore.put(self._store, path, data, attributes=attributes, use_multipart=False)

    def _has(self, path: str) -> bool:
        try:
            self.size(path)
        except UnknownArtifact:
            return False
        return True


class BucketFiles:
    """A BlobStore in a bucket, below the folder `prefix`."""

    def __init__(self, bucket: Bucket, keys: Keys, prefix: str = "") -> None:
        self._bucket = bucket
        self._keys = keys
        self._prefix = prefix

    def size(self, key: str) -> int:
        """The size of a file in bytes; raises UnknownArtifact."""
        return self._bucket.size(self._path(key))

    def read(self, key: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes of a range, in chunks of 4 MiB; raises UnknownArtifact."""
        return self._bucket.read(self._path(key), start, end)

    def signed_url(self, key: str, seconds: float) -> str | None:
        """A URL from which anyone can download the file for a time; None if there is none."""
        return self._bucket.signed_url(self._path(key), seconds)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files; those that no longer exist are skipped."""
        self._bucket.delete([self._path(key) for key in keys])

    def _path(self, key: str) -> str:
        """The path of the object of `key`; raises InvalidArtifactKey."""
        return self._prefix + self._keys.checked(key)


class BucketMarker:
    """The marker of a store in a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @property
    def place(self) -> str:
        """The URL, without a password."""
        return self._bucket.place

    def read(self) -> bytes | None:
        """The content of the marker, or None without one; raises ArtifactsUnavailable."""
        try:
            size = self._bucket.size(MARKER)
            return b"".join(self._bucket.read(MARKER, 0, min(size, MAX_MARKER_BYTES)))
        except UnknownArtifact:
            return None

    def create(self, data: bytes) -> None:
        """Create the marker; raises ArtifactExists and ArtifactsUnavailable."""
        self._bucket.put(MARKER, BytesIO(data), len(data), create=True)

    def replace(self, data: bytes) -> None:
        """Write the marker, replacing any other."""
        self._bucket.put(MARKER, BytesIO(data), len(data))


def _opened(url: str, retrying: Retrying) -> obstore.store.ObjectStore:
    request = timedelta(seconds=retrying.request_s)
    options: dict[str, Any] = {"timeout": request, "connect_timeout": timedelta(seconds=3)}
    options["allow_http"] = True  # the URL of the endpoint decides
    retry: dict[str, Any] = {
        "max_retries": retrying.retries,
        "retry_timeout": timedelta(seconds=retrying.all_s),
        "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=2)},
    }
    try:
        if url.startswith("file:"):
            return from_url(url, mkdir=True)
        return from_url(url, client_options=options, retry_config=retry)  # type: ignore[call-overload,no-any-return] # dicts of obstore's shape
    except (BaseError, ValueError, OSError) as error:
        raise UnusableArtifactStore(
            f"Expected a URL such as s3://bucket/prefix: {_summary(error)}"
        ) from None


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn the errors of obstore into StorageErrors."""
    try:
        yield
    except AlreadyExistsError:
        raise ArtifactExists(path) from None
    except (FileNotFoundError, NotFoundError):
        raise UnknownArtifact(path) from None
    except BaseError as error:
        raise ArtifactsUnavailable(_summary(error)) from None


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise OSError(f"expected {size} more bytes in the file, read {len(data)}: it was truncated")
    return data


def _parts(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        part = _exactly(file, min(size, PART_BYTES))
        size -= len(part)
        yield part


def _rejection(place: str, error: Exception) -> str:
    return (
        f"{place!r} rejected the request: {_summary(error)} Create the bucket, and check that the"
        " keys (AWS_ACCESS_KEY_ID and so on) may read, write, list and delete in it."
    )


def _code(error: Exception) -> str:
    match = _CODE.search(str(error))
    return match[1] if match else ""


def _summary(error: Exception) -> str:
    """The useful part of a message, which may contain pages of the library's inner state."""
    status = _STATUS.search(str(error))
    known = [f"HTTP {status[1]}"] if status else []
    known += [_code(error)] if _code(error) else []
    if not known:
        known = [str(error).partition("\n")[0][:300]]
    return f"{type(error).__name__}: {', '.join(known)}."
