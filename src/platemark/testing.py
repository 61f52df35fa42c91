"""Contract suites: what every implementation of a port must do. Run them on your own adapters as we do on ours."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from datetime import timedelta
from typing import Any, NoReturn, get_args

import anyio

from platemark.core.audit import verify
from platemark.core.base import Noun
from platemark.core.errors import Conflict, InvalidRequest, NotFound, PlatemarkError, TooLarge
from platemark.core.event import Event
from platemark.core.generation import Generation, IdempotencyKey, Parameters
from platemark.core.image import Blob, Image
from platemark.core.model import Model, Operation
from platemark.core.moderation import Verdict
from platemark.core.ports import Blobs, Provider, Query, Store
from platemark.core.project import ApiKey, Project
from platemark.core.updates import Charged, Order, Picture
from platemark.imaging.decode import inspect_bytes
from platemark.imaging.sources import as_png, open_source
from platemark.samples import NOW, fresh_id, sample_blob, sample_event, sample_generation, sample_nouns
from platemark.simulate.detector_contract import (
    IMAGE_DETECTOR_CHECKS,
    TEXT_DETECTOR_CHECKS,
    exercise_image_detector,
    exercise_text_detector,
    unseen,
)
from platemark.simulate.origin_contract import ORIGIN_DETECTOR_CHECKS, exercise_origin_detector
from platemark.simulate.scripted import plain_png

__all__ = [
    "BLOBS_CHECKS",
    "IMAGE_DETECTOR_CHECKS",
    "ORIGIN_DETECTOR_CHECKS",
    "PROVIDER_CHECKS",
    "STORE_CHECKS",
    "TEXT_DETECTOR_CHECKS",
    "exercise_blobs",
    "exercise_image_detector",
    "exercise_origin_detector",
    "exercise_provider",
    "exercise_store",
    "exercise_text_detector",
    "unseen",
]


async def exercise_store(open_store: Callable[[], AbstractAsyncContextManager[Store]]) -> None:
    """Run every check of STORE_CHECKS. `open_store` gives a migrated store; it may be the same one each time."""
    for check in STORE_CHECKS:
        async with open_store() as store:
            await check(store)


async def exercise_blobs(open_blobs: Callable[[], Blobs]) -> None:
    """Run every check of BLOBS_CHECKS. `open_blobs` may give the same store each time."""
    for check in BLOBS_CHECKS:
        await check(open_blobs())


async def exercise_provider(open_provider: Callable[[], AbstractAsyncContextManager[Provider]]) -> None:
    """Run every check of PROVIDER_CHECKS. `open_provider` may give the same one each time. It really draws."""
    for check in PROVIDER_CHECKS:
        async with open_provider() as provider:
            await check(provider)


async def store_gives_back_what_was_added(store: Store) -> None:
    """Every kind of noun comes back equal, whatever the order in which they were added."""
    nouns = sample_nouns(project := fresh_id("prj"))
    async with store.transaction() as tx:
        await tx.add(*nouns)
    async with store.reading() as read:
        for noun in nouns:
            _same(await read.get(type(noun), noun.id), noun)
        for kind in (Generation, Image, Blob, Verdict):
            _same(await read.all(kind, project=project), [noun for noun in nouns if type(noun) is kind])


async def store_says_what_is_missing(store: Store) -> None:
    """`find` gives None, `get` raises NotFound, also for an id that no database could hold."""
    async with store.reading() as read:
        for id in (fresh_id("gen"), "", "a\x00b"):
            _same(await read.find(Generation, id), None)
            await _raises(NotFound, read.get(Generation, id))


async def store_keeps_all_of_a_transaction_or_nothing(store: Store) -> None:
    """An error inside the block takes back everything: rows, events, chain."""
    project = fresh_id("prj")
    with suppress(_Abandoned):
        async with store.transaction() as tx:
            await tx.add(*sample_nouns(project))
            await tx.emit(sample_event(project, "project.created"))
            raise _Abandoned
    async with store.reading() as read:
        _same(await read.find(Project, project), None)
        _same(await read.events(project), [])
        _same(await read.chain(project), [])


async def store_refuses_what_is_there_already(store: Store) -> None:
    """A taken id or secret is a Conflict that spoils the transaction, even for a flow that passes over it."""
    project = fresh_id("prj")
    nouns = sample_nouns(project)
    async with store.transaction() as tx:
        await tx.add(*nouns)
    key = next(noun for noun in nouns if isinstance(noun, ApiKey))
    for taken in (nouns[0], key.model_copy(update={"id": fresh_id("key")})):
        other = Project(id=fresh_id("prj"), name="other", created_at=NOW)

        async def attempt(taken: Noun = taken, other: Project = other) -> None:
            async with store.transaction() as tx:
                await tx.add(other)
                with suppress(Conflict):
                    await tx.add(taken)

        await _raises(Conflict, attempt())
        async with store.reading() as read:
            _same(await read.find(Project, other.id), None)


async def store_changes_only_what_it_was_shown(store: Store) -> None:
    """Compare-and-set: allowed moves from the present state; anything else is a Conflict and changes nothing."""
    text, queued = sample_generation(fresh_id("prj"))
    async with store.transaction() as tx:
        await tx.add(text, queued)
        running = await tx.change(queued, status="running", started_at=NOW, runs=1, error={"code": "x"})
        running = await tx.change(running, status="running", failures=1)
    _same((running.status, running.runs, running.error, running.tags), ("running", 1, {"code": "x"}, queued.tags))
    async with store.transaction() as tx:
        _same(await tx.get(Generation, queued.id), running)
        await _raises(Conflict, tx.change(queued, status="canceled"))
        await _raises(Conflict, tx.change(queued, retry_at=NOW))
        await _raises(Conflict, tx.change(running, status="held"))
        await _raises(Conflict, tx.change(running.model_copy(update={"runs": 0}), runs=1))
        await _raises(NotFound, tx.change(running.model_copy(update={"id": fresh_id("gen")}), runs=2))
        _same(await tx.get(Generation, queued.id), running)
        done = await tx.change(running, status="failed", error=None, started_at=None)
    async with store.reading() as read:
        _same(await read.get(Generation, queued.id), done)


async def store_searches(store: Store) -> None:
    """`all` by equality, any-of and null; `before` by time; both in order and within their limit."""
    project = fresh_id("prj")
    made = [sample_generation(project, start_by=NOW + timedelta(seconds=n), runs=n % 2) for n in (2, 0, 1)]
    held = sample_generation(project, status="held", user_sha256="ee" * 32, start_by=NOW)
    async with store.transaction() as tx:
        await tx.add(*(noun for pair in (*made, held) for noun in pair))
    queued = [generation for _, generation in made]
    by_time = sorted(queued, key=lambda generation: generation.start_by)
    async with store.reading() as read:
        _same(await read.all(Generation, project=project, status="queued"), queued)
        _same(await read.all(Generation, project=project, status=("queued", "held")), [*queued, held[1]])
        _same(await read.all(Generation, project=project, user_sha256=None), queued)
        _same(await read.all(Generation, project=project, runs=frozenset({1})), queued[2:])
        _same(
            await read.all(Generation, project=project, status=("queued",), order_by="start_by", limit=2), by_time[:2]
        )
        late = NOW + timedelta(seconds=2)
        _same(await read.before(Generation, "start_by", late, project=project, status="queued"), by_time[:2])
        _same(await read.before(Generation, "start_by", late, limit=1, project=project, status="queued"), by_time[:1])
        _same(await read.before(Generation, "retry_at", late, project=project), [])


async def store_pages(store: Store) -> None:
    """Newest first, cursor by cursor, filtered, and never with rows of another project."""
    project, other = fresh_id("prj"), fresh_id("prj")
    made = [
        sample_generation(project, tags={"n": str(n % 2), "all": "x"}, created_at=NOW + timedelta(seconds=n))
        for n in range(5)
    ]
    theirs = sample_generation(other)
    async with store.transaction() as tx:
        await tx.add(*(noun for pair in (*made, theirs) for noun in pair))
    newest = [generation for _, generation in reversed(made)]

    async def listed(query: Query) -> tuple[list[Generation], str | None]:
        async with store.reading() as read:
            page = await read.page(Generation, query)
        return list(page.data), page.next_cursor

    first, cursor = await listed(Query(project, limit=2))
    second, cursor = await listed(Query(project, limit=2, cursor=cursor))
    third, end = await listed(Query(project, limit=2, cursor=cursor))
    _same((first, second, third, end), (newest[:2], newest[2:4], newest[4:], None))
    _same(await listed(Query(project, limit=5)), (newest, None))
    _same(await listed(Query(project, tags={"n": "1", "all": "x"})), ([newest[1], newest[3]], None))
    for none in (Query(project, tags={"n": "1", "all": "y"}), Query(project, equals={"status": ("held", "failed")})):
        _same((await listed(none))[0], [])
    span = Query(project, since=NOW + timedelta(seconds=1), until=NOW + timedelta(seconds=3))
    _same(await listed(span), (newest[2:4], None))
    both, cursor = await listed(Query(project, limit=2, beside=(other,)))
    _same((both, cursor is None), ([theirs[1], newest[0]], False))
    _same((await listed(Query(project, cursor=cursor, beside=(other,))))[0], newest[1:])
    for garbage in ("", "x", "gen_1", "MTo", "ÿ", "MTr_", "a" * 5000):
        await _raises(InvalidRequest, listed(Query(project, cursor=garbage)))


async def store_counts(store: Store) -> None:
    """Rows by the values of their fields, the most first; by days of UTC; and never with those of another project."""
    project, other = fresh_id("prj"), fresh_id("prj")
    (one,) = [noun for noun in sample_nouns(project) if isinstance(noun, Verdict)][:1]
    # A day's last second in UTC is the next day further east.
    days = [NOW.replace(hour=23, minute=59, second=59), NOW.replace(hour=0, minute=0, second=0) + timedelta(days=1)]
    made = [
        one.model_copy(update={"id": fresh_id("vdt"), "generation": None, "image": None, **changes})
        for changes in (
            {"reason_code": "GORE", "audience": "news", "decision": "block", "created_at": days[0]},
            {"reason_code": "GORE", "audience": "news", "decision": "block", "created_at": days[0]},
            {"reason_code": "GORE", "audience": None, "decision": "block", "created_at": days[1]},
            {"reason_code": None, "audience": None, "decision": "allow", "created_at": days[1]},
            {"reason_code": None, "audience": "=1+1", "decision": "allow", "created_at": days[1]},
        )
    ]
    async with store.transaction() as tx:
        await tx.add(*made, made[0].model_copy(update={"id": fresh_id("vdt"), "project": other}))
    first, second = (day.date().isoformat() for day in days)
    async with store.reading() as read:
        _same(await read.count_by(Verdict, ("reason_code",), project=project), [(("GORE",), 3), ((None,), 2)])
        _same(
            await read.count_by(Verdict, ("reason_code", "audience", "decision"), project=project),
            [
                (("GORE", "news", "block"), 2),
                ((None, None, "allow"), 1),
                ((None, "=1+1", "allow"), 1),
                (("GORE", None, "block"), 1),
            ],
        )
        _same(await read.count_by(Verdict, ("day",), project=project), [((second,), 3), ((first,), 2)])
        _same(await read.count_by(Verdict, ("day",), project=project, until=days[1]), [((first,), 2)])
        _same(await read.count_by(Verdict, ("day",), project=project, since=days[1]), [((second,), 3)])
        _same(await read.count_by(Verdict, ("stage",), project=fresh_id("prj")), [])
        await _raises(TooLarge, read.count_by(Verdict, ("reason_code",), project=project, most=1))
        await _raises(TypeError, read.count_by(Verdict, ("signals",), project=project))


async def store_numbers_events(store: Store) -> None:
    """Numbers grow; a reader gets those after the one that it knows, of its project or generation."""
    project, other = fresh_id("prj"), fresh_id("prj")
    async with store.transaction() as tx:
        first = await tx.emit(sample_event(project, "generation.accepted", "gen_1", n=1, nested={"a": [None, 0.5]}))
        second = await tx.emit(sample_event(project, "generation.progress", "gen_2", done=1))
        foreign = await tx.emit(sample_event(other, "generation.accepted", "gen_1"))
    async with store.transaction() as tx:
        last = await tx.emit(sample_event(project, "generation.succeeded", "gen_1"))
    _expect(0 < first.seq < second.seq < foreign.seq < last.seq, "event numbers do not grow")
    async with store.reading() as read:
        _same(await read.events(project), [first, second, last])
        _same(await read.events(project, limit=1), [first])
        _same(await read.events(project, after=first.seq, generation="gen_1"), [last])
        _same(await read.events(project, after=last.seq), [])


async def store_chains_facts(store: Store) -> None:
    """Each lasting event is a line of its project's chain, which verifies; transient ones are not."""
    project = fresh_id("prj")
    async with store.transaction() as tx:
        await tx.emit(sample_event(project, "generation.accepted", "gen_1"))
        await tx.emit(sample_event(project, "generation.progress", "gen_1"))
        stored = sample_event(project, "image.stored", "gen_1", sha256="ab").model_copy(update={"image": "img_1"})
        await tx.emit(stored)
        _same(await tx.chain_span(project, generation="gen_1"), (1, 2))
    async with store.transaction() as tx:
        await tx.emit(sample_event(project, "generation.accepted", "gen_2"))
    async with store.reading() as read:
        lines = await read.chain(project)
        _same(verify(lines), lines[-1])
        _same([line.seq for line in lines], [1, 2, 3])
        _same((lines[1].body["event"], lines[1].body["data"]), (stored.id, {"sha256": "ab"}))
        _same(await read.chain(project, after=1, limit=1), lines[1:2])
        _same(await read.chain_span(project, generation="gen_1"), (1, 2))
        _same(await read.chain_span(project, image="img_1"), (2, 2))
        _same(await read.chain_span(project, image="img_2"), None)
        _same(await read.chain(fresh_id("prj")), [])


