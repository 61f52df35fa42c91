"""Publishing, the registry and inspections once on PostgreSQL, where transactions really run beside each other."""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import pytest
from PIL import Image, ImageOps

from pictures import encoded, noise
from platemark.core.audit import verify
from platemark.core.base import Noun
from platemark.core.delivery import Delivery
from platemark.core.errors import Conflict
from platemark.core.image import Fingerprint, Publication
from platemark.core.image import Image as Picture
from platemark.core.inspection import Inspection, Match
from platemark.core.ports import Ids, Parcel
from platemark.core.registry import RegistryEntry
from platemark.core.rendition import Rendition, Wanted
from platemark.core.watermark import WatermarkNumber
from platemark.flows import publish, watermark
from platemark.flows.analyze import analyze
from platemark.flows.keeping.delete import delete
from platemark.flows.known import Known
from platemark.flows.publications import deliver
from platemark.flows.publications.export import export
from platemark.flows.publications.lookup import lookup
from platemark.flows.publications.make import make
from platemark.flows.registry import entry_of, fingerprint_of, matches
from platemark.flows.reinspect import inspect_again, library, stale
from platemark.flows.upload import upload
from releasing import clear
from workbench import Bench, open_bench

N = TypeVar("N", bound=Noun)
PHOTO = encoded(noise(320, 11))


@dataclass
class Shelf:
    """A target that keeps what it gets, and lets others run while it does."""

    name: str = "shelf"
    kind: str = "directory"
    kept: dict[str, dict[str, bytes]] = field(default_factory=dict[str, dict[str, bytes]])
    tries: int = 0

    async def deliver(self, parcel: Parcel) -> Mapping[str, Any]:
        self.tries += 1
        await anyio.lowlevel.checkpoint()
        self.kept[parcel.publication] = dict(parcel.files)
        return {"files": sorted(self.kept[parcel.publication])}

    async def withdraw(self, parcel: Parcel) -> Mapping[str, Any]:
        self.tries += 1
        return {"removed": self.kept.pop(parcel.publication, None) is not None}


class Repeating:
    """Ids whose random numbers are these, again and again."""

    def __init__(self, ids: Ids, secret: str) -> None:
        self._ids = ids
        self._secret = secret

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ids, name)

    def secret(self, length: int) -> str:
        return self._secret


@pytest.fixture
async def bench(tmp_path: Path, postgres_url: str) -> AsyncGenerator[Bench]:
    async with open_bench(tmp_path / "data", database_url=postgres_url) as opened:
        clear(opened)
        opened.change(targets={"shelf": Shelf()})
        # Connections are there before they are needed, so that nobody wins a race because he has one.
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(opened.platform.store.transaction())
        yield opened


def shelf_of(bench: Bench) -> Shelf:
    shelf = bench.platform.targets["shelf"]
    assert isinstance(shelf, Shelf)
    return shelf


async def draft(bench: Bench, **fields: Any) -> Picture:
    (image,) = await bench.images(await bench.make(**fields))
    return image


async def rows(bench: Bench, kind: type[N], **equals: Any) -> list[N]:
    async with bench.platform.store.reading() as read:
        return await read.all(kind, **equals)


async def at_once(*work: Callable[[], Awaitable[object]]) -> tuple[list[Any], list[Conflict]]:
    """What each gave, and how many were told that somebody else was at it."""
    done, refused = list[Any](), list[Conflict]()

    async def one(call: Callable[[], Awaitable[object]]) -> None:
        try:
            done.append(await call())
        except Conflict as conflict:
            refused.append(conflict)

    async with anyio.create_task_group() as tasks:
        for call in work:
            tasks.start_soon(one, call)
    return done, refused


async def published_by_three_at_once(bench: Bench) -> None:
    platform, image = bench.platform, await draft(bench)

    async def to(audience: str) -> Publication:
        wanted = [Wanted(width=64)]
        return await publish.publish(
            platform, bench.caller, image.id, audience=audience, targets=["shelf"], renditions=wanted
        )

    for audience in ("newsroom", "marketplace"):
        done, refused = await at_once(*[lambda audience=audience: to(audience)] * 3)
        assert len(done) + len(refused) == 3
        (one,) = await rows(bench, Publication, image=image.id, audience=audience, state="published")
        assert {each.id for each in done} == {one.id}
        assert len(await rows(bench, Delivery, publication=one.id)) == 1
        assert len(await rows(bench, WatermarkNumber, publication=one.id)) == 1
        files = await rows(bench, Rendition, publication=one.id)
        assert len(files) == 2
        for each in files:
            assert len(await rows(bench, RegistryEntry, sha256=each.sha256)) == 1
    done, refused = await at_once(lambda: to("education"), lambda: to("internal"))
    assert (len(done), refused) == (2, [])
    assert (await to("newsroom")).state == "published"


