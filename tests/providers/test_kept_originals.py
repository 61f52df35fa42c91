"""Originals: a vendor's bytes and credential stay beside the image, as long as the image does."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import cast

import httpx2
import pytest
from test_through_the_flows import bench_with_stability

from platemark.core.errors import Gone, NotAllowed, NotFound
from platemark.core.image import Image
from platemark.core.ports import Claim
from platemark.flows import content
from platemark.flows.keeping.delete import delete
from platemark.flows.seal import AI_SOURCE
from platemark.providers.remote import Remote
from platemark.simulate.pictures import striped
from workbench import open_bench

pytestmark = pytest.mark.anyio


def stored(data: Path) -> set[str]:
    return {path.name for path in (data / "blobs").rglob("*") if path.is_file()}


async def test_the_vendors_bytes_stay_beside_the_image_and_go_with_it(tmp_path: Path) -> None:
    async with bench_with_stability(tmp_path) as (bench, _):
        done = await bench.make(model="stability/core", n=2, seed=7)
        first, second = await bench.images(done)
        kept = await content.read_original(bench.platform, bench.caller, first.id)
        assert (kept.sha256, kept.media_type) == (first.original_sha256, "image/png")
        assert hashlib.sha256(kept.data).hexdigest() == first.original_sha256 != first.sha256
        # The temporary copies are gone: two images, two originals.
        assert stored(tmp_path) == {each for image in (first, second) for each in (image.sha256, image.original_sha256)}
        await delete(bench.platform, bench.caller, first.id)
        with pytest.raises(Gone):
            await content.read_original(bench.platform, bench.caller, first.id)
    assert stored(tmp_path) == {second.sha256, second.original_sha256}


async def test_an_original_that_two_images_share_outlives_the_first(tmp_path: Path) -> None:
    async with bench_with_stability(tmp_path) as (bench, _):
        images = [(await bench.images(await bench.make(model="stability/core", seed=7)))[0] for _ in range(2)]
        assert images[0].original_sha256 == images[1].original_sha256
        await delete(bench.platform, bench.caller, images[0].id)
        kept = await content.read_original(bench.platform, bench.caller, images[1].id)
    assert kept.sha256 == images[1].original_sha256


async def test_a_credential_in_the_vendors_picture_stays_intact_in_what_is_kept(tmp_path: Path) -> None:
    async with bench_with_stability(tmp_path) as (bench, _):
        claim = Claim("theirs", "theirs", AI_SOURCE, "Vendor", "sd3.5", "2026-01-02T00:00:00Z")
        signed = await bench.platform.provenance.seal(striped(64, 64, "signed"), "image/png", claim)
        answers = httpx2.MockTransport(lambda _: httpx2.Response(200, content=signed))
        async with httpx2.AsyncClient(transport=answers) as client:
            remote = cast(Remote, bench.platform.providers["stability"])
            transport = replace(remote.transport, client=client)
            bench.change(providers={"stability": replace(remote, transport=transport)})
            (image,) = await bench.images(await bench.make(model="stability/core"))
        kept = await content.read_original(bench.platform, bench.caller, image.id)
        findings = await bench.platform.provenance.read(kept.data, kept.media_type)
    assert kept.data == signed
    assert [finding.status for finding in findings if finding.kind == "c2pa"] == ["valid_untrusted"]


async def test_a_held_image_gives_no_original(tmp_path: Path) -> None:
    async with bench_with_stability(tmp_path) as (bench, _):
        (image,) = await bench.images(await bench.make(model="stability/core"))
        async with bench.platform.store.transaction() as tx:
            await tx.change(await tx.get(Image, image.id), moderation_state="blocked")
        with pytest.raises(NotAllowed):
            await content.read_original(bench.platform, bench.caller, image.id)


async def test_our_own_engines_bytes_are_not_kept_twice(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        (image,) = await bench.images(await bench.make())
        with pytest.raises(NotFound, match="the engine of this server"):
            await content.read_original(bench.platform, bench.caller, image.id)
