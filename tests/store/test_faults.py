"""What a database can do to us becomes an error that says what to do, without an address, a password or a value."""

import asyncio
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing, suppress
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text

from platemark.core.errors import Conflict, DatabaseUnavailable, InvalidRequest, StorageFull
from platemark.core.generation import Generation
from platemark.core.project import Project
from platemark.core.review import Review
from platemark.samples import NOW, sample_event, sample_generation, sample_nouns
from platemark.store.connections import POOL, WAIT_SECONDS, write_ahead
from platemark.store.database import Database
from platemark.store.upgrade import upgrade
from services import CUT_THE_OTHERS

CANARY = "a canary in the prompt"


def project(id: str) -> Project:
    return Project(id=id, name=CANARY, created_at=NOW)


async def test_a_locked_file_is_said_and_still_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/platemark.db"
    await upgrade(url)
    other = sqlite3.connect(tmp_path / "platemark.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with Database.open(url, wait_seconds=0.05) as database:
        with pytest.raises(DatabaseUnavailable, match="locked by another process"):
            async with database.transaction() as tx:
                await tx.add(project("prj_1"))
        await database.check()
        other.close()
        async with database.transaction() as tx:
            await tx.add(project("prj_1"))


def test_a_new_file_that_another_process_writes_is_waited_for(tmp_path: Path) -> None:
    path, tries = tmp_path / "platemark.db", list[str]()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def let_go_after_two(statement: str) -> None:
        tries.append(statement)
        if tries.count("PRAGMA journal_mode=WAL") == 2:
            other.execute("COMMIT")

    with closing(sqlite3.connect(path)) as file, closing(other):
        file.set_trace_callback(let_go_after_two)
        write_ahead(file, WAIT_SECONDS)
        assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_new_file_that_is_never_let_go_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "platemark.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other, closing(sqlite3.connect(path)) as file:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            write_ahead(file, 0.05)


async def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "platemark.db"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(DatabaseUnavailable, match="not an SQLite database"):
        await upgrade(f"sqlite:///{path}")


async def test_a_database_without_tables_is_said(empty_url: str) -> None:
    async with Database.open(empty_url) as database:
        with pytest.raises(DatabaseUnavailable, match="was not migrated"):
            await database.check()


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("postgresql://someone:hush@127.0.0.1:9/db", "does not answer.*Check PLATEMARK_DATABASE_URL"),
        ("postgresql://someone:hush@no-such-host.invalid/db", "does not answer.*Check PLATEMARK_DATABASE_URL"),
    ],
)
async def test_a_server_that_is_not_there_is_said(address: str, what: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=what):
        await upgrade(address)
    async with Database.open(address) as database:
        with pytest.raises(DatabaseUnavailable, match=what) as error:
            await database.check()
    assert "hush" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


async def test_a_wrong_password_and_a_wrong_name_are_said(postgres_url: str) -> None:
    server, name = postgres_url.rsplit("/", 1)
    wrong = f"postgresql://postgres:guess@{server.rsplit('@', 1)[1]}/{name}"
    for url in (wrong, f"{server}/nowhere"):
        async with Database.open(url) as database:
            with pytest.raises(
                DatabaseUnavailable, match=r"our password or the database's name.*PLATEMARK_DATABASE_URL"
            ) as error:
                await database.check()
        assert "guess" not in str(error.value)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("code", "kind", "what"),
    [
        ("53100", StorageFull, "Free space"),
        ("53300", DatabaseUnavailable, "max_connections"),
        ("40001", DatabaseUnavailable, "Try again"),
        ("57P01", DatabaseUnavailable, "stopping or starting"),
        ("57014", DatabaseUnavailable, "took too long"),
        ("25006", DatabaseUnavailable, "read-only"),
        ("42501", DatabaseUnavailable, "Grant"),
        ("XX000", DatabaseUnavailable, "code XX000"),
        ("23514", Conflict, "code 23514"),
    ],
)
async def test_what_the_server_complains_of_is_said(
    code: str, kind: type[Exception], what: str, postgres_url: str
) -> None:
    raise_it = text(f"DO $$ BEGIN RAISE EXCEPTION '{CANARY}' USING ERRCODE = '{code}'; END $$")
    async with Database.open(postgres_url) as database:
        with pytest.raises(kind, match=what) as error:
            async with database.transaction() as tx:
                await tx._run(raise_it)
    assert CANARY not in str(error.value)


