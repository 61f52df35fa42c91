"""AIME: each row of its table, what is sent for each operation, its two ways of signing in, its progress."""

import base64
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from attached import attached, check_row, drawn, never, order_of, unsupported, verdict_of

from platemark.core.errors import (
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderError,
    ProviderUnavailable,
)
from platemark.core.model import Operation
from platemark.core.updates import Accepted, Answered, Order, Picture, Preview, Progress
from platemark.providers.aime import MODELS, TABLE, Aime
from platemark.providers.catalogue import Declared
from platemark.providers.http import Reply
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.remote import Remote
from platemark.simulate.aime import ENDPOINTS, FakeAime
from platemark.simulate.contract import KEY, ask
from platemark.simulate.pictures import striped
from platemark.simulate.server import serve

SD35 = "aime/stable-diffusion-3-5"
# One answer for each row of the table, in its order.
ROWS: list[tuple[int, str, Outcome]] = [
    (200, '{"success": true, "job_state": "done", "job_result": {"error": "NSFW content"}}', "output_blocked"),
    (200, '{"success": true, "job_id": "JID1", "error": "blocked by the safety checker"}', "output_blocked"),
    (200, '{"success": false, "error": "API key not valid"}', "auth"),
    (200, '{"success": false, "error": ["no"]}', "unusable"),
    (200, '{"success": true, "job_state": "done", "job_result": {"success": false}}', "unusable"),
    (200, '{"success": true, "job_id": "JID1", "job_state": "canceled"}', "unusable"),
    (200, '{"success": true, "job_state": "done", "job_result": {"error": "out of memory"}}', "unusable"),
    (200, '{"success": true, "job_id": "JID1", "error": "out of memory"}', "unusable"),
    (200, '{"success": true, "job_state": "done", "job_result": {"info": "Error: too large"}}', "unusable"),
    (200, '{"success": true, "job_id": "JID1", "job_state": "processing"}', "pending"),
    (400, '{"success": false, "error": "Job JID1 on flux-dev lapsed!", "job_state": "lapsed"}', "unusable"),
    (400, '{"success": false, "error": "Job queue reached max length 1000!"}', "overloaded"),
    (402, '{"success": false, "error": ["Client has no active request with this job id JID9"]}', "unknown"),
    (402, '{"success": false, "error": ["Client not authorized for endpoint flux-dev!"]}', "auth"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, str, Outcome]) -> None:
    check_row(TABLE, row, *answer)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, '{"success": true, "job_id": "JID1", "error": null}', "ok"),
        (200, '{"success": true, "job_id": "JID1", "error": ""}', "ok"),
        (400, '{"success": false, "error": ["Invalid parameter: mask"]}', "bad_request"),
        (400, '{"success": false, "error": "Endpoint disabled!"}', "overloaded"),
        (401, '{"success": false, "error": ["API key not valid"]}', "auth"),
        (404, '{"description": "Not Found", "status": 404}', "not_found"),
    ],
)
def test_what_else_answers_mean(status: int, body: str, outcome: Outcome) -> None:
    assert verdict_of(TABLE, status, body).outcome == outcome


def connected(
    change: Callable[[Declared], Declared] = lambda model: model,
    *,
    keys: tuple[str, ...] = (KEY,),
    fake: FakeAime | None = None,
) -> AbstractAsyncContextManager[tuple[Remote, FakeAime]]:
    vendor = Aime(models={name: change(model) for name, model in MODELS.items()})
    return attached(vendor, fake or FakeAime(), keys=keys, fetch=never)


def with_login(model: Declared) -> Declared:
    return replace(model, facts={**model.facts, "sign_in": "login"})


def order(model: str = SD35, operation: Operation = "text_to_image", **parameters: Any) -> Order:
    return order_of(MODELS, model, operation, **parameters)


async def sent(wanted: Order) -> tuple[str, dict[str, Any]]:
    """Path and fields of the one job that an order comes to, without what goes with every job."""
    (seen,), _ = await drawn(Aime(), FakeAime(), wanted, fetch=never)
    fields = dict(seen.json)
    assert (fields.pop("key"), fields.pop("wait_for_result")) == (KEY, False)
    return seen.path, fields


@pytest.mark.anyio
async def test_a_text_for_stable_diffusion_3() -> None:
    path, fields = await sent(order(width=768, height=512))
    assert path == "/stable_diffusion_3_5"
    assert fields == {
        "prompt": "a red house in a green meadow",
        "negative_prompt": "people",
        "seed": 1234,
        "width": 768,
        "height": 512,
        "steps": 28,
        "cfg_scale": 5.0,
    }


