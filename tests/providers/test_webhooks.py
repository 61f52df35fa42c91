"""Webhooks of vendors: which ones are genuine, and that they are hints: they shorten a wait and decide nothing."""

import base64
import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from attached import fetched, never
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.core.errors import FetchRefused, NotFound, PlatemarkError, Unavailable, WebhookRefused
from platemark.core.updates import Order, Picture
from platemark.net.fetch import fetch
from platemark.providers.fal import Fal
from platemark.providers.hosted import Hosted, open_hosted
from platemark.providers.http import Keys, open_transport
from platemark.providers.remote import Remote
from platemark.providers.replicate import Replicate
from platemark.providers.webhooks import KEYS_SECONDS, Hinting, Hints, check_ed25519, check_hmac, public_keys
from platemark.settings import HostedProvider, Settings
from platemark.simulate.board import Switchboard
from platemark.simulate.contract import KEY, FastClock, ask, order_for
from platemark.simulate.fal import FakeFal
from platemark.simulate.replicate import FakeReplicate
from platemark.simulate.server import serve
from platemark.wiring import hosted_of

pytestmark = pytest.mark.anyio

# The example of the Standard Webhooks specification.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
NOW = datetime.fromtimestamp(1614265330, UTC)
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
FAL = "x-fal-webhook"


def test_the_published_example_is_genuine() -> None:
    check_hmac(HEADERS, BODY, SECRET, NOW)
    several = {**HEADERS, "webhook-signature": f"v1,AAAA v2,BBBB {HEADERS['webhook-signature']}"}
    check_hmac(several, BODY, SECRET, NOW + timedelta(seconds=299))


@pytest.mark.parametrize(
    ("headers", "body", "late"),
    [
        (HEADERS, BODY + b" ", 0),
        (HEADERS, BODY, 301),
        (HEADERS, BODY, -301),
        ({**HEADERS, "webhook-id": "msg_other"}, BODY, 0),
        ({**HEADERS, "webhook-timestamp": "1614265331"}, BODY, 0),
        ({**HEADERS, "webhook-timestamp": "soon"}, BODY, 0),
        ({**HEADERS, "webhook-timestamp": "١٦١٤٢٦٥٣٣٠"}, BODY, 0),
        ({**HEADERS, "webhook-signature": "v1,AAAA"}, BODY, 0),
        ({**HEADERS, "webhook-signature": "v1,ä"}, BODY, 0),
        ({**HEADERS, "webhook-signature": ""}, BODY, 0),
        ({name: value for name, value in HEADERS.items() if name != "webhook-id"}, BODY, 0),
        ({}, BODY, 0),
    ],
)
def test_what_is_changed_missing_or_old_is_refused(headers: dict[str, str], body: bytes, late: int) -> None:
    with pytest.raises(WebhookRefused):
        check_hmac(headers, body, SECRET, NOW + timedelta(seconds=late))


def test_a_secret_that_is_none_is_the_operators_to_mend() -> None:
    with pytest.raises(Unavailable, match="whsec_"):
        check_hmac(HEADERS, BODY, "whsec_not base64", NOW)


