"""Deletion, legal holds, takedown notices and retention: what goes, what stays, and who wins (P1, P6, P8)."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageOps

from pictures import encoded, noise
from platemark.core.attempt import Attempt
from platemark.core.errors import Conflict, InvalidRequest, LegalHold, NotAllowed, NotFound, StorageUnavailable
from platemark.core.generation import PromptText
from platemark.core.hashlist import HashEntry
from platemark.core.hold import Hold
from platemark.core.image import Blob, Fingerprint, Image, Publication
from platemark.core.limits import Retention
from platemark.core.moderation import Verdict
from platemark.core.ports import Query
from platemark.core.project import SCOPES, Principal
from platemark.core.review import Review
from platemark.core.upload import Said
from platemark.flows import people
from platemark.flows.keeping import delete as delete_flow
from platemark.flows.keeping import holds, purge, retention, takedown
from platemark.flows.keeping.delete import delete
from platemark.flows.keeping.erase import erase_text, erase_words
from platemark.flows.keys import authenticate, issue
from platemark.flows.note import open_review
from platemark.flows.record import image_record
from platemark.flows.upload import upload
from services import S3
from workbench import Bench, open_bench

PHOTO = encoded(noise(200))
CLAIM = {"claimant": "Ada Claimant", "statement": "It shows me.", "signature": "Ada"}
DAY = timedelta(days=1)


async def image_of(bench: Bench, **fields: Any) -> Image:
    (image,) = await bench.images(await bench.make(**fields))
    return image


async def again(bench: Bench, image: Image) -> Image:
    async with bench.platform.store.reading() as read:
        return await read.get(Image, image.id)


async def events_of(bench: Bench, image: Image) -> list[str]:
    async with bench.platform.store.reading() as read:
        return [event.type for event in await read.events(image.project) if event.image == image.id]


async def colleague(bench: Bench) -> Principal:
    """A second person of the project, and so four eyes from now on."""
    person = await people.add(bench.platform, bench.caller, "colleague", "admin")
    _, secret = await issue(bench.platform, bench.caller, name="colleague", scopes=SCOPES, person=person.id)
    return await authenticate(bench.platform, secret)


async def hold_on(bench: Bench, *, days: int = 30, **what: str) -> Hold:
    until = bench.clock.now() + timedelta(days=days)
    return await holds.place(bench.platform, bench.caller, reason_code="litigation", until=until, **what)


class Silent:
    """A store of bytes that deletes nothing while it is down."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.down = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def delete(self, key: str) -> None:
        if self.down:
            raise StorageUnavailable("It does not answer.")
        await self.real.delete(key)


async def test_p8_deleting_takes_everything_that_was_made_of_the_picture(bench: Bench) -> None:
    image = await image_of(bench)
    async with bench.platform.store.transaction() as tx:
        (publication,) = await tx.all(Publication, image=image.id)
        await tx.change(publication, state="published")
        assert await tx.all(Fingerprint, id=image.id)
    await delete(bench.platform, bench.caller, image.id)
    async with bench.platform.store.reading() as read:
        assert await read.all(Fingerprint, id=image.id) == []
        assert [each.state for each in await read.all(Publication, image=image.id)] == ["withdrawn"]
        assert await read.find(Blob, f"{image.project}/{image.sha256}") is None
    assert not await bench.platform.blobs.exists(f"{image.project}/{image.sha256}")
    record = await image_record(bench.platform, bench.caller, image.id)
    assert (record.image.stored, record.chain.verified) == (False, True)
    assert {"image.deleted", "publication.withdrawn"} <= set(await events_of(bench, image))


async def test_deleting_ends_a_case_that_waits_for_a_person(bench: Bench) -> None:
    image = await image_of(bench)
    async with bench.platform.store.transaction() as tx:
        (ruled,) = await tx.all(Verdict, image=image.id)
        await open_review(bench.platform, tx, image, ruled)
    await delete(bench.platform, bench.caller, image.id)
    async with bench.platform.store.reading() as read:
        assert [case.state for case in await read.all(Review, image=image.id)] == ["expired"]
    assert "review.expired" in await events_of(bench, image)


