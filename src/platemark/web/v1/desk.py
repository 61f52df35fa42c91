"""`/v1/reviews/…`: figures and papers of the review desk."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from platemark.core.desk import AgreementResource, DeskReportResource, QueueResource
from platemark.core.resource import ListResource
from platemark.flows.reviews import papers as review_papers
from platemark.flows.reviews import stats as review_stats
from platemark.web import answers
from platemark.web.auth import Reviewer
from platemark.web.moments import Moment

router = APIRouter(tags=["reviews"])
_TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv"}


class Since(BaseModel):
    """From when on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Annotated[Moment, Field(description="Not decided before this time.")] | None = None


class Wanted(BaseModel):
    """In which form decisions are exported; `texts` needs the scope moderation:manage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["jsonl", "csv"] = "jsonl"
    texts: bool = False


@router.get(
    "/v1/reviews/queues",
    operation_id="list_review_queues",
    summary="Count what waits",
    responses={200: {"model": ListResource[QueueResource]}},
)
async def queues(call: Reviewer) -> Response:
    """By reason code, desk and level: how many wait, how many are held, the oldest age, how many are late."""
    data = tuple(QueueResource(**row) for row in await review_stats.queues(call.platform, call.principal))
    return answers.listing(ListResource[QueueResource], data)


@router.get(
    "/v1/reviews/agreement",
    operation_id="get_review_agreement",
    summary="How often two people agree",
    responses={200: {"model": ListResource[AgreementResource]}},
)
async def agreement(call: Reviewer, wanted: Annotated[Since, Query()]) -> Response:
    """In percent and as Cohen's kappa, by reason code; first `all` of them together."""
    found = await review_stats.agreement(call.platform, call.principal, wanted.since)
    data = tuple(AgreementResource(**row) for row in found)
    return answers.listing(ListResource[AgreementResource], data)


@router.get(
    "/v1/reviews/report",
    operation_id="get_review_report",
    summary="Read the figures of the desk",
    responses={200: {"model": DeskReportResource}},
)
async def report(call: Reviewer, wanted: Annotated[Since, Query()]) -> Response:
    """Backlog, median time to a decision, outcomes by code, and which rules were overturned on appeal."""
    return answers.json(DeskReportResource(**await review_stats.report(call.platform, call.principal, wanted.since)))


@router.get(
    "/v1/reviews/export",
    operation_id="export_decisions",
    summary="Export decisions as examples",
    response_class=Response,
    responses={
        200: {
            "description": "Labelled examples.",
            "content": {kind: {"schema": {"type": "string"}} for kind in _TYPES.values()},
        }
    },
)
async def export(call: Reviewer, wanted: Annotated[Wanted, Query()]) -> Response:
    """One line a decision, as JSON or CSV; with prompts only on request, and where they are not erased."""
    rows = review_papers.export(call.platform, call.principal, texts=wanted.texts)
    # The first row is read before the answer begins, so that what is wrong from the start is a problem document.
    first = await anext(rows, None)

    async def lines() -> AsyncIterator[str]:
        if wanted.format == "csv":
            yield review_papers.csv_line(None)
        written = review_papers.csv_line if wanted.format == "csv" else review_papers.json_line
        if first is not None:
            yield written(first)
        async for row in rows:
            yield written(row)

    name = f"decisions.{wanted.format}"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines(), 200, headers, _TYPES[wanted.format])
