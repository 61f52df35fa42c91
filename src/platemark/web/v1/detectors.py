"""`/v1/detectors/reports`: what the detector was worth on pictures stored here, as JSON and as a page of charts."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from platemark.charts.own import own_page
from platemark.charts.page import POLICY
from platemark.core.detector_report import ComparedReportResource, DetectorReportResource, compared, resource
from platemark.core.errors import NotFound
from platemark.core.resource import ListResource
from platemark.flows import kept_reports
from platemark.web import answers, documented
from platemark.web.addresses import DetectorReportId
from platemark.web.auth import Reporter
from platemark.web.negotiation import wants_page
from platemark.web.v1.filters import Filters

router = APIRouter(tags=["reports"])


@router.get(
    "/v1/detectors/reports",
    operation_id="list_detector_reports",
    summary="List reports on detectors",
    responses={200: {"model": ListResource[DetectorReportResource]}},
)
async def listing(call: Reporter, filters: Annotated[Filters, Query()]) -> Response:
    """Newest first: the project's and, for a key with `projects:manage`, the installation's (project `system`).

    `platemark detector evaluate --own` makes them. Needs audit:read or reviews:decide.
    """
    page = await kept_reports.listing(call.platform, call.principal, filters.query(call.principal.project))
    shown = tuple(map(resource, page.data))
    return answers.listing(ListResource[DetectorReportResource], shown, page.next_cursor)


@router.get(
    "/v1/detectors/reports/{id}",
    operation_id="get_detector_report",
    summary="Read a report on a detector",
    responses={
        200: {"model": ComparedReportResource, "content": {"text/html": {"schema": {"type": "string"}}}},
        **documented.faults(NotFound),
    },
)
async def get(call: Reporter, id: DetectorReportId) -> Response:
    """With how each rate moved since the report before; with `Accept: text/html` a page of charts in one file.

    Needs audit:read or reviews:decide.
    """
    found = await kept_reports.get(call.platform, call.principal, id)
    shown = compared(found.report, found.before)
    if wants_page(call.request):
        return answers.page(own_page([shown]), f"{POLICY}; frame-ancestors 'none'")
    return answers.json(shown, headers={"Vary": "Accept"})