async def test_p1_bytes_that_could_not_be_deleted_are_deleted_later(bench: Bench) -> None:
    image = await image_of(bench)
    silent = Silent(bench.platform.blobs)
    bench.change(blobs=silent)
    assert (await delete(bench.platform, bench.caller, image.id)).deleted_at is not None
    assert await silent.real.exists(f"{image.project}/{image.sha256}")
    bench.clock.pass_(timedelta(seconds=1))
    await retention.keep_up(bench.platform)
    assert await silent.real.exists(f"{image.project}/{image.sha256}")
    silent.down = False
    for _ in range(2):
        await retention.keep_up(bench.platform)
    assert not await silent.real.exists(f"{image.project}/{image.sha256}")


async def test_bytes_that_are_stored_again_before_they_went_stay(bench: Bench) -> None:
    silent = Silent(bench.platform.blobs)
    bench.change(blobs=silent)
    first = await upload(bench.platform, bench.caller, PHOTO)
    await delete(bench.platform, bench.caller, first.id)
    second = await upload(bench.platform, bench.caller, PHOTO)
    silent.down = False
    bench.clock.pass_(timedelta(seconds=1))
    await delete_flow.finish(bench.platform)
    assert await bench.platform.blobs.get(f"{second.project}/{second.sha256}") == PHOTO


@pytest.mark.parametrize("on", ["image", "generation", "user"])
async def test_a_legal_hold_wins_over_deletion_erasure_and_retention(bench: Bench, on: str) -> None:
    generation = await bench.make(user="reader-1")
    (image,) = await bench.images(generation)
    what: dict[str, Any] = {on: {"image": image.id, "generation": generation.id, "user": "reader-1"}[on]}
    await hold_on(bench, **what)
    with pytest.raises(LegalHold, match="hld_"):
        await delete(bench.platform, bench.caller, image.id)
    with pytest.raises(LegalHold):
        await erase_text(bench.platform, bench.caller, generation.id)
    limits = replace(bench.platform.limits, retention=Retention(drafts=DAY, texts=DAY, responses=DAY))
    bench.change(limits=limits)
    bench.clock.pass_(2 * DAY)
    assert (await purge.purge(bench.platform)).gone == {}
    assert (await again(bench, image)).deleted_at is None
    bench.clock.pass_(40 * DAY)
    await retention.keep_up(bench.platform)
    assert (await delete(bench.platform, bench.caller, image.id)).deleted_at is not None
    async with bench.platform.store.reading() as read:
        (hold,) = await read.all(Hold, project=image.project)
        assert "hold.ended" in {event.type for event in await read.events(image.project)}
    assert hold.released_by == "time"


async def test_a_hold_keeps_the_words_of_an_upload(bench: Bench) -> None:
    image = await upload(bench.platform, bench.caller, PHOTO, Said(filename="a.png", user="reader-1"))
    await hold_on(bench, user="reader-1")
    with pytest.raises(LegalHold):
        await erase_words(bench.platform, bench.caller, image.id)


async def test_who_placed_a_hold_releases_it_only_while_alone(bench: Bench) -> None:
    image = await image_of(bench)
    first = await hold_on(bench, image=image.id)
    await holds.release(bench.platform, bench.caller, first.id)
    with pytest.raises(Conflict):
        await holds.release(bench.platform, bench.caller, first.id)
    other = await colleague(bench)
    second = await hold_on(bench, image=image.id)
    with pytest.raises(NotAllowed, match="somebody else"):
        await holds.release(bench.platform, bench.caller, second.id)
    released = await holds.release(bench.platform, other, second.id)
    assert released.released_by == other.actor
    async with bench.platform.store.reading() as read:
        told = [event.data for event in await read.events(image.project) if event.type == "hold.released"]
    assert [data.get("single_operator") for data in told] == [True, None]
    assert (await delete(bench.platform, bench.caller, image.id)).deleted_at


async def test_p8_the_note_of_a_hold_lies_in_a_row_of_its_own(bench: Bench) -> None:
    image = await image_of(bench)
    hold = await hold_on(bench, image=image.id, note="Case of Ada Claimant")
    assert (await holds.find(bench.platform, bench.caller, hold.id))[1] == "Case of Ada Claimant"
    async with bench.platform.store.reading() as read:
        lines = "".join(line.model_dump_json() for line in await read.chain(image.project))
    assert "Ada" not in lines


