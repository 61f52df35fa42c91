"""`/v1/reviews`: cases that wait for a person: find, hold, look, decide."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from platemark.core.desk import (
    ChoiceResource,
    ContextResource,
    DecisionResource,
    ErasedResource,
    ExposureResource,
    ItemResource,
    PreviewResource,
    ReviewResource,
)
from platemark.core.errors import Conflict, Gone, LegalHold, MalformedBody, NotFound, UnsupportedMedia
from platemark.core.moderation import Stage
from platemark.core.request import CleanText, StrictModel
from platemark.core.resource import ListResource
from platemark.core.review import Action, Decision, Desk, Review, ReviewKind, ReviewState
from platemark.flows.reviews import bulk as review_bulk
from platemark.flows.reviews import context as review_context
from platemark.flows.reviews import decide as review_decide
from platemark.flows.reviews import desk as review
from platemark.flows.reviews import papers as review_papers
from platemark.flows.reviews import reveal as review_reveal
from platemark.flows.reviews.decide import Wish
from platemark.flows.reviews.desk import Letting, Wanted
from platemark.web import answers, bodies, documented
from platemark.web.addresses import ReviewId
from platemark.web.auth import Reviewer
from platemark.web.v1.filters import Filters, Text

router = APIRouter(tags=["reviews"])
_LARGEST_BODY = 64 * 1024
_BODY = documented.faults(MalformedBody, UnsupportedMedia)
_HELD = documented.faults(NotFound, Conflict)
_CASE = {200: {"model": ReviewResource}, **_HELD}
_Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{1,60}$")]
_Note = Annotated[CleanText, Field(min_length=1, max_length=4000, description="Why; can be erased later.")]
_NO_STORE = {"Cache-Control": "no-store"}


class ReviewFilters(Filters):
    """Filters of the reviews. `queue` gives open cases by risk and due time, `newest` all of them."""

    order: Literal["queue", "newest"] = "queue"
    state: Annotated[list[ReviewState], Field(max_length=10)] = []
    kind: ReviewKind | None = None
    stage: Stage | None = None
    reason_code: _Code | None = None
    audience: Text | None = None
    desk: Desk | None = None
    level: Annotated[int, Field(ge=1, le=3)] | None = None
    waiting_seconds: Annotated[int, Field(ge=0, description="In the queue for at least so long.")] | None = None

    @property
    def chosen(self) -> dict[str, Any]:
        """Fields that have to have a value."""
        names = ("kind", "stage", "reason_code", "audience", "desk", "level")
        found: dict[str, Any] = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return found | ({"state": tuple(self.state)} if self.state else {})

    @property
    def wanted(self) -> Wanted:
        """As the queue takes it."""
        waiting = None if self.waiting_seconds is None else timedelta(seconds=self.waiting_seconds)
        return Wanted(self.chosen, waiting, self.limit, self.cursor, self.since, self.until)


class GivenBack(StrictModel):
    """Why a case is given back."""

    reason: Letting


class Ruling(StrictModel):
    """A decision. `version` is the one that was read; with `preview` nothing is written."""

    action: Action
    reason_code: _Code
    version: Annotated[int, Field(ge=1)]
    note: _Note | None = None
    desk: Desk | None = None
    audience: Annotated[CleanText, Field(min_length=1, max_length=64)] | None = None
    message: Annotated[str, Field(max_length=64)] | None = None

    @property
    def wish(self) -> Wish:
        """As the flow takes it."""
        return Wish(**self.model_dump())


class Rulings(StrictModel):
    """One decision on many cases of one family; with `preview` only say which of them could be decided."""

    ids: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=review_bulk.MOST)]
    action: Action
    reason_code: _Code
    note: _Note | None = None
    audience: Annotated[CleanText, Field(min_length=1, max_length=64)] | None = None
    message: Annotated[str, Field(max_length=64)] | None = None
    preview: bool = False


class Declined(StrictModel):
    """Reason codes that the caller does not want to be given."""

    opted_out: Annotated[tuple[_Code, ...], Field(strict=False, max_length=30)]


class Unveiling(StrictModel):
    """Which picture of a case: the one that it is about, unless another one is named."""

    image: Annotated[str, Field(max_length=40)] | None = None


def _resource(found: Review, decision: Decision | None = None) -> ReviewResource:
    made = DecisionResource.model_validate(decision.model_dump()) if decision else None
    return ReviewResource.model_validate({**found.model_dump(), "severe": found.severe, "decision": made})


@router.get(
    "/v1/reviews",
    operation_id="list_reviews",
    summary="List reviews",
    responses={200: {"model": ListResource[ReviewResource]}},
)
async def listing(call: Reviewer, filters: Annotated[ReviewFilters, Query()]) -> Response:
    """Pages of the queue, riskiest first and then what is due first; or, with `order=newest`, of every case."""
    if filters.order == "queue":
        page = await review.queue(call.platform, call.principal, filters.wanted)
    else:
        query = filters.query(call.principal.project, **filters.chosen)
        page = await review.page(call.platform, call.principal, query)
    data = tuple(_resource(case) for case in page.data)
    return answers.listing(ListResource[ReviewResource], data, page.next_cursor)


@router.post(
    "/v1/reviews/next",
    operation_id="claim_next_review",
    summary="Claim the next review",
    response_class=Response,
    responses={200: {"model": ReviewResource}, 204: {"description": "Nothing waits for the caller."}},
)
async def claim_next(call: Reviewer) -> Response:
    """The first of the queue that the caller may decide; 204 where there is none."""
    found = await review.claim_next(call.platform, call.principal, Wanted())
    return Response(status_code=204, headers=_NO_STORE) if found is None else answers.json(_resource(found))


@router.post(
    "/v1/reviews/decide",
    operation_id="decide_reviews",
    summary="Decide many alike",
    responses={200: {"model": ListResource[ItemResource]}, **_BODY, **documented.faults(NotFound)},
    openapi_extra=documented.body(
        "Rulings", {"ids": ["rev_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"], "action": "reject", "reason_code": "GORE"}
    ),
)
async def decide_all(call: Reviewer) -> Response:
    """At most fifty of the same prompt or nearly the same picture, none of them severe; one result each."""
    wanted = await bodies.read_model(call.request, Rulings, _LARGEST_BODY)
    wish = Wish(**wanted.model_dump(exclude={"ids", "preview"}))
    items = await review_bulk.decide_all(call.platform, call.principal, wanted.ids, wish, preview=wanted.preview)
    data = tuple(ItemResource.model_validate(asdict(item)) for item in items)
    return answers.listing(ListResource[ItemResource], data)


@router.get(
    "/v1/reviews/exposure",
    operation_id="get_review_exposure",
    summary="Read what one was shown",
    responses={200: {"model": ExposureResource}},
)
async def exposure(call: Reviewer) -> Response:
    """Severe pictures that the caller unveiled within an hour and a shift, and how many may follow."""
    return answers.json(ExposureResource(**asdict(await review_reveal.exposure(call.platform, call.principal))))


@router.put(
    "/v1/reviews/choice",
    operation_id="choose_review_categories",
    summary="Decline categories",
    responses={200: {"model": ChoiceResource}, **_BODY},
    openapi_extra=documented.body("Declined", {"opted_out": ["GORE"]}),
)
async def choose(call: Reviewer) -> Response:
    """Reason codes that the caller is not given any more; an empty list takes it back."""
    wanted = await bodies.read_model(call.request, Declined, _LARGEST_BODY)
    found = await review.opt_out(call.platform, call.principal, wanted.opted_out)
    return answers.json(ChoiceResource(by=found.by, opted_out=found.opted_out))


@router.get(
    "/v1/reviews/{id}",
    operation_id="get_review",
    summary="Read everything about a review",
    responses={200: {"model": ContextResource}, **documented.faults(NotFound)},
)
async def get(call: Reviewer, id: ReviewId) -> Response:
    """Texts with what was matched, pictures, signals, rules, the user's history, cases like it. No picture bytes."""
    return answers.json(ContextResource(**await review_context.context(call.platform, call.principal, id)))


