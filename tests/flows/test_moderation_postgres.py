"""The desk's flows once on PostgreSQL: each story has a database of its own, and its chain is whole at the end."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from pictures import encoded, noise
from platemark.core.audit import verify
from platemark.core.errors import BlockedByAppPolicy, Conflict, LegalHold, NotAllowed
from platemark.core.image import Image, Publication
from platemark.core.moderation import Signal
from platemark.core.ports import Circumstances
from platemark.core.upload import Said
from platemark.flows import adopt, hashimports, hashlists, policies, publish, receive
from platemark.flows.keeping import holds, purge, retention, takedown
from platemark.flows.keeping.delete import delete
from platemark.flows.record import image_record
from platemark.flows.reviews import appeal as review_appeal
from platemark.flows.reviews import desk as review
from platemark.flows.reviews import papers as review_papers
from platemark.flows.reviews import reveal as review_reveal
from platemark.flows.reviews import stats as review_stats
from platemark.flows.reviews import upkeep as review_upkeep
from platemark.flows.reviews.desk import Wanted
from platemark.flows.upload import upload
from reviewing import NOTE, decide, held_image, held_request, limit, people, person, reviews, rules
from workbench import Bench, open_bench

PHOTO = encoded(noise(200))
CLAIM = {"claimant": "Ada Claimant", "statement": "It shows me.", "signature": "Ada"}
BRANDS = """\
version: "brands-1"
rules:
  - id: brands
    categories: [IP_TRADEMARK]
    at_least: 0.1
    decision: block
    severity: 2
    note: We sell our own goods only.
    tests:
      - fires: {scores: {IP_TRADEMARK: 0.2}}
      - stays: {scores: {IP_TRADEMARK: 0.05}}
