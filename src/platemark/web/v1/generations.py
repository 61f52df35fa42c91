"""`/v1/generations`: look, follow, cancel, retry, dismiss, erase."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from platemark.core.errors import Conflict, NotFound
from platemark.core.record import GenerationRecord
from platemark.core.resource import GenerationResource, ListResource
from platemark.flows import cancel as cancel_flow
from platemark.flows import content, look, record
from platemark.flows import retry as retry_flow
from platemark.flows.digests import user_digest
from platemark.flows.keeping import erase
from platemark.flows.resolve import named
from platemark.web import answers, documented, sse
from platemark.web.addresses import GenerationId
from platemark.web.auth import Reader, Writer
from platemark.web.v1.filters import GenerationFilters, StreamStart

router = APIRouter(tags=["generations"])
_FOUND = {200: {"model": GenerationResource}, **documented.faults(NotFound)}
_CHANGED = {200: {"model": GenerationResource}, **documented.faults(NotFound, Conflict)}


@router.get(
    "/v1/generations",
    operation_id="list_generations",
    summary="List generations",
    responses={200: {"model": ListResource[GenerationResource]}},
)
async def listing(call: Reader, filters: Annotated[GenerationFilters, Query()]) -> Response:
    """Newest first. Pages stay whole while new generations arrive."""
    project, model = call.principal.project, filters.model
    query = filters.query(
        project,
        tags=filters.tags,
        status=tuple(filters.status),
        lane=filters.lane,
        model=named(call.platform, model) if model else None,
        user_sha256=user_digest(project, filters.user) if filters.user else None,
        needs_attention=filters.needs_attention,
    )
    page = await look.generations(call.platform, call.principal, query)
    shown = tuple([await answers.shown(call, generation) for generation in page.data])
    return answers.listing(ListResource[GenerationResource], shown, page.next_cursor)


@router.get("/v1/generations/{id}", operation_id="get_generation", summary="Read a generation", responses=_FOUND)
async def get(call: Reader, id: GenerationId) -> Response:
    """Its present state. `error` is the problem document that the waiting call would have returned."""
    return await answers.generation(call, await look.generation(call.platform, call.principal, id))


@router.get(
    "/v1/generations/{id}/events",
    operation_id="stream_generation_events",
    summary="Follow a generation",
    response_class=Response,
    responses={
        200: {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **documented.faults(NotFound),
    },
    openapi_extra={
        "parameters": [
            {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string", "pattern": "^[0-9]{1,19}$"}}
        ]
    },
)
async def events(call: Reader, id: GenerationId, start: Annotated[StreamStart, Query()]) -> Response:
    """A stream of complete snapshots until the generation has ended; polling is authoritative."""
    after = sse.start_after(start.after, call.request.headers.get("last-event-id"))
    await look.generation(call.platform, call.principal, id)
    return sse.stream(call, id, after)


@router.get(
    "/v1/generations/{id}/record",
    operation_id="get_generation_record",
    summary="Read the record of a generation",
    responses={200: {"model": GenerationRecord}, **documented.faults(NotFound)},
)
async def read_record(call: Reader, id: GenerationId) -> Response:
    """Everything about it and its images, with the audit chain checked."""
    return answers.json(await record.generation_record(call.platform, call.principal, id))


@router.get(
    "/v1/generations/{id}/preview",
    operation_id="get_generation_preview",
    summary="See the latest step",
    response_class=Response,
    responses={200: documented.bytes_response("A small picture of the present state."), **documented.faults(NotFound)},
)
async def preview(call: Reader, id: GenerationId) -> Response:
    """The latest preview while it is drawn; 404 before the first one and afterwards."""
    found = await content.preview(call.platform, call.principal, id)
    return answers.image_bytes(call.request, found, {"Cache-Control": "no-store"})


@router.post(
    "/v1/generations/{id}/cancel", operation_id="cancel_generation", summary="Cancel a generation", responses=_CHANGED
)
async def cancel(call: Writer, id: GenerationId) -> Response:
    """At once where nothing runs yet; a running one stops within a step."""
    return answers.json(await answers.shown(call, await cancel_flow.cancel(call.platform, call.principal, id)))


@router.post(
    "/v1/generations/{id}/retry",
    operation_id="retry_generation",
    summary="Try a failed generation again",
    status_code=202,
    responses={202: {"model": GenerationResource}, **documented.faults(NotFound, Conflict)},
)
async def retry(call: Writer, id: GenerationId) -> Response:
    """With fresh attempts, under the same id."""
    return await answers.generation(call, await retry_flow.retry(call.platform, call.principal, id), 202)


@router.post(
    "/v1/generations/{id}/dismiss",
    operation_id="dismiss_generation",
    summary="End the attention that a failure asks for",
    responses=_FOUND,
)
async def dismiss(call: Writer, id: GenerationId) -> Response:
    """Takes the mark `needs_attention` off and leaves everything else."""
    return answers.json(await answers.shown(call, await retry_flow.dismiss(call.platform, call.principal, id)))


@router.delete(
    "/v1/generations/{id}/text",
    operation_id="erase_generation_text",
    summary="Erase the personal text of a generation",
    responses=_CHANGED,
)
async def erase_text(call: Writer, id: GenerationId) -> Response:
    """Prompt, negative prompt and user id go for good; the record and its chain stay whole."""
    return answers.json(await answers.shown(call, await erase.erase_text(call.platform, call.principal, id)))
