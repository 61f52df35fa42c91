"""`/v1/reports`: counts for operators, as JSON or CSV."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from platemark.core.errors import TooLarge
from platemark.core.report import ReportResource
from platemark.flows import reports
from platemark.web import answers, documented
from platemark.web.auth import Reporter
from platemark.web.moments import Moment

router = APIRouter(tags=["reports"])
_CSV = "text/csv"


class Wanted(BaseModel):
    """What is counted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Annotated[
        str,
        Field(max_length=200, description="Of code, provider, model, audience, role, stage, day, parted by commas."),
    ] = "code"
    since: Annotated[Moment, Field(description="Not made before this time.")] | None = None
    until: Annotated[Moment, Field(description="Made before this time.")] | None = None
    format: Literal["json", "csv"] = "json"


@router.get(
    "/v1/reports/moderation",
    operation_id="report_moderation",
    summary="Count verdicts",
    responses={
        200: {"model": ReportResource, "content": {_CSV: {"schema": {"type": "string"}}}},
        **documented.faults(TooLarge),
    },
)
async def moderation(call: Reporter, wanted: Annotated[Wanted, Query()]) -> Response:
    """Verdicts of the project by decision in each group, the largest first. Needs audit:read or reviews:decide."""
    by = [name.strip() for name in wanted.by.split(",")]
    found = await reports.moderation(call.platform, call.principal, by, since=wanted.since, until=wanted.until)
    if wanted.format == "json":
        return answers.json(found)
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="moderation.csv"'}
    return Response(reports.as_csv(found), 200, headers, _CSV)