@router.post("/v1/reviews/{id}/claim", operation_id="claim_review", summary="Claim a review", responses=_CASE)
async def claim(call: Reviewer, id: ReviewId) -> Response:
    """Hold it for ten minutes; nobody else can decide it meanwhile."""
    return answers.json(_resource(await review.claim(call.platform, call.principal, id)))


@router.post("/v1/reviews/{id}/heartbeat", operation_id="hold_review", summary="Go on holding", responses=_CASE)
async def heartbeat(call: Reviewer, id: ReviewId) -> Response:
    """Ten minutes more. 409 once the hold has ended."""
    return answers.json(_resource(await review.heartbeat(call.platform, call.principal, id)))


@router.post(
    "/v1/reviews/{id}/release",
    operation_id="release_review",
    summary="Give a review back",
    responses={**_CASE, **_BODY},
    openapi_extra=documented.body("GivenBack", {"reason": "not_now"}),
)
async def release(call: Reviewer, id: ReviewId) -> Response:
    """With a reason. Who has a conflict of interest is not given it again."""
    wanted = await bodies.read_model(call.request, GivenBack, _LARGEST_BODY)
    return answers.json(_resource(await review.release(call.platform, call.principal, id, wanted.reason)))


@router.post(
    "/v1/reviews/{id}/decide",
    operation_id="decide_review",
    summary="Decide a review",
    responses={**_CASE, **_BODY},
    openapi_extra=documented.body("Ruling", {"action": "approve", "reason_code": "NO_VIOLATION", "version": 2}),
)
async def decide(call: Reviewer, id: ReviewId) -> Response:
    """Needs the hold and the version that was read. Effects start after the grace, in which it can be undone."""
    wanted = await bodies.read_model(call.request, Ruling, _LARGEST_BODY)
    found, decision = await review_decide.decide(call.platform, call.principal, id, wanted.wish)
    return answers.json(_resource(found, decision))


