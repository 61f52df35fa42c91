"""Webhooks of vendors: whether one is genuine, and whom it concerns. They are hints to ask at once, never results."""

import base64
import binascii
import hashlib
import hmac
import json
import math
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import anyio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from platemark.core.errors import PlatemarkError, Unavailable, WebhookRefused
from platemark.core.ports import Clock, Fetch
from platemark.net.fetch import fetch
from platemark.providers.http import as_list, as_object

# What is older may be a recording that somebody plays again.
TOLERANCE_SECONDS = 300
KEYS_SECONDS = 24 * 3600.0
# Shorter ones would stand in other tickets by chance.
_LEAST_TICKET = 8
_MOST_KEY_BYTES = 64 * 1024
_KEY_SECONDS = 10.0
_AGAIN_SECONDS = 60.0
_MOST_EARLY = 256


@runtime_checkable
class Hinting(Protocol):
    """A vendor that calls back. `webhook_url`: where to, named in each call; None for nowhere. `jwks_url`: where its
    public keys are published; None where there is a shared secret.
    """

    @property
    def webhook_url(self) -> str | None: ...  # noqa: D102
    @property
    def jwks_url(self) -> str | None: ...  # noqa: D102

    def hint(self, headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> str:
        """The ticket, or a part of it that stands in no other, that a genuine webhook is about.

        `secret`: the shared one, or the published keys as JSON. Raises WebhookRefused.
        """
        ...


def check_hmac(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> None:
    """Standard Webhooks: HMAC-SHA256 of id, time and body with a `whsec_…` secret. Raises WebhookRefused."""
    id, moment, signatures = (_header(headers, f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    _check_time(moment, now)
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise Unavailable("The webhook_secret of the settings is not of the form whsec_… Copy it again.") from None
    mac = hmac.new(key, f"{id}.{moment}.".encode() + body, hashlib.sha256).digest()
    genuine = f"v1,{base64.b64encode(mac).decode()}".encode()
    # All are compared: how long it takes says nothing of which one fits.
    if not any([hmac.compare_digest(genuine, each.encode()) for each in signatures.split()]):
        raise WebhookRefused("The signature does not fit. Only the provider itself may send this.")


def check_ed25519(headers: Mapping[str, str], body: bytes, jwks: str, now: datetime, *, prefix: str) -> None:
    """Ed25519 over request id, user id, time and the hash of the body, by any published key. Raises WebhookRefused."""
    id, user, moment, signature = (
        _header(headers, f"{prefix}-{name}") for name in ("request-id", "user-id", "timestamp", "signature")
    )
    _check_time(moment, now)
    message = "\n".join((id, user, moment, hashlib.sha256(body).hexdigest())).encode()
    try:
        signed = bytes.fromhex(signature)
    except ValueError:
        raise WebhookRefused("The signature is not written in hex. Only the provider itself may send this.") from None
    if not any([_verifies(key, signed, message) for key in public_keys(jwks)]):
        raise WebhookRefused("The signature fits none of the published keys. Only the provider may send this.")


def public_keys(jwks: str) -> Sequence[Ed25519PublicKey]:
    """The Ed25519 keys of a JSON Web Key Set; others, and what is none, are left out."""
    try:
        entries = as_list(as_object(json.loads(jwks)).get("keys"))
    except ValueError:
        return ()
    found = (_public_key(as_object(each).get("x")) for each in entries[:16])
    return [key for key in found if key is not None]


def body_of(body: bytes) -> Mapping[str, Any]:
    """The body as a JSON object. Raises WebhookRefused."""
    try:
        found = as_object(json.loads(body))
    except (ValueError, RecursionError):
        found = as_object(None)
    if not found:
        raise WebhookRefused("The body is not a JSON object.")
    return found


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value or len(value) > 2_000:
        raise WebhookRefused(f"The header {name} is missing or too long. Only the provider itself may send this.")
    return value


def _check_time(moment: str, now: datetime) -> None:
    if not (moment.isascii() and moment.isdigit() and len(moment) < 12):
        raise WebhookRefused("The time of the webhook cannot be read.")
    if abs(now.timestamp() - int(moment)) > TOLERANCE_SECONDS:
        raise WebhookRefused(f"The webhook is more than {TOLERANCE_SECONDS} s old, or a clock is wrong.")


def _public_key(text: Any) -> Ed25519PublicKey | None:
    try:
        raw = base64.urlsafe_b64decode(f"{text}{'=' * (-len(str(text)) % 4)}")
        return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        return None


def _verifies(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


async def published(url: str, /) -> bytes:
    """A vendor's published keys. Raises FetchRefused."""
    return (await fetch(url, max_bytes=_MOST_KEY_BYTES, seconds=_KEY_SECONDS, media_prefix="application/")).data


@dataclass
class Hints:
    """Who waits in this process for which ticket. `secret`: the shared one, or pinned public keys. `read` reads others.

    Work may be done before anybody waits for it: genuine hints that came too early are remembered, the last ones.
    """

    secret: str | None = field(default=None, repr=False)
    read: Fetch = published
    _waiting: dict[str, anyio.Event] = field(default_factory=dict[str, anyio.Event])
    _early: deque[str] = field(default_factory=lambda: deque[str](maxlen=_MOST_EARLY))
    _jwks: str | None = None
    _ask_at: float = -math.inf

    @asynccontextmanager
    async def expected(self, ticket: str) -> AsyncGenerator[None]:
        """Take hints for this ticket as long as the block runs."""
        event = self._waiting[ticket] = anyio.Event()
        if any(part in ticket for part in self._early):
            event.set()
        try:
            yield
        finally:
            self._waiting.pop(ticket, None)

    async def pause(self, ticket: str, clock: Clock, seconds: float) -> None:
        """Sleep until the time is over or a hint has come; one that came since the last pause ends this at once."""
        event = self._waiting.setdefault(ticket, anyio.Event())
        async with anyio.create_task_group() as group:

            async def sleep() -> None:
                await clock.sleep(seconds)
                group.cancel_scope.cancel()

            group.start_soon(sleep)
            await event.wait()
            group.cancel_scope.cancel()
        if event.is_set():
            self._waiting[ticket] = anyio.Event()

    def wake(self, part: str) -> bool:
        """End the pause of those who wait for a ticket with this in it; False where nobody does."""
        if len(part) < _LEAST_TICKET:
            return False
        found = [event for ticket, event in self._waiting.items() if part in ticket]
        for event in found:
            event.set()
        if not found:
            self._early.append(part)
        return bool(found)

    async def secret_of(self, vendor: Hinting, clock: Clock) -> str:
        """What signatures are checked with: as configured, else as published, asked for once a day.

        Raises Unavailable.
        """
        if self.secret is not None:
            return self.secret
        if vendor.jwks_url is None:
            raise Unavailable("This provider has no webhook_secret in the settings.")
        now = clock.monotonic()
        if now >= self._ask_at:
            # Anybody may call us: what cannot be read is not asked for with every call.
            self._ask_at = now + _AGAIN_SECONDS
            with suppress(PlatemarkError):
                self._jwks = (await self.read(vendor.jwks_url)).decode("utf-8", "replace")
                self._ask_at = now + KEYS_SECONDS
        if self._jwks is None:
            raise Unavailable("The public keys of the provider cannot be read now. Send it again later.")
        return self._jwks
