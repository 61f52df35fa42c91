"""Pictures that callers hand in: every form they come in, and what goes over the wire."""

import base64
import io
import json
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from PIL import Image as Pillow
from wires import PIXELS, Script, Time, async_client, client, generation, image, ok, problem

from pictures import encoded, house
from platemark.core.errors import InvalidRequest, UnsupportedMedia
from platemark.core.resource import GenerationResource

ID = "img_" + "0a" * 16
SOURCES = ["img_" + digit * 32 for digit in "123"]


def sent(request: httpx2.Request) -> tuple[dict[str, Any], list[tuple[str, bytes]]]:
    """The fields of a form, and its files by the names of their parts."""
    kind = request.headers["content-type"]
    assert kind.startswith("multipart/form-data"), request.content
    whole = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + request.content)
    fields: dict[str, Any] = {}
    files: list[tuple[str, bytes]] = []
    for part in whole.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        if part.get_filename() is None:
            fields[name] = data.decode()
        else:
            files.append((name, data))
    return fields, files


def asked(script: Script) -> dict[str, Any]:
    return json.loads(script.seen[0].content)


def test_bytes_go_as_parts_of_a_form_and_what_is_none_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "source.png"
    source.write_bytes(PIXELS)
    script = Script([ok(generation())])
    client(script).generate(
        "a red house",
        operation="inpaint",
        image=source,
        mask=b"mask",
        strength=0.5,
        seed=None,
        reproducible=True,
        controls=[{"type": "canny", "image": ID}, {"type": "scribble", "image": source, "strength": 0.25}],
        loras=[{"id": "ink", "scale": 0.5}],
        tags={"a": "b"},
    )
    fields, files = sent(script.seen[0])
    assert files == [("image", PIXELS), ("mask", b"mask"), ("control_image", PIXELS)]
    assert (fields.pop("prompt"), fields.pop("operation")) == ("a red house", "inpaint")
    assert {name: json.loads(text) for name, text in fields.items()} == {
        "strength": 0.5,
        "reproducible": True,
        "controls": [{"type": "canny", "image": ID}, {"type": "scribble", "strength": 0.25}],
        "loras": [{"id": "ink", "scale": 0.5}],
        "tags": {"a": "b"},
    }


def test_names_of_pictures_go_as_json() -> None:
    script = Script([ok(generation())])
    client(script).generate("x", operation="upscale", image="https://pictures.example/a.png", width=None)
    assert asked(script) == {"prompt": "x", "operation": "upscale", "image": "https://pictures.example/a.png"}


def test_an_image_of_an_earlier_generation_goes_by_its_id() -> None:
    script = Script([ok(generation(images=[image(id=ID)]))])
    connection = client(script)
    made = connection.generate("a red house")
    for given in (made.images[0], made, ID):
        connection.generate("again", operation="image_to_image", image=given)
        assert json.loads(script.seen[-1].content)["image"] == ID


def test_a_generation_of_several_images_is_no_picture() -> None:
    script = Script([ok(generation(images=[image(id=ID), image(id=ID, index=1)]))])
    connection = client(script)
    made = connection.generate("x", n=2)
    with pytest.raises(InvalidRequest, match=r"2 images.*images\[0\]"):
        connection.generate("x", image=made)


def forms(folder: Path) -> dict[str, Any]:
    file = folder / "a.png"
    file.write_bytes(PIXELS * 5)
    return {
        "bytes": PIXELS * 5,
        "bytearray": bytearray(PIXELS * 5),
        "memoryview": memoryview(PIXELS * 5),
        "path": file,
        "text": str(file),
        "file": io.BytesIO(PIXELS * 5),
        "base64": base64.b64encode(PIXELS * 5).decode(),
    }


FORMS = ("bytes", "bytearray", "memoryview", "path", "text", "file", "base64")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_bytes_arrives(tmp_path: Path, form: str) -> None:
    script = Script([ok(generation())])
    client(script).generate("x", image=forms(tmp_path)[form])
    assert sent(script.seen[0])[1] == [("image", PIXELS * 5)]


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_of_bytes_arrives_and_the_loop_never_waits_for_the_disk(tmp_path: Path, form: str) -> None:
    given = (await anyio.to_thread.run_sync(forms, tmp_path))[form]
    script = Script([ok(generation())])
    await async_client(script).generate("x", image=given)
    assert sent(script.seen[0])[1] == [("image", PIXELS * 5)]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P"])
def test_a_picture_of_pillow_goes_as_png(mode: str) -> None:
    script = Script([ok(generation())])
    client(script).generate("x", image=house(32).convert(mode))
    ((name, data),) = sent(script.seen[0])[1]
    found = Pillow.open(io.BytesIO(data))
    assert (name, found.format, found.size) == ("image", "PNG", (32, 32))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nowhere.png", r"nowhere\.png cannot be read: No such file"),
        (Path("nowhere.png"), r"nowhere\.png cannot be read"),
        ("img_123", "img_123 cannot be read"),
        (7, "A int is no picture"),
        (io.StringIO("text"), "open as text"),
        (house(8).convert("CMYK"), "Convert it to RGB"),
    ],
)
def test_what_cannot_be_read_is_said_before_anything_is_sent(given: Any, words: str) -> None:
    script = Script([ok(generation())])
    with pytest.raises(InvalidRequest, match=words):
        client(script).generate("x", operation="upscale", image=given)
    assert script.seen == []


