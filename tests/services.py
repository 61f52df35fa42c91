"""PostgreSQL, S3 and Azure for the tests: one server of each per session, started on first use, shared by all workers.

A test that takes `postgres_url`, `s3` or `azure` gets one of its own. `guard.py` starts and stops the servers.
"""

import base64
import fcntl
import hmac
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import IO, Any, Literal
from urllib.parse import urlencode

import httpx2
import obstore
import psycopg
import pytest
import sqlalchemy
from obstore.store import AzureStore, S3Store
from psycopg import sql

import guard

FOLDER = "PLATEMARK_TEST_SERVICES"
REGION = "us-east-1"
# The one account of Azurite; Microsoft publishes its key.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
AZURE_VERSION = "2023-11-03"
# After the method, where other requests say what they carry.
NEWLINES = "\n" * 12
# Only of its own database: other tests use the same server.
CUT_THE_OTHERS = sqlalchemy.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_session = pytest.StashKey[IO[bytes]]()


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server."""

    host: str
    port: int
    user: str
    password: str

    def url(self, database: str = "postgres") -> str:
        """The `postgresql://` URL of a database on it."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    @contextmanager
    def database(self) -> Generator[str]:
        """The URL of a new, empty database; afterwards it is dropped, with whoever is still connected to it."""
        name = f"test_{secrets.token_hex(6)}"
        self._run("CREATE DATABASE {}", name)
        try:
            yield self.url(name)
        finally:
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    def _run(self, statement: Literal["CREATE DATABASE {}", "DROP DATABASE {} WITH (FORCE)"], name: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


@dataclass(frozen=True)
class S3:
    """A bucket on an S3 server that checks signatures."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str = ""
    region: str = REGION

    def store(self, *, secret_key: str | None = None) -> S3Store:
        """The bucket, opened with its secret key or with a wrong one."""
        return S3Store(
            self.bucket,
            endpoint=self.endpoint,
            region=self.region,
            access_key_id=self.access_key,
            secret_access_key=secret_key or self.secret_key,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )

    @contextmanager
    def fresh(self) -> Generator["S3"]:
        """A new, empty bucket; afterwards it is removed with all that is in it."""
        bucket = S3(self.endpoint, self.access_key, self.secret_key, f"test-{secrets.token_hex(6)}")
        bucket._ask("PUT")
        try:
            yield bucket
        finally:
            bucket._ask("DELETE")

    def _ask(self, method: Literal["PUT", "DELETE"]) -> None:
        address = obstore.sign(self.store(), method, "", timedelta(minutes=1))
        httpx2.request(method, address).raise_for_status()


@dataclass(frozen=True)
class Azure:
    """A container on Azurite, which checks signatures."""

    endpoint: str
    container: str = ""

    def store(self) -> AzureStore:
        """The container, opened with its key."""
        return AzureStore(
            self.container,
            endpoint=f"{self.endpoint}/{AZURE_ACCOUNT}",
            account_name=AZURE_ACCOUNT,
            account_key=AZURE_KEY,
            client_options={"allow_http": True},
        )

    @contextmanager
    def fresh(self) -> Generator["Azure"]:
        """A new, empty container; afterwards it is removed with all that is in it."""
        container = Azure(self.endpoint, f"test-{secrets.token_hex(6)}")
        container._ask("PUT")
        try:
            yield container
        finally:
            container._ask("DELETE")

    def shared_access(self, rights: str) -> str:
        """A signature with which anybody may do this in the container for an hour, such as `rcwd` ("service SAS")."""
        until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        place = f"/blob/{AZURE_ACCOUNT}/{self.container}"
        told = [rights, "", until, place, "", "", "", AZURE_VERSION, "c", "", "", "", "", "", "", ""]
        said = {"sp": rights, "se": until, "sv": AZURE_VERSION, "sr": "c", "sig": _signed("\n".join(told))}
        return urlencode(said)

    def _ask(self, method: Literal["PUT", "DELETE"]) -> None:
        """Make or remove the container, signed with the key as Azure's reference says ("Shared Key")."""
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": AZURE_VERSION}
        told = "".join(f"{name}:{value}\n" for name, value in headers.items())
        resource = f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{self.container}\nrestype:container"
        headers["authorization"] = f"SharedKey {AZURE_ACCOUNT}:{_signed(f'{method}{NEWLINES}{told}{resource}')}"
        address = f"{self.endpoint}/{AZURE_ACCOUNT}/{self.container}?restype=container"
        httpx2.request(method, address, headers=headers).raise_for_status()


def _signed(told: str) -> str:
    return base64.b64encode(hmac.digest(base64.b64decode(AZURE_KEY), told.encode(), "sha256")).decode()


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    """The PostgreSQL server of this session."""
    return Postgres(**_service("postgres"))


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The `postgresql://` URL of an empty database for this test alone."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def s3_server() -> S3:
    """The S3 server of this session; `fresh()` makes buckets on it."""
    return S3(**_service("s3"))


@pytest.fixture
def s3(s3_server: S3) -> Iterator[S3]:
    """An empty bucket for this test alone."""
    with s3_server.fresh() as bucket:
        yield bucket


@pytest.fixture(scope="session")
def azure_server() -> Azure:
    """The Azurite of this session; `fresh()` makes containers on it. No package index of Python has it."""
    if guard.azurite() is None:
        pytest.skip("no azurite-blob on the PATH, or where PLATEMARK_TEST_AZURITE says (npm install azurite)")
    return Azure(**_service("azure"))


@pytest.fixture
def azure(azure_server: Azure) -> Iterator[Azure]:
    """An empty container for this test alone."""
    with azure_server.fresh() as container:
        yield container


def pytest_configure(config: pytest.Config) -> None:
    """In the process that controls the session: make the folder of the servers and hold its lock."""
    if hasattr(config, "workerinput"):
        return
    folder = Path(tempfile.mkdtemp(prefix="platemark-tests-", dir=_open_folder()))
    folder.chmod(0o711)  # PostgreSQL goes in as `nobody` when we are root
    lock = (folder / "session.lock").open("ab")
    fcntl.flock(lock, fcntl.LOCK_EX)
    config.stash[_session] = lock
    os.environ[FOLDER] = str(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the guards go, and wait until they have stopped their servers."""
    if (lock := config.stash.get(_session, None)) is None:
        return
    lock.write(b"over")
    lock.close()
    folder = Path(os.environ.pop(FOLDER))
    for held in folder.glob("*.guard"):
        with guard.locked(held):
            pass
    shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that use a server carry its mark, so that `-m "not postgres"` leaves them out."""
    for item in items:
        fixtures: list[str] = getattr(item, "fixturenames", [])
        for mark, fixture in (("postgres", "postgres"), ("s3", "s3_server")):
            if fixture in fixtures:
                item.add_marker(mark)


def _open_folder() -> Path:
    """Where temporary folders are made; one that every user can enter, if there is one."""
    usual = Path(tempfile.gettempdir())
    stranger = guard.Account(uid=65534)
    return next((place for place in (usual, Path("/tmp"), Path("/var/tmp")) if stranger.reaches(place)), usual)


def _service(name: Literal["postgres", "s3", "azure"]) -> dict[str, Any]:
    """How to reach the server, which the first who asks starts. Without it the test fails in CI and is skipped here."""
    folder = Path(os.environ[FOLDER])
    state = folder / f"{name}.json"
    with guard.locked(folder / f"{name}.start"):
        if not state.exists():
            _start(name, folder, state)
    details: dict[str, Any] = json.loads(state.read_text())
    if why := details.get("error"):
        message = f"the tests' {name} server cannot start: {why}"
        pytest.fail(message, pytrace=False) if os.environ.get("CI") else pytest.skip(message)
    return details


def _start(name: str, folder: Path, state: Path) -> None:
    log = folder / f"{name}.log"
    # Not a Popen object, which would complain at our end that its process still runs: it is meant to outlive us.
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, guard.__file__, name, str(folder)],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )
    while not state.exists():
        if os.waitpid(pid, os.WNOHANG) != (0, 0) and not state.exists():
            state.write_text(json.dumps({"error": log.read_text(errors="replace")[-1500:]}))
        time.sleep(0.02)