async def store_removes(store: Store) -> None:
    """What is removed is gone; removing it again is success."""
    blob = next(noun for noun in sample_nouns(fresh_id("prj")) if isinstance(noun, Blob))
    async with store.transaction() as tx:
        await tx.add(blob)
    for _ in range(2):
        async with store.transaction() as tx:
            await tx.remove(blob)
            _same(await tx.find(Blob, blob.id), None)


async def store_lets_one_of_many_win(store: Store) -> None:
    """Of concurrent equal submits, and of concurrent moves from one state, exactly one succeeds."""
    project = fresh_id("prj")
    text, queued = sample_generation(project)
    key = IdempotencyKey(
        id=secrets.token_hex(32), project=project, body_sha256="ab", generation=queued.id, created_at=NOW
    )
    async with store.transaction() as tx:
        await tx.add(text, queued)

    async def submit(n: int) -> None:
        async with store.transaction() as tx:
            await tx.find(IdempotencyKey, key.id)
            await tx.add(*sample_generation(project), key)

    async def start(n: int) -> None:
        async with store.transaction() as tx:
            await tx.change(queued, status="running", runs=n)
            await tx.emit(sample_event(project, "generation.started", queued.id))

    for race in (submit, start):
        outcomes = await _together(race)
        _same((outcomes.count(None), outcomes.count(Conflict)), (1, 7))
    async with store.reading() as read:
        _same(len(await read.all(Generation, project=project)), 2)
        _same(len(await read.chain(project)), 1)


