"""`/v1/events`: the facts of a project, for polling."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from platemark.core.resource import EventResource, ListResource
from platemark.flows import look
from platemark.web import answers
from platemark.web.auth import Reader
from platemark.web.v1.filters import EventFilters

router = APIRouter(tags=["events"])


@router.get(
    "/v1/events",
    operation_id="list_events",
    summary="List events",
    responses={200: {"model": ListResource[EventResource]}},
)
async def listing(call: Reader, filters: Annotated[EventFilters, Query()]) -> Response:
    """Oldest first, unlike other lists: read on with `after` set to the `seq` of the last one."""
    found = await look.events(call.platform, call.principal, None, filters.after, filters.limit + 1)
    more = len(found) > filters.limit
    page = [EventResource.model_validate(event.model_dump()) for event in found[: filters.limit]]
    cursor = str(page[-1].seq) if more else None
    return answers.listing(ListResource[EventResource], tuple(page), cursor)
