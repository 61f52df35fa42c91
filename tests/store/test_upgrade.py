"""Migrations make what the tables say, on both databases, also when many start at once; triggers guard the chain."""

import asyncio
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, delete, insert, inspect, text
from sqlalchemy.exc import DBAPIError

from platemark.core.attempt import Attempt
from platemark.core.audit import verify
from platemark.core.errors import AuditBroken, Conflict, Misconfigured
from platemark.core.event import TRANSIENT, EventType
from platemark.core.generation import Generation
from platemark.core.project import Project
from platemark.samples import NOW, sample_event, sample_generation
from platemark.store import connections
from platemark.store.codec import to_row
from platemark.store.database import Database
from platemark.store.tables import attempts, events, generations, metadata, prompt_texts
from platemark.store.upgrade import downgrade, upgrade

TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT DISTINCT tgname FROM pg_trigger WHERE NOT tgisinternal",
}


@contextmanager
def shell(url: str) -> Generator[Connection]:
    """Around the store: as somebody with a database shell."""
    engine = create_engine(connections.parse(url))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def difference(connection: Connection) -> list[Any]:
    options = {"compare_type": True, "target_metadata": metadata}
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


async def test_migrations_make_what_the_tables_say_and_take_it_back(empty_url: str) -> None:
    for _ in range(2):
        await upgrade(empty_url)
        await upgrade(empty_url)
        with shell(empty_url) as connection:
            assert difference(connection) == []
            assert connection.execute(text(TRIGGERS[connection.dialect.name])).fetchall()
        await downgrade(empty_url)
        with shell(empty_url) as connection:
            assert inspect(connection).get_table_names() == ["alembic_version"]


async def test_generations_of_the_first_schema_had_no_source_one_model_and_every_check(empty_url: str) -> None:
    await upgrade(empty_url, "0001")
    text_, generation = sample_generation("prj_1")
    tried = Attempt(
        id="att_1",
        project="prj_1",
        generation=generation.id,
        number=1,
        provider="local",
        state="failed",
        created_at=NOW,
    )
    rows = {prompt_texts: text_, generations: generation, attempts: tried}
    later = {"inputs", "route", "profile", "watermark"}
    with shell(empty_url) as connection:
        for table, noun in rows.items():
            newer = later if table is generations else {"model", "forget_at", "forget_by", "forgotten_at"}
            old = {name: value for name, value in to_row(noun, table).items() if name not in newer}
            connection.execute(insert(table).values(old))
    await upgrade(empty_url)
    async with Database.open(empty_url) as database, database.reading() as read:
        found = await read.get(Generation, generation.id)
        assert await read.get(Attempt, tried.id) == tried
    assert found == generation
    assert (found.inputs, found.route, found.profile, found.watermark) == ((), (), "standard", "publication")


async def test_many_processes_may_start_at_once(empty_url: str) -> None:
    code = "import asyncio, sys; from platemark.store.upgrade import upgrade; asyncio.run(upgrade(sys.argv[1]))"
    starts = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, empty_url, stderr=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]
    for start in starts:
        _, complaint = await start.communicate()
        assert (start.returncode, complaint) == (0, b"")
    async with Database.open(empty_url) as database:
        await database.check()


async def test_a_database_of_a_newer_version_is_left_alone(url: str) -> None:
    with shell(url) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Misconfigured, match=r"newer Platemark \(its schema is 9999\).*Start that version"):
        await upgrade(url)


async def test_the_database_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "100% mine.db"
    await upgrade(f"sqlite:///{path}")
    async with Database.open(f"sqlite:///{path}") as database:
        async with database.transaction() as tx:
            await tx.add(Project(id="prj_1", name="one", created_at=NOW))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {path.name: 0o600, f"{path.name}-wal": 0o600, f"{path.name}-shm": 0o600}


async def test_a_place_where_no_database_can_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Misconfigured, match="cannot be opened"):
        await upgrade(f"sqlite:///{tmp_path}/file/platemark.db")


@pytest.mark.parametrize("bad", ["", "nonsense", "mysql://u:hush@h/d", "sqlite://", "sqlite:///:memory:", "http://x/y"])
async def test_a_url_of_no_database_of_ours_is_said_without_quoting_it(bad: str) -> None:
    with pytest.raises(Misconfigured, match="PLATEMARK_DATABASE_URL") as error:
        await upgrade(bad)
    assert "hush" not in str(error.value)


PASSING: tuple[EventType, ...] = ("generation.progress", "generation.preview")


async def facts(url: str) -> None:
    """Three lasting events and a passing one."""
    async with Database.open(url) as database, database.transaction() as tx:
        for n in range(3):
            await tx.emit(sample_event("prj_1", "generation.accepted", f"gen_{n}"))
        for type in PASSING:
            await tx.emit(sample_event("prj_1", type, "gen_1"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_lines SET body = '{}'",
        "UPDATE audit_lines SET generation = NULL WHERE seq = 2",
        "DELETE FROM audit_lines WHERE seq = 3",
        "UPDATE events SET type = 'generation.progress'",
        "DELETE FROM events WHERE type = 'generation.accepted'",
        "DELETE FROM events",
        "TRUNCATE audit_lines",
        "TRUNCATE events",
    ],
)
async def test_p8_facts_can_be_neither_changed_nor_deleted(statement: str, url: str) -> None:
    if url.startswith("sqlite"):
        statement = statement.replace("TRUNCATE", "DELETE FROM")
    await facts(url)
    with pytest.raises(DBAPIError, match="append-only"), shell(url) as connection:
        connection.execute(text(statement))
    with shell(url) as connection:
        assert connection.execute(delete(events).where(events.c.type.in_(TRANSIENT))).rowcount == len(TRANSIENT)
        assert connection.execute(text("SELECT count(*) FROM events")).scalar_one() == 3
        assert connection.execute(text("SELECT count(*) FROM audit_lines")).scalar_one() == 3


async def test_the_store_itself_cannot_remove_a_fact(database: Database) -> None:
    event = sample_event("prj_1", "generation.accepted")
    async with database.transaction() as tx:
        await tx.emit(event)
    with pytest.raises(Conflict, match="append-only"):
        async with database.transaction() as tx:
            await tx.remove(event)


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE audit_lines SET body = \'{"type": "generation.blocked"}\' WHERE seq = 2',
        "DELETE FROM audit_lines WHERE seq = 2",
        "DELETE FROM audit_lines WHERE seq = 1",
        "UPDATE audit_lines SET seq = 4 WHERE seq = 1",
        "UPDATE audit_lines SET prev = hash WHERE seq = 3",
    ],
)
async def test_p8_whoever_drops_the_triggers_is_found_out(statement: str, url: str) -> None:
    await facts(url)
    async with Database.open(url) as database, database.reading() as read:
        assert verify(await read.chain("prj_1")) is not None
    with shell(url) as connection:
        for (name,) in connection.execute(text(TRIGGERS[connection.dialect.name])).fetchall():
            on = {"events": "events", "audit": "audit_lines"}[name.split("_")[0]] if "postgres" in url else None
            connection.execute(text(f"DROP TRIGGER {name}" + (f" ON {on}" if on else "")))
        assert connection.execute(text(statement)).rowcount == 1
    async with Database.open(url) as database, database.reading() as read:
        with pytest.raises(AuditBroken, match="breaks at line"):
            verify(await read.chain("prj_1"))