async def store_chains_without_gaps(store: Store) -> None:
    """Concurrent writers make one chain; a reader that follows them misses no lasting event."""
    project, seen = fresh_id("prj"), list[Event]()
    finished = anyio.Event()

    async def write(n: int) -> None:
        for _ in range(6):
            async with store.transaction() as tx:
                await tx.emit(sample_event(project, "generation.accepted", f"gen_{n}"))
            async with store.transaction() as tx:
                await tx.emit(sample_event(project, "generation.progress", f"gen_{n}"))

    async def follow() -> None:
        while True:
            over = finished.is_set()
            async with store.reading() as read:
                seen.extend(await read.events(project, after=seen[-1].seq if seen else 0))
            if over:
                return

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        _same(await _together(write), [None] * 8)
        finished.set()
    async with store.reading() as read:
        lines = await read.chain(project)
        everything = await read.events(project)
    verify(lines)
    _same(len(lines), 48)
    lasting = [event.id for event in everything if event.type == "generation.accepted"]
    _same([line.body["event"] for line in lines], lasting)
    _same([event.id for event in seen if event.type == "generation.accepted"], lasting)


async def store_reads_one_moment(store: Store) -> None:
    """What commits during a block of reads is not seen in it, and does not have to wait for it."""
    first, second = (Project(id=fresh_id("prj"), name="one", created_at=NOW) for _ in range(2))
    async with store.reading() as read:
        _same(await read.find(Project, first.id), None)
        async with store.transaction() as tx:
            await tx.add(first, second)
        _same(await read.find(Project, second.id), None)
    async with store.reading() as read:
        _same(await read.get(Project, second.id), second)