@pytest.mark.anyio
async def test_each_endpoint_has_words_of_its_own() -> None:
    path, fields = await sent(order("aime/stable-diffusion-xl-txt2img", scheduler="euler_a"))
    assert (path, fields["base_steps"], fields["scale"]) == ("/stable_diffusion_xl_txt2img", 40, 6.0)
    assert fields["base_sampler"] == "EulerAncestralSampler"
    path, fields = await sent(order("aime/flux-dev"))
    assert (path, fields["steps"], fields["guidance"]) == ("/flux-dev", 40, 3.5)
    assert "negative_prompt" not in fields


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("model", "name", "default"),
    [
        (SD35, "denoise", 0.6),
        ("aime/stable-diffusion-3", "denoise", 0.6),
        ("aime/flux-dev", "image2image_strength", 0.8),
        ("aime/stable-diffusion-xl-img2img", "strength", 0.75),
    ],
)
async def test_strength_is_ours_everywhere(model: str, name: str, default: float) -> None:
    _, fields = await sent(order(model, "image_to_image", strength=0.25))
    assert fields[name] == 0.25
    assert fields["image"].startswith("data:image/png;base64,")
    _, fields = await sent(order(model, "image_to_image"))
    assert fields[name] == default


@pytest.mark.anyio
async def test_where_a_server_means_the_opposite_strength_is_turned_around() -> None:
    async with connected(lambda model: replace(model, strength_ignores_source=False)) as (provider, fake):
        _, error = await ask(provider, order(SD35, "image_to_image", strength=0.25))
    assert error is None
    assert fake.board.seen[-1].json["denoise"] == 0.75


@pytest.mark.anyio
async def test_the_old_endpoint_takes_neither_size_nor_seed() -> None:
    path, fields = await sent(order("aime/stable-diffusion-xl-img2img", "image_to_image"))
    assert path == "/stable_diffusion_xl_img2img"
    assert fields.keys() == {"text", "image", "strength", "scale", "ddim_steps"}


@pytest.mark.anyio
async def test_a_source_of_any_size_is_drawn_at_the_nearest_that_there_is() -> None:
    _, fields = await sent(order(SD35, "image_to_image", width=301, height=250))
    assert (fields["width"], fields["height"]) == (304, 256)


@pytest.mark.anyio
async def test_a_session_is_opened_before_the_job() -> None:
    async with connected(with_login) as (provider, fake):
        updates, error = await ask(provider, order())
    assert error is None
    (seen,) = fake.board.seen
    assert seen.json["client_session_auth_key"] == "session-1"
    assert "key" not in seen.json
    assert fake.board.calls[:2] == [("GET", "/stable_diffusion_3_5/login"), ("POST", "/stable_diffusion_3_5")]
    assert KEY not in f"{updates}"


@pytest.mark.anyio
async def test_a_login_that_is_refused_tries_the_next_key_and_buys_nothing() -> None:
    async with connected(with_login, keys=("sk-withdrawn", KEY)) as (provider, fake):
        _, error = await ask(provider, order())
        assert error is None
        assert fake.board.submissions() == 1
    async with connected(with_login, keys=("sk-withdrawn",)) as (provider, fake):
        _, error = await ask(provider, order())
    assert isinstance(error, ProviderAuthFailed)
    assert "API key not valid" in error.detail
    assert fake.board.submissions() == 0


@pytest.mark.anyio
async def test_progress_and_previews_are_told_while_it_waits() -> None:
    async with connected() as (provider, fake):
        updates, error = await ask(provider, replace(order(), previews=True))
    assert error is None
    assert fake.board.seen[-1].json["provide_progress_images"] == "decoded"
    assert [(each.done, each.total) for each in updates if isinstance(each, Progress)] == [(0, 28), (14, 28)]
    (preview,) = (each for each in updates if isinstance(each, Preview))
    assert (preview.media_type, preview.step) == ("image/jpeg", 14)


@pytest.mark.anyio
async def test_the_ticket_is_the_job_and_what_came_is_told() -> None:
    async with connected() as (provider, _):
        updates, _ = await ask(provider, order())
    assert [each.ticket for each in updates if isinstance(each, Accepted)] == ["JID1"]
    (picture,) = (each for each in updates if isinstance(each, Picture))
    assert (picture.media_type, picture.seed, picture.warnings) == ("image/jpeg", 1234, ())
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert answer.model_revision == "stable_diffusion_3_5"
    assert answer.response["sent"] == {
        "path": "/stable_diffusion_3_5",
        "seed": 1234,
        "width": 512,
        "height": 512,
        "steps": 28,
        "cfg_scale": 5.0,
    }


