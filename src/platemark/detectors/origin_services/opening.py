"""The setting `origin_detectors`: what it says is checked, then opened."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import get_args

import anyio.to_thread

from platemark.core.errors import Misconfigured
from platemark.core.inspection import FindingKind
from platemark.core.limits import Limits
from platemark.core.ports import Clock
from platemark.detectors.asking import Asking, open_client
from platemark.detectors.origin_services.catalogue import KNOWN, SECONDS, Known
from platemark.detectors.origin_services.forms import Form
from platemark.detectors.origin_services.realitydefender import RealityDefender
from platemark.detectors.origin_services.remote import RemoteOrigin
from platemark.net.secrets import resolve_secret
from platemark.settings import OriginService

GENERIC = "generic"
_COMMON = frozenset({"kind", "keys", "base_url", "threshold", "send", "picture_url", "timeout_seconds"})
# Only a service that is described by hand has them.
_DESCRIBED = frozenset(OriginService.model_fields) - _COMMON
_TAKEN = frozenset({*get_args(FindingKind), "ai_image"})
# A service that is asked several times for one picture has this share of its time for each call.
_SHARE = 0.25


@asynccontextmanager
async def open_services(
    said: Mapping[str, OriginService], *, clock: Clock, fraction: Callable[[], float], limits: Limits
) -> AsyncGenerator[tuple[RemoteOrigin, ...]]:
    """All configured services, for as long as the block runs. Raises Misconfigured."""
    async with AsyncExitStack() as stack:
        opened = [open_service(name, one, clock=clock, fraction=fraction, limits=limits) for name, one in said.items()]
        yield tuple([await stack.enter_async_context(service) for service in opened])


@asynccontextmanager
async def open_service(
    name: str, said: OriginService, *, clock: Clock, fraction: Callable[[], float], limits: Limits | None = None
) -> AsyncGenerator[RemoteOrigin]:
    """One configured service, for as long as the block runs. Raises Misconfigured."""
    kind = said.kind or name
    known = _known(name, kind, said)
    secrets = await anyio.to_thread.run_sync(partial(_secrets, name, said.keys))
    service, seconds = known.service, said.timeout_seconds or known.seconds
    if isinstance(service, RealityDefender):
        service, seconds = replace(service, seconds=seconds), seconds * _SHARE
    async with open_client(seconds) as client:
        asking = Asking(
            base_url=_base(kind, said.base_url or known.base_url),
            client=client,
            clock=clock,
            fraction=fraction,
            seconds=seconds,
            headers=known.headers(secrets),
            fields=known.fields(secrets),
        )
        address = partial(_address, said.picture_url) if said.picture_url else None
        yield RemoteOrigin(name, kind, service, asking, limits or Limits(), said.threshold, said.send, address=address)


def _known(name: str, kind: str, said: OriginService) -> Known:
    """How the service is asked. Raises Misconfigured."""
    if name in _TAKEN:
        raise _wrong(name, "this name is taken by findings of our own; choose another")
    known = _described(name, said) if kind == GENERIC else KNOWN.get(kind)
    if known is None:
        raise _wrong(name, f"there is no kind {kind!r}; use {', '.join((*KNOWN, GENERIC))}")
    if kind != GENERIC and (more := sorted(said.model_fields_set & _DESCRIBED)):
        raise _wrong(name, f"{', '.join(more)} can be set for kind {GENERIC} only")
    if len(said.keys) != len(known.keys):
        wanted = ", ".join(known.keys) or "none"
        raise _wrong(name, f"keys needs one reference each for: {wanted}")
    return known


def _described(name: str, said: OriginService) -> Known:
    """A service that the operator describes. Raises Misconfigured."""
    if said.base_url is None:
        raise _wrong(name, f"kind {GENERIC} needs base_url, the whole address that is asked")
    form = Form(
        path="",
        body=said.body,
        place=said.field,
        score=(said.score,) if said.score else (),
        scale=said.scale,
        inverted=said.inverted,
        verdict=said.verdict,
        words={word.lower(): meaning for word, meaning in said.words.items()},
        fields=said.fields,
        method=said.method,
    )
    try:
        form.check()
    except ValueError as error:
        raise _wrong(name, str(error)) from None
    header, prefix = said.auth_header.lower(), said.auth_prefix
    return Known(
        form,
        said.base_url,
        lambda keys: {header: f"{prefix}{keys[0]}"} if keys else {},
        keys=("key",) * min(len(said.keys), 1),
        seconds=SECONDS,
    )


def _base(kind: str, url: str) -> str:
    # What the operator wrote in full is asked as it was written.
    return url if kind == GENERIC else url.rstrip("/")


def _secrets(name: str, references: Sequence[str]) -> list[str]:
    setting = f"origin_detectors.{name}.keys"
    secrets = [resolve_secret(reference, setting=setting) for reference in references]
    if not all(secret.isascii() and secret.isprintable() for secret in secrets):
        raise _wrong(name, "a key has characters that no HTTP header can carry; check its reference")
    return secrets


def _address(template: str, sha256: str) -> str:
    return template.replace("{sha256}", sha256)


def _wrong(name: str, words: str) -> Misconfigured:
    return Misconfigured(f"origin_detectors.{name}: {words}.")