"""


@pytest.fixture
async def bench(tmp_path: Path, postgres_url: str) -> AsyncGenerator[Bench]:
    async with open_bench(tmp_path / "data", database_url=postgres_url) as opened:
        limit(opened, sample=0.0, undo=timedelta(0))
        yield opened


async def image_now(bench: Bench, id: str) -> Image:
    async with bench.platform.store.reading() as read:
        return await read.get(Image, id)


async def reviewed_by_two_appealed_and_overturned(bench: Bench) -> None:
    ada, grace, *bosses = [
        *await people(bench, "ada", "grace"),
        *[await person(bench, name, "admin") for name in ("boss", "mary")],
    ]
    _, image, case = await held_image(bench, "NCII", severity=3)
    claimed: list[str] = []

    async def grab(who: int) -> None:
        try:
            await review.claim(bench.platform, (ada, grace)[who], case.id)
            claimed.append((ada, grace)[who].actor)
        except Conflict:
            pass

    async with anyio.create_task_group() as tasks:
        for who in range(2):
            tasks.start_soon(grab, who)
    assert len(claimed) == 1
    first, second = (ada, grace) if claimed == [ada.actor] else (grace, ada)
    await review_reveal.reveal(bench.platform, first, case.id)
    await decide(bench.platform, first, case, "reject", "NCII", note=NOTE)
    (again,) = [each for each in await reviews(bench) if each.kind == "second"]
    await decide(bench.platform, second, again, "reject", "NCII")
    assert (await image_now(bench, image.id)).moderation_state == "blocked"
    appeal = await review_appeal.appeal_image(bench.platform, bench.caller, image.id, "It is mine.")
    await decide(bench.platform, bosses[0], appeal, "overturn", "CONTEXT_ALLOWED", note=NOTE)
    (last,) = await reviews(bench, of=appeal.id)
    await decide(bench.platform, bosses[1], last, "overturn", "CONTEXT_ALLOWED", note=NOTE)
    assert (await image_now(bench, image.id)).moderation_state == "allowed"
    report = await review_stats.report(bench.platform, ada)
    assert (report["backlog"], report["overturned_by_rule"][0]["overturned"]) == (0, 1)
    assert (await review_stats.agreement(bench.platform, ada))[0]["percent"] == 100.0
    rows = [row async for row in review_papers.export(bench.platform, ada)]
    assert {row["action"] for row in rows} == {"reject", "overturn"}
    assert await review_papers.erase_notes(bench.platform, ada, case.id) == 1


async def told_when_late_and_expired_without_a_yes(bench: Bench) -> None:
    limit(bench, undo=timedelta(seconds=60))
    generation, case = await held_request(bench)
    other, claimed = await held_request(bench, "GORE", severity=2)
    await review.claim(bench.platform, bench.caller, claimed.id)
    for hours in (18, 7, 48):
        bench.clock.pass_(timedelta(hours=hours))
        await review_upkeep.look_after(bench.platform)
    states = {each.id: each.state for each in await reviews(bench)}
    assert states == {case.id: "expired", claimed.id: "expired"}
    assert [(await bench.again(each)).status for each in (generation, other)] == ["expired", "expired"]
    async with bench.platform.store.reading() as read:
        told = [event.type for event in await read.events(case.project)]
    for kind in ("review.warned", "review.breached", "review.expired"):
        assert told.count(kind) == 2
    assert (await review.queue(bench.platform, bench.caller, Wanted())).data == ()


async def ruled_by_a_policy_that_somebody_else_put_in_force(bench: Bench) -> None:
    mark = Signal(detector="lexicon", version="1", category="IP_TRADEMARK", score=0.3)
    here = Circumstances(stage="before_request", project=bench.caller.project)
    made = await adopt.create(bench.platform, bench.caller, BRANDS)
    await adopt.shadow(bench.platform, bench.caller, made.id)
    assert (await policies.rule(bench.platform, [mark], here)).decision == "label"
    boss, _ = [await person(bench, name, "admin") for name in ("boss", "mary")]
    with pytest.raises(NotAllowed):
        await adopt.activate(bench.platform, bench.caller, made.id)
    assert (await adopt.activate(bench.platform, boss, made.id)).state == "active"
    assert (await policies.rule(bench.platform, [mark], here)).decision == "block"
    assert (await adopt.retire(bench.platform, boss, made.id)).state == "retired"


async def matched_by_a_list_until_it_is_withdrawn(bench: Bench) -> None:
    known = await hashlists.create(
        bench.platform, bench.caller, hashlists.NewList(name="ours", source="tests", kinds=("sha256",))
    )
    digest = hashlib.sha256(PHOTO).hexdigest()

    async def file() -> AsyncIterator[bytes]:
        yield f"{digest}\n{'a' * 64}\n".encode()

    done, bad = await hashimports.read_in(bench.platform, bench.caller, known.id, file(), hashimports.Said())
    assert (done.state, done.added, bad) == ("confirmed", 2, [])
    matched = await upload(bench.platform, bench.caller, PHOTO)
    assert (matched.moderation_state, matched.reason_code) == ("blocked", "KNOWN_HASH_MATCH")
    _, gone = await hashlists.withdraw(bench.platform, bench.caller, known.id, [digest])
    assert gone == 1
    await hashlists.remove(bench.platform, bench.caller, known.id)


async def kept_by_a_hold_then_taken_down_with_its_copies(bench: Bench) -> None:
    named, copy = [await upload(bench.platform, bench.caller, PHOTO) for _ in range(2)]
    hold = await holds.place(
        bench.platform,
        bench.caller,
        reason_code="litigation",
        until=bench.clock.now() + timedelta(days=30),
        image=named.id,
    )
    with pytest.raises(LegalHold):
        await delete(bench.platform, bench.caller, named.id)
    await holds.release(bench.platform, bench.caller, hold.id)
    notice = await takedown.file(bench.platform, bench.caller, "copyright", [named.id], CLAIM)
    assert {row.image: row.how for row in notice.images} == {named.id: "named", copy.id: "exact"}
    await takedown.act(bench.platform, bench.caller, notice.takedown.id)
    assert not (await image_now(bench, copy.id)).readable
    bench.clock.pass_(timedelta(days=31))
    await retention.keep_up(bench.platform)
    due = {each.id for each in await purge.due(bench.platform, bench.caller)}
    assert due <= {named.id, copy.id}
    await purge.purge(bench.platform)
    await delete(bench.platform, bench.caller, copy.id)
    record = await image_record(bench.platform, bench.caller, copy.id)
    assert (record.image.stored, record.takedowns[0]["state"]) == (False, "actioned")


async def uploaded_in_pieces_with_words_that_are_screened(bench: Bench) -> None:
    begun = await receive.begin(
        bench.platform, bench.caller, hashlib.sha256(PHOTO).hexdigest(), len(PHOTO), Said(caption="ships at dawn")
    )
    assert begun.upload is not None
    done = begun
    for start in range(0, len(PHOTO), len(PHOTO) // 2 + 1):
        piece = PHOTO[start : start + len(PHOTO) // 2 + 1]
        done = await receive.append(bench.platform, bench.caller, begun.upload.id, start, piece)
    assert done.image is not None
    assert done.image.sha256 == hashlib.sha256(PHOTO).hexdigest()
    blocked = await upload(bench.platform, bench.caller, encoded(noise(64)), Said(caption="nude child"))
    assert (blocked.moderation_state, blocked.readable) == ("blocked", False)


async def published_held_refused_and_appealed_by_name(bench: Bench) -> None:
    rules(bench, "allow")
    (image,) = await bench.images(await bench.make())
    made = await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom")
    assert made.state == "published"
    assert (await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom")).id == made.id
    assert (await publish.withdraw(bench.platform, bench.caller, made.id)).state == "withdrawn"
    rules(bench, "review", "VIOLENCE", stage="before_publish")
    held = await publish.publish(bench.platform, bench.caller, image.id, audience="marketplace")
    (case,) = await reviews(bench, state="pending")
    await decide(bench.platform, bench.caller, case, "approve", "NO_VIOLATION")
    rules(bench, "block", "IP_TRADEMARK", stage="before_publish")
    for audience in ("education", "internal"):
        with pytest.raises(BlockedByAppPolicy):
            await publish.publish(bench.platform, bench.caller, image.id, audience=audience)
    async with bench.platform.store.reading() as read:
        assert (await read.get(Publication, held.id)).state == "published"
        refused = await read.all(Publication, image=image.id, state="rejected")
    for each in refused:
        filed = await review_appeal.appeal_image(bench.platform, bench.caller, image.id, of=each.id)
        assert filed.verdict == each.verdict
        with pytest.raises(Conflict, match="appealed already"):
            await review_appeal.appeal_image(bench.platform, bench.caller, image.id, of=each.id)


STORIES: tuple[Callable[[Bench], Awaitable[None]], ...] = (
    reviewed_by_two_appealed_and_overturned,
    told_when_late_and_expired_without_a_yes,
    ruled_by_a_policy_that_somebody_else_put_in_force,
    matched_by_a_list_until_it_is_withdrawn,
    kept_by_a_hold_then_taken_down_with_its_copies,
    uploaded_in_pieces_with_words_that_are_screened,
    published_held_refused_and_appealed_by_name,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_on_postgres(bench: Bench, story: Callable[[Bench], Awaitable[None]]) -> None:
    await story(bench)
    async with bench.platform.store.reading() as read:
        lines = await read.chain(bench.caller.project, limit=10_000)
    assert verify(lines) == lines[-1]
