"""The servers that other tests stand on are real ones, parted per test, and stopped with the session."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import obstore
import psycopg
import pytest
from obstore.exceptions import AlreadyExistsError, PermissionDeniedError

import guard
from services import S3, Postgres

TESTS = Path(guard.__file__).parent


def test_a_test_gets_an_empty_database_of_its_own(postgres: Postgres, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE things (id integer PRIMARY KEY)")
        connection.execute("INSERT INTO things VALUES (1)")
    with postgres.database() as other, psycopg.connect(other) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert other != postgres_url
    assert tables == []


def test_a_database_is_dropped_even_while_somebody_is_connected(postgres: Postgres) -> None:
    with postgres.database() as url:
        lingering = psycopg.connect(url)
    with lingering, pytest.raises(psycopg.OperationalError):
        lingering.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_a_wrong_database_password_is_refused(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url().replace(postgres.password, "guess"))


def test_a_bucket_keeps_bytes_and_never_overwrites(s3: S3) -> None:
    store = s3.store()
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "a/b")
    obstore.put(store, "a/b", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "a/b", b"second", mode="create")
    assert obstore.get(store, "a/b").bytes().to_bytes() == b"first"


def test_a_forged_s3_signature_is_refused(s3: S3) -> None:
    with pytest.raises(PermissionDeniedError):
        obstore.put(s3.store(secret_key="guess"), "a", b"x")


def test_servers_stop_when_the_session_is_killed(tmp_path: Path, postgres: Postgres) -> None:
    # `postgres` is asked for so that this fails or skips like the others where no server can run.
    inner = tmp_path / "test_inner.py"
    inner.write_text(
        "import os, signal\n"
        "def test_die(postgres_url):\n"
        f"    open({str(tmp_path / 'folder')!r}, 'w').write(os.environ['PLATEMARK_TEST_SERVICES'])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "services", "-p", "no:xdist", "-c", os.devnull, str(inner)]
    died = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(TESTS)}, cwd=tmp_path, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stdout.decode()
    folder = Path((tmp_path / "folder").read_text())
    assert folder.name.startswith("platemark-tests-")
    while folder.exists():  # ended by the test's own time limit
        time.sleep(0.05)
