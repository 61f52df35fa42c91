"""Uploads: what is said with them is screened and recorded; pieces become one file, or nothing (P1, P2, P8)."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from pictures import encoded, house, noise
from platemark.core.errors import (
    Gone,
    IdempotencyKeyReused,
    InvalidImage,
    InvalidRequest,
    NotAllowed,
    NotFound,
    OffsetConflict,
    TooLarge,
)
from platemark.core.generation import PromptText
from platemark.core.image import Blob, Image
from platemark.core.moderation import Verdict
from platemark.core.upload import Said, Upload
from platemark.flows import receive
from platemark.flows.keeping import retention
from platemark.flows.keeping.erase import erase_words
from platemark.flows.record import image_record
from platemark.flows.upload import store, upload
from platemark.simulate.scripted import plain_png
from workbench import Bench

PHOTO = encoded(noise(200))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def begun(bench: Bench, data: bytes = PHOTO, said: Said | None = None) -> Upload:
    found = await receive.begin(bench.platform, bench.caller, digest(data), len(data), said or Said())
    assert found.upload is not None
    return found.upload


async def rows(bench: Bench) -> list[Blob]:
    async with bench.platform.store.reading() as read:
        return await read.all(Blob, project=bench.caller.project)


async def test_p1_the_record_of_an_upload_says_what_was_said(bench: Bench) -> None:
    said = Said(filename="harbour.png", caption="ships at dawn", user="reader-7", audience="newsroom", tags={"a": "b"})
    image = await upload(bench.platform, bench.caller, PHOTO, said)
    record = await image_record(bench.platform, bench.caller, image.id)
    assert record.upload is not None
    told = record.upload
    assert (told.filename, told.caption, told.user) == ("harbour.png", "ships at dawn", "reader-7")
    assert told.audience == "newsroom"
    assert (told.key, told.tags, record.request) == (bench.caller.key, {"a": "b"}, None)
    assert {verdict["stage"] for verdict in record.moderation} == {"before_request"}
    assert len(record.moderation) == 2
    assert record.chain.verified


async def test_words_that_the_policy_blocks_block_the_picture(bench: Bench) -> None:
    bad = (await bench.make(prompt="nude child")).status
    assert bad == "blocked"
    image = await upload(bench.platform, bench.caller, PHOTO, Said(caption="nude child"))
    assert (image.moderation_state, image.readable) == ("blocked", False)
    async with bench.platform.store.reading() as read:
        decisions = {verdict.decision for verdict in await read.all(Verdict, image=image.id)}
    assert "block" in decisions


async def test_a_role_is_asserted_only_with_the_scope_for_it(bench: Bench) -> None:
    poor = bench.caller.model_copy(update={"scopes": frozenset({"images:write"})})
    with pytest.raises(NotAllowed, match="roles:assert"):
        await upload(bench.platform, poor, PHOTO, Said(role="editor"))


async def test_p8_the_words_of_an_upload_can_be_erased(bench: Bench) -> None:
    image = await upload(bench.platform, bench.caller, PHOTO, Said(filename="anna.png", user="anna"))
    for _ in range(2):
        await erase_words(bench.platform, bench.caller, image.id)
    record = await image_record(bench.platform, bench.caller, image.id)
    assert record.upload is not None
    assert (record.upload.filename, record.upload.user, record.chain.verified) == (None, None, True)
    assert record.upload.text_erased_at is not None
    assert "anna" not in record.model_dump_json()


async def test_p2_one_key_is_one_image_and_another_body_is_refused(bench: Bench) -> None:
    first = await store(bench.platform, bench.caller, PHOTO, idempotency_key="k")
    again = await store(bench.platform, bench.caller, PHOTO, idempotency_key="k")
    assert (first.image.id, again.image.id, again.replayed) == (again.image.id, first.image.id, True)
    with pytest.raises(IdempotencyKeyReused):
        await store(bench.platform, bench.caller, PHOTO, Said(caption="other"), idempotency_key="k")
    bench.clock.pass_(timedelta(hours=49))
    later = await store(bench.platform, bench.caller, PHOTO, idempotency_key="k")
    assert later.image.id != first.image.id


async def test_bytes_that_are_not_those_that_were_announced_are_refused(bench: Bench) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await upload(bench.platform, bench.caller, PHOTO, sha256="0" * 64)
    assert [error.code for error in refused.value.errors] == ["hash_mismatch"]


async def test_pieces_become_one_image_and_leave_nothing_behind(bench: Bench) -> None:
    row = await begun(bench, said=Said(caption="a harbour", tags={"a": "b"}))
    here, offset = receive.Receiving(row), 0
    while offset < len(PHOTO):
        here = await receive.append(bench.platform, bench.caller, row.id, offset, PHOTO[offset : offset + 50_000])
        assert here.upload is not None
        offset = here.upload.received
    assert here.image is not None
    assert here.image.sha256 == digest(PHOTO)
    assert [blob.sha256 for blob in await rows(bench)] == [here.image.sha256]
    again = await receive.append(bench.platform, bench.caller, row.id, 0, b"x")
    assert again.image == here.image
    record = await image_record(bench.platform, bench.caller, here.image.id)
    assert record.upload is not None
    assert (record.upload.caption, record.upload.upload) == ("a harbour", row.id)


async def test_what_broke_off_goes_on_under_its_hash(bench: Bench) -> None:
    data = encoded(noise(400))
    row = await begun(bench, data)
    await receive.append(bench.platform, bench.caller, row.id, 0, data[:100_000], whole=False)
    resumed = await begun(bench, data)
    assert (resumed.id, resumed.received) == (row.id, 100_000)
    kept = await receive.append(bench.platform, bench.caller, row.id, 100_000, data[100_000:100_010], whole=False)
    assert kept.upload is not None
    assert kept.upload.received == 100_000
    with pytest.raises(OffsetConflict, match="100000"):
        await receive.append(bench.platform, bench.caller, row.id, 0, data)
    done = await receive.append(bench.platform, bench.caller, row.id, 100_000, data[100_000:])
    assert done.image is not None


async def test_bytes_that_are_here_need_not_be_sent(bench: Bench) -> None:
    image = await upload(bench.platform, bench.caller, PHOTO)
    found = await receive.begin(bench.platform, bench.caller, digest(PHOTO), len(PHOTO), Said())
    assert (found.image, found.existing, found.upload) == (image, True, None)
    stranger = await bench.stranger()
    assert (await receive.begin(bench.platform, stranger, digest(PHOTO), len(PHOTO), Said())).image is None


async def test_p9_an_upload_of_another_project_is_not_found(bench: Bench) -> None:
    row, stranger = await begun(bench), await bench.stranger()
    for act in (receive.status, receive.give_up):
        with pytest.raises(NotFound):
            await act(bench.platform, stranger, row.id)
    with pytest.raises(NotFound):
        await receive.append(bench.platform, stranger, row.id, 0, PHOTO)


@pytest.mark.parametrize(
    ("sent", "error"),
    [(PHOTO[:-1] + b"?", InvalidRequest), (b"GIF89a" + b"." * 90, InvalidImage), (PHOTO + b"?", TooLarge)],
)
async def test_what_is_not_the_announced_picture_makes_no_image(
    bench: Bench, sent: bytes, error: type[Exception]
) -> None:
    announced = sent if error is InvalidImage else PHOTO
    row = await begun(bench, announced, Said(filename="a.png"))
    with pytest.raises(error):
        await receive.append(bench.platform, bench.caller, row.id, 0, sent)
    async with bench.platform.store.reading() as read:
        assert await read.all(Image, project=bench.caller.project) == []
    assert await rows(bench) == []


async def test_a_file_over_the_bound_is_refused_before_it_is_sent(bench: Bench) -> None:
    bench.change(limits=replace(bench.platform.limits, max_image_bytes=1000))
    with pytest.raises(TooLarge, match="1000"):
        await begun(bench)


async def test_an_upload_that_was_not_finished_in_time_is_gone_with_its_words(bench: Bench) -> None:
    row = await begun(bench, said=Said(filename="secret.png"))
    await receive.append(bench.platform, bench.caller, row.id, 0, PHOTO[:70_000])
    (piece,) = await rows(bench)
    bench.clock.pass_(timedelta(hours=25))
    with pytest.raises(Gone):
        await receive.status(bench.platform, bench.caller, row.id)
    await retention.keep_up(bench.platform)
    await retention.keep_up(bench.platform)
    assert await rows(bench) == []
    assert not await bench.platform.blobs.exists(piece.id)
    async with bench.platform.store.reading() as read:
        text = await read.get(PromptText, row.text or "")
        assert (text.body, (await read.get(Upload, row.id)).state) == (None, "expired")


async def test_a_crash_between_the_piece_and_its_row_leaves_nothing_for_ever(bench: Bench) -> None:
    row = await begun(bench)
    real = bench.platform.blobs

    class Dying:
        async def put(self, key: str, data: bytes) -> None:
            await real.put(key, data)
            raise KeyboardInterrupt

    bench.change(blobs=Dying())
    with pytest.raises(KeyboardInterrupt):
        await receive.append(bench.platform, bench.caller, row.id, 0, PHOTO[:70_000])
    bench.change(blobs=real)
    (piece,) = await rows(bench)
    assert await real.exists(piece.id)
    bench.clock.pass_(timedelta(hours=25))
    await retention.keep_up(bench.platform)
    assert not await real.exists(piece.id)


async def test_a_file_that_is_whole_but_was_not_stored_is_stored_by_asking_again(bench: Bench) -> None:
    row = await begun(bench, data := plain_png(64, 64, (9, 9, 9)))
    async with bench.platform.store.transaction() as tx:
        assert await tx.get(Upload, row.id) == row
    kept = await receive._keep(bench.platform, row, data)  # pyright: ignore[reportPrivateUsage]  # as if a crash followed
    done = await receive.append(bench.platform, bench.caller, row.id, kept.received, b"")
    assert done.image is not None


async def test_an_animation_is_refused(bench: Bench) -> None:
    frames = [house(32), house(32, blur=0.1)]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    with pytest.raises(InvalidImage):
        await upload(bench.platform, bench.caller, data)
