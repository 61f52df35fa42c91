"""The application on the platform as it is wired, with a provider that draws at once."""

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from webparts import client_of

from platemark.core.errors import EngineCrashed
from platemark.core.ports import Platform
from platemark.core.updates import Order
from platemark.settings import Settings
from platemark.simulate.scripted import Scripted, plain_png
from platemark.web.app import create_app
from platemark.web.stopping import Stopping
from platemark.wiring import open_platform
from waiting import until


@dataclass
class Wired:
    """One platform for all tests of this file: opening it takes seconds."""

    platform: Platform
    provider: Scripted
    client: httpx2.AsyncClient


@pytest.fixture(scope="module")
async def wired(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Wired]:
    folder: Path = tmp_path_factory.mktemp("wired")
    aliases = {"stable-diffusion-xl": "scripted/plain"}
    given: dict[str, Any] = {"data": folder, "providers": (), "default_model": "scripted/plain", "aliases": aliases}
    settings = await anyio.to_thread.run_sync(partial(Settings, rate_per_minute=0, **given))
    provider = Scripted()

    def change(platform: Platform) -> Platform:
        return replace(platform, providers={"scripted": provider})

    async with open_platform(settings, change=change) as platform:
        app = create_app(platform, settings, stopping=Stopping())
        key = (await anyio.Path(folder / "admin.key").read_text()).strip()
        async with client_of(app, key) as client:
            yield Wired(platform, provider, client)


async def test_p9_a_url_of_a_private_address_is_not_fetched(wired: Wired) -> None:
    named = {"prompt": "x", "model": "scripted/studio", "operation": "upscale"}
    before = (await wired.client.get("/v1/images?origin=uploaded")).json()["data"]
    for url in (
        "https://127.0.0.1/a.png",
        "https://169.254.169.254/latest",
        "http://example.org/a.png",
        "https://[::1]/",
    ):
        answer = await wired.client.post("/v1/generate", json={**named, "image": url})
        assert (answer.status_code, answer.json()["code"]) == (422, "fetch_refused"), url
        assert answer.json()["errors"][0]["pointer"] == "/image"
    assert (await wired.client.get("/v1/images?origin=uploaded")).json()["data"] == before


async def test_from_prompt_to_record(wired: Wired) -> None:
    body = {"prompt": "a red house in a green meadow", "n": 2, "tags": {"a": "b"}, "model": "stable-diffusion-xl"}
    answer = await wired.client.post("/v1/generate", json=body)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    for image in made["images"]:
        data = (await wired.client.get(f"/v1/images/{image['id']}/content")).content
        assert hashlib.sha256(data).hexdigest() == image["sha256"]
        assert image["inspection"]["verdict"] == "generated_by_us"
        record = (await wired.client.get(f"/v1/images/{image['id']}/record")).json()
        assert record["credential"]["state"] == "valid"
        assert record["chain"]["verified"] is True
        assert [step["stage"] for step in record["moderation"]] == ["before_request", "after_response"]


async def test_an_attempt_that_fails_is_repeated_by_the_runtime(wired: Wired) -> None:
    before = wired.provider.calls.total()

    def script(number: int, order: Order) -> None:
        if number == before + 1:
            raise EngineCrashed("It died.")

    wired.provider.script = script
    answer = await wired.client.post("/v1/generate", json={"prompt": "a house"})
    wired.provider.script = None
    assert answer.status_code == 200, answer.text
    record = (await wired.client.get(answer.json()["urls"]["record"])).json()
    assert [attempt["state"] for attempt in record["attempts"]] == ["failed", "succeeded"]


async def test_a_running_generation_is_canceled(wired: Wired) -> None:
    wired.provider.steps, wired.provider.step_seconds = 2_000, 0.01
    headers = {"Prefer": "respond-async"}
    made = (await wired.client.post("/v1/generate", json={"prompt": "a house"}, headers=headers)).json()

    async def status(*wanted: str) -> bool:
        return (await wired.client.get(f"/v1/generations/{made['id']}")).json()["status"] in wanted

    await until(partial(status, "running"))
    assert (await wired.client.post(f"/v1/generations/{made['id']}/cancel")).status_code == 200
    await until(partial(status, "canceled"))
    wired.provider.steps, wired.provider.step_seconds = 0, 0.0


async def test_equal_requests_at_once_are_drawn_once(wired: Wired) -> None:
    before = wired.provider.calls.total()
    ids: set[str] = set()

    async def call() -> None:
        answer = await wired.client.post("/v1/generate", json={"prompt": "x"}, headers={"Idempotency-Key": "k"})
        ids.add(answer.json()["id"])

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(call)
    assert len(ids) == 1
    assert wired.provider.calls.total() == before + 1


async def test_an_upload_is_inspected_and_our_own_picture_is_recognised(wired: Wired) -> None:
    made = (await wired.client.post("/v1/generate", json={"prompt": "another house"})).json()["images"][0]
    data = (await wired.client.get(f"/v1/images/{made['id']}/content")).content
    own = await wired.client.post("/v1/images", content=data, headers={"Content-Type": "image/png"})
    assert own.json()["inspection"]["verdict"] == "generated_by_us"
    foreign = await wired.client.post("/v1/images", files={"image": ("a.png", plain_png(96, 64, (1, 2, 250)))})
    assert foreign.status_code == 201
    assert foreign.json()["moderation"]["state"] == "allowed"


async def test_readiness_and_events(wired: Wired) -> None:
    assert (await wired.client.get("/readyz")).json()["status"] == "ready"
    assert (await wired.client.get("/v1/events", params={"limit": 1})).json()["data"]
    assert (await wired.client.get("/v1/audit")).text.endswith("}\n")
