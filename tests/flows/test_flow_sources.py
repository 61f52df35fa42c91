"""Sources: a request that starts from pictures keeps them, screens them, and hands them to the provider as agreed."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw

from pictures import encoded, house, noise
from platemark.core.errors import IdempotencyKeyReused, InvalidImage, InvalidRequest, NotAllowed, TooLarge, Unsupported
from platemark.core.generation import Generation
from platemark.core.image import Blob, Fingerprint, Image, Publication
from platemark.core.inspection import Inspection
from platemark.core.model import Model
from platemark.core.moderation import Signal, Verdict
from platemark.core.ports import Query
from platemark.core.project import Principal
from platemark.core.request import GenerationRequest
from platemark.core.review import Review
from platemark.core.updates import Order
from platemark.flows import content, look, upkeep
from platemark.flows.accept import accept
from platemark.flows.keeping.delete import delete
from platemark.flows.record import generation_record, image_record
from platemark.flows.retry import retry
from platemark.flows.seal import COMPOSITE_SOURCE
from platemark.flows.upload import upload
from platemark.simulate.scripted import Scripted
from workbench import Bench, as_part

STUDIO = "scripted/studio"
HOUSE = encoded(house(96).resize((96, 64)))


def mask(size: tuple[int, int] = (96, 64)) -> bytes:
    image = Pillow.new("L", size, 0)
    ImageDraw.Draw(image).rectangle((10, 10, 30, 30), fill=255)
    return encoded(image)


MASK = mask()


@dataclass
class Seen:
    """A script that keeps the orders which reach the provider."""

    orders: list[Order] = field(default_factory=list[Order])

    def __call__(self, number: int, order: Order) -> None:
        self.orders.append(order)


@dataclass
class Judge:
    """An image detector that finds what it was told in files of one size in bytes."""

    score: float
    size: int
    name: str = "judge"
    version: str = "1"

    async def look(self, data: bytes) -> Sequence[Signal]:
        found = self.score if len(data) == self.size else 0.0
        return [Signal(detector=self.name, version=self.version, category="GORE", score=found)]


def levels(data: bytes | None, mode: str = "RGB") -> np.ndarray[Any, np.dtype[np.uint8]]:
    assert data is not None
    picture = Pillow.open(io.BytesIO(data))
    assert (picture.format, picture.mode, picture.info) == ("PNG", mode, {})
    return np.asarray(picture)


async def draw(bench: Bench, *files: bytes, **fields: Any) -> tuple[Generation, Order]:
    bench.provider.script = seen = Seen()
    made = await bench.run(await bench.ask(model=STUDIO, files=files, **fields))
    assert made.status == "succeeded", made.error
    return made, seen.orders[-1]


async def uploads(bench: Bench) -> list[Image]:
    page = await look.images(bench.platform, bench.caller, Query(bench.caller.project, equals={"origin": "uploaded"}))
    return list(reversed(page.data))


async def nothing_is_stored(bench: Bench) -> bool:
    async with bench.platform.store.reading() as read:
        kinds = (Generation, Image, Blob, Verdict, Fingerprint, Inspection, Publication, Review)
        rows = [row for kind in kinds for row in await read.all(kind)]
    return not rows and not [key for key in (as_part(HOUSE), as_part(MASK)) if await held(bench, key)]


async def held(bench: Bench, part: str) -> bool:
    return await bench.platform.blobs.exists(f"{bench.caller.project}/{part.removeprefix('part:')}")


async def test_p1_a_source_is_stored_judged_inspected_and_recorded(bench: Bench) -> None:
    made, order = await draw(bench, HOUSE, operation="image_to_image", image=as_part(HOUSE), strength=0.5)
    (source,) = await uploads(bench)
    assert [(each.role, each.index, each.image) for each in made.inputs] == [("image", 0, source.id)]
    assert (source.moderation_state, source.generation, source.sha256) == ("allowed", None, as_part(HOUSE)[5:])
    assert (await content.read(bench.platform, bench.caller, source.id)).data == HOUSE
    record = await image_record(bench.platform, bench.caller, source.id)
    assert record.request is None
    assert record.inspection is not None
    assert [(ruled["stage"], ruled["generation"]) for ruled in record.moderation] == [("before_request", made.id)]
    assert record.chain.verified
    np.testing.assert_array_equal(levels(order.image), np.asarray(Pillow.open(io.BytesIO(HOUSE))))
    assert (order.mask, order.guides) == (None, ())
    assert (order.parameters.width, order.parameters.height, order.parameters.strength) == (96, 64, 0.5)


async def test_the_outputs_and_the_record_name_their_parents(bench: Bench) -> None:
    made, _ = await draw(bench, HOUSE, MASK, operation="inpaint", image=as_part(HOUSE), mask=as_part(MASK), n=2)
    sources = await uploads(bench)
    ids = tuple(image.id for image in sources)
    assert [image.parents for image in await bench.images(made)] == [ids, ids]
    record = await generation_record(bench.platform, bench.caller, made.id)
    named = [(each.role, each.index, each.image, each.sha256) for each in record.request.inputs]
    assert named == [
        ("image", 0, ids[0], as_part(HOUSE)[5:]),
        ("mask", 0, ids[1], as_part(MASK)[5:]),
    ]
    assert {ruled["image"] for ruled in record.moderation} == {None, *ids}
    assert [image.image.parents for image in record.images] == [ids, ids]
    assert {ruled["image"] for ruled in record.images[0].moderation} == {None, *ids, record.images[0].image.id}


async def test_p8_the_chain_has_ids_and_digests_and_nothing_of_the_picture(bench: Bench) -> None:
    made, _ = await draw(bench, HOUSE, operation="upscale", image=as_part(HOUSE))
    (source,) = await uploads(bench)
    async with bench.platform.store.reading() as read:
        lines = await read.chain(made.project)
    accepted = next(line for line in lines if line.body["type"] == "generation.accepted")
    named = {"role": "image", "index": 0, "image": source.id, "sha256": source.sha256}
    assert accepted.body["data"]["inputs"] == [named]
    assert len(accepted.model_dump_json()) < 2_000


async def test_an_order_has_the_mask_and_the_guides_in_the_agreed_form(bench: Bench) -> None:
    guide, sketch = encoded(noise(40)), encoded(house(50))
    controls = [
        {"type": "canny", "image": as_part(guide), "strength": 0.4},
        {"type": "scribble", "image": as_part(sketch), "preprocess": False},
    ]
    files = (HOUSE, MASK, guide, sketch)
    named = {"image": as_part(HOUSE), "mask": as_part(MASK)}
    made, order = await draw(bench, *files, operation="inpaint", controls=controls, mask_grow=3, **named)
    drawn = levels(order.mask, "L")
    assert drawn.shape == (64, 96)
    assert (int(drawn[20, 20]), int(drawn[50, 50])) == (255, 0)
    assert [levels(data).shape for data in order.guides] == [(40, 40, 3), (50, 50, 3)]
    assert [(use.type, use.strength, use.preprocess) for use in order.parameters.controls] == [
        ("canny", 0.4, True),
        ("scribble", 1.0, False),
    ]
    assert order.parameters.mask_grow == 3
    assert [(each.role, each.index) for each in made.inputs] == [
        ("image", 0),
        ("mask", 0),
        ("control", 0),
        ("control", 1),
    ]


async def test_the_same_bytes_twice_are_one_image(bench: Bench) -> None:
    controls = [{"type": "canny", "image": as_part(HOUSE)}]
    made, order = await draw(bench, HOUSE, operation="image_to_image", image=as_part(HOUSE), controls=controls)
    (source,) = await uploads(bench)
    assert [each.image for each in made.inputs] == [source.id, source.id]
    assert [image.parents for image in await bench.images(made)] == [(source.id,)]
    assert order.guides == (order.image,)


async def test_a_source_is_turned_upright_and_laid_on_white(bench: Bench) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    turned = encoded(house(96).resize((96, 64)), "JPEG", exif=exif.tobytes())
    made, order = await draw(bench, turned, operation="image_to_image", image=as_part(turned))
    assert (made.parameters.width, made.parameters.height) == (64, 96)
    assert levels(order.image).shape == (96, 64, 3)
    clear = house(64).convert("RGBA")
    clear.putalpha(Pillow.new("L", clear.size, 0))
    _, order = await draw(bench, encoded(clear), operation="image_to_image", image=as_part(encoded(clear)))
    assert levels(order.image).min() == 255


async def test_outpaint_and_upscale_say_their_size(bench: Bench) -> None:
    made, order = await draw(bench, HOUSE, operation="outpaint", image=as_part(HOUSE), left=64, right=64)
    (image,) = await bench.images(made)
    assert (image.width, image.height) == (96 + 128, 64)
    assert (order.parameters.left, order.parameters.right, order.parameters.up) == (64, 64, 0)
    made, _ = await draw(bench, HOUSE, operation="upscale", image=as_part(HOUSE))
    assert [(image.width, image.height) for image in await bench.images(made)] == [(192, 128)]


@pytest.mark.parametrize("operation", ["inpaint", "outpaint"])
async def test_what_keeps_a_part_of_its_source_is_sealed_as_a_composite(bench: Bench, operation: str) -> None:
    more = {"mask": as_part(MASK)} if operation == "inpaint" else {"up": 8}
    made, _ = await draw(bench, HOUSE, MASK, operation=operation, image=as_part(HOUSE), **more)
    (image,) = await bench.images(made)
    async with bench.platform.store.reading() as read:
        inspection = await read.get(Inspection, image.inspection or "")
    credential = next(finding for finding in inspection.evidence if finding.kind == "c2pa")
    assert credential.detail["digital_source_type"] == COMPOSITE_SOURCE


async def test_base64_data_uri_and_id_are_the_same_picture(bench: Bench) -> None:
    plain = base64.b64encode(HOUSE).decode()
    lines = base64.encodebytes(HOUSE).decode()
    image = await upload(bench.platform, bench.caller, HOUSE)
    forms = (plain, lines, f"data:image/png;base64,{plain}", image.id)
    orders = [(await draw(bench, operation="image_to_image", image=text))[1] for text in forms]
    assert len({order.image for order in orders}) == 1


async def test_p6_a_draft_of_the_project_may_be_a_source(bench: Bench) -> None:
    (draft,) = await bench.images(await bench.make())
    made, _ = await draw(bench, operation="image_to_image", image=draft.id)
    assert made.inputs[0].image == draft.id
    assert [image.parents for image in await bench.images(made)] == [(draft.id,)]
    assert await uploads(bench) == []
    # It was looked at again for this request, and its own record tells of its own request only.
    record = await generation_record(bench.platform, bench.caller, made.id)
    assert {ruled["stage"] for ruled in record.moderation} == {"before_request"}
    assert draft.id in {ruled["image"] for ruled in record.moderation}
    own = await image_record(bench.platform, bench.caller, draft.id)
    assert made.id not in {ruled["generation"] for ruled in own.moderation}


async def test_p6_images_that_give_no_bytes_are_no_sources(bench: Bench) -> None:
    (foreign,) = [await upload(bench.platform, await bench.stranger(), HOUSE)]
    deleted = await upload(bench.platform, bench.caller, encoded(house(32)))
    await delete(bench.platform, bench.caller, deleted.id)
    shown = encoded(house(40))
    bench.change(image_detectors=(Judge(0.6, len(shown)),))
    withheld = await upload(bench.platform, bench.caller, shown)
    assert withheld.moderation_state == "in_review"
    cases = {
        foreign.id: "unknown_image",
        "img_" + "0" * 32: "unknown_image",
        deleted.id: "image_deleted",
        withheld.id: "image_withheld",
    }
    for id, code in cases.items():
        with pytest.raises(InvalidRequest, match=id) as caught:
            await bench.ask(model=STUDIO, operation="upscale", image=id)
        assert [(error.pointer, error.code) for error in caught.value.errors] == [("/image", code)]
    writer = Principal(project=bench.caller.project, key="k", scopes=frozenset({"images:write"}))
    request = GenerationRequest(prompt="x", model=STUDIO, operation="upscale", image=withheld.id)
    with pytest.raises(NotAllowed, match="images:read"):
        await accept(bench.platform, writer, request)


@pytest.mark.parametrize(
    ("fields", "pointer", "code", "kind"),
    [
        ({"image": "hello world"}, "/image", "invalid_image", InvalidImage),
        ({"image": "part:" + "0" * 64}, "/image", "invalid_image", InvalidImage),
        ({"image": "aGVsbG8="}, "/image", "invalid_image", InvalidImage),
        ({"image": "data:image/png,abc"}, "/image", "invalid_image", InvalidImage),
        ({"image": as_part(encoded(noise(5_000)))}, "/image", "too_large", TooLarge),
        ({"mask": as_part(mask((96, 63)))}, "/mask", "size_mismatch", InvalidRequest),
        ({"mask": as_part(encoded(Pillow.new("L", (96, 64), 0)))}, "/mask", "no_content", InvalidRequest),
        (
            {"controls": [{"type": "canny", "image": as_part(encoded(Pillow.new("RGB", (64, 64), "red")))}]},
            "/controls/0/image",
            "no_content",
            InvalidRequest,
        ),
        ({"operation": "upscale", "image": "x", "mask": None, "width": 32}, "/image", "invalid_image", InvalidImage),
        ({"width": 64}, "/width", "size_mismatch", InvalidRequest),
        ({"prompt": "x", "model": "scripted/plain"}, "/operation", "unsupported", Unsupported),
    ],
)
async def test_a_source_that_cannot_be_used_is_said_and_nothing_is_stored(
    bench: Bench, fields: dict[str, Any], pointer: str, code: str, kind: type[InvalidRequest]
) -> None:
    limits = bench.platform.limits
    bench.change(limits=type(limits)(max_image_bytes=100_000))
    files = (
        HOUSE,
        MASK,
        mask((96, 63)),
        encoded(Pillow.new("L", (96, 64), 0)),
        encoded(Pillow.new("RGB", (64, 64), "red")),
        encoded(noise(5_000)) if code == "too_large" else b"",
    )
    whole: dict[str, Any] = {"model": STUDIO, "operation": "inpaint", "image": as_part(HOUSE), "mask": as_part(MASK)}
    with pytest.raises(InvalidRequest) as caught:
        await bench.ask(files=files, **{**whole, **fields})
    assert type(caught.value) is kind
    assert (pointer, code) in [(error.pointer, error.code) for error in caught.value.errors]
    assert await nothing_is_stored(bench)


async def test_a_mask_of_another_size_is_told_both_sizes(bench: Bench) -> None:
    other = mask((32, 16))
    with pytest.raises(InvalidRequest, match="32 × 16 pixels, but the image has 96 × 64"):
        await bench.ask(
            model=STUDIO, files=(HOUSE, other), operation="inpaint", image=as_part(HOUSE), mask=as_part(other)
        )


async def test_all_pictures_that_cannot_be_used_are_said_at_once(bench: Bench) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await bench.ask(
            model=STUDIO,
            operation="inpaint",
            image="?",
            mask="https://127.0.0.1/mask.png",
            controls=[{"type": "canny", "image": "img_" + "1" * 32}],
        )
    found = {error.pointer: error.code for error in caught.value.errors}
    assert found == {"/image": "invalid_image", "/mask": "fetch_refused", "/controls/0/image": "unknown_image"}


async def test_what_is_dropped_is_not_even_looked_at(bench: Bench) -> None:
    controls = [{"type": "canny", "image": "https://127.0.0.1/x.png"}]
    made = await bench.ask(controls=controls, on_unsupported="drop")
    assert (made.dropped, made.inputs, made.parameters.controls) == (("controls",), (), ())


async def test_a_blocked_source_blocks_the_request_and_costs_nothing(bench: Bench) -> None:
    bench.change(image_detectors=(Judge(0.95, len(HOUSE)),))
    made = await bench.ask(model=STUDIO, files=(HOUSE,), operation="upscale", image=as_part(HOUSE))
    assert made.status == "blocked"
    assert made.error is not None
    (source,) = await uploads(bench)
    assert (made.error["code"], made.error["reason_code"]) == ("blocked_by_app_policy", "GORE")
    assert source.id in made.error["detail"]
    assert (source.moderation_state, source.readable) == ("blocked", False)
    assert await bench.events(made) == ["generation.accepted", "generation.blocked"]
    assert bench.jobs.submitted == []


async def test_a_doubtful_source_holds_the_request_for_a_person(bench: Bench) -> None:
    bench.change(image_detectors=(Judge(0.6, len(MASK)),))
    made = await bench.ask(
        model=STUDIO, files=(HOUSE, MASK), operation="inpaint", image=as_part(HOUSE), mask=as_part(MASK)
    )
    assert made.status == "held"
    shown, doubtful = await uploads(bench)
    assert (shown.moderation_state, doubtful.moderation_state) == ("allowed", "in_review")
    async with bench.platform.store.reading() as read:
        (review,) = await read.all(Review)
    assert (review.generation, review.image, review.reason_code) == (made.id, doubtful.id, "GORE")
    bench.clock.pass_(bench.platform.limits.review_expires_after * 1.01)
    await upkeep.expire(bench.platform)
    assert (await bench.again(made)).status == "expired"


async def test_a_draft_that_became_doubtful_holds_the_request(bench: Bench) -> None:
    (draft,) = await bench.images(await bench.make())
    bench.change(image_detectors=(Blunt(),))
    made = await bench.ask(model=STUDIO, operation="upscale", image=draft.id)
    assert made.status == "held"
    async with bench.platform.store.reading() as read:
        (review,) = await read.all(Review)
        assert (await read.get(Image, draft.id)).moderation_state == draft.moderation_state
    assert (review.generation, review.image) == (made.id, draft.id)


class Blunt:
    """Finds something in every picture."""

    name, version = "blunt", "1"

    async def look(self, data: bytes) -> Sequence[Signal]:
        return [Signal(detector="blunt", version="1", category="GORE", score=0.6)]


async def test_p2_the_bytes_of_a_part_belong_to_the_body(bench: Bench) -> None:
    asked: dict[str, Any] = {"model": STUDIO, "operation": "upscale", "key": "k"}
    first = await bench.ask(files=(HOUSE,), image=as_part(HOUSE), **asked)
    again = await bench.ask(files=(HOUSE,), image=as_part(HOUSE), **asked)
    assert again.id == first.id
    assert len(await uploads(bench)) == 1
    other = encoded(house(48))
    with pytest.raises(IdempotencyKeyReused):
        await bench.ask(files=(other,), image=as_part(other), **asked)


async def test_p2_many_at_once_with_one_key_store_one_source(bench: Bench) -> None:
    found: list[str] = []

    async def one() -> None:
        image = as_part(HOUSE)
        made = await bench.ask(files=(HOUSE,), model=STUDIO, operation="upscale", image=image, key="storm")
        found.append(made.id)

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(one)
    assert len(set(found)) == 1
    assert len(await uploads(bench)) == 1


async def test_a_source_that_was_deleted_before_the_drawing_ends_it_and_costs_nothing(bench: Bench) -> None:
    asked = await bench.ask(model=STUDIO, files=(HOUSE,), operation="upscale", image=as_part(HOUSE))
    await delete(bench.platform, bench.caller, asked.inputs[0].image)
    made = await bench.run(asked)
    assert made.status == "failed"
    assert made.error is not None
    (attempt,) = await bench.attempts(made)
    assert (made.error["code"], attempt.cost_micro_usd, attempt.cost_status) == ("gone", 0, "settled")
    assert asked.inputs[0].image in made.error["detail"]
    assert bench.provider.calls.total() == 0


async def test_another_try_draws_from_the_same_source(bench: Bench) -> None:
    orders: list[Order] = []

    def script(number: int, order: Order) -> None:
        orders.append(order)
        if number == 1:
            raise InvalidImage("The first try fails.")

    bench.provider.script = script
    asked = await bench.ask(model=STUDIO, files=(HOUSE,), operation="upscale", image=as_part(HOUSE))
    assert (await bench.run(asked)).status == "failed"
    made = await bench.run(await retry(bench.platform, bench.caller, asked.id))
    assert made.status == "succeeded"
    assert orders[0].image == orders[1].image
    assert len(await uploads(bench)) == 1


async def test_a_model_that_lost_an_operation_is_sent_nothing(bench: Bench) -> None:
    asked = await bench.ask(model=STUDIO, files=(HOUSE,), operation="upscale", image=as_part(HOUSE))
    bench.change(providers={"scripted": (poorer := Poorer())})
    made = await bench.run(asked)
    assert (made.status, (made.error or {})["code"]) == ("failed", "unsupported_by_model")
    assert poorer.calls.total() == 0


class Poorer(Scripted):
    """Its studio draws from text alone."""

    @property
    def models(self) -> dict[str, Model]:
        plain = super().models["scripted/plain"]
        return {STUDIO: plain.model_copy(update={"id": STUDIO})}
