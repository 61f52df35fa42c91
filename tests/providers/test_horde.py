"""AI Horde: each row of its table, what is sent for each operation, waiting and ending, and the published document."""

import json
from base64 import b64decode, b64encode
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from attached import attached, check_row, drawn, operations_of, order_of, unsupported, verdict_of
from published import document, problems, problems_of_answer

from platemark.core.errors import BlockedByProvider, ProviderError
from platemark.core.generation import ControlUse, LoraUse
from platemark.core.model import Operation
from platemark.core.updates import Accepted, Answered, Charged, Order, Picture, Progress
from platemark.providers.horde import ANONYMOUS, MODELS, TABLE, Horde
from platemark.providers.http import Reply
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.remote import Remote
from platemark.providers.vendor import Vendor
from platemark.simulate.board import Seen
from platemark.simulate.contract import KEY, ask
from platemark.simulate.horde import FakeHorde
from platemark.simulate.pictures import striped
from platemark.simulate.server import serve

PNG = striped(64, 64, "x")
ALL = operations_of(MODELS)
SD = "horde/stable-diffusion-1.5"


def error_of(code: str) -> bytes:
    return json.dumps({"message": "No.", "rc": code}).encode()


# One answer for each row of the table, in its order.
ROWS: list[tuple[int, bytes, Outcome]] = [
    (200, b'{"done": false, "faulted": true, "is_possible": true}', "unusable"),
    (200, b'{"done": true, "faulted": false, "is_possible": false}', "ok"),
    (200, b'{"done": false, "faulted": false, "is_possible": false}', "unusable"),
    (200, error_of("BadRequest"), "unusable"),
    (400, error_of("CorruptPrompt"), "prompt_blocked"),
    (400, error_of("UnsupportedModel"), "not_found"),
    (403, error_of("KudosUpfront"), "out_of_credit"),
    (403, error_of("TimeoutIP"), "rate_limited"),
    (400, error_of("NoValidWorkers"), "overloaded"),
    (503, error_of("MaintenanceMode"), "overloaded"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, bytes, Outcome]) -> None:
    check_row(TABLE, row, *answer)


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (400, "InvalidSize", "bad_request"),
        (401, "InvalidAPIKey", "auth"),
        (403, "AnonForbidden", "auth"),
        (404, "RequestNotFound", "not_found"),
        (410, "RequestExpired", "not_found"),
        (429, "TooManyPrompts", "rate_limited"),
    ],
)
def test_what_is_not_in_the_table_is_what_http_says(status: int, code: str, outcome: Outcome) -> None:
    assert verdict_of(TABLE, status, error_of(code)).outcome == outcome


def connected(
    vendor: Vendor | None = None, *, keys: tuple[str, ...] = (KEY,)
) -> AbstractAsyncContextManager[tuple[Remote, FakeHorde]]:
    return attached(vendor or Horde(), FakeHorde(), keys=keys)


def order(model: str = SD, operation: Operation = "text_to_image", **parameters: Any) -> Order:
    return order_of(MODELS, model, operation, control="depth" if "control" in model else None, **parameters)


async def sent(wanted: Order, vendor: Vendor | None = None) -> Seen:
    (seen,), _ = await drawn(vendor or Horde(), FakeHorde(), wanted)
    return seen


async def test_a_text_with_its_seed_as_a_text_and_what_to_avoid_behind_hashes() -> None:
    seen = await sent(order(width=640, scheduler="dpmpp_2m_karras", clip_skip=2))
    assert (seen.headers["apikey"], seen.headers["client-agent"].count(":")) == (KEY, 3)
    assert seen.json == {
        "prompt": "a red house in a green meadow ### people",
        "models": ["stable_diffusion"],
        "r2": True,
        "shared": False,
        "replacement_filter": False,
        "allow_downgrade": False,
        "params": {
            "seed": "1234",
            "n": 1,
            "steps": 30,
            "cfg_scale": 7.5,
            "width": 640,
            "height": 512,
            "sampler_name": "k_dpmpp_2m",
            "karras": True,
            "clip_skip": 2,
        },
    }