@pytest.mark.anyio
async def test_a_full_queue_and_an_endpoint_that_is_not_ours() -> None:
    async with connected(fake=FakeAime(slots=0)) as (provider, _):
        _, error = await ask(provider, order())
    assert isinstance(error, ProviderUnavailable)
    async with connected(fake=FakeAime(strangers=frozenset({"flux-dev"}))) as (provider, _):
        _, error = await ask(provider, order("aime/flux-dev"))
        assert isinstance(error, ProviderAuthFailed)
        _, error = await ask(provider, order())
        assert error is None


@pytest.mark.anyio
async def test_a_job_that_the_server_forgot_is_unknown() -> None:
    async with connected() as (provider, fake):
        _, error = await ask(provider, order(), ticket="JID9")
        assert isinstance(error, OutcomeUnknown)
        assert "no active request" in error.detail
        assert fake.board.submissions() == 0


@pytest.mark.anyio
@pytest.mark.parametrize("model", [SD35, "aime/stable-diffusion-xl-img2img"])
async def test_the_noise_beside_an_error_is_not_taken_for_a_picture(model: str) -> None:
    async with connected() as (provider, fake):
        fake.board.next("failed_later", method="GET")
        updates, error = await ask(provider, order(model, "image_to_image"))
    assert isinstance(error, ProviderError)
    assert model != SD35 or "CUDA out of memory" in error.detail
    assert not any(isinstance(each, Picture) for each in updates)


def test_results_at_once_old_and_new_are_read() -> None:
    png = striped(64, 64, "x")
    uri = f"data:image/PNG;base64,{base64.b64encode(png).decode()}"
    for body, seed in (({"images": [uri], "seed": 7}, 7), ({"images": uri}, None), ({"image": uri, "info": ""}, None)):
        for whole in (body, {"job_state": "done", "job_id": "JID1", "job_result": body}):
            reading = Aime().read(Reply(200, {}, json.dumps(whole).encode()), MODELS[SD35])
            assert [(found.data, found.seed) for found in reading.found] == [(png, seed)]
    assert Aime().read(Reply(200, {}, b'{"job_id": "J", "job_state": "done"}'), MODELS[SD35]).found == ()


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (order(steps=65), "/steps"),
        (order(strength=1.5), "/strength"),
        (order("aime/flux-dev", cfg_scale=0.5), "/cfg_scale"),
        (order("aime/stable-diffusion-xl-txt2img", strength=0.5), "/strength"),
        (order(seed=2**32), "/seed"),
        (replace(order(), prompt="x" * 10_001), "/prompt"),
    ],
)
def test_what_it_cannot_honour_is_named_before_it_is_sent(wanted: Order, pointer: str) -> None:
    assert unsupported(Aime(), wanted) == [pointer]


@pytest.mark.anyio
async def test_the_fake_understands_the_vendors_own_client() -> None:
    """The calls that `ModelAPI` of the vendor's client makes: it is on no package index, so they are made here."""
    async with serve(FakeAime()) as url, httpx2.AsyncClient(base_url=url, timeout=30) as client:
        who = {"version": "Python AIME API Client 0.8.9", "key": KEY}
        assert (await client.get("/api/validate_key", params=who)).json() == {"success": True, "error": None}
        login = (await client.get("/flux-dev/login", params={**who, "user": "someone"})).json()
        body = {
            "prompt": "a house",
            "client_session_auth_key": login["client_session_auth_key"],
            "key": None,
            "wait_for_result": False,
        }
        taken = (await client.post("/flux-dev", json=body)).json()
        asked = {"key": KEY, "job_id": taken["job_id"]}
        states = [(await client.get("/flux-dev/progress", params=asked)).json() for _ in range(3)]
        assert [each["job_state"] for each in states] == ["queued", "processing", "done"]
        assert states[1]["progress"]["progress"] == 50
        at_once = (await client.post("/flux-dev", json={"prompt": "a house", "key": KEY, "seed": 5})).json()
        assert (at_once["success"], at_once["seed"]) == (True, 5)
        assert at_once["images"][0].startswith("data:image/JPEG;base64,")
        strange = await client.post("/flux-dev", json={"prompt": "a house", "key": KEY, "mask": ""})
        assert (strange.status_code, strange.json()["error"]) == (400, ["mask: is not a known field"])
        assert (await client.get("/flux-dev/progress", params={"key": KEY})).status_code == 402


def test_the_adapter_knows_the_endpoints_of_the_fake() -> None:
    assert {model.route.removeprefix("/") for model in MODELS.values()} == set(ENDPOINTS)
