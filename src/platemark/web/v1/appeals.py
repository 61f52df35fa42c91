"""Appeals: a refusal is looked at again by somebody else; and the statement of reasons for it."""

from typing import Annotated, TypeVar

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from platemark.core.desk import AppealResource, StatementResource
from platemark.core.errors import Conflict, MalformedBody, NotFound, UnsupportedMedia
from platemark.core.request import CleanText, StrictModel
from platemark.core.review import Review
from platemark.flows.reviews import appeal as review_appeal
from platemark.flows.reviews import papers as review_papers
from platemark.web import answers, bodies, documented
from platemark.web.addresses import GenerationId, ImageId, ReviewId
from platemark.web.auth import Call, Reader, Writer

router = APIRouter(tags=["reviews"])
_LARGEST_BODY = 64 * 1024
_FILED = {201: {"model": AppealResource}, **documented.faults(NotFound, Conflict, MalformedBody, UnsupportedMedia)}
_SAID = {"statement": "This is my own portrait, taken for an exhibition."}
_BODY, _NAMED_BODY = documented.body("Appeal", _SAID), documented.body("NamedAppeal", _SAID)
A = TypeVar("A", bound=StrictModel)


class Appeal(StrictModel):
    """Why the refusal was wrong, in one's own words; they can be erased later."""

    statement: Annotated[CleanText, Field(min_length=1, max_length=4000)] | None = None


class NamedAppeal(Appeal):
    """The same about something that may have been refused several times."""

    of: (
        Annotated[
            str,
            Field(
                pattern=r"^(pub|vdt)_[0-9a-f]{32}$",
                description="Which refusal, by its publication or verdict; the newest when absent.",
            ),
        ]
        | None
    ) = None


async def _read(call: Call, kind: type[A]) -> A:
    return await bodies.read_model(call.request, kind, _LARGEST_BODY)


def _answer(found: Review) -> Response:
    return answers.json(AppealResource.model_validate(found.model_dump()), 201)


@router.post(
    "/v1/reviews/{id}/appeal",
    operation_id="appeal_review",
    summary="Appeal a rejection",
    status_code=201,
    responses=_FILED,
    openapi_extra=_BODY,
)
async def of_review(call: Writer, id: ReviewId) -> Response:
    """Once for each decision, within six months; somebody else looks again."""
    wanted = await _read(call, Appeal)
    return _answer(await review_appeal.appeal_review(call.platform, call.principal, id, wanted.statement))


@router.post(
    "/v1/generations/{id}/appeal",
    operation_id="appeal_generation",
    summary="Appeal the refusal of a request",
    status_code=201,
    responses=_FILED,
    openapi_extra=_NAMED_BODY,
)
async def of_generation(call: Writer, id: GenerationId) -> Response:
    """If it is overturned, the request starts. A provider's own refusal cannot be appealed here."""
    wanted = await _read(call, NamedAppeal)
    return _answer(
        await review_appeal.appeal_generation(call.platform, call.principal, id, wanted.statement, wanted.of)
    )


@router.post(
    "/v1/images/{id}/appeal",
    operation_id="appeal_image",
    summary="Appeal the block of an image",
    status_code=201,
    responses=_FILED,
    openapi_extra=_NAMED_BODY,
)
async def of_image(call: Writer, id: ImageId) -> Response:
    """If it is overturned, the image can be read again."""
    wanted = await _read(call, NamedAppeal)
    return _answer(await review_appeal.appeal_image(call.platform, call.principal, id, wanted.statement, wanted.of))


@router.get(
    "/v1/reviews/{id}/statement",
    operation_id="get_statement_of_reasons",
    summary="Read the reasons for a restriction",
    responses={200: {"model": StatementResource}, **documented.faults(NotFound, Conflict)},
)
async def statement(call: Reader, id: ReviewId) -> Response:
    """In the shape of Article 17 of the Digital Services Act, without personal data."""
    return answers.json(StatementResource(**await review_papers.statement(call.platform, call.principal, id)))