async def test_a_connection_that_is_cut_is_said_and_replaced(postgres_url: str) -> None:
    await upgrade(postgres_url)
    async with Database.open(postgres_url) as database, Database.open(postgres_url) as killer:

        async def be_cut() -> None:
            async with database.transaction() as tx:
                await tx.add(project("prj_1"))
                async with killer.transaction() as other:
                    await other._run(CUT_THE_OTHERS)
                await tx.add(project("prj_2"))

        with pytest.raises(DatabaseUnavailable, match=r"stopping|does not answer"):
            await be_cut()
        async with database.transaction() as tx:
            assert await tx.find(Project, "prj_1") is None
            await tx.add(project("prj_1"))


async def test_whoever_waits_too_long_for_a_connection_is_told(url: str) -> None:
    async with Database.open(url, wait_seconds=0.05) as database, anyio.create_task_group() as group:
        release = anyio.Event()

        async def hold(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            async with database.transaction():
                task_status.started()
                await release.wait()

        for _ in range(1 if url.startswith("sqlite") else POOL):
            await group.start(hold)
        with pytest.raises(DatabaseUnavailable, match="in use for too long"):
            async with database.transaction():
                pytest.fail("there was a connection left")
        async with database.reading() as read:
            assert await read.find(Project, "prj_1") is None
        release.set()


async def test_p9_no_value_of_a_row_is_in_an_error(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.add(project("prj_1"))
    orphan = next(noun for noun in sample_nouns("prj_1") if isinstance(noun, Review))
    orphan = orphan.model_copy(update={"reason_code": CANARY})
    for noun, what in ((project("prj_1"), "is there already"), (orphan, "refers to something that is not there")):
        with pytest.raises(Conflict, match=what) as error:
            async with database.transaction() as tx:
                await tx.add(noun)
        assert CANARY not in str(error.value)
        assert error.value.__cause__ is None
        assert error.value.__suppress_context__


async def test_text_that_cannot_be_kept_is_the_callers_to_mend(database: Database) -> None:
    for bad in ("half a \ud800 pair", *(["a \x00 character"] if database._writers.dialect.name != "sqlite" else [])):
        with pytest.raises(InvalidRequest):
            async with database.transaction() as tx:
                await tx.add(Project(id="prj_1", name=bad, created_at=NOW))


@pytest.mark.parametrize("natively", [False, True])
async def test_a_cancelled_transaction_leaves_nothing_and_gives_its_connection_back(
    natively: bool, database: Database
) -> None:
    """Cancelled as anyio does it, again and again until the task has ended, and as asyncio does it, once."""
    ended = list[str]()

    async def write(scope: anyio.CancelScope, n: int) -> None:
        with scope:
            async with database.transaction() as tx:
                for step in range(1000):
                    await tx.add(project(f"prj_{n}_{step}"))
                    await tx.emit(sample_event("prj_1", "project.created"))
        ended.append("in its scope")

    for n in range(30):
        scope = anyio.CancelScope()
        task = asyncio.create_task(write(scope, n))
        await anyio.sleep(n / 1000)
        task.cancel() if natively else scope.cancel()
        await asyncio.wait([task])
        assert task.cancelled() == natively
    assert len(ended) == (0 if natively else 30)
    async with database.transaction() as tx:
        assert await tx.all(Project) == []
        assert await tx.chain("prj_1") == []
        await tx.add(project("prj_1"))


async def test_a_flow_that_ignores_its_errors_does_not_commit(database: Database) -> None:
    text_, generation = sample_generation("prj_1")

    async def ignore() -> None:
        async with database.transaction() as tx:
            await tx.add(text_, generation)
            with suppress(Conflict):
                await tx.add(text_)

    with pytest.raises(Conflict):
        await ignore()
    async with database.reading() as read:
        assert await read.find(Generation, generation.id) is None


def test_a_full_disk_is_said_and_the_database_stays_whole(tmp_path: Path) -> None:
    code = f"""
        import asyncio
        from platemark.core.audit import verify
        from platemark.core.errors import StorageFull
        from platemark.samples import sample_event
        from platemark.store.database import Database
        from platemark.store.upgrade import upgrade

        async def main():
            url = "sqlite:///{tmp_path}/platemark.db"
            await upgrade(url)
            async with Database.open(url) as database:
                kept = 0
                try:
                    while True:
                        async with database.transaction() as tx:
                            await tx.emit(sample_event("prj_1", "image.stored", note="x" * 100_000))
                        kept += 1
                except StorageFull as error:
                    print(error)
                async with database.reading() as read:
                    lines = await read.chain("prj_1")
                assert verify(lines).seq == kept, (lines[-1].seq, kept)

        asyncio.run(main())
    """
    mounted = f'mount -t tmpfs -o size=3m none "{tmp_path}" && exec "$0" -c "$1"'
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", mounted, sys.executable, textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    assert done.stderr == ""
    assert "The disk that holds the database is full" in done.stdout
