"""Where vendors call back: their signature lets them in, and nothing else does."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
import pytest
from webparts import Site

from platemark.core.errors import FetchRefused
from platemark.providers.hosted import Hosted, open_hosted
from platemark.providers.remote import Remote
from platemark.simulate.replicate import signed

pytestmark = pytest.mark.anyio

SECRET = "whsec_c2ltdWxhdGVkLXNpbXVsYXRlZC1zaW11bGF0ZWQ="
TICKET = "6852cf48a91314d08bec3e2b81"
BODY = b'{"id": "6852cf48a91314d08bec3e2b81", "status": "succeeded"}'
PATH = "/v1/providers/replicate/webhook"


async def never(url: str) -> bytes:
    raise FetchRefused(url)


@asynccontextmanager
async def called_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[tuple[Remote, httpx2.AsyncClient]]:
    """A provider whose webhooks are expected, and a client without a key."""
    monkeypatch.setenv("HOOK", SECRET)
    said = Hosted(webhook_url=f"https://pictures.example{PATH}", webhook_secret="env:HOOK")
    async with open_hosted("replicate", said, clock=site.platform.clock, fetch=never) as provider:
        site.app.state.platform = replace(site.platform, providers={"scripted": site.provider, "replicate": provider})
        async with site.as_(None) as client:
            yield provider, client


async def test_a_genuine_one_wakes_who_waits_and_may_come_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with called_back(site, monkeypatch) as (provider, client), provider.hints.expected(TICKET):
        headers = signed(SECRET, BODY, time.time())
        answers = [(await client.post(PATH, content=BODY, headers=headers)).status_code for _ in range(3)]
        # An hour on the real clock: only the hint ends it.
        await provider.hints.pause(TICKET, site.platform.clock, 3600.0)
    assert answers == [202, 202, 202]


async def test_one_that_nobody_waits_for_is_taken_and_forgotten(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with called_back(site, monkeypatch) as (_, client):
        answer = await client.post(PATH, content=BODY, headers=signed(SECRET, BODY, time.time()))
    assert (answer.status_code, answer.content) == (202, b"")


@pytest.mark.parametrize(
    ("secret", "body", "age"), [("whsec_b3RoZXI=", BODY, 0), (SECRET, BODY + b" ", 0), (SECRET, BODY, 301)]
)
async def test_forged_and_old_ones_are_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch, secret: str, body: bytes, age: int
) -> None:
    async with called_back(site, monkeypatch) as (_, client):
        answer = await client.post(PATH, content=body, headers=signed(secret, BODY, time.time() - age))
    assert (answer.status_code, answer.json()["code"]) == (401, "webhook_refused")
    assert answer.headers["content-type"] == "application/problem+json"
    assert SECRET not in answer.text


async def test_an_api_key_is_no_signature(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with called_back(site, monkeypatch):
        answer = await site.client.post(PATH, content=BODY)
    assert (answer.status_code, answer.json()["code"]) == (401, "webhook_refused")


async def test_the_body_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with called_back(site, monkeypatch) as (_, client):
        answer = await client.post(PATH, content=bytes(3 * 1024 * 1024))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("name", ["scripted", "nobody"])
async def test_others_expect_none(site: Site, name: str) -> None:
    async with site.as_(None) as client:
        answer = await client.post(f"/v1/providers/{name}/webhook", content=BODY)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
