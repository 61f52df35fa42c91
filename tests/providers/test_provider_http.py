"""The shared transport: what is sent, what is kept, and that nothing of a key stays."""

import base64
import json

import pytest

from platemark.providers.http import Call, Keys, Lost, Reply, decode_payload, kept, open_transport
from platemark.simulate.pictures import striped
from platemark.simulate.server import serve
from platemark.simulate.stability import FakeStability

PNG = striped(8, 8, "x")
KEY = "sk-very/secret+key"


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(PNG).decode(),
        base64.b64encode(PNG).decode().rstrip("="),
        base64.urlsafe_b64encode(PNG).decode(),
        "\n".join(base64.encodebytes(PNG).decode().splitlines()),
        f"data:image/png;base64,{base64.b64encode(PNG).decode()}",
        f"data:image/PNG;charset=x;base64,{base64.b64encode(PNG).decode()}",
        PNG.hex(),
        PNG.hex().upper(),
    ],
)
def test_every_form_of_a_picture_as_text(text: str) -> None:
    assert decode_payload(text) == PNG


@pytest.mark.parametrize("text", ["!!not base64!!", "a", "data:image/png;base64,%%%"])
def test_what_is_no_picture_as_text(text: str) -> None:
    assert decode_payload(text) is None


def test_what_is_kept_of_an_answer_has_no_payload_and_no_secret() -> None:
    body = {
        "image": base64.b64encode(PNG * 50).decode(),
        "urls": ["https://cdn.example/a.png?X-Signature=abc&Expires=1"],
        "note": f"your key {KEY} is fine",
        "deep": {"a": [1, None, True]},
    }
    headers = {"set-cookie": "session=1", "x-echo": f"Bearer {KEY}", "x-request-id": "r1", "authorization": "x"}
    found = kept(Reply(200, headers, json.dumps(body).encode()), Keys((KEY,)))
    assert found["headers"] == {"x-echo": "Bearer [secret]", "x-request-id": "r1"}
    assert found["body"]["image"]["bytes"] == len(PNG) * 50
    assert found["body"]["urls"] == ["https://cdn.example/a.png?[signed]"]
    assert found["body"]["note"] == "your key [secret] is fine"
    assert found["body"]["deep"] == {"a": [1, None, True]}


@pytest.mark.parametrize("prompt", ["a red house", 'a "red" house, Größe 1', "cat"])
def test_a_prompt_that_is_repeated_is_not_kept_again(prompt: str) -> None:
    body = {"input": {"prompt": f" {prompt} "}, "info": json.dumps({"prompt": prompt}), "category": "category"}
    found = kept(Reply(200, {}, json.dumps(body).encode()), Keys(), texts=(prompt, ""))["body"]
    assert found["input"] == {"prompt": "[prompt]"} or len(prompt) >= 8
    assert len(prompt) < 8 or prompt not in str(found)
    assert len(prompt) < 8 or json.dumps(prompt)[1:-1] not in str(found)
    assert found["category"] == "category"


def test_a_picture_is_kept_by_its_hash() -> None:
    found = kept(Reply(200, {"content-type": "image/png"}, PNG), Keys())
    assert found["body"].keys() == {"sha256", "bytes", "media_type"}


@pytest.mark.parametrize("form", [KEY, "sk-very%2Fsecret%2Bkey", base64.b64encode(KEY.encode()).decode()])
def test_a_key_is_taken_out_in_every_form(form: str) -> None:
    assert Keys((KEY,)).clean(f"a {form} b") == "a [secret] b"
    assert KEY not in repr(Keys((KEY,)))


def test_a_refused_key_is_tried_last() -> None:
    keys = Keys(("a", "b", "c"))
    keys.refused("a")
    assert keys.in_turn() == ("b", "c", "a")


async def test_a_form_is_multipart_also_without_files() -> None:
    async with serve(fake := FakeStability()) as url, open_transport("stability", url) as transport:
        call = Call(
            "POST",
            "/v2beta/stable-image/generate/core",
            headers={"authorization": "Bearer sk-simulated", "accept": "image/*"},
            form={"prompt": "a café", "seed": "1"},
        )
        reply = await transport.send(call)
    assert (reply.status, reply.media_type) == (200, "image/png")
    assert fake.board.seen[0].fields == {"prompt": "a café", "seed": "1"}


async def test_a_port_where_nobody_listens_was_never_sent_to() -> None:
    async with open_transport("acme", "http://127.0.0.1:9") as transport:
        with pytest.raises(Lost) as lost:
            await transport.send(Call("POST", "/", json={}))
    assert lost.value.cut == "not_sent"


async def test_a_vendor_cannot_send_our_key_to_another_host() -> None:
    async with open_transport("acme", "https://api.acme.example") as transport:
        with pytest.raises(Lost) as lost:
            await transport.send(Call("GET", "https://evil.example/poll"))
    assert lost.value.cut == "not_sent"


@pytest.mark.parametrize(
    ("claimed", "plain"), [("application/json; type=image/png", "application/json"), ("Image/PNG", "image/png")]
)
def test_the_claimed_type_is_read_leniently(claimed: str, plain: str) -> None:
    assert Reply(200, {"content-type": claimed}, b"").media_type == plain
