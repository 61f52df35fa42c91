"""Bytes under their content hash: in a directory, or in an object store (S3, Google Cloud Storage, Azure)."""

import hashlib
import os
import re
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.request import url2pathname

import anyio
import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from platemark.core.errors import NotFound, PlatemarkError, StorageFull, StorageUnavailable
from platemark.store.buckets import lacks_bucket, open_bucket, refused

_KEY = re.compile(r"[A-Za-z0-9_-]+/[0-9a-f]{64}")
_FULL = re.compile(r"os error (28|122)\b|StorageFull|InsufficientStorage")


def open_blobs(location: str, options: Mapping[str, str]) -> "ObjectBlobs":
    """The store at `location`: a directory, which is made, or s3://, gs:// or az:// BUCKET/PREFIX with its `options`.

    Raises Misconfigured for a location or an option that is not known, StorageUnavailable for a directory that cannot
    be made. An object store is not asked before it is used.
    """
    scheme, separator, rest = location.partition("://")
    if separator and scheme == "file":
        location = url2pathname(rest)
    elif separator:
        return ObjectBlobs(
            open_bucket(location, options, setting="PLATEMARK_BLOBS", options_in="PLATEMARK_BLOB_OPTIONS")
        )
    folder = Path(location).expanduser()
    try:
        return ObjectBlobs(LocalStore(folder, mkdir=True), folder)
    except (BaseError, OSError):
        raise StorageUnavailable(f"The directory {folder} cannot be made. {_LOCAL_ADVICE}") from None


class ObjectBlobs:
    """Implements the port Blobs. `folder` is set for a directory."""

    def __init__(self, store: LocalStore | S3Store | GCSStore | AzureStore, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    async def put(self, key: str, data: bytes) -> None:
        """Create-only; existing content is success. What was put survives a crash of the machine, too.

        Raises ValueError for a key that is not `project/sha256` of `data`, StorageFull, StorageUnavailable.
        """
        if not _KEY.fullmatch(key) or await _sha256(data) != key[-64:]:
            raise ValueError(f"{key!r} is not the key of these bytes.")
        with self._translated():
            try:
                await obstore.put_async(self._store, key, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                await self._mend(key, data)
            if self._folder is not None:
                await anyio.to_thread.run_sync(_flush, self._folder / key)

    async def get(self, key: str) -> bytes:
        """The bytes, checked against their hash. Raises NotFound, StorageUnavailable (also for damaged content)."""
        with self._translated():
            try:
                data = await self._read(key)
            except FileNotFoundError as error:
                if lacks_bucket(error):
                    raise
                raise NotFound(f"There is no content {key!r}.") from None
        if await _sha256(data) != key[-64:]:
            raise StorageUnavailable(f"The content {key} is corrupt. Restore it from a backup of the image store.")
        return data

    async def exists(self, key: str) -> bool:
        """True when there is content under the key; it is not read."""
        with self._translated():
            try:
                await obstore.head_async(self._store, key)
            except FileNotFoundError:
                return False
        return True

    async def delete(self, key: str) -> None:
        """Missing is success, unless it is the bucket: then nobody knows."""
        with self._translated():
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError as error:
                if lacks_bucket(error):
                    raise

    async def check(self) -> None:
        """Write, read and delete a probe. Raises StorageUnavailable or StorageFull when that fails."""
        probe = f"probe-{uuid.uuid4().hex}"
        with self._translated():
            await obstore.put_async(self._store, probe, b"platemark", mode="create", use_multipart=False)
            await self._read(probe)
            await obstore.delete_async(self._store, probe)

    async def _read(self, key: str) -> bytes:
        found = await obstore.get_async(self._store, key)
        return (await found.bytes_async()).to_bytes()

    async def _mend(self, key: str, data: bytes) -> None:
        """What lies under the key is these bytes, or damaged; then it is replaced."""
        if await self._read(key) != data:
            await obstore.put_async(self._store, key, data, mode="overwrite", use_multipart=False)

    @contextmanager
    def _translated(self) -> Generator[None]:
        """Raise our errors, without the originals: those quote addresses."""
        try:
            yield
        except (BaseError, OSError) as error:
            raise _explained(error, self._folder) from None


_LOCAL_ADVICE = "Make it writable for the user that runs Platemark, or choose another with PLATEMARK_BLOBS."


def _explained(error: Exception, folder: Path | None) -> PlatemarkError:
    if _FULL.search(str(error)):
        where = "The object store" if folder is None else f"The disk that holds {folder}"
        return StorageFull(f"{where} is full. Free space there; nothing half-written was left.")
    if folder is not None:
        return StorageUnavailable(f"The directory {folder} cannot be read or written. {_LOCAL_ADVICE}")
    if refused(error):
        return StorageUnavailable(
            "The object store refused our credentials. Check those in PLATEMARK_BLOB_OPTIONS (for S3: access_key_id "
            "and secret_access_key), and that they may read, write and delete in the bucket of PLATEMARK_BLOBS."
        )
    if isinstance(error, FileNotFoundError) or lacks_bucket(error):
        return StorageUnavailable("The bucket of PLATEMARK_BLOBS does not exist. Create it, or name another.")
    return StorageUnavailable(
        "The object store does not answer as it should. Check the endpoint and region in PLATEMARK_BLOB_OPTIONS, and "
        "the network between here and there."
    )


async def _sha256(data: bytes) -> str:
    return await anyio.to_thread.run_sync(lambda: hashlib.sha256(data).hexdigest())


def _flush(path: Path) -> None:
    """Wait until the disk has the file and the entries that lead to it: the object store library does not."""
    for place in (path, path.parent, path.parent.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
