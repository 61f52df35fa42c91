"""Server-sent events: order, snapshots, resume, heartbeat, and a polite end."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from webparts import Site, call_of

from platemark.core.errors import DatabaseUnavailable, EngineCrashed
from platemark.core.updates import Order
from platemark.system import SystemClock
from platemark.web import sse
from waiting import until


def parsed(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    """Id, type and data of every event, by the letter of the standard."""
    found: list[tuple[int, str, dict[str, Any]]] = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


async def begin(site: Site, **body: Any) -> str:
    headers = {"Prefer": "respond-async"}
    answer = await site.client.post("/v1/generate", json={"prompt": "a house", **body}, headers=headers)
    return answer.json()["id"]


async def read(stream: AsyncIterator[bytes]) -> str:
    with anyio.fail_after(20):
        return b"".join([chunk async for chunk in stream]).decode()


async def test_a_finished_generation_tells_its_whole_story_and_ends(site: Site) -> None:
    site.provider.steps = 3
    made = await site.generate(n=2)
    answer = await site.client.get(made["urls"]["events"])
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.startswith("retry: ")
    events = parsed(answer.text)
    assert [id for id, _, _ in events] == sorted({id for id, _, _ in events})
    assert (events[0][1], events[-1][1]) == ("generation.accepted", "generation.succeeded")
    for _, type, data in events:
        assert data["type"] == type
        assert data["generation"] == made["id"]
        assert data["status"] in ("queued", "running", "succeeded")
        assert {"progress", "preview_url", "at"} <= data.keys()
    statuses = [data["status"] for _, _, data in events]
    assert statuses == sorted(statuses, key=["queued", "running", "succeeded"].index)
    told = [data["progress"] for _, type, data in events if type == "generation.progress"]
    assert told[-1] == {"index": 0, "done": 3, "total": 3}
    assert sum(type == "image.stored" for _, type, _ in events) == 2


async def test_a_stream_is_resumed_after_any_event_with_the_same_snapshots(site: Site) -> None:
    site.provider.steps = 2
    url = (await site.generate())["urls"]["events"]
    whole = parsed((await site.client.get(url)).text)
    for number, (id, _, _) in enumerate(whole):
        by_header = await site.client.get(url, headers={"Last-Event-ID": str(id)})
        by_query = await site.client.get(url, params={"after": id})
        assert parsed(by_header.text) == parsed(by_query.text) == whole[number + 1 :]
    both = await site.client.get(url, params={"after": 0}, headers={"Last-Event-ID": str(whole[-2][0])})
    assert parsed(both.text) == whole[-1:]


@pytest.mark.parametrize("id", ["x", "-1", "1.5", "9" * 30, "gen_1"])
async def test_an_id_that_is_not_from_the_stream_is_422(site: Site, id: str) -> None:
    url = (await site.generate())["urls"]["events"]
    answer = await site.client.get(url, headers={"Last-Event-ID": id})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/header/Last-Event-ID")


async def test_what_happens_is_heard_while_it_happens(site: Site) -> None:
    site.jobs.running = anyio.Event()
    stream = sse.events(call_of(site), await begin(site), 0)
    assert (await anext(stream)).startswith(b"retry: ")
    assert b"generation.accepted" in await anext(stream)
    site.jobs.running.set()
    rest = parsed(await read(stream))
    assert rest[-1][1] == "generation.succeeded"


async def test_a_stop_ends_the_stream_at_once_and_says_when_to_come_back(site: Site) -> None:
    site.jobs.running = anyio.Event()
    stream = sse.events(call_of(site), await begin(site), 0)
    for _ in range(2):
        await anext(stream)
    last: list[str] = []

    async def listen() -> None:
        last.append(await read(stream))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.lowlevel.checkpoint()
        site.stopping.ask()
    assert "retry: " in last[0]
    assert parsed(last[0]) == []


async def test_a_stream_that_has_nothing_to_tell_breathes(site: Site) -> None:
    @dataclass
    class Hasty(SystemClock):
        seconds: float = 0.0

        def monotonic(self) -> float:
            self.seconds += sse.HEARTBEAT_SECONDS
            return self.seconds

    site.jobs.running = anyio.Event()
    platform = replace(site.platform, clock=Hasty())
    stream = sse.events(call_of(site, platform=platform), await begin(site), 0)
    for _ in range(2):
        await anext(stream)
    assert (await anext(stream)).startswith(b": ")
    site.stopping.ask()
    await read(stream)


async def test_a_held_generation_keeps_its_stream_open(site: Site) -> None:
    stream = sse.events(call_of(site), await begin(site, prompt="a doubtful house"), 0)
    heard = [await anext(stream) for _ in range(3)]
    assert b"review.opened" in heard[-1]
    assert parsed(heard[-1].decode())[0][2]["status"] == "held"
    await site.client.post(f"/v1/generations/{parsed(heard[-1].decode())[0][2]['generation']}/cancel")
    assert parsed(await read(stream))[-1][1] == "generation.canceled"


async def test_a_failure_that_was_retried_is_not_the_end(site: Site) -> None:
    def script(number: int, order: Order) -> None:
        raise EngineCrashed("It died.")

    site.provider.script = script
    id = (await site.client.post("/v1/generate", json={"prompt": "a house"})).json()["generation"]
    site.provider.script = None
    await site.client.post(f"/v1/generations/{id}/retry")
    types = [type for _, type, _ in parsed(await read(sse.events(call_of(site), id, 0)))]
    assert types.index("generation.failed") < types.index("generation.retried") < types.index("generation.succeeded")
    assert types[-1] == "generation.succeeded"


async def test_a_store_that_fails_ends_the_stream_without_an_error_in_it(site: Site) -> None:
    class Broken:
        def reading(self) -> Any:
            raise DatabaseUnavailable("It does not answer.")

    call = call_of(site, platform=replace(site.platform, store=Broken()))
    response = sse.stream(call, "gen_" + "0" * 32, 0)
    chunks = [chunk async for chunk in response.body_iterator]
    assert chunks[-1] == b": interrupted; connect again\n\n"


async def test_many_streams_hear_the_same(site: Site) -> None:
    site.jobs.running = anyio.Event()
    id = await begin(site)
    heard: list[list[tuple[int, str, dict[str, Any]]]] = []

    async def listen() -> None:
        heard.append(parsed(await read(sse.events(call_of(site), id, 0))))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(listen)
        await anyio.sleep(0.05)
        site.jobs.running.set()
    assert len(heard) == 5
    assert all(story == heard[0] for story in heard)
    await until(lambda: site.jobs.active == 0)
