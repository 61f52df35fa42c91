"""`/v1/models` and `/v1/providers`: what can be asked for, and whether it works now."""

from collections.abc import Iterable

from fastapi import APIRouter
from starlette.responses import Response

from platemark.core.errors import NotFound
from platemark.core.readiness import ReadinessResource
from platemark.core.resource import HealthResource, ListResource, ModelResource, ProviderResource
from platemark.flows import present
from platemark.providers.hosted import VENDORS
from platemark.providers.readiness import own_report, report
from platemark.providers.remote import Remote
from platemark.web import answers, documented, readiness
from platemark.web.auth import Reader

router = APIRouter(tags=["models"])


@router.get(
    "/v1/models",
    operation_id="list_models",
    summary="List models",
    responses={200: {"model": ListResource[ModelResource]}},
)
async def models(call: Reader) -> Response:
    """Every model of every configured provider, what it can do, and the aliases that lead to it."""
    found = tuple(present.model_resources(call.platform))
    return answers.listing(ListResource[ModelResource], found)


@router.get(
    "/v1/providers",
    operation_id="list_providers",
    summary="List providers",
    responses={200: {"model": ListResource[ProviderResource]}},
)
async def providers(call: Reader) -> Response:
    """The configured providers, each asked whether it can work now."""
    configured = call.platform.providers
    codes = await readiness.faults({name: provider.check for name, provider in configured.items()})
    data = tuple(
        ProviderResource(
            id=name,
            models=tuple(sorted(provider.models)),
            concurrency=provider.concurrency,
            state="failed" if codes[name] else "ok",
            code=codes[name],
            health=HealthResource(**provider.health.model_dump()),
        )
        for name, provider in sorted(configured.items())
    )
    return answers.listing(ListResource[ProviderResource], data)


@router.get(
    "/v1/providers/{id}/readiness",
    operation_id="get_provider_readiness",
    summary="Report what a provider declares",
    responses={200: {"model": ReadinessResource}, **documented.faults(NotFound)},
)
async def provider_readiness(call: Reader, id: str) -> Response:
    """Models, first request, answers, refusals, limits, keys, prices, and what nobody has verified.

    Nothing is sent to the provider. It need not be configured: this is for choosing one.
    """
    configured = call.platform.providers.get(id)
    if isinstance(configured, Remote):
        found = report(configured.vendor)
    elif configured is not None:
        found = own_report(configured)
    elif id in VENDORS:
        make, public = VENDORS[id]
        found = report(make(), base_url=public)
    else:
        raise NotFound(f"There is no provider {id!r}. There are: {_known(call.platform.providers)}.")
    return answers.json(found)


def _known(configured: Iterable[str]) -> str:
    return ", ".join(sorted({*VENDORS, *configured}))
