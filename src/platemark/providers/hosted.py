"""The hosted providers by name, and opening one as it is configured. A new adapter adds its line here."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import anyio.to_thread

from platemark.core.errors import Misconfigured
from platemark.core.ports import Clock, Fetch
from platemark.net.secrets import resolve_secret
from platemark.providers import (
    aime,
    aimlapi,
    automatic1111,
    comfyui,
    fal,
    fireworks,
    horde,
    hotpot,
    huggingface,
    modelslab,
    openai_images,
    replicate,
    stability,
    together,
)
from platemark.providers.catalogue import Declared, Price
from platemark.providers.forgetting import Forgetting
from platemark.providers.http import Deadlines, Keys, open_transport
from platemark.providers.remote import OnUnknown, Remote
from platemark.providers.vendor import Vendor
from platemark.providers.webhooks import Hinting, Hints
from platemark.settings import HostedModel

# Name to the vendor and its public address; an empty address has to be configured.
VENDORS: Mapping[str, tuple[Callable[[], Vendor], str]] = {
    stability.NAME: (stability.Stability, stability.BASE_URL),
    together.NAME: (together.Together, together.BASE_URL),
    replicate.NAME: (replicate.Replicate, replicate.BASE_URL),
    aimlapi.NAME: (aimlapi.Aimlapi, aimlapi.BASE_URL),
    aime.NAME: (aime.Aime, aime.BASE_URL),
    automatic1111.NAME: (automatic1111.Automatic1111, ""),
    comfyui.NAME: (comfyui.ComfyUI, ""),
    hotpot.NAME: (hotpot.Hotpot, hotpot.BASE_URL),
    openai_images.NAME: (openai_images.OpenAIImages, openai_images.BASE_URL),
    **{name: (make, "") for name, make in openai_images.SERVERS.items()},
    huggingface.NAME: (huggingface.HuggingFace, huggingface.BASE_URL),
    fal.NAME: (fal.Fal, fal.BASE_URL),
    fireworks.NAME: (fireworks.Fireworks, fireworks.BASE_URL),
    modelslab.NAME: (modelslab.ModelsLab, modelslab.BASE_URL),
    horde.NAME: (horde.Horde, horde.BASE_URL),
}


@dataclass(frozen=True, slots=True)
class Hosted:
    """What an operator says about one hosted provider. `keys` are references such as `env:STABILITY_KEY`.

    `kind`: whose adapter it is, where the provider has a name of its own. `models`: added to the declared ones.
    `webhook_url`: where the vendor reaches us; named only where its webhooks can be checked. `webhook_secret`: a
    reference.
    """

    keys: tuple[str, ...] = ()
    base_url: str | None = None
    kind: str | None = None
    models: Mapping[str, HostedModel] = field(default_factory=dict[str, HostedModel])
    on_unknown: OnUnknown | None = None
    deadlines: Deadlines | None = None
    webhook_url: str | None = None
    webhook_secret: str | None = None


@asynccontextmanager
async def open_hosted(
    name: str, hosted: Hosted, *, clock: Clock, fetch: Fetch, max_pixels: int = 64_000_000
) -> AsyncGenerator[Remote]:
    """The provider with its keys and its connection. Raises Misconfigured for what cannot be read or is missing."""
    vendor, base_url = as_configured(name, hosted)
    if not base_url:
        raise Misconfigured(f"{name} runs at an address of yours. Say which: base_url.")
    values = [await anyio.to_thread.run_sync(_resolve, name, reference, "keys") for reference in hosted.keys]
    hints, vendor = Hints(), _calling_back(vendor, hosted)
    if hosted.webhook_secret is not None:
        hints.secret = await anyio.to_thread.run_sync(_resolve, name, hosted.webhook_secret, "webhook_secret")
    vendor, elsewhere = _deleting(vendor, hosted)
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(open_transport(name, url, deadlines=hosted.deadlines))
            for url in (base_url, *elsewhere)
        ]
        keys = Keys(tuple(values))
        yield Remote(vendor, opened[0], keys, clock, fetch, hosted.on_unknown, max_pixels, hints, opened[-1])


def as_configured(name: str, hosted: Hosted) -> tuple[Vendor, str]:
    """The vendor by the operator's name with the operator's models, and its address, which may be empty.

    Raises Misconfigured for a kind or a model that is not known.
    """
    kind = hosted.kind or name
    if kind not in VENDORS:
        raise Misconfigured(f"There is no provider {kind!r}. Known here: {', '.join(sorted(VENDORS))}.")
    make, public = VENDORS[kind]
    return _named(make(), name, hosted.models), hosted.base_url or public


def _named(vendor: Vendor, name: str, added: Mapping[str, HostedModel]) -> Vendor:
    """The vendor under the operator's name for it, with the operator's models. Raises Misconfigured."""
    own = {f"{vendor.name}/{id}": _configured(vendor, id, said) for id, said in added.items()}
    renamed = {id.replace(vendor.name, name, 1): each for id, each in {**vendor.models, **own}.items()}
    # Each vendor is a dataclass, which its protocol cannot say.
    return replace(cast(Any, vendor), name=name, models={id: replace(each, model=id) for id, each in renamed.items()})


def _configured(vendor: Vendor, id: str, said: HostedModel) -> Declared:
    like = vendor.models.get(f"{vendor.name}/{said.like}") or vendor.models.get(said.like)
    if like is None:
        known = ", ".join(model.partition("/")[2] for model in sorted(vendor.models))
        raise Misconfigured(f"{id} is to work like {said.like}, which {vendor.name} has not. It has: {known}.")
    # Another model may cost something else, but where nothing costs anything.
    price = like.price if said.route is None or vendor.free_repeat else None
    if said.usd_per_image is not None:
        price = Price(said.usd_per_image, "image", "the operator's settings", "now")
    return replace(
        like,
        route=said.route or like.route,
        facts={**like.facts, **said.facts},
        price=price,
        licence=said.licence or like.licence,
        description=said.description or f"{said.route or id}, configured by the operator.",
    )


def _deleting(vendor: Vendor, hosted: Hosted) -> tuple[Vendor, tuple[str, ...]]:
    """With the address of the API that deletes, if that is another one. What the operator names serves both."""
    plain: object = vendor
    if not isinstance(plain, Forgetting):
        return vendor, ()
    if hosted.base_url is not None:
        return replace(cast(Any, vendor), platform_url=""), ()
    return vendor, (plain.platform_url,) if plain.platform_url else ()


def _calling_back(vendor: Vendor, hosted: Hosted) -> Vendor:
    """With the address for its webhooks, where they can be checked: by a shared secret or by published keys."""
    plain: object = vendor
    if hosted.webhook_url is None or not isinstance(plain, Hinting):
        return vendor
    checked = hosted.webhook_secret is not None or plain.jwks_url is not None
    return replace(cast(Any, vendor), webhook_url=hosted.webhook_url) if checked else vendor


def _resolve(name: str, reference: str, setting: str) -> str:
    return resolve_secret(reference, setting=f"{setting} of {name}")