async def test_p9_a_hold_names_only_what_is_ours_and_one_thing(bench: Bench) -> None:
    image, stranger = await image_of(bench), await bench.stranger()
    soon = bench.clock.now() + DAY
    with pytest.raises(NotFound):
        await holds.place(bench.platform, stranger, reason_code="other", until=soon, image=image.id)
    for what in ({}, {"image": image.id, "user": "x"}):
        with pytest.raises(InvalidRequest, match="exactly one"):
            await holds.place(bench.platform, bench.caller, reason_code="other", until=soon, **what)
    with pytest.raises(InvalidRequest, match="future"):
        await hold_on(bench, days=-1, image=image.id)


async def notice_about(bench: Bench, *images: Image, kind: Any = "intimate_image") -> takedown.Notice:
    named = [image.id for image in images]
    return await takedown.file(bench.platform, bench.caller, kind, named, CLAIM)


async def test_p6_acting_on_a_notice_blocks_the_picture_and_its_copies(bench: Bench) -> None:
    named = await upload(bench.platform, bench.caller, PHOTO)
    exact = await upload(bench.platform, bench.caller, PHOTO)
    near = await upload(bench.platform, bench.caller, encoded(noise(200), "JPEG", quality=70))
    mirrored = await upload(bench.platform, bench.caller, encoded(ImageOps.mirror(noise(200))))
    other = await upload(bench.platform, bench.caller, encoded(noise(200, seed=9)))
    notice = await notice_about(bench, named)
    assert {row.image: row.how for row in notice.images} == {
        named.id: "named",
        exact.id: "exact",
        near.id: "near",
        mirrored.id: "near",
    }
    assert (await again(bench, named)).readable
    done = await takedown.act(bench.platform, bench.caller, notice.takedown.id)
    assert await takedown.act(bench.platform, bench.caller, notice.takedown.id) == done
    for image in (named, exact, near, mirrored):
        assert ((await again(bench, image)).moderation_state, (await again(bench, image)).reason_code) == (
            "blocked",
            "NCII",
        )
        assert (await events_of(bench, image)).count("image.blocked") == 1
    assert (await again(bench, other)).readable
    async with bench.platform.store.reading() as read:
        listed = {entry.hash for entry in await read.all(HashEntry)}
    assert {named.sha256, near.sha256} <= listed
    record = await image_record(bench.platform, bench.caller, named.id)
    assert (record.takedowns[0]["state"], record.chain.verified) == ("actioned", True)
    assert "Ada" not in record.model_dump_json()


async def test_a_notice_that_was_being_carried_out_is_carried_out(bench: Bench) -> None:
    image = await image_of(bench)
    notice = (await notice_about(bench, image)).takedown
    async with bench.platform.store.transaction() as tx:
        now = bench.clock.now()
        await tx.change(notice, state="acting", decided_by="per_1", decided_at=now, reason_code="NCII")
    bench.clock.pass_(timedelta(seconds=1))
    for _ in range(2):
        await retention.keep_up(bench.platform)
    assert not (await again(bench, image)).readable
    assert (await takedown.find(bench.platform, bench.caller, notice.id)).takedown.state == "actioned"


async def test_the_clock_of_a_notice_warns_and_tells_but_never_decides(bench: Bench) -> None:
    image = await image_of(bench)
    notice = (await notice_about(bench, image)).takedown
    assert notice.due_at - notice.created_at == timedelta(hours=48)
    seen: list[set[str]] = []
    for hours in (35, 2, 12):
        bench.clock.pass_(timedelta(hours=hours))
        for _ in range(2):
            await retention.keep_up(bench.platform)
        async with bench.platform.store.reading() as read:
            seen.append({event.type for event in await read.events(image.project)} & {*_CLOCK})
    assert seen == [set(), {"takedown.due_soon"}, {*_CLOCK}]
    assert (await takedown.find(bench.platform, bench.caller, notice.id)).takedown.state == "received"
    rejected = await takedown.reject(bench.platform, bench.caller, notice.id, "NOT_DEPICTED")
    assert rejected.takedown.state == "rejected"
    assert (await again(bench, image)).readable
    with pytest.raises(Conflict):
        await takedown.act(bench.platform, bench.caller, notice.id)


_CLOCK = ("takedown.due_soon", "takedown.breached")


