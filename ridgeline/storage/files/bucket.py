"""A bucket, or part of one, behind obstore: S3, Google Cloud Storage, Azure, or a folder.

Every refusal and every failure comes out as a StorageError, in words without credentials.
"""

import hashlib
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
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

CHUNK_BYTES = 4 * 2**20
"""What one request reads: long enough for the way, short enough for memory and timeouts."""
PART_BYTES = 8 * 2**20
"""A larger file is uploaded in parts of this size."""
_PARTS_AT_ONCE = 4
_LISTED = 1000
_PROBE = "ridgeline-probe"
_PROBE_S = 5.0
_SIGNING = ("S3Store", "GCSStore", "AzureStore")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"non-2xx status code: (\d+)")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")


class Retrying(NamedTuple):
    """How long one request is tried; a body of CHUNK_BYTES or PART_BYTES must fit into `request_s`.

    Beyond this, callers have patience of their own.
    """

    retries: int = 2
    request_s: float = 60.0
    all_s: float = 10.0


class StoredObject(NamedTuple):
    """What a list of objects says of one."""

    path: str
    bytes: int
    modified_at: float
    """Seconds since 1970, by the store's clock."""


class Bucket:
    """The objects below a URL, by paths relative to it."""

    def __init__(self, url: str, retrying: Retrying | None = None) -> None:
        """Use `url`: `s3://bucket/prefix`, `gs://`, `az://`, `file:///folder`.

        Endpoint, region and keys are in the environment, as `AWS_*` for one. Raises
        UnusableArtifactStore for a URL of another kind; nothing is asked of the store yet.
        """
        self._url = url
        self._store = _opened(url, retrying or Retrying())
        # Made now: the keys may be gone from the environment when it is used.
        self._prober = _opened(url, Retrying(0, _PROBE_S, _PROBE_S))

    @property
    def place(self) -> str:
        """The URL without a password that might stand in it."""
        return re.sub(r"//[^/@]*@", "//", self._url)

    def check(self) -> None:
        """Ask for a sign of life, once and for a few seconds.

        Raises ArtifactsUnavailable, and UnusableArtifactStore where bucket or keys are refused.
        """
        try:
            obstore.get(self._prober, _PROBE)
        except (FileNotFoundError, NotFoundError) as error:
            if _code(error) in _NO_BUCKET:
                raise UnusableArtifactStore(_refusal(self.place, error)) from None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise UnusableArtifactStore(_refusal(self.place, error)) from None
        except (BaseError, OSError) as error:
            raise ArtifactsUnavailable(_summary(error)) from None

    def put(self, path: str, file: IO[bytes], size: int, *, create: bool = False) -> None:
        """Store `size` bytes of `file` from where it stands, all at once or not at all.

        With `create` an object that is there stays: raises ArtifactExists. For a large file, which
        goes up in parts, and by a store without conditions (AWS_CONDITIONAL_PUT=disabled) that is
        looked at before. Memory for a few parts is needed.
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
        """The bytes of an object; raises UnknownArtifact."""
        with _translated(path):
            return int(obstore.head(self._store, path)["size"])

    def read(self, path: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes of a range, a chunk at a time, each by a request of its own.

        A slow reader thus holds no connection open. Raises UnknownArtifact.
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
        """The hash of what the store gives back; None where that has not `size` bytes."""
        digest = hashlib.sha256()
        if self.size(path) != size or self.copy(path, size, None, digest) != size:
            return None
        return digest.hexdigest()

    def copy(self, path: str, size: int, file: IO[bytes] | None, digest: Hash) -> int:
        """Read an object of `size` bytes into `file` and `digest`; how many came."""
        received = 0
        for chunk in self.read(path, 0, size):
            received += len(chunk)
            digest.update(chunk)
            if file is not None:
                file.write(chunk)
        return received

    def objects(self, prefix: str = "") -> Iterator[StoredObject]:
        """The objects below a folder, in the order of their paths."""
        with _translated(prefix):
            for batch in obstore.list(self._store, prefix or None, chunk_size=_LISTED):
                for each in batch:
                    modified_at = each["last_modified"].timestamp()
                    yield StoredObject(each["path"], each["size"], modified_at)

    def folders(self, prefix: str = "") -> list[str]:
        """The names of the folders in a folder."""
        with _translated(prefix):
            found = obstore.list_with_delimiter(self._store, prefix or None)
        return sorted(path.rpartition("/")[2] for path in found["common_prefixes"])

    def delete(self, paths: Iterable[str]) -> None:
        """Delete objects; those that are gone already are passed over."""
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
        self.delete([each.path for each in self.objects(prefix)])

    def signed_url(self, path: str, seconds: float) -> str | None:
        """An address for GET that is good for `seconds`; None where the store has no such thing."""
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


def _opened(url: str, retrying: Retrying) -> obstore.store.ObjectStore:
    request = timedelta(seconds=retrying.request_s)
    options: dict[str, Any] = {"timeout": request, "connect_timeout": timedelta(seconds=3)}
    options["allow_http"] = True  # the URL of the endpoint says whether it is meant
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
            f"Expected an address such as s3://bucket/prefix: {_summary(error)}"
        ) from None


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn what obstore raises into what the storage raises."""
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
        raise OSError(f"a file of {size} bytes has only {len(data)}; something else shortened it")
    return data


def _parts(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        part = _exactly(file, min(size, PART_BYTES))
        size -= len(part)
        yield part


def _refusal(place: str, error: Exception) -> str:
    return (
        f"Received {place!r}, and was refused: {_summary(error)} Create the bucket, and see"
        " that the keys (AWS_ACCESS_KEY_ID and so on) may read, write, list and delete in it."
    )


def _code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _summary(error: Exception) -> str:
    """What is of use in a message that may hold pages of the library's inner state."""
    status = _STATUS.search(str(error))
    known = [f"HTTP {status[1]}"] if status else []
    known += [_code(error)] if _code(error) else []
    if not known:
        known = [str(error).partition("\n")[0][:300]]
    return f"{type(error).__name__}: {', '.join(known)}."
