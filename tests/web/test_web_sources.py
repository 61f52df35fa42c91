"""Pictures in requests: as parts of a form, as ids, URLs and base64."""

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image as Pillow
from PIL import ImageDraw
from webparts import Site

from pictures import encoded, house
from platemark.core.updates import Order

HOUSE = encoded(house(96).resize((96, 64)))
STUDIO = ("model", (None, "scripted/studio"))


def mask() -> bytes:
    image = Pillow.new("L", (96, 64), 0)
    ImageDraw.Draw(image).rectangle((10, 10, 30, 30), fill=255)
    return encoded(image)


def listen(site: Site) -> list[Order]:
    orders: list[Order] = []
    site.provider.script = lambda _, order: orders.append(order)
    return orders


async def post(site: Site, *parts: Any, status: int = 200, key: str | None = None) -> dict[str, Any]:
    files = [("prompt", (None, "a red house")), STUDIO, *parts]
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await site.client.post("/v1/generate", files=files, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_form_carries_image_mask_and_guides_as_files(site: Site) -> None:
    orders = listen(site)
    guide = encoded(house(40))
    made = await post(
        site,
        ("operation", (None, "inpaint")),
        ("image", ("house.png", HOUSE, "image/png")),
        ("mask", ("mask.png", mask(), "application/octet-stream")),
        ("controls", (None, json.dumps([{"type": "canny"}, {"type": "scribble", "strength": 0.5}]))),
        ("control_image", ("first.png", guide)),
        ("control_image", ("second.png", HOUSE)),
        ("strength", (None, "0.7")),
    )
    assert [(each["role"], each["index"]) for each in made["inputs"]] == [
        ("image", 0),
        ("mask", 0),
        ("control", 0),
        ("control", 1),
    ]
    assert made["inputs"][0]["image"] == made["inputs"][3]["image"]
    assert made["images"][0]["parents"] == [made["inputs"][index]["image"] for index in range(3)]
    assert made["parameters"]["controls"][1]["strength"] == 0.5
    assert made["parameters"]["strength"] == 0.7
    assert [Pillow.open(io.BytesIO(data)).size for data in orders[0].guides] == [(40, 40), (96, 64)]


async def test_an_outpaint_by_64_on_both_sides_is_128_wider(site: Site) -> None:
    made = await post(
        site,
        ("operation", (None, "outpaint")),
        ("image", ("house.png", HOUSE)),
        ("left", (None, "64")),
        ("right", (None, "64")),
    )
    assert (made["images"][0]["width"], made["images"][0]["height"]) == (224, 64)


async def test_guides_go_to_those_controls_that_name_no_image(site: Site) -> None:
    orders = listen(site)
    uploaded = (await site.client.post("/v1/images", files={"image": ("a.png", HOUSE)})).json()["id"]
    controls = [{"type": "canny", "image": uploaded}, {"type": "scribble"}]
    guide = encoded(house(40))
    await post(site, ("controls", (None, json.dumps(controls))), ("control_image", ("g.png", guide)))
    assert [Pillow.open(io.BytesIO(data)).size for data in orders[0].guides] == [(96, 64), (40, 40)]
    await post(site, ("controls", (None, json.dumps([{"type": "canny"}]))), ("control_image", (None, uploaded)))
    assert Pillow.open(io.BytesIO(orders[1].guides[0])).size == (96, 64)


async def test_a_guide_without_its_control_and_a_control_without_its_guide_are_said(site: Site) -> None:
    problem = await post(site, ("control_image", ("g.png", HOUSE)), status=422)
    assert [error["pointer"] for error in problem["errors"]] == ["/control_image"]
    problem = await post(site, ("controls", (None, '[{"type": "canny"}]')), status=422)
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("/controls/0/image", "missing")]
    problem = await post(
        site, ("controls", (None, '[{"type": "canny"}]')), ("control_image", (None, b"\xff")), status=422
    )
    assert [error["pointer"] for error in problem["errors"]] == ["/controls/0/image"]


async def test_p2_a_form_replays_by_its_bytes(site: Site) -> None:
    parts = [("operation", (None, "upscale")), ("image", ("a.png", HOUSE))]
    first = await post(site, *parts, key="k")
    again = await post(site, *parts, key="k")
    assert again["id"] == first["id"]
    other = [("operation", (None, "upscale")), ("image", ("a.png", encoded(house(32))))]
    problem = await post(site, *other, status=409, key="k")
    assert problem["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("form", ["base64", "data", "url", "id"])
async def test_json_carries_pictures_as_text(site: Site, form: str) -> None:
    orders = listen(site)
    plain = base64.b64encode(HOUSE).decode()
    site.web.pages["https://pictures.example/house.png"] = HOUSE
    image = {"base64": plain, "data": f"data:image/png;base64,{plain}", "url": "https://pictures.example/house.png"}
    if form == "id":
        image["id"] = (await site.client.post("/v1/images", files={"image": ("a.png", HOUSE)})).json()["id"]
    sent: dict[str, Any] = {"operation": "image_to_image", "image": image[form], "strength": 0.3}
    made = await site.generate(model="scripted/studio", **sent)
    assert orders[0].image is not None
    assert Pillow.open(io.BytesIO(orders[0].image)).size == (96, 64)
    (input,) = made["inputs"]
    stored = await site.client.get(f"/v1/images/{input['image']}/content")
    assert stored.content == HOUSE


async def test_a_refused_request_leaves_no_bytes(site: Site) -> None:
    small = encoded(Pillow.new("L", (32, 32), 255))
    for parts in (
        [("operation", (None, "inpaint")), ("image", ("a.png", HOUSE)), ("mask", ("m.png", small))],
        [("operation", (None, "upscale")), ("image", ("a.png", HOUSE)), ("width", (None, "95"))],
        [("operation", (None, "upscale")), ("image", ("a.png", b"no picture"))],
        [("operation", (None, "upscale")), ("image", ("a.png", HOUSE)), ("loras", (None, '[{"id": "gold"}]'))],
        [("operation", (None, "inpaint")), ("image", ("a.png", HOUSE))],
    ):
        problem = await post(site, *parts, status=422)
        assert problem["errors"], problem
    assert site.blobs.kept == {}
    assert (await site.client.get("/v1/images")).json()["data"] == []


async def test_the_only_file_that_is_too_large_is_413(small_site: Site) -> None:
    answer = await small_site.client.post(
        "/v1/generate", files=[("prompt", (None, "x")), STUDIO, ("image", ("a.png", b"x" * 2_000))]
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_bytes_of_a_result_can_be_asked_for_directly(site: Site) -> None:
    files = [("prompt", (None, "x")), STUDIO, ("operation", (None, "upscale")), ("image", ("a.png", HOUSE))]
    answer = await site.client.post("/v1/generate", files=files, headers={"Accept": "image/png"})
    assert answer.headers["content-type"] == "image/png"


async def test_the_form_is_described_with_its_files(site: Site) -> None:
    schemas = (await site.client.get("/openapi.json")).json()["components"]["schemas"]
    form = schemas["GenerationForm"]["properties"]
    assert form["control_image"]["type"] == "array"
    assert "As JSON text." in form["mask_grow"]["description"]
    assert form.keys() - schemas["GenerationRequest"]["properties"].keys() == {"control_image"}