def test_a_file_that_was_closed_is_said() -> None:
    file = io.BytesIO(b"x")
    file.close()
    with pytest.raises(InvalidRequest, match="closed file"):
        client(Script([ok(generation())])).generate("x", image=file)


def test_what_was_handed_in_stays_as_it_was() -> None:
    control = {"type": "canny", "image": b"guide"}
    controls = [control]
    client(Script([ok(generation())])).generate("x", controls=controls)
    assert controls == [{"type": "canny", "image": b"guide"}]


def test_p2_a_form_is_sent_again_whole_under_the_same_key() -> None:
    script = Script([httpx2.ReadError("gone"), problem("unavailable", 503, retryable=True), ok(generation())])
    client(script, Time()).generate("x", operation="upscale", image=io.BytesIO(PIXELS))
    assert len({request.headers["idempotency-key"] for request in script.seen}) == 1
    assert [sent(request)[1] for request in script.seen] == [[("image", PIXELS)]] * 3


def test_what_the_server_says_about_a_picture_is_raised() -> None:
    script = Script([problem("unsupported_media_type", 415)])
    with pytest.raises(UnsupportedMedia):
        client(script).generate("x", image=b"?")


def record(**request: Any) -> dict[str, Any]:
    """The record of an image, as far as variations need it."""
    parameters = {"width": 96, "height": 64, "steps": 4, "cfg_scale": 3.0, "seed": 40, "n": 4, "scheduler": "euler"}
    asked: dict[str, Any] = {
        "generation": "gen_1",
        "project": "prj_1",
        "user": None,
        "role": None,
        "audience": None,
        "key": "key_1",
        "operation": "text_to_image",
        "lane": "interactive",
        "prompt": "a red house",
        "negative_prompt": "fog",
        "text_sha256": "",
        "text_erased_at": None,
        "prompt_version": None,
        "parameters": parameters,
        "requested_model": None,
        "model": "local/pocket",
        "model_revision": None,
        "tags": {},
        "dropped": [],
        "warnings": [],
        "accepted_at": "2026-01-02T03:04:05Z",
        **request,
    }
    picture: dict[str, Any] = {
        "deleted_at": None,
        "reason_code": None,
        "id": ID,
        "index": 2,
        "origin": "generated",
        "created_at": "2026-01-02T03:04:05Z",
        "seed": 42,
        "sha256": "",
        "original_sha256": "",
        "media_type": "image/png",
        "width": 96,
        "height": 64,
        "stored": True,
        "parents": [],
        "moderation_state": "allowed",
    }
    empty: dict[str, Any] = {name: [] for name in ("attempts", "moderation", "reviews", "publications")}
    nothing: dict[str, Any] = dict.fromkeys(("inspection", "credential", "watermark", "usage", "licence"))
    chain = {"first_seq": 1, "last_seq": 2, "head": "", "verified": True}
    return {"image": picture, "request": asked, **empty, **nothing, "chain": chain}


async def test_variations_draw_the_request_of_an_image_again() -> None:
    script = Script([ok(record()), ok(generation())])
    made = client(script).variations(ID, n=3, strength=0.2)
    assert isinstance(made.resource, GenerationResource)
    assert script.asked == [f"GET /v1/images/{ID}/record", "POST /v1/generate"]
    expected = {
        "prompt": "a red house",
        "negative_prompt": "fog",
        "model": "local/pocket",
        "operation": "text_to_image",
        "width": 96,
        "height": 64,
        "steps": 4,
        "cfg_scale": 3.0,
        "scheduler": "euler",
        "seed": 42,
        "n": 3,
        "variation": 0.2,
    }
    assert json.loads(script.seen[1].content) == expected
    script = Script([ok(record()), ok(generation())])
    await async_client(script).variations(ID, n=3, strength=0.2)
    assert json.loads(script.seen[1].content) == expected


def test_variations_of_an_edited_image_start_from_the_same_sources() -> None:
    inputs = [
        {"role": "image", "index": 0, "image": SOURCES[0], "sha256": ""},
        {"role": "mask", "index": 0, "image": SOURCES[1], "sha256": ""},
        {"role": "control", "index": 0, "image": SOURCES[2], "sha256": ""},
    ]
    parameters = {"width": 9, "height": 9, "seed": 1, "n": 1, "controls": [{"type": "canny", "strength": 1.0}]}
    edited = record(operation="inpaint", inputs=inputs, parameters=parameters, negative_prompt=None)
    script = Script([ok(edited), ok(generation())])
    client(script).variations(ID)
    assert json.loads(script.seen[1].content) == {
        "prompt": "a red house",
        "operation": "inpaint",
        "model": "local/pocket",
        "image": SOURCES[0],
        "mask": SOURCES[1],
        "controls": [{"type": "canny", "strength": 1.0, "image": SOURCES[2]}],
        "seed": 42,
        "n": 4,
        "variation": 0.3,
    }


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({**record(), "request": None}, "is an upload"),
        (record(prompt=None), "was erased"),
        (record(parameters={"variation": 0.5}), "is a variation itself"),
    ],
)
def test_variations_of_what_cannot_be_drawn_again_are_said(found: dict[str, Any], words: str) -> None:
    script = Script([ok(found)])
    with pytest.raises(InvalidRequest, match=words):
        client(script).variations(ID)
    assert len(script.seen) == 1


def test_variations_of_bytes_are_said() -> None:
    script = Script([ok(generation())])
    with pytest.raises(InvalidRequest, match="that Platemark drew"):
        client(script).variations(encoded(house(8)))
    assert script.seen == []