@router.post(
    "/v1/reviews/{id}/preview",
    operation_id="preview_decision",
    summary="See what a decision would do",
    responses={200: {"model": PreviewResource}, **_HELD, **_BODY},
    openapi_extra=documented.body("Ruling", {"action": "reject", "reason_code": "GORE", "version": 2}),
)
async def preview(call: Reviewer, id: ReviewId) -> Response:
    """What the user would be told, and whether a second person is needed. Nothing is written."""
    wanted = await bodies.read_model(call.request, Ruling, _LARGEST_BODY)
    seen = await review_decide.preview(call.platform, call.principal, id, wanted.wish)
    return answers.json(PreviewResource(**asdict(seen)))


@router.post("/v1/reviews/{id}/undo", operation_id="undo_decision", summary="Undo a decision", responses=_CASE)
async def undo(call: Reviewer, id: ReviewId) -> Response:
    """One's own, while its grace lasts; the case is held again."""
    return answers.json(_resource(await review_decide.undo(call.platform, call.principal, id)))


@router.get(
    "/v1/reviews/{id}/veiled",
    operation_id="get_veiled_picture",
    summary="See a picture blurred",
    response_class=Response,
    responses={200: documented.bytes_response("A blurred JPEG."), **documented.faults(NotFound, Gone)},
)
async def veiled(
    call: Reviewer,
    id: ReviewId,
    image: Annotated[str | None, Query(max_length=40)] = None,
    grey: bool = False,
) -> Response:
    """Made on the server: no detail leaves it. Never for what concerns the safety of children."""
    seen = await review_reveal.veiled(call.platform, call.principal, id, image, greyscale=grey)
    return Response(seen.data, 200, _NO_STORE, seen.media_type)


@router.post(
    "/v1/reviews/{id}/reveal",
    operation_id="reveal_picture",
    summary="See a picture as it is",
    response_class=Response,
    responses={200: documented.bytes_response("The picture itself."), **_HELD, **_BODY, **documented.faults(Gone)},
    openapi_extra=documented.body("Unveiling", {}),
)
async def reveal(call: Reviewer, id: ReviewId) -> Response:
    """Only for who holds the case, written down each time, and 429 when it is time for a break."""
    wanted = await bodies.read_model(call.request, Unveiling, _LARGEST_BODY)
    found = await review_reveal.reveal(call.platform, call.principal, id, wanted.image)
    return answers.image_bytes(call.request, found, _NO_STORE)


@router.delete(
    "/v1/reviews/{id}/notes",
    operation_id="erase_review_notes",
    summary="Erase the notes of a review",
    responses={200: {"model": ErasedResource}, **documented.faults(NotFound, LegalHold)},
)
async def erase(call: Reviewer, id: ReviewId) -> Response:
    """What people wrote goes for good; the chain keeps digests that say nothing any more."""
    gone = await review_papers.erase_notes(call.platform, call.principal, id)
    return answers.json(ErasedResource(review=id, erased=gone))
