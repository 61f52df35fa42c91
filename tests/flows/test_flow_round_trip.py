"""Round trip: what is published and comes back shrunken, recompressed or cropped is found as ours, each time."""

import io
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image as Picture

from pictures import encoded, noise
from platemark.core.image import Image, Publication
from platemark.core.inspection import Finding
from platemark.core.updates import Order, Update
from platemark.core.updates import Picture as Drawn
from platemark.flows import publish
from platemark.flows.analyze import picture
from platemark.flows.fuse import fuse
from platemark.flows.inspect import look_over
from platemark.flows.publications.lookup import lookup
from platemark.simulate.scripted import Scripted
from releasing import clear
from workbench import Bench, open_bench

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
SIDE = 640


def photo(seed: int) -> Picture.Image:
    """Soft shapes with fine grain, as a photograph has them."""
    soft = noise(SIDE, seed).resize((SIDE // 4, SIDE // 4)).resize((SIDE, SIDE), Picture.Resampling.BICUBIC)
    return Picture.blend(soft, noise(SIDE, seed + 100), 0.15)


@dataclass
class Photographer(Scripted):
    """Gives pictures that have something in them."""

    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        async for update in super().generate(order, ticket=ticket):
            if isinstance(update, Drawn):
                yield Drawn(encoded(photo(5)), "image/png", update.index, update.seed)
            else:
                yield update


def again(picture: Picture.Image, format: str, quality: int) -> bytes:
    return encoded(picture, format, quality=quality)


def shot(picture: Picture.Image) -> bytes:
    """What a screen shows: smaller, and saved by whoever takes the screenshot."""
    side = round(SIDE * 0.8)
    return again(picture.resize((side, side), Picture.Resampling.LANCZOS), "JPEG", 85)


COPIES: dict[str, Callable[[Picture.Image], bytes]] = {
    "jpeg 50": lambda picture: again(picture, "JPEG", 50),
    "webp 80": lambda picture: again(picture, "WEBP", 80),
    "half": lambda picture: encoded(picture.resize((SIDE // 2, SIDE // 2), Picture.Resampling.LANCZOS)),
    "grey": lambda picture: encoded(picture.convert("L")),
    "screenshot": shot,
    "cropped": lambda picture: encoded(picture.crop((32, 32, SIDE - 32, SIDE - 32))),
}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with open_bench(tmp_path) as bench:
        clear(bench)
        bench.change(providers={"scripted": Photographer()})
        yield bench


async def published(bench: Bench) -> Publication:
    (image,) = await bench.images(await bench.make(width=SIDE, height=SIDE))
    return await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom")


async def test_every_copy_of_a_published_picture_is_found_as_ours(bench: Bench) -> None:
    made = await published(bench)
    (full,), _ = await publish.files(bench.platform, made)
    assert full.watermark == "on"
    data = (await publish.read(bench.platform, made.id)).data
    exact = await lookup(bench.platform, data)
    assert exact is not None
    assert (exact.how, exact.statement.publication.id) == ("file", made.id)
    picture, found = Picture.open(io.BytesIO(data)).convert("RGB"), dict[str, str]()
    for name, change in COPIES.items():
        one = await lookup(bench.platform, change(picture))
        found[name] = one.how if one and one.statement.publication.id == made.id else "lost"
    assert found == dict.fromkeys(COPIES, "watermark") | {"cropped": "picture"}
    # The mark is not the only thing by which it is known, nor the other way round.
    bench.change(watermark=None)
    for name, change in COPIES.items():
        one = await lookup(bench.platform, change(picture))
        assert one is not None, name
        assert one.how == "picture"
    assert await lookup(bench.platform, encoded(photo(77))) is None


async def test_the_stored_picture_is_not_marked_and_the_published_one_is(bench: Bench) -> None:
    made = await published(bench)
    async with bench.platform.store.reading() as read:
        image = await read.get(Image, made.image)
    stored = await bench.platform.blobs.get(f"{image.project}/{image.sha256}")
    assert bench.platform.watermark is not None
    assert (await bench.platform.watermark.read(stored)).status == "absent"
    assert (await bench.platform.watermark.read((await publish.read(bench.platform, made.id)).data)).number is not None


async def evidence_of(bench: Bench, data: bytes) -> dict[str, Finding]:
    looks = picture(data, max_bytes=2**25, max_pixels=2**22).fingerprint("")
    gathered = await look_over(bench.platform, data, "image/png", looks)
    return {finding.kind: finding for finding in gathered.evidence}


async def test_a_mark_that_cutting_hid_is_read_from_the_part_at_its_place(bench: Bench) -> None:
    made = await published(bench)
    whole = Picture.open(io.BytesIO((await publish.read(bench.platform, made.id)).data)).convert("RGB")
    cut = encoded(whole.crop((32, 32, SIDE - 32, SIDE - 32)))
    assert bench.platform.watermark is not None
    assert (await bench.platform.watermark.read(cut)).status == "absent"
    looks = picture(cut, max_bytes=2**25, max_pixels=2**22).fingerprint("")
    evidence = {
        finding.kind: finding for finding in (await look_over(bench.platform, cut, "image/png", looks)).evidence
    }
    assert evidence["registry"].detail["how"] == "crop"
    mark = evidence["own_watermark"]
    assert (mark.status, mark.detail["registered"], mark.detail["confirmed"]) == ("id_resolved", True, True)
    fused = fuse(list(evidence.values()))
    assert (fused.verdict, fused.tier) == ("generated_by_us", "conclusive")
    # Unmarked, the same part is found by its looks alone, and nothing is said to have been read.
    plain = encoded(photo(5).crop((32, 32, SIDE - 32, SIDE - 32)))
    looks = picture(plain, max_bytes=2**25, max_pixels=2**22).fingerprint("")
    evidence = {
        finding.kind: finding for finding in (await look_over(bench.platform, plain, "image/png", looks)).evidence
    }
    assert (evidence["registry"].detail["how"], evidence["own_watermark"].status) == ("crop", "absent")
