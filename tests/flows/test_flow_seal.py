"""Seals of the main path: what stands in the credential of each output and of each release."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from pictures import encoded, house
from platemark.core.attempt import Output
from platemark.core.errors import SealFailed
from platemark.core.generation import Generation
from platemark.core.image import Image
from platemark.core.ports import Claim, Ingredient, Provenance
from platemark.flows import content
from platemark.flows.seal import AI_SOURCE, COMPOSITE_SOURCE, seal_output, seal_release
from platemark.flows.upload import upload
from workbench import Bench, as_part, open_bench

pytestmark = pytest.mark.anyio

HOUSE = encoded(house(96).resize((96, 64)))
MASK = encoded(Pillow.new("L", (96, 64), 255))


@dataclass
class Heard:
    """Provenance that keeps the claims it seals."""

    inner: Provenance
    claims: list[Claim] = field(default_factory=list[Claim])
    broken: bool = False

    @property
    def signer(self) -> str:
        return self.inner.signer

    async def seal(self, data: bytes, media_type: str, claim: Claim) -> bytes:
        self.claims.append(claim)
        if self.broken:
            raise SealFailed("The signing service could not be asked.")
        return await self.inner.seal(data, media_type, claim)

    async def read(self, data: bytes, media_type: str) -> Any:
        return await self.inner.read(data, media_type)


@dataclass
class Sealing:
    bench: Bench
    heard: Heard

    async def draw(self, **fields: Any) -> tuple[Image, Claim]:
        made = await self.bench.make(model="scripted/studio", **fields)
        (image,) = await self.bench.images(made)
        return image, self.heard.claims[-1]

    async def stored(self, image: Image) -> bytes:
        return await self.bench.platform.blobs.get(f"{image.project}/{image.sha256}")


@pytest.fixture
async def sealing(tmp_path: Path) -> AsyncGenerator[Sealing]:
    async with open_bench(tmp_path) as bench:
        heard = Heard(bench.platform.provenance)
        bench.change(provenance=heard)
        yield Sealing(bench, heard)


def output_of(generation: Generation, **flags: Any) -> Output:
    return Output(
        id="att_1/0",
        project=generation.project,
        generation=generation.id,
        attempt="att_1",
        index=0,
        sha256="0" * 64,
        media_type="image/png",
        seed=1,
        flags=flags,
    )


def taken(claim: Claim) -> list[tuple[str, str, bool]]:
    return [(each.title, each.relationship, each.data is not None) for each in claim.ingredients]


async def test_what_a_text_made_was_created(sealing: Sealing) -> None:
    image, claim = await sealing.draw()
    assert (claim.actions, claim.ingredients, claim.digital_source_type) == (("created",), (), AI_SOURCE)
    assert (claim.image, claim.model, claim.soft_binding) == (image.id, "scripted/studio", None)
    assert claim.when == image.created_at.isoformat()


@pytest.mark.parametrize(
    ("operation", "more", "source_type"),
    [
        ("image_to_image", {}, AI_SOURCE),
        ("inpaint", {"mask": as_part(MASK)}, COMPOSITE_SOURCE),
        ("outpaint", {"up": 8}, COMPOSITE_SOURCE),
        ("upscale", {}, AI_SOURCE),
    ],
)
async def test_what_came_of_a_picture_opens_it_and_edits_it(
    sealing: Sealing, operation: str, more: dict[str, Any], source_type: str
) -> None:
    source = await upload(sealing.bench.platform, sealing.bench.caller, HOUSE)
    image, claim = await sealing.draw(operation=operation, image=source.id, files=(MASK,), **more)
    assert (claim.actions, claim.digital_source_type) == (("opened", "edited"), source_type)
    assert taken(claim)[0] == (source.id, "parentOf", False)
    assert [relation for _, relation, _ in taken(claim)[1:]] == ["inputTo"] * len(claim.ingredients[1:])
    assert len(claim.ingredients) == 1 + ("mask" in more)
    assert image.credential_state == "valid"


async def test_a_guide_is_an_input_of_what_a_text_made(sealing: Sealing) -> None:
    guide = await upload(sealing.bench.platform, sealing.bench.caller, HOUSE)
    _, claim = await sealing.draw(controls=[{"type": "canny", "image": guide.id}])
    assert (claim.actions, taken(claim)) == (("created",), [(guide.id, "inputTo", False)])


async def test_an_edit_of_our_own_picture_carries_its_credential(sealing: Sealing) -> None:
    first, _ = await sealing.draw()
    second, claim = await sealing.draw(operation="image_to_image", image=first.id)
    assert taken(claim) == [(first.id, "parentOf", True)]
    found, _ = await sealing.heard.read(await sealing.stored(second), second.media_type)
    assert (found.detail["own"], found.detail["ingredient_source_types"]) == (True, [AI_SOURCE])
    assert found.detail["ingredient_failures"] == []


async def test_a_source_whose_file_is_gone_is_named_all_the_same(sealing: Sealing) -> None:
    first, _ = await sealing.draw()
    platform = sealing.bench.platform
    generation = await sealing.bench.ask(model="scripted/studio", operation="image_to_image", image=first.id)
    await platform.blobs.delete(f"{first.project}/{first.sha256}")
    output = output_of(generation)
    await seal_output(platform, generation, output, b"", "img_2", HOUSE, "image/png")
    assert taken(sealing.heard.claims[-1]) == [(first.id, "parentOf", False)]


async def test_a_vendor_s_credential_becomes_the_parent_and_sources_become_inputs(sealing: Sealing) -> None:
    source, _ = await sealing.draw()
    theirs = await sealing.stored(source)
    platform = sealing.bench.platform
    generation = await sealing.bench.ask(model="scripted/studio", operation="image_to_image", image=source.id)
    output = output_of(generation, vendors=True)
    sealed = await seal_output(platform, generation, output, theirs, "img_2", HOUSE, "image/png")
    claim = sealing.heard.claims[-1]
    assert claim.actions == ("opened", "transcoded")
    assert taken(claim) == [(source.id, "inputTo", True), ("original", "parentOf", True)]
    found, _ = await sealing.heard.read(sealed, "image/png")
    assert (found.detail["own"], found.detail["digital_source_type"]) == (True, AI_SOURCE)
    assert found.detail["ingredient_failures"] == []


async def test_a_vendor_s_bytes_without_a_credential_are_no_ingredient(sealing: Sealing) -> None:
    generation = await sealing.bench.ask()
    output = output_of(generation, vendors=True)
    await seal_output(sealing.bench.platform, generation, output, HOUSE, "img_2", HOUSE, "image/png")
    assert (sealing.heard.claims[-1].actions, sealing.heard.claims[-1].ingredients) == (("created",), ())


async def test_a_release_has_a_credential_of_its_own_over_the_stored_one(sealing: Sealing) -> None:
    image, _ = await sealing.draw(operation="outpaint", image=as_part(HOUSE), up=8, files=(HOUSE,))
    smaller = encoded(house(32), "JPEG")
    sealed = await seal_release(
        sealing.bench.platform,
        image,
        smaller,
        "image/jpeg",
        soft_binding="value",
        label="AI-generated",
        changes=("resized", "transcoded"),
    )
    claim = sealing.heard.claims[-1]
    assert claim.actions == ("opened", "resized", "transcoded", "watermarked.bound", "published")
    assert claim.ingredients == (Ingredient(image.id, image.media_type, "parentOf", await sealing.stored(image)),)
    assert (claim.digital_source_type, claim.model, claim.label) == (COMPOSITE_SOURCE, None, "AI-generated")
    assert claim.soft_binding is not None
    assert claim.soft_binding[1] == "value"
    found, metadata = await sealing.heard.read(sealed, "image/jpeg")
    assert (found.status, found.detail["own"], found.direction) == ("valid_untrusted", True, "ai")
    assert metadata.detail["fields"]["xmp:DigitalSourceType"] == COMPOSITE_SOURCE


async def test_an_upload_is_released_as_what_it_is(sealing: Sealing) -> None:
    image = await upload(sealing.bench.platform, sealing.bench.caller, HOUSE)
    sealed = await seal_release(sealing.bench.platform, image, HOUSE, "image/png")
    claim = sealing.heard.claims[-1]
    assert (claim.actions, claim.digital_source_type) == (("opened", "published"), None)
    found, metadata = await sealing.heard.read(sealed, "image/png")
    assert (found.detail["own"], found.direction, metadata.detail["fields"]) == (True, "none", {})


async def test_p6_an_output_that_cannot_be_sealed_is_not_given_out(sealing: Sealing) -> None:
    sealing.heard.broken = True
    generation = await sealing.bench.ask()
    for _ in range(8):
        generation = await sealing.bench.run(generation)
    assert (generation.status, (generation.error or {}).get("code")) == ("failed", "seal_failed")
    assert await sealing.bench.images(generation) == []
    assert len(sealing.heard.claims) > 1
    sealing.heard.broken = False
    (image,) = await sealing.bench.images(await sealing.bench.make())
    read = await content.read(sealing.bench.platform, sealing.bench.caller, image.id)
    assert b"caBX" in read.data
