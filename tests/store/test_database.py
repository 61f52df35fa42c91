"""What the store does beyond its port: order under concurrency, workers, leadership, transient events."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import text

from platemark.core.audit import verify
from platemark.core.generation import Generation
from platemark.core.image import Blob
from platemark.core.ports import Query
from platemark.core.project import Project
from platemark.samples import NOW, fresh_id, sample_event, sample_generation, sample_nouns
from platemark.store.database import Database
from platemark.store.upgrade import upgrade
from services import CUT_THE_OTHERS


async def test_transactions_of_a_project_never_wait_for_each_other_in_a_circle(database: Database) -> None:
    project = fresh_id("prj")
    pairs = [sample_generation(project) for _ in range(2)]
    async with database.transaction() as tx:
        await tx.add(*(noun for pair in pairs for noun in pair))

    async def rows_first(id: str) -> None:
        async with database.transaction() as tx:
            generation = await tx.get(Generation, id)
            await tx.change(generation, runs=generation.runs + 1)
            await tx.emit(sample_event(project, "generation.cancel_requested", id))

    async def events_first(id: str) -> None:
        async with database.transaction() as tx:
            await tx.emit(sample_event(project, "image.stored", id))
            generation = await tx.get(Generation, id)
            await tx.change(generation, runs=generation.runs + 1)

    async with anyio.create_task_group() as group:
        for _ in range(6):
            for _, generation in pairs:
                group.start_soon(rows_first, generation.id)
                group.start_soon(events_first, generation.id)
    async with database.reading() as read:
        assert [(await read.get(Generation, generation.id)).runs for _, generation in pairs] == [12, 12]
        assert len(await read.chain(project)) == 24


async def test_what_a_transaction_has_read_stays_so_until_it_ends(database: Database) -> None:
    """A blob goes only when nothing names it: whoever names it meanwhile waits, and then finds it gone."""
    blob = next(noun for noun in sample_nouns(fresh_id("prj")) if isinstance(noun, Blob))
    async with database.transaction() as tx:
        await tx.add(blob)
    looked, found = anyio.Event(), list[Blob | None]()

    async def name_it() -> None:
        await looked.wait()
        async with database.transaction() as tx:
            found.append(await tx.find(Blob, blob.id))

    async with anyio.create_task_group() as group:
        group.start_soon(name_it)
        async with database.transaction() as tx:
            assert await tx.all(Blob, project=blob.project) == [blob]
            looked.set()
            await anyio.sleep(0.05)
            await tx.remove(blob)
    assert found == [None]


async def test_projects_do_not_wait_for_each_other_on_postgres(postgres_url: str) -> None:
    await upgrade(postgres_url)
    async with Database.open(postgres_url) as database, database.transaction() as tx:
        await tx.emit(sample_event("prj_1", "project.created"))
        async with database.transaction() as other:
            await other.emit(sample_event("prj_2", "project.created"))
        await tx.emit(sample_event("prj_1", "key.created"))


async def test_p8_several_processes_write_one_chain(url: str) -> None:
    async with Database.open(url) as one, Database.open(url) as two, anyio.create_task_group() as group:

        async def write(database: Database) -> None:
            for _ in range(10):
                async with database.transaction() as tx:
                    await tx.emit(sample_event("prj_1", "generation.accepted"))
                    await tx.emit(sample_event("prj_1", "generation.started"))

        for database in (one, two):
            group.start_soon(write, database)
            group.start_soon(write, database)
    async with Database.open(url) as database, database.reading() as read:
        lines = await read.chain("prj_1")
        head = verify(lines)
    assert head is not None
    assert head.seq == 80


async def test_a_line_of_the_chain_names_the_event_and_its_project(database: Database) -> None:
    event = sample_event("prj_1", "image.stored", "gen_1", width=1, share=0.1, states=["a", None], deep={"b": {"a": 1}})
    async with database.transaction() as tx:
        await tx.emit(event)
    async with database.reading() as read:
        (line,) = await read.chain("prj_1")
    assert line.body == {
        "event": event.id,
        "project": "prj_1",
        "type": "image.stored",
        "generation": "gen_1",
        "image": None,
        "at": "2026-11-22T12:00:00.123456Z",
        "data": event.data,
    }


async def test_workers_are_dead_by_the_clock_of_the_database(database: Database) -> None:
    for executor, boot in (("b", "1"), ("a", "1"), ("a", "2")):
        await database.beat(executor, boot, "worker")
    async with database.transaction() as tx:
        await tx._run(text("UPDATE workers SET heartbeat_at = '2020-01-01 00:00:00.000000' WHERE executor_id = 'b'"))
    (dead,) = await database.dead_workers(timedelta(seconds=45))
    (live,) = await database.live_workers(timedelta(seconds=45))
    assert (dead.executor_id, live.executor_id, live.boot_id, live.role) == ("b", "a", "2", "worker")
    assert len(await database.dead_workers(timedelta(seconds=-45))) == 2

    await database.beat("b", "2", "worker")
    await database.forget_worker(dead)
    assert len(await database.live_workers(timedelta(seconds=45))) == 2
    await database.forget_worker(live)
    assert [worker.executor_id for worker in await database.live_workers(timedelta(seconds=45))] == ["b"]


async def test_one_process_leads_on_postgres(postgres_url: str) -> None:
    async with Database.open(postgres_url) as one, Database.open(postgres_url) as two:
        async with one.leading("adopt") as first, two.leading("adopt") as second, two.leading("other") as other:
            assert (first, second, other) == (True, False, True)
        async with two.leading("adopt") as second, one.leading("adopt") as first:
            assert (second, first) == (True, False)
        with pytest.raises(ZeroDivisionError):
            async with one.leading("adopt"):
                raise ZeroDivisionError
        async with two.leading("adopt") as second:
            assert second


async def test_a_leader_that_loses_its_connection_holds_nobody_up(postgres_url: str) -> None:
    async with Database.open(postgres_url) as one, Database.open(postgres_url) as two:
        async with one.leading("adopt") as first:
            assert first
            async with two.transaction() as tx:
                await tx._run(CUT_THE_OTHERS)
            async with two.leading("adopt") as second:
                assert second
        async with one.leading("adopt") as first:
            assert first


async def test_the_one_machine_of_sqlite_always_leads_and_may_write_meanwhile(tmp_path: Path) -> None:
    await upgrade(f"sqlite:///{tmp_path}/platemark.db")
    async with (
        Database.open(f"sqlite:///{tmp_path}/platemark.db") as database,
        database.leading("adopt") as first,
        database.leading("adopt") as second,
    ):
        assert (first, second) == (True, True)
        await database.beat("a", "1", "all")


async def test_transient_events_go_with_their_finished_generation(database: Database) -> None:
    ends: list[dict[str, Any]] = [
        {"status": "succeeded", "finished_at": NOW - timedelta(minutes=11)},
        {"status": "failed", "finished_at": NOW - timedelta(minutes=9)},
        {"status": "running"},
    ]
    made = [sample_generation("prj_1", **end) for end in ends]
    async with database.transaction() as tx:
        for text_, generation in made:
            await tx.add(text_, generation)
            await tx.emit(sample_event("prj_1", "generation.progress", generation.id))
            await tx.emit(sample_event("prj_1", "generation.preview", generation.id))
            await tx.emit(sample_event("prj_1", "generation.started", generation.id))
    assert await database.drop_transient(NOW - timedelta(minutes=10)) == 2
    assert await database.drop_transient(NOW - timedelta(minutes=10)) == 0
    async with database.transaction() as tx:
        left = await tx.events("prj_1")
        assert [len([event for event in left if event.generation == pair[1].id]) for pair in made] == [1, 3, 3]


async def test_numbers_of_dropped_events_are_not_given_again(database: Database) -> None:
    text_, done = sample_generation("prj_1", status="succeeded", finished_at=NOW)
    async with database.transaction() as tx:
        await tx.add(text_, done)
        dropped = await tx.emit(sample_event("prj_1", "generation.progress", done.id))
    assert await database.drop_transient(NOW + timedelta(seconds=1)) == 1
    async with database.transaction() as tx:
        assert (await tx.emit(sample_event("prj_1", "generation.started", done.id))).seq > dropped.seq


async def test_a_search_by_what_cannot_be_searched_is_a_mistake_of_ours(database: Database) -> None:
    async with database.reading() as read:
        for name in ("parameters", "nonsense"):
            with pytest.raises(TypeError, match=f"generations cannot be searched by {name}"):
                await read.page(Generation, Query("prj_1", equals={name: "x"}))
        with pytest.raises(TypeError, match="projects cannot be searched by project"):
            await read.page(Project, Query("prj_1"))
    with pytest.raises(TypeError, match="emitted, not added"):
        async with database.transaction() as tx:
            await tx.add(sample_event("prj_1", "project.created"))