async def store_answers(store: Store) -> None:
    """A store that works says so."""
    await store.check()


STORE_CHECKS: Sequence[Callable[[Store], Awaitable[None]]] = (
    store_gives_back_what_was_added,
    store_says_what_is_missing,
    store_keeps_all_of_a_transaction_or_nothing,
    store_refuses_what_is_there_already,
    store_changes_only_what_it_was_shown,
    store_searches,
    store_pages,
    store_counts,
    store_numbers_events,
    store_chains_facts,
    store_removes,
    store_lets_one_of_many_win,
    store_chains_without_gaps,
    store_reads_one_moment,
    store_answers,
)


async def blobs_keep_bytes(blobs: Blobs) -> None:
    """What was put is there, once, until it is deleted; deleting it again is success."""
    for size in (0, 1, 6_000_000):
        key, data = sample_blob(size)
        _same(await blobs.exists(key), False)
        await blobs.put(key, data)
        await blobs.put(key, data)
        _same(await blobs.exists(key), True)
        _expect(await blobs.get(key) == data, f"{size} bytes came back changed")
        await blobs.delete(key)
        await blobs.delete(key)
        _same(await blobs.exists(key), False)
        await _raises(NotFound, blobs.get(key))


async def blobs_take_only_what_their_key_says(blobs: Blobs) -> None:
    """A key is `project/sha256` of the bytes; nothing else is written."""
    key, data = sample_blob(10)
    for wrong in (key[:-64] + "0" * 64, key[:-1], f"../{key}", f"{key}/x", key[-64:], ""):
        await _raises(ValueError, blobs.put(wrong, data))
    _same(await blobs.exists(key), False)