async def test_whoever_infringes_again_is_counted(bench: Bench) -> None:
    strikes: list[list[int]] = []
    for seed in (1, 2):
        image = await upload(bench.platform, bench.caller, encoded(noise(200, seed=seed)), Said(user="seller-1"))
        notice = await notice_about(bench, image, kind="copyright")
        done = await takedown.act(bench.platform, bench.caller, notice.takedown.id)
        strikes.append(list(done.strikes.values()))
    assert strikes == [[1], [2]]


async def test_p9_a_notice_about_others_pictures_is_refused_with_each_of_them(bench: Bench) -> None:
    image, stranger = await image_of(bench), await bench.stranger()
    with pytest.raises(InvalidRequest) as refused:
        await takedown.file(bench.platform, stranger, "privacy", [image.id, "https://x.test/a"], CLAIM)
    assert [error.pointer for error in refused.value.errors] == ["/images/0", "/images/1"]
    poor = bench.caller.model_copy(update={"scopes": frozenset({"images:write"})})
    with pytest.raises(NotAllowed):
        await takedown.listing(bench.platform, poor, Query(project=poor.project))


async def test_retention_deletes_what_is_over_its_time_once_and_tells(bench: Bench) -> None:
    old, published = await image_of(bench), await image_of(bench)
    async with bench.platform.store.transaction() as tx:
        (release,) = await tx.all(Publication, image=published.id)
        await tx.change(release, state="published")
    bench.change(limits=replace(bench.platform.limits, retention=Retention(drafts=DAY, texts=DAY, responses=DAY)))
    bench.clock.pass_(2 * DAY)
    young = await image_of(bench)
    due = await purge.due(bench.platform, bench.caller)
    assert {(each.what, each.kept) for each in due} >= {("drafts", None), ("texts", None)}
    first, second = await purge.purge(bench.platform), await purge.purge(bench.platform)
    assert (first.gone["drafts"], first.gone["texts"], second.gone) == (1, 2, {})
    assert (await again(bench, old)).deleted_at is not None
    for image in (published, young):
        assert (await again(bench, image)).deleted_at is None
    async with bench.platform.store.reading() as read:
        (deleted,) = [event for event in await read.events(old.project) if event.type == "image.deleted"]
        texts = await read.all(PromptText, project=old.project)
        answers = [attempt.response for attempt in await read.all(Attempt, project=old.project)]
    assert (deleted.data["key"], deleted.data["retention"]) == (None, "drafts")
    assert len([text for text in texts if text.body is None]) == 2
    assert [answer for answer in answers[:2] if answer] == []
    assert (await image_record(bench.platform, bench.caller, old.id)).chain.verified


async def test_blocked_pictures_go_after_thirty_days_but_evidence_stays(bench: Bench) -> None:
    plain, evidence = [await upload(bench.platform, bench.caller, encoded(noise(64, seed=s))) for s in (1, 2)]
    async with bench.platform.store.transaction() as tx:
        await tx.change(plain, moderation_state="blocked", reason_code="GORE")
        await tx.change(evidence, moderation_state="blocked", reason_code="MINOR_SAFETY")
    bench.clock.pass_(29 * DAY)
    assert (await purge.purge(bench.platform)).gone == {}
    bench.clock.pass_(2 * DAY)
    assert (await purge.purge(bench.platform, limit=1)).gone == {"rejected": 1}
    assert (await again(bench, plain)).deleted_at is not None
    assert (await again(bench, evidence)).deleted_at is None


@pytest.mark.s3
async def test_an_object_store_forgets_what_was_deleted(tmp_path: Path, s3: S3) -> None:
    options = {
        "endpoint": s3.endpoint,
        "region": s3.region,
        "access_key_id": s3.access_key,
        "secret_access_key": s3.secret_key,
        "virtual_hosted_style_request": "false",
    }
    async with open_bench(tmp_path / "data", blobs=f"s3://{s3.bucket}", blob_options=options) as bench:
        first, second = [await upload(bench.platform, bench.caller, PHOTO) for _ in range(2)]
        key = f"{first.project}/{first.sha256}"
        await delete(bench.platform, bench.caller, first.id)
        assert await bench.platform.blobs.exists(key)
        await delete(bench.platform, bench.caller, second.id)
        assert not await bench.platform.blobs.exists(key)