async def made_by_three_at_once_with_one_number(bench: Bench) -> None:
    platform, image = bench.platform, await draft(bench, width=512, height=512)
    (planned,) = await rows(bench, Publication, image=image.id)
    data = await platform.blobs.get(f"{image.project}/{image.sha256}")
    done, refused = await at_once(
        *[lambda: watermark.mark_release(platform, image, planned, data, image.media_type)] * 3
    )
    assert (len(done), refused) == (3, [])
    (number,) = await rows(bench, WatermarkNumber, image=image.id)
    assert {each.number.id for each in done} == {number.id}
    files, refused = await at_once(*[lambda: make(platform, image, planned)] * 2)
    assert (len(files), refused) == (2, [])
    assert platform.watermark is not None
    for (made,) in files:
        assert (await platform.watermark.read(made.data)).number == number.number


async def numbered_twice_with_one_number(bench: Bench) -> None:
    first, second = await draft(bench), await draft(bench)
    stranger = await bench.stranger()
    third = first.model_copy(update={"id": bench.platform.ids.new("img"), "project": stranger.project})
    bench.change(ids=Repeating(bench.platform.ids, "00000000aa"))

    async def allot(image: Picture) -> WatermarkNumber:
        async with bench.platform.store.transaction() as tx:
            return await watermark.allot(bench.platform, tx, image, None)

    done, refused = await at_once(*[lambda image=image: allot(image) for image in (first, second, third)])
    assert (len(done), len(refused)) == (1, 2)
    (row,) = await rows(bench, WatermarkNumber, number=0xAA)
    assert row == done[0]


async def delivered_by_two_workers_and_withdrawn(bench: Bench) -> None:
    platform, shelf = bench.platform, shelf_of(bench)
    made = [await publish.publish(platform, bench.caller, (await draft(bench)).id, targets=["shelf"]) for _ in range(2)]
    await at_once(*[lambda: deliver.carry_out(platform)] * 3)
    assert (shelf.tries, set(shelf.kept)) == (2, {each.id for each in made})
    for each in await rows(bench, Delivery):
        assert (each.state, each.attempts, each.receipt) == (
            "delivered",
            1,
            {"files": sorted(shelf.kept[each.publication])},
        )
    lines = [line async for line in export(platform, bench.caller)]
    assert [line["publication"] for line in lines] == [each.id for each in made]
    assert all(line["credential"]["verifies"] and line["registry"]["entry"] for line in lines)
    done, refused = await at_once(*[lambda: publish.withdraw(platform, bench.caller, made[0].id)] * 3)
    assert len(done) + len(refused) == 3
    await at_once(*[lambda: deliver.carry_out(platform)] * 2)
    assert (shelf.tries, set(shelf.kept)) == (3, {made[1].id})
    await delete(platform, bench.caller, made[1].image)
    await deliver.carry_out(platform)
    assert shelf.kept == {}
    assert [line async for line in export(platform, bench.caller)] == []


async def uploaded_by_three_at_once(bench: Bench) -> None:
    done, refused = await at_once(*[lambda: upload(bench.platform, bench.caller, PHOTO)] * 3)
    assert (len(done), refused) == (3, [])
    assert len({each.id for each in done}) == 3
    assert {each.sha256 for each in done} == {hashlib.sha256(PHOTO).hexdigest()}


async def known_again_whole_mirrored_and_in_part(bench: Bench) -> None:
    platform, image = bench.platform, await entered(bench, noise(480, 5))
    await entered(bench, noise(480, 6))
    whole, stranger = noise(480, 5), await bench.stranger()
    part = whole.crop((29, 10, 466, 446))
    copies = {
        ("file", False): whole,
        ("picture", False): whole.resize((240, 240)),
        ("turned", False): ImageOps.mirror(whole),
        ("crop", False): part,
        ("crop", True): ImageOps.mirror(part),
    }
    for (how, turned), copy in copies.items():
        data = encoded(copy)
        (found,) = await search(bench, data, image.project)
        assert (found.image, found.how, found.turned) == (image.id, how, turned)
        assert await search(bench, data, stranger.project) == []
    elsewhere = Known(platform.store, platform.limits)
    await elsewhere.warm()
    await delete(platform, bench.caller, image.id)
    bench.change(registry=elsewhere)
    for copy in copies.values():
        assert await search(bench, encoded(copy)) == []


async def known_although_it_was_written_late(bench: Bench) -> None:
    """An entry whose transaction began before others and ends after them, while this process reads."""
    platform, known = bench.platform, Known(bench.platform.store, bench.platform.limits)
    stranger = await bench.stranger()
    image = await entered(bench, noise(480, 5))
    looks = await looks_of(bench, encoded(noise(480, 7)))
    late = entry_of(platform, image, "cd" * 32, looks)
    before, after = anyio.Event(), anyio.Event()

    async def slow() -> None:
        async with platform.store.transaction() as tx:
            await tx.add(late)
            before.set()
            await after.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(slow)
        await before.wait()
        other = await entered(bench, noise(480, 8), stranger.project)
        theirs = (await looks_of(bench, encoded(noise(480, 8)))).pdq
        (found,) = await known.near([theirs], 31, limit=9)
        assert found[0] in {each.id for each in await rows(bench, RegistryEntry, image=other.id)}
        assert await known.near([looks.pdq], 31, limit=9) == []
        after.set()
    assert await known.near([looks.pdq], 31, limit=9) == [(late.id, 0)]