async def blobs_agree_with_concurrent_writers(blobs: Blobs) -> None:
    """Equal content may be put by many at once."""
    key, data = sample_blob(100_000)

    async def put(_n: int) -> None:
        await blobs.put(key, data)
        _expect(await blobs.get(key) == data, "what was put is not there")

    _same(await _together(put), [None] * 8)


async def blobs_answer(blobs: Blobs) -> None:
    """A store of bytes that works says so."""
    await blobs.check()


BLOBS_CHECKS: Sequence[Callable[[Blobs], Awaitable[None]]] = (
    blobs_keep_bytes,
    blobs_take_only_what_their_key_says,
    blobs_agree_with_concurrent_writers,
    blobs_answer,
)


def _order(model: Model, operation: Operation) -> Order:
    """Two pictures in few steps, from sources of half the model's own size where the operation has sources."""
    can = model.capabilities
    width, height = (max(can.min_size, side // 2) for side in (can.default_width, can.default_height))
    picture = plain_png(width, height, (200, 40, 40))
    bounds = {"max_bytes": len(picture), "max_pixels": width * height}
    mask = as_png(open_source(picture, "mask", **bounds)) if operation == "inpaint" else None
    size = {
        "text_to_image": (can.default_width, can.default_height),
        "upscale": (width * 2, height * 2),
        "outpaint": (width + 8, height),
    }.get(operation, (width, height))
    sides: dict[str, Any] = {"left": 8, "right": 0, "up": 0, "down": 0} if operation == "outpaint" else {}
    return Order(
        model=model.id,
        operation=operation,
        prompt="a red house",
        negative_prompt=None,
        parameters=Parameters(
            width=size[0],
            height=size[1],
            steps=min(2, can.max_steps),
            cfg_scale=can.default_cfg_scale,
            seed=7,
            n=min(2, can.max_count),
            **sides,
        ),
        seeds=tuple(range(7, 7 + min(2, can.max_count))),
        idempotency_key=secrets.token_hex(8),
        image=None if operation == "text_to_image" else picture,
        mask=mask,
    )


async def provider_draws_what_it_declares(provider: Provider) -> None:
    """Every operation of every model: one picture a seed, each once, of exactly the size that was asked for."""
    for model in provider.models.values():
        _same(model.provider, provider.name)
        for operation in get_args(Operation):
            if operation in model.capabilities.operations:
                await _draws(provider, _order(model, operation))


async def _draws(provider: Provider, order: Order) -> None:
    about = f"{order.model} {order.operation}"
    async with aclosing(provider.generate(order)) as updates:
        found = [update async for update in updates]
    pictures = [update for update in found if isinstance(update, Picture)]
    _same(sorted(picture.index for picture in pictures), list(range(len(order.seeds))))
    wanted = (order.parameters.width, order.parameters.height)
    for picture in pictures:
        facts = inspect_bytes(picture.data, max_bytes=len(picture.data), max_pixels=wanted[0] * wanted[1])
        _expect((facts.width, facts.height) == wanted, f"{about}: {facts.width} × {facts.height} instead of {wanted}")
        _same(facts.media_type, picture.media_type)
    charged = [update for update in found if isinstance(update, Charged)]
    _expect(len(charged) <= 1, f"{about}: charged {len(charged)} times")


async def provider_says_what_it_expects_to_cost(provider: Provider) -> None:
    """An estimate never is a silent zero: it has a basis, and no amount only where it is unknown."""
    for model in provider.models.values():
        cost = provider.estimate(_order(model, "text_to_image"))
        _expect(bool(cost.basis), f"{model.id}: an estimate without a basis")
        _expect((cost.micro_usd is None) == (cost.status == "unknown"), f"{model.id}: {cost!r}")


PROVIDER_CHECKS: Sequence[Callable[[Provider], Awaitable[None]]] = (
    provider_draws_what_it_declares,
    provider_says_what_it_expects_to_cost,
)


class _Abandoned(Exception):
    """Raised inside a transaction that is to be taken back."""


async def _together(work: Callable[[int], Awaitable[None]]) -> list[type[PlatemarkError] | None]:
    """Eight of it at once: for each, the kind of our error that ended it."""
    outcomes = list[type[PlatemarkError] | None]()

    async def one(n: int) -> None:
        try:
            await work(n)
        except PlatemarkError as error:
            outcomes.append(type(error))
        else:
            outcomes.append(None)

    async with anyio.create_task_group() as group:
        for n in range(8):
            group.start_soon(one, n)
    return outcomes


async def _raises(kind: type[Exception], awaitable: Awaitable[object]) -> None:
    try:
        result = await awaitable
    except kind as error:
        _expect(bool(str(error)), f"{kind.__name__} says nothing")
    else:
        _fail(f"expected {kind.__name__}, got {result!r}")


def _same(found: object, wanted: object) -> None:
    _expect(found == wanted, f"expected {wanted!r}\n   found {found!r}")


def _expect(condition: bool, message: str) -> None:
    if not condition:
        _fail(message)


def _fail(message: str) -> NoReturn:
    raise AssertionError(message)