def published(*keys: Ed25519PrivateKey) -> str:
    raw = [base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=") for key in keys]
    return json.dumps({"keys": [{"kty": "RSA", "n": "x"}, *({"kty": "OKP", "crv": "Ed25519", "x": x} for x in raw)]})


def by_fal(signer: Ed25519PrivateKey, body: bytes) -> dict[str, str]:
    told = ("0b6a2e8c", "user-1", str(int(NOW.timestamp())))
    message = "\n".join((*told, hashlib.sha256(body).hexdigest()))
    names = ("request-id", "user-id", "timestamp")
    named = {f"{FAL}-{name}": value for name, value in zip(names, told, strict=True)}
    return {**named, f"{FAL}-signature": signer.sign(message.encode()).hex()}


def test_any_published_key_may_have_signed() -> None:
    old, new = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
    for signer in (old, new):
        check_ed25519(by_fal(signer, BODY), BODY, published(old, new), NOW, prefix=FAL)
    with pytest.raises(WebhookRefused):
        check_ed25519(by_fal(old, BODY), BODY, published(new), NOW, prefix=FAL)


@pytest.mark.parametrize("changed", [{"user-id": "user-2"}, {"timestamp": "1614265331"}, {"signature": "zz"}])
def test_nothing_that_is_signed_can_be_changed(changed: dict[str, str]) -> None:
    signer = Ed25519PrivateKey.from_private_bytes(bytes(32))
    headers = {**by_fal(signer, BODY), **{f"{FAL}-{name}": value for name, value in changed.items()}}
    with pytest.raises(WebhookRefused):
        check_ed25519(headers, BODY, published(signer), NOW, prefix=FAL)


def test_what_is_no_key_is_left_out() -> None:
    assert public_keys("<html>") == ()
    assert list(public_keys('{"keys": [{"x": "AAAA"}, {"x": 7}, 3, {}]}')) == []


class NoTime(FastClock):
    """A clock on which no sleep ever ends: only a hint ends a pause. Webhooks are signed with the real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep_forever()


class RealDate(FastClock):
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Receiver:
    """Our side of the webhook, as a server. `said`: what became of each call."""

    provider: Remote | None = None
    said: list[bool | PlatemarkError] = field(default_factory=list[bool | PlatemarkError])
    expected: int = 1
    done: anyio.Event = field(default_factory=anyio.Event)
    name: str = "receiver"
    board: Switchboard = field(default_factory=Switchboard)
    troubles: frozenset[str] = frozenset()

    @property
    def app(self) -> ASGIApp:
        return Starlette(routes=[Route("/webhook", self._take, methods=["POST"])])

    def error(self, status: int, retry_after: int | None = None) -> Response:
        return Response(status_code=status)

    async def _take(self, request: Request) -> Response:
        assert self.provider is not None
        try:
            self.said.append(await self.provider.hint(dict(request.headers), await request.body()))
        except PlatemarkError as error:
            self.said.append(error)
        if len(self.said) == self.expected:
            self.done.set()
        return Response(status_code=202)


async def keys_of(url: str) -> bytes:
    found = await fetch(url, allowed_hosts=("127.0.0.1",), max_bytes=8_000, seconds=10, media_prefix="application/")
    return found.data


Vendors = Replicate | Fal
Fakes = FakeReplicate | FakeFal


@asynccontextmanager
async def connected(
    kind: str, clock: FastClock, *, expected: int = 1
) -> AsyncGenerator[tuple[Remote, Fakes, Receiver, Order]]:
    """A provider, its fake, and the server at which the fake calls it back."""
    fake: Fakes = FakeReplicate() if kind == "replicate" else FakeFal()
    receiver = Receiver(expected=expected)
    async with serve(fake) as url, serve(receiver) as back, open_transport(kind, url) as transport:
        hook = f"{back}/webhook"
        jwks = f"{url}/.well-known/jwks.json"
        vendor: Vendors = Replicate(webhook_url=hook) if kind == "replicate" else Fal(webhook_url=hook, jwks_url=jwks)
        hints = Hints(fake.webhook_secret) if isinstance(fake, FakeReplicate) else Hints(read=keys_of)
        provider = Remote(vendor, transport, Keys((KEY,)), clock, fetched, hints=hints)
        receiver.provider = provider
        name = f"{kind}/{'sdxl' if kind == 'replicate' else 'fast-sdxl'}"
        yield provider, fake, receiver, order_for(provider.models[name], "text_to_image")


each_vendor = pytest.mark.parametrize("kind", ["replicate", "fal"])


@each_vendor
async def test_a_hint_ends_the_pause_between_polls(kind: str) -> None:
    async with connected(kind, NoTime()) as (provider, fake, receiver, order):
        updates, error = await ask(provider, order)
        await receiver.done.wait()
    assert error is None
    assert sum(isinstance(each, Picture) for each in updates) == 1
    assert fake.board.submissions() == 1


@each_vendor
async def test_a_hint_that_comes_twice_does_no_harm(kind: str) -> None:
    async with connected(kind, NoTime(), expected=2) as (provider, fake, receiver, order):
        fake.board.next("duplicate_webhook")
        updates, error = await ask(provider, order)
        await receiver.done.wait()
    assert error is None
    assert sum(isinstance(each, Picture) for each in updates) == 1
    assert [each for each in receiver.said if isinstance(each, PlatemarkError)] == []
    assert fake.board.submissions() == 1


@each_vendor
async def test_a_forged_hint_is_refused_and_polls_go_on(kind: str) -> None:
    async with connected(kind, RealDate()) as (provider, fake, receiver, order):
        fake.board.next("forged_webhook")
        updates, error = await ask(provider, order)
        await receiver.done.wait()
    assert error is None
    assert sum(isinstance(each, Picture) for each in updates) == 1
    assert [type(each) for each in receiver.said] == [WebhookRefused]


async def test_a_hint_may_come_before_the_wait() -> None:
    hints = Hints()
    assert not hints.wake("early-ticket")
    assert not hints.wake("a")
    async with hints.expected("early-ticket"):
        await hints.pause("early-ticket", NoTime(), 1.0)
        assert hints.wake("early-ticket")


async def test_published_keys_are_asked_for_once_a_day() -> None:
    asked, clock = list[str](), FastClock()

    async def read(url: str) -> bytes:
        asked.append(url)
        return b'{"keys": []}'

    hints = Hints(read=read)
    for seconds in (0.0, KEYS_SECONDS - 1.0, 2.0):
        clock.slept += seconds
        assert await hints.secret_of(Fal(jwks_url="https://keys.example"), clock) == '{"keys": []}'
    assert asked == ["https://keys.example"] * 2


async def test_keys_that_cannot_be_read_are_no_reason_to_believe_or_to_ask_each_time() -> None:
    asked = list[str]()

    async def refused(url: str) -> bytes:
        asked.append(url)
        raise FetchRefused(url)

    hints, clock = Hints(read=refused), FastClock()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await hints.secret_of(Fal(), clock)
    assert len(asked) == 1
    with pytest.raises(Unavailable):
        await Hints().secret_of(Replicate(), FastClock())


@pytest.mark.parametrize(
    ("name", "secret", "named"), [("replicate", True, True), ("replicate", False, False), ("fal", False, True)]
)
async def test_a_webhook_is_named_where_it_can_be_checked(
    name: str, secret: bool, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", SECRET)
    said = Hosted(webhook_url="https://pictures.example/hook", webhook_secret="env:HOOK" if secret else None)
    async with open_hosted(name, said, clock=FastClock(), fetch=never) as provider:
        vendor: object = provider.vendor
        assert isinstance(vendor, Hinting)
        assert (vendor.webhook_url is not None) == named
        assert provider.hints.secret == (SECRET if secret else None)


async def test_without_an_address_none_is_expected() -> None:
    async with open_hosted("replicate", Hosted(), clock=FastClock(), fetch=never) as provider:
        with pytest.raises(NotFound):
            await provider.hint({}, b"{}")


@pytest.mark.parametrize(
    ("public", "base", "named"),
    [
        ("https://pictures.example/", None, "https://pictures.example/v1/providers/replicate/webhook"),
        # Vendors call nobody without TLS; the simulated one has none itself.
        ("http://127.0.0.1:8460", None, None),
        ("http://127.0.0.1:8460", "http://127.0.0.1:9000", "http://127.0.0.1:8460/v1/providers/replicate/webhook"),
        (None, "http://127.0.0.1:9000", None),
    ],
)
def test_where_we_are_called_back_follows_from_the_public_address(
    public: str | None, base: str | None, named: str | None
) -> None:
    hosted = {"replicate": HostedProvider(base_url=base, webhook_secret="env:HOOK")}
    said = hosted_of("replicate", Settings(public_url=public, hosted=hosted))
    assert (said.webhook_url, said.webhook_secret) == (named, "env:HOOK")
