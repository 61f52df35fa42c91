"""What people wrote about pictures goes on request, and what was public goes by time; holds win, chains stay whole."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pictures import encoded, noise
from platemark.core.audit import verify
from platemark.core.errors import BlockedByProvider, Conflict, LegalHold, NotAllowed, NotFound
from platemark.core.generation import PromptText
from platemark.core.hold import Hold
from platemark.core.image import Image, Publication
from platemark.core.limits import Retention
from platemark.core.takedown import TakedownKind
from platemark.core.updates import Order
from platemark.flows.keeping import holds, purge, takedown
from platemark.flows.keeping.delete import delete
from platemark.flows.keeping.erase import erase_note, erase_statement
from platemark.flows.record import generation_record, image_record
from platemark.flows.upload import upload
from platemark.simulate.scripted import Scripted
from workbench import Bench, open_bench

PHOTO = encoded(noise(200))
CLAIM = {"claimant": "Ada Claimant", "statement": "It shows me.", "signature": "Ada"}
DAY = timedelta(days=1)


async def picture(bench: Bench) -> Image:
    return await upload(bench.platform, bench.caller, PHOTO)


async def notice_about(bench: Bench, image: Image, kind: TakedownKind = "privacy") -> takedown.Notice:
    return await takedown.file(bench.platform, bench.caller, kind, [image.id], CLAIM)


async def hold_on(bench: Bench, **what: str) -> Hold:
    until = bench.clock.now() + 30 * DAY
    return await holds.place(bench.platform, bench.caller, reason_code="litigation", until=until, **what)


async def publication_of(bench: Bench, image: Image, state: Any, days_ago: int = 0) -> Publication:
    """As if it had come to this state then, in place of the draft that every picture begins with."""
    then = bench.clock.now() - days_ago * DAY
    row = Publication(
        id=bench.platform.ids.new("pub"),
        project=image.project,
        image=image.id,
        state=state,
        created_at=then,
        changed_at=then,
    )
    async with bench.platform.store.transaction() as tx:
        for draft in await tx.all(Publication, image=image.id, created_at=image.created_at, state="draft"):
            await tx.remove(draft)
        await tx.add(row)
    return row


async def now_of(bench: Bench, image: Image) -> Image:
    async with bench.platform.store.reading() as read:
        return await read.get(Image, image.id)


async def whole_chain(bench: Bench) -> str:
    """The project's chain as text, after it was recomputed."""
    async with bench.platform.store.reading() as read:
        lines = await read.chain(bench.caller.project)
    verify(lines)
    return "".join(line.model_dump_json() for line in lines)


async def test_p8_a_statement_goes_once_the_notice_is_decided(bench: Bench) -> None:
    image = await picture(bench)
    notice = (await notice_about(bench, image)).takedown
    with pytest.raises(Conflict, match="received"):
        await erase_statement(bench.platform, bench.caller, notice.id)
    await takedown.act(bench.platform, bench.caller, notice.id)
    await erase_statement(bench.platform, bench.caller, notice.id)
    erased = await erase_statement(bench.platform, bench.caller, notice.id)
    found = await takedown.find(bench.platform, bench.caller, notice.id)
    assert (found.statement, erased.statement_sha256) == (None, notice.statement_sha256)
    async with bench.platform.store.reading() as read:
        text = await read.get(PromptText, notice.statement)
        told = [event.data for event in await read.events(image.project) if event.type == "text.erased"]
    assert (text.body, text.salt) == (None, None)
    assert told == [{"takedown": notice.id, "by": bench.caller.actor}]
    chain = await whole_chain(bench)
    assert notice.statement_sha256 in chain
    assert "Ada" not in chain


async def test_a_hold_on_a_picture_keeps_the_statement_about_it(bench: Bench) -> None:
    image = await picture(bench)
    notice = (await notice_about(bench, image)).takedown
    await takedown.reject(bench.platform, bench.caller, notice.id, "NOT_DEPICTED")
    hold = await hold_on(bench, image=image.id)
    with pytest.raises(LegalHold, match=hold.id):
        await erase_statement(bench.platform, bench.caller, notice.id)
    await holds.release(bench.platform, bench.caller, hold.id)
    await erase_statement(bench.platform, bench.caller, notice.id)


@pytest.mark.parametrize("on", ["image", "user"])
async def test_the_note_of_a_hold_goes_when_nothing_keeps_the_same(bench: Bench, on: str) -> None:
    image = await picture(bench)
    what = {"image": image.id} if on == "image" else {"user": "reader-1"}
    first = await hold_on(bench, note="Case of Ada Claimant", **what)
    second = await hold_on(bench, **what)
    for hold in (first, second):
        with pytest.raises(LegalHold):
            await erase_note(bench.platform, bench.caller, first.id)
        await holds.release(bench.platform, bench.caller, hold.id)
    assert (await erase_note(bench.platform, bench.caller, first.id)).note_sha256 == first.note_sha256
    assert (await erase_note(bench.platform, bench.caller, second.id)).note is None
    assert (await holds.find(bench.platform, bench.caller, first.id))[1] is None
    assert first.note_sha256 is not None
    assert first.note_sha256 in await whole_chain(bench)