async def test_any_machine_may_draw() -> None:
    assert "models" not in (await sent(order("horde/any"))).json


async def test_without_a_key_it_is_asked_anonymously() -> None:
    async with connected(keys=()) as (provider, fake):
        _, error = await ask(provider, order())
    assert error is None
    assert {seen.headers["apikey"] for seen in fake.board.seen} == {ANONYMOUS}


async def test_strength_is_ours_and_the_size_is_one_that_can_be_drawn() -> None:
    body = (await sent(order(operation="image_to_image", strength=0.3, width=700, height=500))).json
    assert (body["source_processing"], body["params"]["denoising_strength"]) == ("img2img", 0.3)
    assert (body["params"]["width"], body["params"]["height"]) == (704, 512)
    body = (await sent(order(operation="image_to_image"))).json
    assert body["params"]["denoising_strength"] == 0.75


async def test_white_is_what_changes() -> None:
    wanted = order(operation="inpaint")
    body = (await sent(wanted)).json
    assert body["source_processing"] == "inpainting"
    assert (b64decode(body["source_image"]), b64decode(body["source_mask"])) == (wanted.image, wanted.mask)


@pytest.mark.parametrize("preprocess", [True, False])
async def test_a_guide_is_the_source(preprocess: bool) -> None:
    control = ControlUse(type="depth", preprocess=preprocess)
    wanted = order("horde/stable-diffusion-1.5-control", controls=(control,))
    body = (await sent(wanted)).json
    assert b64decode(body["source_image"]) == wanted.guides[0]
    assert (body["params"]["control_type"], body["params"]["image_is_control"]) == ("depth", not preprocess)


async def test_loras_by_name_and_by_version() -> None:
    body = (await sent(order(loras=(LoraUse(id="Ink", scale=0.5), LoraUse(id="version:247778"))))).json
    assert body["params"]["loras"] == [
        {"name": "Ink", "model": 0.5, "clip": 0.5},
        {"name": "247778", "model": 1.0, "clip": 1.0, "is_version": True},
    ]


async def test_the_operator_says_more_and_gets_pictures_without_urls() -> None:
    like = replace(MODELS[SD], facts={"nsfw": "false", "trusted_workers": "true", "r2": "false"})
    async with connected(Horde(models={SD: like})) as (provider, fake):
        updates, error = await ask(provider, order())
    assert error is None
    (seen,) = fake.board.seen
    assert [seen.json[name] for name in ("nsfw", "trusted_workers", "r2")] == [False, True, False]
    assert [each.media_type for each in updates if isinstance(each, Picture)] == ["image/webp"]
    assert [path for _, path in fake.board.calls if "delivery" in path] == []


async def test_it_is_checked_until_it_is_done_and_its_status_is_asked_once() -> None:
    async with connected() as (provider, fake):
        updates, _ = await ask(provider, order())
    (ticket,) = fake.work
    calls = [path.removeprefix("/api/v2/generate/") for _, path in fake.board.calls]
    assert calls[:-1] == ["async", *[f"check/{ticket}"] * 3, f"status/{ticket}"]
    assert [each.ticket for each in updates if isinstance(each, Accepted)] == [ticket]
    assert next(each.done for each in updates if isinstance(each, Progress)) == 0
    (picture,) = (each for each in updates if isinstance(each, Picture))
    assert (picture.seed, picture.flags["model"]) == (1234, "stable_diffusion")
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert "prompt" not in answer.response["sent"]
    (charged,) = (each for each in updates if isinstance(each, Charged))
    assert (charged.cost.micro_usd, "kudos are no money" in charged.cost.basis) == (0, True)


async def test_work_is_ended() -> None:
    async with connected() as (provider, fake):
        fake.polls = 100
        stream = provider.generate(order())
        ticket = ""
        async for update in stream:
            if isinstance(update, Accepted):
                ticket = update.ticket
                break
        await stream.aclose()
        assert await provider.cancel(SD, ticket)
        assert not await provider.cancel(SD, ticket)
    assert fake.canceled == [ticket]


