"""`/v1/provenance`: which marks every published file carries, as JSON lines or as a table."""

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from platemark.core.base import JsonObject
from platemark.flows.publications.export import COLUMNS, export, flat
from platemark.web.auth import Auditor
from platemark.web.moments import Moment

router = APIRouter(tags=["publications"])
_KINDS = {"jsonl": "application/x-ndjson", "csv": "text/csv"}


class Wish(BaseModel):
    """What is to be exported, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Annotated[Moment, Field(description="Only what was published from then on.")] | None = None
    format: Literal["jsonl", "csv"] = "jsonl"


@router.get(
    "/v1/provenance",
    operation_id="export_provenance",
    summary="Export the marks of everything published",
    response_class=Response,
    responses={
        200: {
            "description": "One line a file.",
            "content": {kind: {"schema": {"type": "string"}} for kind in _KINDS.values()},
        }
    },
)
async def get(call: Auditor, wish: Annotated[Wish, Query()]) -> Response:
    """Reads every published file and verifies its credential and watermark now, so it takes its time."""
    lines = export(call.platform, call.principal, since=wish.since)
    body = _table(lines) if wish.format == "csv" else _json(lines)
    name = f"provenance-{call.platform.clock.now():%Y%m%dT%H%M%SZ}.{wish.format}"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(body, 200, headers, _KINDS[wish.format])


async def _json(lines: AsyncIterator[JsonObject]) -> AsyncIterator[str]:
    async for line in lines:
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


async def _table(lines: AsyncIterator[JsonObject]) -> AsyncIterator[str]:
    yield _row(COLUMNS)
    async for line in lines:
        yield _row(flat(line))


def _row(values: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(values)
    return out.getvalue()
