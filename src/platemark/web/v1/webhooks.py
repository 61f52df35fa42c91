"""`/v1/providers/{name}/webhook`: where vendors say that work is done. Their signature is all that lets them in."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from platemark.core.errors import NotFound
from platemark.core.ports import Hinted, Platform
from platemark.web import bodies

# No address for clients, so none of the API's document.
router = APIRouter(include_in_schema=False)
# A vendor may send back what it was asked for, with small sources in it.
_LARGEST_BODY = 2 * 1024 * 1024


@router.post("/v1/providers/{name}/webhook")
async def webhook(request: Request, name: str) -> Response:
    """202 for every genuine one, also where nobody waits: repeats do no harm, and what it says is not used."""
    state: Any = request.app.state
    platform: Platform = state.platform
    provider: object = platform.providers.get(name)
    if not isinstance(provider, Hinted):
        raise NotFound("No webhooks are expected here.")
    body = await bodies.read(request, _LARGEST_BODY)
    await provider.hint({key.lower(): value for key, value in request.headers.items()}, body)
    return Response(status_code=202)