async def known_by_a_process_that_starts_while_others_publish(bench: Bench) -> None:
    platform = bench.platform
    images = [await draft(bench) for _ in range(3)]
    fresh = [Known(platform.store, platform.limits) for _ in range(3)]
    work = [lambda image=image: publish.publish(platform, bench.caller, image.id) for image in images]
    _, refused = await at_once(*work, *[one.warm for one in fresh])
    assert refused == []
    for one in fresh:
        bench.change(registry=one)
        for each in await rows(bench, Rendition):
            data = await platform.blobs.get(f"{each.project}/{each.sha256}")
            assert each.image in {match.image for match in await search(bench, data)}
            found = await lookup(platform, data)
            assert found is not None
            assert (found.how, found.statement.image.id) == ("file", each.image)


async def inspected_again_by_two_at_once(bench: Bench) -> None:
    platform, image = bench.platform, await draft(bench)
    done, refused = await at_once(*[lambda: inspect_again(platform, bench.caller, image.id)] * 3)
    assert len(done) + len(refused) == 3
    (now,) = await rows(bench, Picture, id=image.id)
    assert now.inspection in {each.id for each in done}
    assert {each.id for each in done} <= {each.id for each in await rows(bench, Inspection, image=image.id)}
    # Nothing is left of those who were refused.
    assert len(await rows(bench, Inspection, image=image.id)) == 1 + len(done)
    found = [id async for id in stale(platform, image.project, every=True)]
    assert found == [image.id]
    (again,) = [each async for each in library(platform, found, by="tests")]
    assert (again.before, again.error) == (now.inspection, None)


async def analysed_beside_others(bench: Bench) -> None:
    platform, image = bench.platform, await draft(bench)
    data = await platform.blobs.get(f"{image.project}/{image.sha256}")
    asked = [(data, True), (data, False), (PHOTO, True), (PHOTO, False)]
    done, refused = await at_once(
        *[lambda data=data, kept=kept: analyze(platform, bench.caller, data, retain=kept) for data, kept in asked]
    )
    assert refused == []
    ours = [each for each in done if each.input_sha256 == image.sha256]
    assert {each.verdict for each in ours} == {"generated_by_us"}
    assert len(ours) == 2
    kept = {each.id for each in done} & {each.id for each in await rows(bench, Inspection)}
    assert len(kept) == 2
    async with platform.store.reading() as read:
        events = [event for event in await read.events(image.project) if event.type == "inspection.made"]
    assert {each.id for each in done} <= {event.data["inspection"] for event in events}


async def entered(bench: Bench, picture: Image.Image, project: str | None = None) -> Picture:
    """An image that was made here, as far as the registry is concerned."""
    data = encoded(picture)
    digest = hashlib.sha256(data).hexdigest()
    image = Picture(
        id=bench.platform.ids.new("img"),
        project=project or bench.caller.project,
        generation=None,
        index=0,
        origin="generated",
        created_at=bench.clock.now(),
        width=picture.width,
        height=picture.height,
        media_type="image/png",
        sha256=digest,
        original_sha256=digest,
        moderation_state="allowed",
        credential_state="absent",
    )
    looks = await fingerprint_of(bench.platform, image, data)
    await bench.platform.blobs.put(f"{image.project}/{digest}", data)
    async with bench.platform.store.transaction() as tx:
        await tx.add(image, looks, entry_of(bench.platform, image, digest, looks))
    return image


async def looks_of(bench: Bench, data: bytes) -> Fingerprint:
    (asked,) = [each for each in (await rows(bench, Picture, limit=1)) or [await draft(bench)]]
    other = asked.model_copy(update={"sha256": hashlib.sha256(data).hexdigest(), "origin": "generated"})
    return await fingerprint_of(bench.platform, other, data)


async def search(bench: Bench, data: bytes, project: str | None = None) -> list[Match]:
    return await matches(bench.platform, project, await looks_of(bench, data), data)


STORIES: tuple[Callable[[Bench], Awaitable[None]], ...] = (
    published_by_three_at_once,
    made_by_three_at_once_with_one_number,
    numbered_twice_with_one_number,
    delivered_by_two_workers_and_withdrawn,
    uploaded_by_three_at_once,
    known_again_whole_mirrored_and_in_part,
    known_although_it_was_written_late,
    known_by_a_process_that_starts_while_others_publish,
    inspected_again_by_two_at_once,
    analysed_beside_others,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_on_postgres(bench: Bench, story: Callable[[Bench], Awaitable[None]]) -> None:
    await story(bench)
    async with bench.platform.store.reading() as read:
        lines = await read.chain(bench.caller.project, limit=10_000)
    assert not lines or verify(lines) == lines[-1]
