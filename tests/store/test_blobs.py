"""Bytes in a directory and at each vendor: the shipped suite, damage, refusals, a full disk, a killed writer."""

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from pathlib import Path

import obstore
import pytest

from buckets import VENDORS, Bucket, fresh_bucket
from platemark.core.errors import Misconfigured, StorageUnavailable
from platemark.core.ports import Blobs
from platemark.samples import sample_blob
from platemark.store.blobs import ObjectBlobs, open_blobs
from platemark.testing import BLOBS_CHECKS, exercise_blobs


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(params=["directory", *VENDORS])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[ObjectBlobs]:
    if request.param == "directory":
        yield open_blobs(str(tmp_path / "blobs"), {})
        return
    async with fresh_bucket(request.param, request) as bucket:
        yield open_blobs(f"{bucket.location}/some/prefix", bucket.options)


@pytest.mark.parametrize("check", BLOBS_CHECKS, ids=lambda check: check.__name__)
async def test_blobs(check: Callable[[Blobs], Awaitable[None]], blobs: ObjectBlobs) -> None:
    await check(blobs)


async def test_the_suite_as_a_whole_runs_on_one_store(blobs: ObjectBlobs) -> None:
    await exercise_blobs(lambda: blobs)


async def test_damaged_content_is_said_and_mended_by_the_next_put(blobs: ObjectBlobs) -> None:
    key, data = sample_blob(1000)
    await blobs.put(key, data)
    await obstore.put_async(blobs._store, key, data[:-1])
    with pytest.raises(StorageUnavailable, match="corrupt"):
        await blobs.get(key)
    await blobs.put(key, data)
    assert await blobs.get(key) == data


async def test_p9_a_wrong_key_is_refused_by_naming_the_setting_only(bucket: Bucket) -> None:
    blobs = open_blobs(bucket.location, bucket.wrong_key)
    key, data = sample_blob(10)
    by_key = (blobs.get, blobs.exists, blobs.delete)
    for call in (partial(blobs.put, key, data), *(partial(way, key) for way in by_key), blobs.check):
        with pytest.raises(StorageUnavailable, match=r"refused our credentials.*PLATEMARK_BLOB_OPTIONS") as refused:
            await call()
        assert not [value for value in bucket.wrong_key.values() if value in str(refused.value)]
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__


async def test_without_its_bucket_nothing_is_said_of_content(bucket: Bucket) -> None:
    blobs = open_blobs(bucket.missing, bucket.options)
    key, data = sample_blob(10)
    # SeaweedFS makes a bucket that is written to.
    writes = () if bucket.scheme == "s3" else (partial(blobs.put, key, data), blobs.check)
    for call in (partial(blobs.get, key), partial(blobs.delete, key), *writes):
        with pytest.raises(StorageUnavailable, match="bucket of PLATEMARK_BLOBS does not exist"):
            await call()


async def test_an_object_store_that_does_not_answer_is_unavailable() -> None:
    blobs = open_blobs(
        "s3://bucket", {"endpoint": "http://127.0.0.1:9", "access_key_id": "a", "secret_access_key": "b"}
    )
    with pytest.raises(StorageUnavailable, match="does not answer"):
        await blobs.check()


@pytest.mark.parametrize(
    ("location", "options", "what"),
    [
        ("ftp://host/path", {}, "PLATEMARK_BLOBS is not a place"),
        ("memory://", {}, "PLATEMARK_BLOBS is not a place"),
        ("s3://", {}, "do not make a usable"),
        ("az://container", {}, "do not make a usable"),
        ("s3://bucket", {"secret": "x"}, "does not know, among secret"),
    ],
)
def test_a_place_that_is_none_is_misconfigured(location: str, options: dict[str, str], what: str) -> None:
    with pytest.raises(Misconfigured, match=what):
        open_blobs(location, options)


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailable, match="cannot be made"):
        open_blobs(str(tmp_path / "file" / "blobs"), {})


async def test_a_directory_that_went_away_is_said(tmp_path: Path) -> None:
    blobs = open_blobs(f"file://{tmp_path}/blobs", {})
    (tmp_path / "blobs").rmdir()
    (tmp_path / "blobs").write_text("in the way")
    with pytest.raises(StorageUnavailable, match="cannot be read or written"):
        await blobs.put(*sample_blob(10))
    with pytest.raises(StorageUnavailable, match="cannot be read or written"):
        await blobs.check()


async def test_equal_content_is_one_file(tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path), {})
    key, data = sample_blob(10)
    await blobs.put(key, data)
    before = (tmp_path / key).stat()
    await blobs.put(key, data)
    assert (tmp_path / key).stat().st_mtime_ns == before.st_mtime_ns
    await blobs.check()
    assert files(tmp_path) == [tmp_path / key]


def test_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code = f"""
        import asyncio, os
        from pathlib import Path
        from platemark.core.errors import StorageFull
        from platemark.samples import sample_blob
        from platemark.store.blobs import open_blobs

        async def main():
            blobs = open_blobs({str(tmp_path)!r}, {{}})
            key, data = sample_blob(2_000_000)
            try:
                await blobs.put(key, data)
            except StorageFull as error:
                print(error)
            assert not await blobs.exists(key)
            assert not [path for path in Path({str(tmp_path)!r}).rglob("*") if path.is_file()]

        asyncio.run(main())
    """
    mounted = f'mount -t tmpfs -o size=1m none "{tmp_path}" && exec "$0" -c "$1"'
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", "--mount", *root, "sh", "-c", mounted, sys.executable, textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    assert done.stderr == ""
    assert f"The disk that holds {tmp_path} is full" in done.stdout


def test_a_killed_writer_leaves_whole_content_only(tmp_path: Path) -> None:
    code = f"""
        import asyncio
        from platemark.samples import sample_blob
        from platemark.store.blobs import open_blobs

        async def main():
            blobs = open_blobs({str(tmp_path)!r}, {{}})
            while True:
                key, data = sample_blob(300_000)
                await asyncio.gather(*(blobs.put(*sample_blob(300_000)) for _ in range(8)), blobs.put(key, data))
                print(key, flush=True)

        asyncio.run(main())
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        kept = [writer.stdout.readline().strip() for _ in range(3)]
        writer.send_signal(signal.SIGKILL)
    # A name with # is what the writer was at when it died; it is no content.
    found = [path for path in files(tmp_path) if "#" not in path.name]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in found)
    assert {tmp_path / key for key in kept} <= set(found)
