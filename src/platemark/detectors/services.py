"""Remote detectors as they are configured: which vendors there are, and how each proves who asks."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio.to_thread

from platemark.core.errors import Misconfigured
from platemark.core.limits import Limits
from platemark.core.ports import Clock
from platemark.detectors import hive, openai_moderation, sightengine
from platemark.detectors.asking import Asking, open_client
from platemark.detectors.azure_content_safety import API_VERSION, AzureContentSafety
from platemark.detectors.hive import Hive
from platemark.detectors.openai_moderation import OpenAIModeration
from platemark.detectors.remote import Remote, Vendor
from platemark.detectors.sightengine import Sightengine
from platemark.detectors.taxonomy import taxonomies
from platemark.net.secrets import resolve_secret

SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Configured:
    """One entry of the setting `remote_detectors`. `keys`: references, in the order that the vendor wants them in."""

    kind: str
    keys: tuple[str, ...] = field(repr=False)
    base_url: str | None = None
    models: tuple[str, ...] = ()
    seconds: float = SECONDS


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a vendor is made and told who asks. `keys`: what each of them is."""

    make: Callable[[tuple[str, ...]], Vendor]
    base_url: str | None
    keys: tuple[str, ...]
    headers: Callable[[Sequence[str]], Mapping[str, str]]
    fields: Callable[[Sequence[str]], Mapping[str, str]] = lambda _: {}


def _first(models: tuple[str, ...], default: str) -> str:
    return models[0] if models else default


KINDS: Mapping[str, _Kind] = {
    "openai_moderation": _Kind(
        lambda models: OpenAIModeration(_first(models, openai_moderation.MODEL)),
        openai_moderation.BASE_URL,
        ("key",),
        lambda keys: {"authorization": f"Bearer {keys[0]}"},
    ),
    "azure_content_safety": _Kind(
        lambda models: AzureContentSafety(_first(models, API_VERSION)),
        None,
        ("key",),
        lambda keys: {"ocp-apim-subscription-key": keys[0]},
    ),
    "sightengine": _Kind(
        lambda models: Sightengine(models or sightengine.MODELS),
        sightengine.BASE_URL,
        ("api_user", "api_secret"),
        lambda _: {},
        lambda keys: {"api_user": keys[0], "api_secret": keys[1]},
    ),
    "hive": _Kind(lambda _: Hive(), hive.BASE_URL, ("key",), lambda keys: {"authorization": f"Token {keys[0]}"}),
}


@asynccontextmanager
async def open_remote(
    name: str,
    configured: Configured,
    *,
    clock: Clock,
    fraction: Callable[[], float],
    limits: Limits | None = None,
) -> AsyncGenerator[Remote]:
    """One configured service, for as long as the block runs. Raises Misconfigured."""
    kind = KINDS.get(configured.kind)
    if kind is None:
        raise Misconfigured(f"remote_detectors.{name}: there is no kind {configured.kind!r}; use {', '.join(KINDS)}.")
    base = configured.base_url or kind.base_url
    if base is None:
        raise Misconfigured(f"remote_detectors.{name} needs base_url: the endpoint of your own resource.")
    if len(configured.keys) != len(kind.keys):
        raise Misconfigured(f"remote_detectors.{name} needs as keys one reference each for: {', '.join(kind.keys)}.")
    read = partial(_secrets, name, configured.keys)
    secrets = await anyio.to_thread.run_sync(read)
    async with open_client(configured.seconds) as client:
        asking = Asking(
            base_url=base.rstrip("/"),
            client=client,
            clock=clock,
            fraction=fraction,
            seconds=configured.seconds,
            headers=kind.headers(secrets),
            fields=kind.fields(secrets),
        )
        vendor = kind.make(configured.models)
        yield Remote(name, vendor, taxonomies()[configured.kind], asking, clock, fraction, limits or Limits())


def _secrets(name: str, references: Sequence[str]) -> list[str]:
    return [resolve_secret(reference, setting=f"remote_detectors.{name}.keys") for reference in references]
