"""Content: bytes leave by one door, and the door looks at the state (P6, P8, P9)."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from platemark.core.errors import Gone, InvalidImage, NotAllowed, NotFound, TooLarge, Unauthenticated
from platemark.core.image import Blob, Image, Publication
from platemark.flows import content
from platemark.flows.keeping.delete import delete
from platemark.flows.record import image_record
from platemark.flows.upload import upload
from platemark.simulate.scripted import plain_png
from workbench import Bench


async def only_image(bench: Bench) -> Image:
    (image,) = await bench.images(await bench.make())
    return image


def signed(bench: Bench, image: Image) -> tuple[int, str]:
    path, _ = content.sign(bench.platform, image.id)
    query = parse_qs(urlsplit(path).query)
    return int(query["expires"][0]), query["signature"][0]


async def publish(bench: Bench, image: Image) -> None:
    """The publishing gate comes later; its effect on reading is what counts here."""
    async with bench.platform.store.transaction() as tx:
        (publication,) = await tx.all(Publication, image=image.id)
        await tx.change(publication, state="published")


async def test_a_key_of_the_project_reads_a_draft(bench: Bench) -> None:
    image = await only_image(bench)
    found = await content.read(bench.platform, bench.caller, image.id)
    assert found.sha256 == image.sha256
    assert found.media_type == "image/png"


async def test_p6_without_a_key_nothing_is_readable_before_publication(bench: Bench) -> None:
    image = await only_image(bench)
    expires, signature = signed(bench, image)
    with pytest.raises(Unauthenticated, match="not published"):
        await content.read(bench.platform, None, image.id, expires=expires, signature=signature)
    with pytest.raises(Unauthenticated):
        await content.read(bench.platform, None, image.id)
    await publish(bench, image)
    assert (await content.read(bench.platform, None, image.id, expires=expires, signature=signature)).data
    with pytest.raises(Unauthenticated):
        await content.read(bench.platform, None, image.id)


async def test_p6_urls_expire_and_cannot_be_forged(bench: Bench) -> None:
    image = await only_image(bench)
    await publish(bench, image)
    expires, signature = signed(bench, image)
    other = await only_image(bench)
    await publish(bench, other)
    for id, until, proof in [
        (image.id, expires + 1, signature),
        (image.id, expires, "0" * 64),
        (other.id, expires, signature),
        (image.id, None, signature),
        (image.id, expires, None),
    ]:
        with pytest.raises(Unauthenticated):
            await content.read(bench.platform, None, id, expires=until, signature=proof)
    bench.clock.pass_(timedelta(minutes=17))
    with pytest.raises(Unauthenticated, match="expired"):
        await content.read(bench.platform, None, image.id, expires=expires, signature=signature)


@pytest.mark.parametrize("state", ["in_review", "blocked"])
async def test_p6_held_and_blocked_images_give_no_bytes(bench: Bench, state: str) -> None:
    image = await only_image(bench)
    async with bench.platform.store.transaction() as tx:
        await tx.change(image, moderation_state=state)
    with pytest.raises(NotAllowed, match=state):
        await content.read(bench.platform, bench.caller, image.id)


async def test_p9_another_project_finds_nothing(bench: Bench) -> None:
    image = await only_image(bench)
    stranger = await bench.stranger()
    for act in (content.read, delete, image_record):
        with pytest.raises(NotFound):
            await act(bench.platform, stranger, image.id)


async def test_p8_deleting_an_image_keeps_its_record(bench: Bench) -> None:
    image = await only_image(bench)
    deleted = await delete(bench.platform, bench.caller, image.id)
    assert deleted.deleted_at is not None
    assert await delete(bench.platform, bench.caller, image.id) == deleted
    with pytest.raises(Gone):
        await content.read(bench.platform, bench.caller, image.id)
    assert not await bench.platform.blobs.exists(f"{image.project}/{image.sha256}")
    record = await image_record(bench.platform, bench.caller, image.id)
    assert (record.image.stored, record.chain.verified) == (False, True)
    assert record.request is not None
    assert record.request.prompt == "a red house in a meadow"


async def test_a_blob_goes_only_with_its_last_image(bench: Bench) -> None:
    data = plain_png(80, 60, (10, 200, 30))
    first = await upload(bench.platform, bench.caller, data)
    second = await upload(bench.platform, bench.caller, data)
    assert first.sha256 == second.sha256
    await delete(bench.platform, bench.caller, first.id)
    assert (await content.read(bench.platform, bench.caller, second.id)).data == data
    await delete(bench.platform, bench.caller, second.id)
    async with bench.platform.store.reading() as read:
        assert await read.all(Blob, project=first.project, sha256=first.sha256) == []


async def test_p1_an_upload_has_the_four_things_too(bench: Bench) -> None:
    image = await upload(bench.platform, bench.caller, plain_png(80, 60, (10, 20, 230)))
    assert (image.origin, image.width, image.height, image.media_type) == ("uploaded", 80, 60, "image/png")
    record = await image_record(bench.platform, bench.caller, image.id)
    assert record.request is None
    assert record.inspection is not None
    assert record.inspection["verdict"] == "no_evidence_of_ai"
    assert record.moderation
    assert record.chain.verified


async def test_our_own_picture_is_known_when_it_comes_back(bench: Bench) -> None:
    image = await only_image(bench)
    back = await upload(bench.platform, bench.caller, (await content.read(bench.platform, bench.caller, image.id)).data)
    record = await image_record(bench.platform, bench.caller, back.id)
    assert record.inspection is not None
    assert (record.inspection["verdict"], record.inspection["tier"]) == ("generated_by_us", "conclusive")
    registry = next(finding for finding in record.inspection["evidence"] if finding["kind"] == "registry")
    assert registry["image"] == image.id


async def test_p9_the_registry_does_not_tell_of_other_projects(bench: Bench) -> None:
    image = await only_image(bench)
    data = (await content.read(bench.platform, bench.caller, image.id)).data
    stranger = await bench.stranger()
    theirs = await upload(bench.platform, stranger, data)
    record = await image_record(bench.platform, stranger, theirs.id)
    assert image.id not in record.model_dump_json()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", InvalidImage),
        (b"GIF89a....", InvalidImage),
        (b"<svg/>", InvalidImage),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, InvalidImage),
    ],
)
async def test_what_is_no_picture_is_not_stored(bench: Bench, data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        await upload(bench.platform, bench.caller, data)
    async with bench.platform.store.reading() as read:
        assert await read.all(Image, project=bench.caller.project) == []


async def test_an_upload_that_is_too_large_is_refused(bench: Bench) -> None:
    from dataclasses import replace

    bench.change(limits=replace(bench.platform.limits, max_image_bytes=200))
    with pytest.raises(TooLarge):
        await upload(bench.platform, bench.caller, plain_png(64, 64, (1, 2, 3)))