async def test_what_no_machine_can_do_ends() -> None:
    like = replace(MODELS[SD], route="nobody has this")
    async with connected(Horde(models={SD: like})) as (provider, fake):
        _, error = await ask(provider, order())
    assert type(error) is ProviderError
    assert fake.board.submissions() == 1


async def test_a_censored_picture_is_withheld_with_the_reason() -> None:
    async with connected() as (provider, fake):
        fake.board.next("output_blocked", method="GET")
        updates, error = await ask(provider, order())
    assert type(error) is BlockedByProvider
    assert [each.message for each in error.errors] == ["censored: nsfw"]
    assert not [each for each in updates if isinstance(each, Picture)]


@pytest.mark.parametrize(
    "generation",
    [
        {"img": "aaaa", "seed": "1", "censored": True, "state": "ok", "gen_metadata": []},
        {"img": "aaaa", "seed": "1", "censored": False, "state": "censored"},
        {"img": "aaaa", "seed": "1", "state": "ok", "gen_metadata": [{"type": "censorship", "value": "csam"}]},
    ],
)
def test_every_sign_of_censorship_counts(generation: dict[str, Any]) -> None:
    body = json.dumps({"done": True, "faulted": False, "generations": [generation]}).encode()
    (found,) = Horde().read(Reply(200, {}, body), MODELS[SD]).found
    assert found.outcome == "output_blocked"


def test_other_metadata_is_kept_as_flags() -> None:
    said = [{"type": "lora", "value": "download_failed", "ref": "247778"}]
    generation = {"img": b64encode(PNG).decode(), "seed": "5", "state": "ok", "model": "x", "gen_metadata": said}
    body = json.dumps({"done": True, "generations": [generation]}).encode()
    (found,) = Horde().read(Reply(200, {}, body), MODELS[SD]).found
    assert (found.data, found.seed, found.outcome, found.flags["gen_metadata"]) == (PNG, 5, "ok", said)


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (order(operation="image_to_image", strength=0.0), "/strength"),
        (order(loras=(LoraUse(id="version:newest"),)), "/loras/0/id"),
        (order("horde/stable-diffusion-1.5-control", controls=()), "/controls"),
        (
            order("horde/stable-diffusion-1.5-control", controls=(ControlUse(type="depth", strength=0.5),)),
            "/controls/0/strength",
        ),
    ],
)
def test_what_it_cannot_honour_is_named_before_it_is_sent(wanted: Order, pointer: str) -> None:
    assert unsupported(Horde(), wanted) == [pointer]


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    spec = document("ai-horde.json")
    return {**spec, "paths": {f"/api{path}": item for path, item in spec["paths"].items() if "/generate/" in path}}


@pytest.mark.parametrize(("model", "operation"), ALL)
async def test_what_is_sent_is_in_the_published_document(
    published: dict[str, Any], model: str, operation: Operation
) -> None:
    seen = await sent(order(model, operation, scheduler="euler_a", clip_skip=1, loras=(LoraUse(id="Ink"),)))
    assert list(problems(published, seen)) == []


async def test_what_the_fake_answers_is_in_the_published_document(published: dict[str, Any]) -> None:
    found = list[str]()
    async with (
        serve(FakeHorde(polls=1)) as url,
        httpx2.AsyncClient(base_url=url, headers={"apikey": ANONYMOUS}) as client,
    ):
        asked = await client.post("/api/v2/generate/async", json={"prompt": "a house", "params": {"n": 2}})
        id = asked.json()["id"]
        refused = await client.post("/api/v2/generate/async", json={"prompt": "", "params": {"width": 100}})
        answers = [asked, refused]
        for method, name in (
            ("GET", "check"),
            ("GET", "check"),
            ("GET", "status"),
            ("DELETE", "status"),
            ("GET", "check"),
        ):
            answers.append(await client.request(method, f"/api/v2/generate/{name}/{id}"))
    for answer in answers:
        request = answer.request
        found += problems_of_answer(published, request.method, request.url.path, answer.status_code, answer.json())
    assert found == []
    assert [answer.status_code for answer in answers] == [202, 400, 200, 200, 200, 200, 404]
    assert len(answers[4].json()["generations"]) == 2
