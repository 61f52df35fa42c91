"""The hosted providers by name, and opening one as it is configured. A new adapter adds its line here."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio.to_thread

from platemark.core.errors import Misconfigured
from platemark.core.ports import Clock, Fetch
from platemark.net.secrets import resolve_secret
from platemark.providers import stability
from platemark.providers.http import Deadlines, Keys, open_transport
from platemark.providers.remote import OnUnknown, Remote
from platemark.providers.vendor import Vendor

# Name to the vendor and its public address; an empty address has to be configured.
VENDORS: Mapping[str, tuple[Callable[[], Vendor], str]] = {
    stability.NAME: (stability.Stability, stability.BASE_URL),
}


@dataclass(frozen=True, slots=True)
class Hosted:
    """What an operator says about one hosted provider. `keys` are references such as `env:STABILITY_KEY`."""

    keys: tuple[str, ...] = ()
    base_url: str | None = None
    on_unknown: OnUnknown | None = None
    deadlines: Deadlines | None = None


@asynccontextmanager
async def open_hosted(
    name: str, hosted: Hosted, *, clock: Clock, fetch: Fetch, max_pixels: int = 64_000_000
) -> AsyncGenerator[Remote]:
    """The provider with its keys and its connection. Raises Misconfigured for what cannot be read or is missing."""
    if name not in VENDORS:
        raise Misconfigured(f"There is no provider {name!r}. Known here: {', '.join(sorted(VENDORS))}.")
    make, public = VENDORS[name]
    base_url = hosted.base_url or public
    if not base_url:
        raise Misconfigured(f"{name} runs at an address of yours. Say which: base_url.")
    values = [await anyio.to_thread.run_sync(_resolve, name, reference) for reference in hosted.keys]
    async with open_transport(name, base_url, deadlines=hosted.deadlines) as transport:
        yield Remote(make(), transport, Keys(tuple(values)), clock, fetch, hosted.on_unknown, max_pixels)


def _resolve(name: str, reference: str) -> str:
    return resolve_secret(reference, setting=f"keys of {name}")
