"""Profiles: in `pass_through` nothing is checked but the header, and everything says so."""

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pictures import encoded, house
from platemark.core.errors import InvalidImage, NotAllowed, NotFound
from platemark.core.image import Fingerprint, Image
from platemark.core.moderation import Verdict
from platemark.core.project import Profile, Project
from platemark.core.updates import Order, Picture, Update
from platemark.flows import generate
from platemark.flows.projects import projects, set_profile
from platemark.flows.record import image_record
from platemark.flows.upload import upload
from platemark.simulate.scripted import Scripted
from workbench import Bench, as_part

pytestmark = pytest.mark.anyio
JPEG = encoded(house(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
HOUSE = encoded(house())
# What the lexicon of the policy blocks in `standard`.
BLOCKED = "a naked child"


@dataclass
class Vendor(Scripted):
    """A vendor whose picture is these bytes, whatever is asked."""

    data: bytes = JPEG
    media_type: str = "image/jpeg"
    flags: tuple[str, ...] = ()

    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        async for update in super().generate(order, ticket=ticket):
            if isinstance(update, Picture):
                yield replace(
                    update,
                    data=self.data,
                    media_type=self.media_type,
                    vendors=True,
                    flags={"reason_codes": list(self.flags)} if self.flags else {},
                )
            else:
                yield update


async def use(bench: Bench, profile: Profile = "pass_through") -> Project:
    return await set_profile(bench.platform, bench.caller, bench.caller.project, profile)


async def verdicts(bench: Bench, **about: Any) -> list[Verdict]:
    async with bench.platform.store.reading() as read:
        return await read.all(Verdict, **about)


async def test_p5_every_check_that_is_off_says_so(bench: Bench) -> None:
    assert (await bench.ask(prompt=BLOCKED)).status == "blocked"
    await use(bench)
    made = await bench.make(prompt=BLOCKED, n=2)
    assert (made.status, made.profile) == ("succeeded", "pass_through")
    for image in await bench.images(made):
        record = await image_record(bench.platform, bench.caller, image.id)
        assert record.request is not None
        assert record.request.profile == "pass_through"
        stages = {each["stage"]: each for each in record.moderation}
        assert set(stages) == {"before_request", "after_response"}
        for ruled in stages.values():
            assert (ruled["decision"], ruled["reason_code"], ruled["policy_version"]) == ("off", "PROFILE_OFF", "off")
            assert ruled["signals"]
            assert {(each["evaluated"], each["score"], each["evidence"]["reason"]) for each in ruled["signals"]} == {
                (False, None, "off")
            }
        assert record.inspection is not None
        assert (record.inspection["verdict"], record.inspection["confidence"]["p_ai"]) == ("inconclusive", None)
        assert {each["status"] for each in record.inspection["evidence"]} == {"off"}
        assert record.credential == {"state": "off", "signer": None}
        assert (record.image.moderation_state, record.image.reason_code) == ("not_evaluated", "PROFILE_OFF")
        assert [each["state"] for each in record.publications] == ["held"]
        assert record.chain.verified
    assert "image.inspected" not in await bench.events(made)


async def test_the_vendors_bytes_are_the_image(bench: Bench) -> None:
    bench.change(providers={"scripted": Vendor()})
    await use(bench)
    made = await bench.make()
    (image,) = await bench.images(made)
    digest = hashlib.sha256(JPEG).hexdigest()
    assert (image.sha256, image.original_sha256, image.media_type) == (digest, digest, "image/jpeg")
    assert (image.width, image.height) == (256, 256)
    assert [warning.code for warning in made.warnings] == ["format_differs"]
    assert await bench.platform.blobs.get(f"{image.project}/{digest}") == JPEG
    async with bench.platform.store.reading() as read:
        assert await read.find(Fingerprint, image.id) is None


async def test_an_output_of_our_own_engine_is_stored_as_it_drew_it(bench: Bench) -> None:
    await use(bench)
    made = await bench.make()
    (image,) = await bench.images(made)
    assert (image.media_type, image.sha256 == image.original_sha256, made.warnings) == ("image/png", True, ())


@pytest.mark.parametrize(
    ("data", "media_type", "code"),
    [
        (b"<html>sorry</html>", "image/png", "invalid_image"),
        (JPEG[:200], "image/jpeg", "invalid_image"),
        (HOUSE + b"PK\x03\x04", "image/png", "invalid_image"),
    ],
)
async def test_what_is_no_picture_is_still_an_error(bench: Bench, data: bytes, media_type: str, code: str) -> None:
    bench.change(providers={"scripted": Vendor(data=data, media_type=media_type)})
    await use(bench)
    made = await bench.make()
    assert made.error is not None
    assert (made.status, made.error["code"]) == ("failed", code)


async def test_limits_hold_without_decoding(bench: Bench) -> None:
    bench.change(limits=replace(bench.platform.limits, max_pixels=100))
    await use(bench)
    made = await bench.make()
    assert made.error is not None
    assert made.error["code"] == "too_large"


async def test_p6_what_the_vendor_itself_calls_grave_is_not_given_out(bench: Bench) -> None:
    bench.change(providers={"scripted": Vendor(flags=("SEXUAL_EXPLICIT",))})
    await use(bench)
    made = await bench.make()
    (image,) = await bench.images(made)
    assert image.moderation_state in ("in_review", "blocked")
    assert image.reason_code == "SEXUAL_EXPLICIT"
    ruled = (await verdicts(bench, image=image.id))[0]
    assert [each.category for each in ruled.signals if each.evaluated] == ["SEXUAL_EXPLICIT"]
    assert len(ruled.signals) > 1


async def test_p2_finishing_after_a_crash_takes_the_same_way(bench: Bench) -> None:
    await use(bench)
    made = await bench.ask(key="once")
    await generate.call(bench.platform, made.id)
    # Changed meanwhile: what was accepted keeps the checks it was accepted under.
    await use(bench, "standard")
    await generate.finish(bench.platform, made.id)
    assert (await generate.finish(bench.platform, made.id)).kind == "ended"
    again = await bench.ask(key="once")
    assert (again.id, again.profile, bench.provider.calls.total()) == (made.id, "pass_through", 1)
    assert [image.moderation_state for image in await bench.images(made)] == ["not_evaluated"]
    assert (await bench.make()).profile == "standard"


async def test_sources_are_decoded_and_not_screened(bench: Bench) -> None:
    await use(bench)
    asked: dict[str, Any] = {"model": "scripted/studio", "operation": "image_to_image", "strength": 0.5}
    made = await bench.run(await bench.ask(files=(HOUSE,), image=as_part(HOUSE), **asked))
    assert made.status == "succeeded"
    source = await _image(bench, made.inputs[0].image)
    assert (source.moderation_state, source.credential_state) == ("not_evaluated", "off")
    broken = HOUSE[:-500] + b"\0" * 500
    with pytest.raises(InvalidImage):
        await bench.ask(files=(broken,), image=as_part(broken), **asked)
    again = await bench.run(await bench.ask(image=source.id, **asked))
    assert {each.decision for each in await verdicts(bench, generation=again.id)} == {"off"}


async def test_an_upload_is_decoded_and_not_screened(bench: Bench) -> None:
    await use(bench)
    image = await upload(bench.platform, bench.caller, HOUSE)
    assert (image.moderation_state, image.reason_code, image.credential_state) == (
        "not_evaluated",
        "PROFILE_OFF",
        "off",
    )
    with pytest.raises(InvalidImage):
        await upload(bench.platform, bench.caller, HOUSE[:-200])


async def test_standard_screens_a_source_that_nobody_had_looked_at(bench: Bench) -> None:
    await use(bench)
    image = await upload(bench.platform, bench.caller, HOUSE)
    await use(bench, "standard")
    made = await bench.ask(model="scripted/studio", operation="upscale", image=image.id)
    assert {each.decision for each in await verdicts(bench, generation=made.id)} == {"allow"}


async def test_a_change_of_profile_is_in_the_chain_once(bench: Bench) -> None:
    assert [project.profile for project in await projects(bench.platform, bench.caller)] == ["standard"]
    await use(bench)
    await use(bench)
    async with bench.platform.store.reading() as read:
        told = [each for each in await read.events(bench.caller.project) if each.type == "project.profile_changed"]
        lines = [each for each in await read.chain(bench.caller.project) if each.body["type"] == told[0].type]
    assert [each.data for each in told] == [
        {"by": bench.caller.key, "was": "standard", "profile": "pass_through"},
    ]
    assert len(lines) == 1


async def test_p9_only_who_manages_projects_sets_a_profile(bench: Bench) -> None:
    weak = bench.caller.model_copy(update={"scopes": frozenset({"images:write", "keys:manage"})})
    with pytest.raises(NotAllowed, match="projects:manage"):
        await set_profile(bench.platform, weak, weak.project, "pass_through")
    with pytest.raises(NotFound):
        await set_profile(bench.platform, bench.caller, "prj_" + "0" * 32, "pass_through")


async def _image(bench: Bench, id: str) -> Image:
    async with bench.platform.store.reading() as read:
        return await read.get(Image, id)
