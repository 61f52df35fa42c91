"""`/v1/holds`: what must be kept for a while, whoever asks for its deletion."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from platemark.core.errors import Conflict, LegalHold, MalformedBody, NotFound, UnsupportedMedia
from platemark.core.hold import Hold, HoldReason
from platemark.core.keeping import HoldResource
from platemark.core.request import CleanText, Name, StrictModel
from platemark.core.resource import ListResource
from platemark.flows.keeping import erase, holds
from platemark.web import answers, bodies, documented
from platemark.web.addresses import HoldId
from platemark.web.auth import Call, Moderator
from platemark.web.moments import Moment
from platemark.web.v1.filters import Filters

router = APIRouter(tags=["holds"])
_LARGEST_BODY = 64 * 1024
_Id = Annotated[CleanText, Field(max_length=100)]


class NewHold(StrictModel):
    """What to keep (exactly one of image, generation, user), why, and until when."""

    reason_code: HoldReason
    until: Annotated[Moment, Field(description="At most two years from now.")]
    image: _Id | None = None
    generation: _Id | None = None
    user: Annotated[Name, Field(description="Id of your end user: everything made or uploaded for them.")] | None = None
    note: Annotated[CleanText, Field(min_length=1, max_length=2_000)] | None = None


def _resource(call: Call, hold: Hold, note: str | None = None) -> HoldResource:
    state = "active" if holds.active(hold, call.platform.clock.now()) else "released"
    state = "ended" if state == "released" and hold.released_by in (None, "time") else state
    return HoldResource.model_validate({**hold.model_dump(exclude={"note"}), "state": state, "note": note})


@router.get(
    "/v1/holds",
    operation_id="list_holds",
    summary="List legal holds",
    responses={200: {"model": ListResource[HoldResource]}},
)
async def listing(call: Moderator, filters: Annotated[Filters, Query()]) -> Response:
    """Newest first, those that have ended too; without their notes."""
    page = await holds.listing(call.platform, call.principal, filters.query(call.principal.project))
    shown = tuple(_resource(call, hold) for hold in page.data)
    return answers.listing(ListResource[HoldResource], shown, page.next_cursor)


@router.post(
    "/v1/holds",
    operation_id="place_hold",
    summary="Place a legal hold",
    status_code=201,
    responses={201: {"model": HoldResource}, **documented.faults(MalformedBody, UnsupportedMedia, NotFound)},
    openapi_extra=documented.body(
        "NewHold",
        {
            "image": "img_0190c2a5b7e07d3f8a51c3f2e4b6d8a0",
            "reason_code": "litigation",
            "until": "2027-06-30T00:00:00Z",
            "note": "Case 17/2026",
        },
    ),
)
async def place(call: Moderator) -> Response:
    """From now on nothing of it is deleted or erased, by nobody and by no timer."""
    wanted = await bodies.read_model(call.request, NewHold, _LARGEST_BODY)
    hold = await holds.place(call.platform, call.principal, **dict(wanted))
    return answers.json(_resource(call, hold, wanted.note), 201)


@router.get(
    "/v1/holds/{id}",
    operation_id="get_hold",
    summary="Read a legal hold",
    responses={200: {"model": HoldResource}, **documented.faults(NotFound)},
)
async def get(call: Moderator, id: HoldId) -> Response:
    """With its note."""
    hold, note = await holds.find(call.platform, call.principal, id)
    return answers.json(_resource(call, hold, note))


@router.post(
    "/v1/holds/{id}/release",
    operation_id="release_hold",
    summary="Release a legal hold",
    responses={200: {"model": HoldResource}, **documented.faults(NotFound, Conflict)},
)
async def release(call: Moderator, id: HoldId) -> Response:
    """Before its time; by somebody else than who placed it, once two people work in the project."""
    return answers.json(_resource(call, await holds.release(call.platform, call.principal, id)))


@router.delete(
    "/v1/holds/{id}/text",
    operation_id="erase_hold_text",
    summary="Erase the note of a legal hold",
    responses={200: {"model": HoldResource}, **documented.faults(NotFound, LegalHold)},
)
async def erase_text(call: Moderator, id: HoldId) -> Response:
    """Once it has ended, and no other hold keeps the same; the hold itself and the chain stay."""
    return answers.json(_resource(call, await erase.erase_note(call.platform, call.principal, id)))