async def test_only_moderators_of_the_project_erase_them(bench: Bench) -> None:
    notice = (await notice_about(bench, await picture(bench))).takedown
    hold = await hold_on(bench, user="reader-1")
    stranger = await bench.stranger()
    poor = bench.caller.model_copy(update={"scopes": frozenset({"images:write"})})
    with pytest.raises(NotFound):
        await erase_statement(bench.platform, stranger, notice.id)
    with pytest.raises(NotFound):
        await erase_note(bench.platform, stranger, hold.id)
    with pytest.raises(NotAllowed):
        await erase_statement(bench.platform, poor, notice.id)
    with pytest.raises(NotAllowed):
        await erase_note(bench.platform, poor, hold.id)


def keep(bench: Bench, **spans: timedelta) -> None:
    bench.change(limits=replace(bench.platform.limits, retention=Retention(rejected=None, **spans)))


async def test_published_pictures_go_and_are_withdrawn_when_their_time_is_over(bench: Bench) -> None:
    image = await picture(bench)
    await publication_of(bench, image, "published", days_ago=11)
    assert (await purge.purge(bench.platform)).gone == {}
    keep(bench, published=10 * DAY)
    assert (await purge.purge(bench.platform)).gone == {"published": 1}
    async with bench.platform.store.reading() as read:
        (publication,) = await read.all(Publication, image=image.id)
        told = [event for event in await read.events(image.project) if event.type == "image.deleted"]
    assert (publication.state, (await now_of(bench, image)).deleted_at is not None) == ("withdrawn", True)
    assert [event.data["retention"] for event in told] == ["published"]
    assert (await image_record(bench.platform, bench.caller, image.id)).chain.verified


async def test_what_was_published_again_stays(bench: Bench) -> None:
    image = await picture(bench)
    await publication_of(bench, image, "published", days_ago=11)
    await publication_of(bench, image, "published", days_ago=1)
    keep(bench, published=10 * DAY)
    assert (await purge.purge(bench.platform)).gone == {}
    assert [each.kept for each in await purge.due(bench.platform, bench.caller)] == ["it was published again since"]


async def test_withdrawn_pictures_go_after_their_time_and_are_not_looked_at_again(bench: Bench) -> None:
    image = await picture(bench)
    await publication_of(bench, image, "withdrawn", days_ago=11)
    await publication_of(bench, image, "withdrawn", days_ago=5)
    keep(bench, withdrawn=3 * DAY)
    assert (await purge.purge(bench.platform)).gone == {"withdrawn": 1}
    assert (await now_of(bench, image)).deleted_at is not None
    assert await purge.due(bench.platform, bench.caller) == []


@pytest.mark.parametrize("state", ["draft", "held", "published"])
async def test_withdrawn_pictures_that_are_wanted_elsewhere_stay(bench: Bench, state: str) -> None:
    image = await picture(bench)
    await publication_of(bench, image, "withdrawn", days_ago=11)
    await publication_of(bench, image, state)
    keep(bench, withdrawn=3 * DAY)
    assert (await purge.purge(bench.platform)).gone == {}
    assert (await now_of(bench, image)).deleted_at is None


async def test_a_deleted_picture_is_only_marked_as_purged(bench: Bench) -> None:
    image = await picture(bench)
    await publication_of(bench, image, "withdrawn", days_ago=11)
    await delete(bench.platform, bench.caller, image.id)
    keep(bench, withdrawn=3 * DAY)
    await purge.purge(bench.platform)
    assert await purge.due(bench.platform, bench.caller) == []
    async with bench.platform.store.reading() as read:
        gone = [event for event in await read.events(image.project) if event.type == "image.deleted"]
    assert len(gone) == 1


@pytest.mark.parametrize("kind", ["published", "withdrawn"])
async def test_holds_win_over_these_times_too(bench: Bench, kind: str) -> None:
    image = await picture(bench)
    await publication_of(bench, image, kind, days_ago=11)
    await hold_on(bench, image=image.id)
    keep(bench, **{kind: DAY})
    assert (await purge.purge(bench.platform)).gone == {}
    (due,) = await purge.due(bench.platform, bench.caller)
    assert "legal hold" in (due.kept or "")


async def test_the_record_of_a_generation_names_holds_and_notices(bench: Bench) -> None:
    generation = await bench.make(n=2)
    first, second = await bench.images(generation)
    of_all, of_one = await hold_on(bench, generation=generation.id), await hold_on(bench, image=second.id)
    notice = (await notice_about(bench, first)).takedown
    record = await generation_record(bench.platform, bench.caller, generation.id)
    assert {each["id"] for each in record.holds} == {of_all.id, of_one.id}
    assert {(each["id"], each["image"]) for each in record.takedowns if each["how"] == "named"} == {
        (notice.id, first.id)
    }
    (of_first, of_second) = record.images
    assert [each["id"] for each in of_first.holds] == [of_all.id]
    assert {each["id"] for each in of_second.holds} == {of_all.id, of_one.id}


async def test_the_attempt_says_in_our_words_why_the_provider_refused(tmp_path: Path) -> None:
    def refused(number: int, order: Order) -> None:
        raise BlockedByProvider("scripted refused this request by its own rules (graphic violence).")

    async with open_bench(tmp_path) as bench:
        bench.change(providers={"scripted": Scripted(refused)})
        generation = await bench.make()
        (attempt,) = await bench.attempts(generation)
        record = await generation_record(bench.platform, bench.caller, generation.id)
    assert attempt.error is not None
    assert generation.error is not None
    ruled = [each["reason_code"] for each in record.moderation if each["blocked_by_provider"]]
    assert [attempt.error["reason_code"], generation.error["reason_code"], *ruled] == ["GORE"] * 3
