"""Releases on their way: files with mark and credential, targets, receipts, retries, and the way back (promise P6)."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from pictures import encoded, noise
from platemark.core.delivery import Delivery
from platemark.core.errors import (
    Conflict,
    DeliveryFailed,
    DeliveryUnavailable,
    Gone,
    InvalidRequest,
    SealFailed,
    StorageUnavailable,
)
from platemark.core.image import Blob, Image, Publication
from platemark.core.ports import Claim, Parcel, Platform
from platemark.core.rendition import Rendition, Wanted
from platemark.core.upload import Said
from platemark.flows import look, publish
from platemark.flows.keeping.delete import delete, finish
from platemark.flows.publications import deliver, release
from platemark.flows.upload import upload
from platemark.imaging.decode import inspect_bytes
from releasing import clear
from workbench import Bench, open_bench

pytestmark = pytest.mark.anyio


@dataclass
class Shelf:
    """A target that keeps what it gets in a dictionary, and fails when told to."""

    name: str = "shelf"
    kind: str = "directory"
    kept: dict[str, dict[str, bytes]] = field(default_factory=dict[str, dict[str, bytes]])
    fault: Exception | None = None
    tries: int = 0

    async def deliver(self, parcel: Parcel) -> Mapping[str, Any]:
        self._ask()
        self.kept[parcel.publication] = dict(parcel.files)
        return {"files": sorted(self.kept[parcel.publication])}

    async def withdraw(self, parcel: Parcel) -> Mapping[str, Any]:
        self._ask()
        return {"removed": self.kept.pop(parcel.publication, None) is not None}

    def _ask(self) -> None:
        self.tries += 1
        if self.fault is not None:
            raise self.fault


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with open_bench(tmp_path) as bench:
        clear(bench)
        yield bench


@pytest.fixture
def shelf(bench: Bench) -> Shelf:
    shelf = Shelf()
    bench.change(targets={"shelf": shelf})
    return shelf


async def draft(bench: Bench, **fields: Any) -> Image:
    (image,) = await bench.images(await bench.make(**fields))
    return image


async def released(bench: Bench, **wanted: Any) -> Publication:
    image = await draft(bench)
    return await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom", **wanted)


async def row_of(bench: Bench, made: Publication, action: str = "deliver") -> Delivery:
    async with bench.platform.store.reading() as read:
        (row,) = await read.all(Delivery, publication=made.id, action=action)
    return row


async def told(bench: Bench, made: Publication) -> list[str]:
    async with bench.platform.store.reading() as read:
        events = await read.events(made.project)
    return [event.type for event in events if event.data.get("publication") == made.id]


async def test_p6_a_published_file_carries_credential_source_type_and_label(bench: Bench) -> None:
    made = await released(bench)
    (full,), _ = await publish.files(bench.platform, made)
    content = await publish.read(bench.platform, made.id)
    c2pa, metadata = (await bench.platform.provenance.read(content.data, content.media_type))[:2]
    assert c2pa.detail["own"]
    assert "trainedAlgorithmicMedia" in c2pa.detail["digital_source_type"]
    assert "trainedAlgorithmicMedia" in str(metadata.detail)
    assert (made.disclosure, made.label_text, made.alt_text) == ("label", "AI-generated image", "AI-generated image")
    assert (full.name, full.credential_state, full.sha256) == ("full", "valid", content.sha256)


async def test_p6_each_rendition_is_sealed_on_its_own(bench: Bench) -> None:
    wanted = (Wanted(width=32, format="webp"), Wanted(format="jpeg"), Wanted(width=40_0))
    made = await released(bench, renditions=wanted)
    files, _ = await publish.files(bench.platform, made)
    assert [(one.name, one.media_type, one.width) for one in files] == [
        ("full", "image/png", 64),
        ("w32.webp", "image/webp", 32),
        ("jpeg", "image/jpeg", 64),
        # Nothing is made larger than it is.
        ("w400", "image/png", 64),
    ]
    for one in files:
        content = await publish.read(bench.platform, made.id, one.name)
        facts = inspect_bytes(content.data, max_bytes=10**7, max_pixels=10**7)
        assert (facts.width, facts.height, content.sha256) == (one.width, one.height, one.sha256)
        found = (await bench.platform.provenance.read(content.data, content.media_type))[0]
        assert found.detail["own"], one.name
    # Whoever has an address of the image without a key gets the released file, never the stored one.
    assert len({one.sha256 for one in files}) >= 3


async def test_a_file_that_does_not_read_back_stops_the_publication(bench: Bench) -> None:
    whole = bench.platform.provenance

    class Blind:
        signer = whole.signer

        async def seal(self, data: bytes, media_type: str, claim: Claim) -> bytes:
            return data[:-1] + b"\0"

        read = whole.read

    image = await draft(bench)
    bench.change(provenance=Blind())
    with pytest.raises(SealFailed):
        await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom")
    async with bench.platform.store.reading() as read:
        (waiting,) = await read.all(Publication, image=image.id)
        assert not await read.all(Rendition, image=image.id)
    assert (waiting.state, (waiting.error or {})["code"], waiting.attempts) == ("draft", "seal_failed", 1)
    assert await told(bench, waiting) == ["publication.delayed"]
    # What was only in the way is over: the sweeper makes it.
    bench.change(provenance=whole)
    bench.clock.pass_(timedelta(minutes=1))
    assert await release.finish_due(bench.platform) == 1
    made = await publish.find(bench.platform, bench.caller, waiting.id)
    assert (made.state, made.error, made.next_at) == ("published", None, None)
    assert await told(bench, made) == ["publication.delayed", "publication.published"]
    assert await release.finish_due(bench.platform) == 0


async def test_what_keeps_failing_ends_and_is_retried_by_hand(bench: Bench) -> None:
    image, blobs = await draft(bench), bench.platform.blobs

    class Full:
        get, exists, delete, check = blobs.get, blobs.exists, blobs.delete, blobs.check

        async def put(self, key: str, data: bytes) -> None:
            raise StorageUnavailable("The image store does not answer.")

    bench.change(blobs=Full())
    with pytest.raises(StorageUnavailable):
        await publish.publish(bench.platform, bench.caller, image.id)
    for _ in range(bench.platform.limits.max_release_attempts):
        bench.clock.pass_(timedelta(hours=2))
        await release.finish_due(bench.platform)
    async with bench.platform.store.reading() as read:
        (stuck,) = await read.all(Publication, image=image.id)
    assert (stuck.state, stuck.next_at, (stuck.error or {})["code"]) == ("draft", None, "storage_unavailable")
    bench.change(blobs=blobs)
    assert (await publish.retry(bench.platform, bench.caller, stuck.id)).state == "published"
    with pytest.raises(Conflict):
        await publish.retry(bench.platform, bench.caller, stuck.id)


async def test_publishing_again_makes_what_failed(bench: Bench) -> None:
    image, whole = await draft(bench), bench.platform.provenance

    class Refusing:
        signer, read = whole.signer, whole.read

        async def seal(self, data: bytes, media_type: str, claim: Claim) -> bytes:
            raise SealFailed("The image could not be signed.")

    bench.change(provenance=Refusing())
    with pytest.raises(SealFailed):
        await publish.publish(bench.platform, bench.caller, image.id)
    bench.change(provenance=whole)
    made = await publish.publish(bench.platform, bench.caller, image.id)
    assert made.state == "published"
    async with bench.platform.store.reading() as read:
        assert len(await read.all(Publication, image=image.id)) == 1


async def test_bytes_of_a_release_that_was_never_written_go(bench: Bench) -> None:
    image = await draft(bench)
    store = bench.platform.store
    async with store.reading() as read:
        before = {blob.id for blob in await read.all(Blob, project=image.project)}
        planned = (await read.all(Publication, image=image.id))[0]
    made = await release.make(bench.platform, image, planned)
    # The process ends here: bytes, and no row that names them.
    key = made[0].blob.id
    assert key not in before
    assert await bench.platform.blobs.exists(key)
    bench.clock.pass_(timedelta(hours=2))
    assert await finish(bench.platform) >= 1
    assert not await bench.platform.blobs.exists(key)


async def test_a_release_is_delivered_with_a_receipt(bench: Bench, shelf: Shelf) -> None:
    made = await released(bench, targets=["shelf"], renditions=(Wanted(width=32),))
    row = await row_of(bench, made)
    assert (row.state, row.attempts, shelf.tries) == ("pending", 0, 0)
    assert await deliver.carry_out(bench.platform) == 1
    row = await row_of(bench, made)
    assert (row.state, row.attempts, row.next_at) == ("delivered", 1, None)
    assert row.receipt == {"files": sorted(shelf.kept[made.id])}
    assert len(shelf.kept[made.id]) == 2
    assert (await publish.read(bench.platform, made.id)).data in shelf.kept[made.id].values()
    assert await deliver.carry_out(bench.platform) == 0
    assert await told(bench, made) == ["publication.published", "delivery.made"]


async def test_a_target_that_is_not_well_is_tried_again_and_then_asks_for_attention(bench: Bench, shelf: Shelf) -> None:
    shelf.fault = DeliveryUnavailable("shelf does not answer.")
    made = await released(bench, targets=["shelf"])
    for _ in range(bench.platform.limits.max_delivery_attempts):
        assert await deliver.carry_out(bench.platform) == 1
        assert await deliver.carry_out(bench.platform) == 0
        bench.clock.pass_(timedelta(hours=2))
    row = await row_of(bench, made)
    assert (row.state, row.needs_attention, (row.error or {})["code"]) == ("failed", True, "delivery_unavailable")
    assert made.state == "published"
    shelf.fault = None
    await publish.retry(bench.platform, bench.caller, made.id)
    await deliver.carry_out(bench.platform)
    assert ((await row_of(bench, made)).state, len(shelf.kept)) == ("delivered", 1)
    assert await told(bench, made) == [
        "publication.published",
        "delivery.failed",
        "delivery.retried",
        "delivery.made",
    ]


async def test_a_target_that_says_when_is_not_asked_earlier(bench: Bench, shelf: Shelf) -> None:
    shelf.fault = DeliveryUnavailable("shelf is busy.", retry_after=600)
    await released(bench, targets=["shelf"])
    await deliver.carry_out(bench.platform)
    bench.clock.pass_(timedelta(seconds=590))
    assert await deliver.carry_out(bench.platform) == 0
    bench.clock.pass_(timedelta(seconds=20))
    assert await deliver.carry_out(bench.platform) == 1


async def test_a_refusal_is_not_repeated(bench: Bench, shelf: Shelf) -> None:
    shelf.fault = DeliveryFailed("shelf answered with status 403. Check what its user may do.")
    made = await released(bench, targets=["shelf"])
    await deliver.carry_out(bench.platform)
    row = await row_of(bench, made)
    assert (row.state, row.attempts, row.needs_attention) == ("failed", 1, True)


async def test_a_worker_that_died_while_sending_is_followed_by_another(bench: Bench, shelf: Shelf) -> None:
    made = await released(bench, targets=["shelf"])
    row = await row_of(bench, made)
    async with bench.platform.store.transaction() as tx:
        # What a worker writes before it sends.
        await tx.change(row, attempts=1, next_at=bench.clock.now() + timedelta(minutes=5))
    assert await deliver.carry_out(bench.platform) == 0
    bench.clock.pass_(timedelta(minutes=6))
    assert await deliver.carry_out(bench.platform) == 1
    assert (await row_of(bench, made)).attempts == 2


async def test_two_workers_send_one_delivery_once(bench: Bench, shelf: Shelf) -> None:
    await released(bench, targets=["shelf"])
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(deliver.carry_out, bench.platform)
    assert shelf.tries == 1


async def test_p6_a_withdrawn_release_is_gone_everywhere(bench: Bench, shelf: Shelf) -> None:
    made = await released(bench, targets=["shelf"])
    await deliver.carry_out(bench.platform)
    await publish.withdraw(bench.platform, bench.caller, made.id)
    with pytest.raises(Gone):
        await publish.read(bench.platform, made.id)
    assert await deliver.carry_out(bench.platform) == 1
    assert shelf.kept == {}
    row = await row_of(bench, made, "withdraw")
    assert (row.state, row.receipt) == ("delivered", {"removed": True})


async def test_what_was_not_sent_yet_is_not_sent_after_a_withdrawal(bench: Bench, shelf: Shelf) -> None:
    made = await released(bench, targets=["shelf"])
    await publish.withdraw(bench.platform, bench.caller, made.id)
    assert await deliver.carry_out(bench.platform) == 0
    row = await row_of(bench, made)
    assert (row.state, (row.error or {})["code"], row.needs_attention) == ("failed", "withdrawn", False)
    assert shelf.tries == 0


async def test_what_may_be_on_its_way_is_taken_out_after_it_arrived(bench: Bench, shelf: Shelf) -> None:
    made = await released(bench, targets=["shelf"])
    row = await row_of(bench, made)
    async with bench.platform.store.transaction() as tx:
        await tx.change(row, attempts=1, next_at=bench.clock.now() + timedelta(minutes=5))
    await publish.withdraw(bench.platform, bench.caller, made.id)
    # It arrives now, from a worker that does not know yet.
    shelf.kept[made.id] = {"late": b"x"}
    assert await deliver.carry_out(bench.platform) == 0
    bench.clock.pass_(timedelta(minutes=6))
    assert await deliver.carry_out(bench.platform) == 1
    assert shelf.kept == {}


async def test_p6_deleting_an_image_takes_its_releases_out(bench: Bench, shelf: Shelf) -> None:
    made = await released(bench, targets=["shelf"])
    await deliver.carry_out(bench.platform)
    (full,), _ = await publish.files(bench.platform, made)
    await delete(bench.platform, bench.caller, made.image)
    assert not await bench.platform.blobs.exists(f"{full.project}/{full.sha256}")
    await deliver.carry_out(bench.platform)
    assert shelf.kept == {}
    (kept,), _ = await publish.files(bench.platform, made)
    assert kept.deleted_at is not None


async def test_further_targets_are_added_to_a_release_that_stands(bench: Bench, shelf: Shelf) -> None:
    made = await released(bench)
    again = await publish.publish(
        bench.platform, bench.caller, made.image, audience="newsroom", targets=["shelf", "shelf"]
    )
    assert (again.id, again.targets) == (made.id, ("shelf",))
    await deliver.carry_out(bench.platform)
    assert list(shelf.kept) == [made.id]


async def test_a_target_that_is_not_configured_is_named(bench: Bench, shelf: Shelf) -> None:
    image = await draft(bench)
    with pytest.raises(InvalidRequest) as refused:
        await publish.publish(bench.platform, bench.caller, image.id, targets=["shelf", "moon"])
    (error,) = refused.value.errors
    assert (error.pointer, error.message) == ("/targets/1", "is not configured; there are: shelf")
    made = await publish.publish(bench.platform, bench.caller, image.id, targets=["shelf"])
    bench.change(targets={})
    await deliver.carry_out(bench.platform)
    assert "not" not in ((await row_of(bench, made)).receipt or {})
    assert (await row_of(bench, made)).state == "failed"


async def test_who_knows_what_it_looks_at_gets_no_label(bench: Bench) -> None:
    image = await draft(bench)
    inside = await publish.publish(bench.platform, bench.caller, image.id, audience="internal", alt_text="A house.")
    assert (inside.disclosure, inside.label_text, inside.alt_text) == ("none", None, "A house.")


async def test_events_of_a_release_hold_no_words(bench: Bench, shelf: Shelf) -> None:
    made = await released(bench, targets=["shelf"], alt_text="A house that nobody knows.")
    await deliver.carry_out(bench.platform)
    async with bench.platform.store.reading() as read:
        events = [event for event in await read.events(made.project) if event.data.get("publication") == made.id]
    assert {event.type for event in events} == {"publication.published", "delivery.made"}
    assert "nobody knows" not in json.dumps([event.data for event in events])


async def test_an_image_that_was_blocked_meanwhile_is_not_released(bench: Bench) -> None:
    image = await draft(bench)
    async with bench.platform.store.transaction() as tx:
        (waiting,) = await tx.all(Publication, image=image.id)
    made = await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom")
    platform: Platform = bench.platform
    async with platform.store.transaction() as tx:
        again = Publication.model_validate(
            {
                **waiting.model_dump(),
                "id": platform.ids.new("pub"),
                "verdict": made.verdict,
                "next_at": platform.clock.now(),
            }
        )
        await tx.add(again)
        await tx.change(await tx.get(Image, image.id), moderation_state="blocked")
    await release.finish_due(platform)
    async with platform.store.reading() as read:
        assert (await read.get(Publication, again.id)).state == "rejected"
    assert not (await look.image(platform, bench.caller, image.id)).readable


async def test_an_upload_is_released_without_a_word_about_ai(bench: Bench) -> None:
    photo = encoded(noise(256, seed=3), "JPEG", quality=90)
    image = await upload(bench.platform, bench.caller, photo, Said())
    made = await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom")
    assert (made.state, made.disclosure, made.label_text, made.alt_text) == ("published", "none", None, None)
    content = await publish.read(bench.platform, made.id)
    c2pa = (await bench.platform.provenance.read(content.data, content.media_type))[0]
    assert c2pa.detail["own"]
    assert c2pa.detail["digital_source_type"] is None


async def test_p6_a_block_after_publication_takes_it_out_of_its_targets(bench: Bench, shelf: Shelf) -> None:
    made = await released(bench, targets=["shelf"])
    await deliver.carry_out(bench.platform)
    for _ in range(2):
        async with bench.platform.store.transaction() as tx:
            await deliver.recall_all(bench.platform, tx, await tx.get(Image, made.image))
    await deliver.carry_out(bench.platform)
    assert shelf.kept == {}
    await publish.withdraw(bench.platform, bench.caller, made.id)
    assert await deliver.carry_out(bench.platform) == 0
