"""`/v1/inspections`: what was read from images, and from files that were analysed."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from platemark.core.errors import Conflict, Gone, NotAllowed, NotFound
from platemark.core.inspection import Inspection, InspectionVerdict, Tier, document
from platemark.core.resource import InspectionResource, ListResource
from platemark.flows import look
from platemark.flows.reinspect import inspect_again
from platemark.web import answers, documented
from platemark.web.addresses import ImageId, InspectionId
from platemark.web.analyses import analyses_of
from platemark.web.auth import Reader, Writer
from platemark.web.uploads import SHA256
from platemark.web.v1.filters import Filters, Text

router = APIRouter(tags=["inspections"])


class InspectionFilters(Filters):
    """Filters of the list of inspections."""

    image: Annotated[Text, Field(description="Id of an image: its history.")] | None = None
    verdict: Annotated[list[InspectionVerdict], Field(max_length=8, description="Any of these; repeat it.")] = []
    tier: Tier | None = None
    sha256: Annotated[str, Field(pattern=SHA256, description="SHA-256 of the file.")] | None = None


@router.get(
    "/v1/inspections",
    operation_id="list_inspections",
    summary="List inspections",
    responses={200: {"model": ListResource[InspectionResource]}},
)
async def listing(call: Reader, filters: Annotated[InspectionFilters, Query()]) -> Response:
    """Newest first: of images, each as often as it was looked at, and of files that were analysed."""
    query = filters.query(
        call.principal.project,
        image=filters.image,
        verdict=tuple(filters.verdict),
        tier=filters.tier,
        input_sha256=filters.sha256,
    )
    page = await look.inspections(call.platform, call.principal, query)
    shown = tuple(resource(inspection) for inspection in page.data)
    return answers.listing(ListResource[InspectionResource], shown, page.next_cursor)


@router.get(
    "/v1/inspections/{id}",
    operation_id="get_inspection",
    summary="Read an inspection",
    responses={200: {"model": InspectionResource}, **documented.faults(NotFound)},
)
async def get(call: Reader, id: InspectionId) -> Response:
    """Evidence, verdict and confidence. A verdict is an input to a decision, not proof."""
    return answers.json(resource(await look.inspection(call.platform, call.principal, id)))


@router.post(
    "/v1/images/{id}/inspect",
    operation_id="inspect_image",
    summary="Inspect an image again",
    status_code=201,
    responses={
        201: {"model": InspectionResource},
        **documented.faults(NotFound, NotAllowed, Gone, Conflict),
    },
)
async def again(call: Writer, id: ImageId) -> Response:
    """With what this server can look with now. The image names the new inspection; the older ones stay."""
    analyses = analyses_of(call)
    analyses.take(call.request, call.principal.key)
    async with analyses.at_once:
        made = await inspect_again(call.platform, call.principal, id)
    return answers.json(resource(made), 201, {"Location": call.url(f"/v1/inspections/{made.id}")})


def resource(inspection: Inspection) -> InspectionResource:
    """The form in which inspections are answered."""
    return InspectionResource.model_validate(document(inspection))
