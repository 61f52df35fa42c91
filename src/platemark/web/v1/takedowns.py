"""`/v1/takedowns`: notices that pictures must go, their clock, and what is done about them."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from platemark.core.base import JsonObject
from platemark.core.errors import Conflict, LegalHold, MalformedBody, NotFound, UnsupportedMedia
from platemark.core.keeping import TakedownImageResource, TakedownResource
from platemark.core.request import CleanText, Name, StrictModel
from platemark.core.resource import ListResource
from platemark.core.takedown import Takedown, TakedownKind, TakedownState
from platemark.flows.keeping import erase
from platemark.flows.keeping import takedown as flow
from platemark.flows.keeping.takedown import Notice
from platemark.web import answers, bodies, documented
from platemark.web.addresses import TakedownId
from platemark.web.auth import Moderator, Writer
from platemark.web.v1.filters import Filters

router = APIRouter(tags=["takedowns"])
_LARGEST_BODY = 128 * 1024
_Words = Annotated[CleanText, Field(min_length=1, max_length=5_000)]
_Images = Annotated[tuple[Annotated[CleanText, Field(max_length=2_000)], ...], Field(strict=False, max_length=100)]


def _meant(value: bool) -> bool:
    if not value:
        raise PydanticCustomError("not_declared", "must be true: the claimant says this in good faith")
    return value


class NewTakedown(StrictModel):
    """What a claimant says. All but `kind` and `images` lies in one row that can be erased."""

    kind: TakedownKind
    images: Annotated[_Images, Field(min_length=1, description="img_ ids, or URLs of ours that hold one.")]
    claimant: Annotated[Name, Field(description="Who claims it.")]
    contact: Annotated[Name, Field(description="How to reach them.")]
    statement: Annotated[_Words, Field(description="What is shown, and why it must go.")]
    good_faith: Annotated[bool, AfterValidator(_meant)]
    signature: Annotated[Name, Field(description="Typed, or a reference to a signed paper.")]
    on_behalf_of: Name | None = None


class MoreImages(StrictModel):
    """Further pictures of the same notice."""

    images: Annotated[_Images, Field(min_length=1)]


class Rejection(StrictModel):
    """Why a notice is rejected."""

    reason_code: Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{2,60}$", examples=["NOT_DEPICTED", "LICENSED"])]


class TakedownFilters(Filters):
    """Filters of the list of notices."""

    state: Annotated[list[TakedownState], Field(max_length=5)] = []
    kind: TakedownKind | None = None


def _resource(notice: Notice) -> TakedownResource:
    images = tuple(TakedownImageResource.model_validate(row.model_dump()) for row in notice.images)
    return _plain(notice.takedown).model_copy(
        update={"statement": notice.statement, "images": images, "strikes": notice.strikes}
    )


def _plain(takedown: Takedown) -> TakedownResource:
    return TakedownResource.model_validate(
        {**takedown.model_dump(exclude={"statement"}), "reasons": _reasons(takedown)}
    )


def _reasons(takedown: Takedown) -> JsonObject | None:
    """In the parts of a statement of reasons (DSA, article 17), without personal data."""
    if takedown.state not in ("acting", "actioned"):
        return None
    return {
        "restriction": "removal",
        "ground": takedown.reason_code,
        "detection": "notice",
        "decision": "manual",
        "decided_at": takedown.decided_at and takedown.decided_at.isoformat(),
        "redress": "Tell the people who run this service the id of the notice.",
    }


@router.get(
    "/v1/takedowns",
    operation_id="list_takedowns",
    summary="List takedown notices",
    responses={200: {"model": ListResource[TakedownResource]}},
)
async def listing(call: Moderator, filters: Annotated[TakedownFilters, Query()]) -> Response:
    """Newest first, without what the claimants wrote."""
    query = filters.query(call.principal.project, state=tuple(filters.state), kind=filters.kind)
    page = await flow.listing(call.platform, call.principal, query)
    shown = tuple(_plain(each) for each in page.data)
    return answers.listing(ListResource[TakedownResource], shown, page.next_cursor)


@router.post(
    "/v1/takedowns",
    operation_id="file_takedown",
    summary="File a takedown notice",
    status_code=201,
    responses={201: {"model": TakedownResource}, **documented.faults(MalformedBody, UnsupportedMedia)},
    openapi_extra=documented.body(
        "NewTakedown",
        {
            "kind": "intimate_image",
            "images": ["img_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"],
            "claimant": "A. Person",
            "contact": "a.person@example.org",
            "statement": "The picture shows me. I did not consent to it.",
            "good_faith": True,
            "signature": "A. Person",
        },
    ),
)
async def file(call: Writer) -> Response:
    """Starts its clock (48 hours for intimate images) and looks for copies. Nothing is blocked before a person acts."""
    wanted = await bodies.read_model(call.request, NewTakedown, _LARGEST_BODY)
    statement = wanted.model_dump(mode="json", exclude={"kind", "images"}, exclude_none=True)
    notice = await flow.file(call.platform, call.principal, wanted.kind, wanted.images, statement)
    return answers.json(_resource(notice), 201)


@router.get(
    "/v1/takedowns/{id}",
    operation_id="get_takedown",
    summary="Read a takedown notice",
    responses={200: {"model": TakedownResource}, **documented.faults(NotFound)},
)
async def get(call: Moderator, id: TakedownId) -> Response:
    """With the statement, the pictures that it names, copies of them, and how often their users lost pictures."""
    return answers.json(_resource(await flow.find(call.platform, call.principal, id)))


@router.post(
    "/v1/takedowns/{id}/add",
    operation_id="add_to_takedown",
    summary="Add pictures to a notice",
    responses={
        200: {"model": TakedownResource},
        **documented.faults(MalformedBody, UnsupportedMedia, NotFound, Conflict),
    },
    openapi_extra=documented.body("MoreImages", {"images": ["img_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"]}),
)
async def add(call: Moderator, id: TakedownId) -> Response:
    """With their copies; as long as nobody has decided."""
    wanted = await bodies.read_model(call.request, MoreImages, _LARGEST_BODY)
    return answers.json(_resource(await flow.add(call.platform, call.principal, id, wanted.images)))


@router.post(
    "/v1/takedowns/{id}/act",
    operation_id="act_on_takedown",
    summary="Take the pictures of a notice down",
    responses={200: {"model": TakedownResource}, **documented.faults(NotFound, Conflict)},
)
async def act(call: Moderator, id: TakedownId) -> Response:
    """Withdraws and blocks every picture and copy, and lists them so that they do not come back."""
    return answers.json(_resource(await flow.act(call.platform, call.principal, id)))


@router.post(
    "/v1/takedowns/{id}/reject",
    operation_id="reject_takedown",
    summary="Reject a notice",
    responses={
        200: {"model": TakedownResource},
        **documented.faults(MalformedBody, UnsupportedMedia, NotFound, Conflict),
    },
    openapi_extra=documented.body("Rejection", {"reason_code": "NOT_DEPICTED"}),
)
async def reject(call: Moderator, id: TakedownId) -> Response:
    """A person's decision; no timer makes it."""
    wanted = await bodies.read_model(call.request, Rejection, _LARGEST_BODY)
    return answers.json(_resource(await flow.reject(call.platform, call.principal, id, wanted.reason_code)))


@router.post(
    "/v1/takedowns/{id}/withdraw",
    operation_id="withdraw_takedown",
    summary="Note that a notice was taken back",
    responses={200: {"model": TakedownResource}, **documented.faults(NotFound, Conflict)},
)
async def withdraw(call: Moderator, id: TakedownId) -> Response:
    """By the claimant, before anybody decided."""
    return answers.json(_resource(await flow.withdraw(call.platform, call.principal, id)))


@router.delete(
    "/v1/takedowns/{id}/text",
    operation_id="erase_takedown_text",
    summary="Erase the statement of a notice",
    responses={200: {"model": TakedownResource}, **documented.faults(NotFound, Conflict, LegalHold)},
)
async def erase_text(call: Moderator, id: TakedownId) -> Response:
    """What the claimant wrote goes for good once the notice is decided; what was done and the chain stay whole."""
    notice = await erase.erase_statement(call.platform, call.principal, id)
    return answers.json(_resource(await flow.find(call.platform, call.principal, notice.id)))
