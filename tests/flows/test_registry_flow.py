"""What was made here is known again: the file, the picture however it was saved or turned, and a part of it."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from pictures import encoded, noise, pixels
from platemark.core.image import Fingerprint
from platemark.core.image import Image as Picture
from platemark.core.inspection import Match
from platemark.core.registry import RegistryEntry
from platemark.flows.cropped import cropped
from platemark.flows.keeping.delete import drop
from platemark.flows.known import Known
from platemark.flows.registry import enter, entry_of, fingerprint_of, matches, register, registry_finding
from workbench import Bench

MADE = noise(480, 5)
BOX = (0.06, 0.02, 0.97, 0.93)


def image_of(bench: Bench, data: bytes, size: tuple[int, int], **fields: Any) -> Picture:
    digest = hashlib.sha256(data).hexdigest()
    values: dict[str, Any] = {
        "id": bench.platform.ids.new("img"),
        "project": bench.caller.project,
        "generation": None,
        "index": 0,
        "origin": "generated",
        "created_at": bench.clock.now(),
        "width": size[0],
        "height": size[1],
        "media_type": "image/png",
        "sha256": digest,
        "original_sha256": digest,
        "moderation_state": "allowed",
        "credential_state": "absent",
    }
    return Picture.model_validate(values | fields)


async def made(bench: Bench, picture: Image.Image, project: str | None = None) -> Picture:
    """An image that was made here, as far as the registry is concerned."""
    data = encoded(picture)
    image = image_of(bench, data, picture.size, project=project or bench.caller.project)
    looks = await fingerprint_of(bench.platform, image, data)
    await bench.platform.blobs.put(f"{image.project}/{image.sha256}", data)
    async with bench.platform.store.transaction() as tx:
        await tx.add(image, looks, entry_of(bench.platform, image, image.sha256, looks))
    return image


async def looks_of(bench: Bench, data: bytes) -> Fingerprint:
    return await fingerprint_of(bench.platform, image_of(bench, data, (1, 1), origin="uploaded"), data)


async def search(bench: Bench, data: bytes, project: str | None = None) -> list[Match]:
    return await matches(bench.platform, project, await looks_of(bench, data), data)


def part_of(picture: Image.Image) -> Image.Image:
    left, top, right, bottom = (round(edge * 480) for edge in BOX)
    return picture.crop((left, top, right, bottom))


async def test_copies_are_known_however_they_were_saved_or_turned(bench: Bench) -> None:
    image, other = await made(bench, MADE), await made(bench, noise(480, 6))
    half = MADE.resize((240, 240))
    copies = {
        "file": [encoded(MADE)],
        "picture": [
            encoded(MADE, "JPEG", quality=50),
            encoded(MADE, "WEBP", quality=80),
            encoded(half),
            encoded(MADE.convert("L").convert("RGB"), "JPEG", quality=80),
            encoded(MADE.resize((384, 384)), "JPEG", quality=85),
        ],
        "turned": [
            encoded(ImageOps.mirror(MADE)),
            encoded(half.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=80),
        ],
    }
    for how, files in copies.items():
        for data in files:
            (found,) = await search(bench, data, image.project)
            assert (found.image, found.how, found.exact) == (image.id, how, how == "file")
            assert found.distance <= 31
    assert (await search(bench, encoded(noise(480, 6).resize((240, 240)))))[0].image == other.id
    for seed in range(20, 30):
        assert await search(bench, encoded(noise(320, seed), "JPEG")) == []


async def test_a_part_is_known_by_the_middle_that_it_shows_and_goes_back_to_its_place(bench: Bench) -> None:
    image = await made(bench, MADE)
    await made(bench, noise(480, 7))
    part = part_of(MADE)
    for data in (encoded(part), encoded(part.resize((310, 310)), "JPEG", quality=70)):
        assert await matches(bench.platform, image.project, await looks_of(bench, data)) == []
        (found,) = await search(bench, data, image.project)
        assert (found.image, found.how, found.exact) == (image.id, "crop", False)
        assert found.box == pytest.approx(BOX, abs=0.003)
    finding = registry_finding([found], image.project)
    assert (finding.status, finding.weight, finding.detail["how"]) == ("near", "strong", "crop")
    assert finding.detail["box"] == pytest.approx(BOX, abs=0.003)
    back = pixels(await register(bench.platform, encoded(part), found)).astype(float)
    assert back.shape == (480, 480, 3)
    assert np.abs(back[60:400, 60:400] - np.asarray(MADE, dtype=float)[60:400, 60:400]).mean() < 6
    await bench.platform.blobs.delete(f"{image.project}/{image.sha256}")
    assert await search(bench, encoded(part)) == []


async def test_a_part_that_was_mirrored_is_known_and_goes_back_as_it_was(bench: Bench) -> None:
    image = await made(bench, MADE)
    await made(bench, noise(480, 7))
    part = ImageOps.mirror(part_of(MADE))
    for data in (encoded(part), encoded(part.resize((310, 310)), "JPEG", quality=70)):
        (found,) = await search(bench, data, image.project)
        assert (found.image, found.how, found.exact, found.turned) == (image.id, "crop", False, True)
        # The place is that in the stored picture, not in its mirror.
        assert found.box == pytest.approx(BOX, abs=0.003)
        assert found.distance <= 31
    assert registry_finding([found]).detail["turned"] is True
    back = pixels(await register(bench.platform, encoded(part), found)).astype(float)
    assert np.abs(back[60:400, 60:400] - np.asarray(MADE, dtype=float)[60:400, 60:400]).mean() < 6
    (straight,) = await search(bench, encoded(part_of(MADE)), image.project)
    assert (straight.turned, registry_finding([straight]).detail["turned"]) == (False, False)
    assert await cropped(bench.platform, None, encoded(part), [False]) == []
    for seed in range(30, 34):
        assert await search(bench, encoded(noise(320, seed), "JPEG")) == []


async def test_p9_a_project_is_told_of_its_own_images_only_and_the_operator_of_all(bench: Bench) -> None:
    stranger = await bench.stranger()
    image = await made(bench, MADE, stranger.project)
    mirror = ImageOps.mirror(part_of(MADE))
    for data in (encoded(MADE), encoded(MADE, "JPEG", quality=70), encoded(part_of(MADE)), encoded(mirror)):
        assert await search(bench, data, bench.caller.project) == []
        (found,) = await search(bench, data, None)
        assert (found.image, found.project) == (image.id, stranger.project)
        told = registry_finding([found], bench.caller.project)
        assert (told.detail["tenant_visible"], told.detail["image"]) == (False, None)
        assert image.id not in told.model_dump_json()
        assert registry_finding([found]).detail["asset_id"] == image.id


async def test_what_other_processes_write_is_seen_also_when_they_are_late(bench: Bench) -> None:
    here, there = (Known(bench.platform.store, bench.platform.limits) for _ in range(2))
    bench.change(registry=here)
    image = await made(bench, MADE)
    looks = await looks_of(bench, encoded(MADE))
    assert [one.image for one in await matches(bench.platform, None, looks)] == [image.id]
    assert len(await there.near([looks.pdq], 31, limit=9)) == 1
    # A transaction that began a minute before ends after it: its id is less than the last that was seen.
    late = entry_of(bench.platform, image, "cd" * 32, looks.model_copy(update={"pdq": "f0" * 32}))
    moment = int(late.id[4:16], 16) - 60_000
    late = late.model_copy(update={"id": f"reg_{moment:012x}{late.id[16:]}"})
    async with bench.platform.store.transaction() as tx:
        await tx.add(late)
    for known in (here, there):
        assert await known.near(["f0" * 32], 31, limit=9) == [(late.id, 0)]
        assert len(await known.near([looks.pdq], 31, limit=9)) == 1


async def test_what_was_deleted_is_known_no_more_in_any_process(bench: Bench) -> None:
    elsewhere = Known(bench.platform.store, bench.platform.limits)
    image = await made(bench, MADE)
    looks = await looks_of(bench, encoded(MADE))
    assert len(await elsewhere.near([looks.pdq], 31, limit=9)) == 1
    await drop(bench.platform, image)
    assert await search(bench, encoded(MADE)) == []
    there = replace(bench.platform, registry=elsewhere)
    assert await matches(there, None, looks, encoded(part_of(MADE))) == []
    assert await matches(there, None, looks.model_copy(update={"sha256": "00" * 32})) == []
    # It was in memory until it was looked up, and is not any more.
    assert await elsewhere.near([looks.pdq], 31, limit=9) == []


async def test_a_published_form_is_known_by_its_bytes(bench: Bench) -> None:
    image = await made(bench, MADE)
    released = encoded(Image.new("RGB", (80, 60), (200, 10, 10)))
    digest = hashlib.sha256(released).hexdigest()
    for _ in range(2):
        async with bench.platform.store.transaction() as tx:
            await enter(bench.platform, tx, image, digest)
    async with bench.platform.store.reading() as read:
        assert len(await read.all(RegistryEntry, image=image.id)) == 2
    (found,) = await search(bench, released)
    assert (found.image, found.how) == (image.id, "file")


async def test_flat_pictures_are_known_by_their_file_alone(bench: Bench) -> None:
    flat = Image.new("RGB", (300, 200), (120, 130, 140))
    image = await made(bench, flat)
    assert [one.image for one in await search(bench, encoded(flat))] == [image.id]
    assert await search(bench, encoded(flat, "JPEG")) == []
    assert registry_finding([]).status == "none"


async def test_a_platform_without_a_registry_of_its_own_reads_it_each_time(bench: Bench) -> None:
    image = await made(bench, MADE)
    bench.change(registry=None)
    assert (await search(bench, encoded(MADE, "JPEG")))[0].image == image.id


@pytest.mark.parametrize("turned", [False, True])
async def test_a_mark_reads_again_in_a_part_that_was_put_back(bench: Bench, turned: bool) -> None:
    platform = bench.platform
    assert platform.watermark is not None
    marked = Image.fromarray(pixels(await platform.watermark.mark(encoded(noise(640, 9)), "image/png", 77)))
    await made(bench, marked)
    cut = marked.crop((64, 0, 640, 640))
    part = encoded(ImageOps.mirror(cut) if turned else cut, "JPEG", quality=80)
    (found,) = await search(bench, part)
    assert found.turned == turned
    assert (await platform.watermark.read(part)).number is None
    back = await register(platform, part, found)
    assert (await platform.watermark.read(back)).number == 77
