"""`/v1/models` and `/v1/providers`: what can be asked for, and whether it works now."""

from fastapi import APIRouter
from starlette.responses import Response

from platemark.core.resource import ListResource, ModelResource, ProviderResource
from platemark.flows import present
from platemark.web import answers, readiness
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
    return answers.json(ListResource[ModelResource](data=found, next_cursor=None, has_more=False))


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
        )
        for name, provider in sorted(configured.items())
    )
    return answers.json(ListResource[ProviderResource](data=data, next_cursor=None, has_more=False))
