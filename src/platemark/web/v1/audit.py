"""`/v1/audit`: the project's chain as JSON lines that anybody can verify without this server."""

from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from platemark.flows import audit
from platemark.web.auth import Auditor

router = APIRouter(tags=["audit"])
_MEDIA_TYPE = "application/x-ndjson"


@router.get(
    "/v1/audit",
    operation_id="export_audit",
    summary="Export the audit chain",
    response_class=Response,
    responses={200: {"description": "JSON lines.", "content": {_MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
async def export(call: Auditor) -> Response:
    """Header, lines and footer; `platemark audit verify FILE` checks them offline."""
    lines = audit.export(call.platform, call.principal)
    # The first line is read before the answer begins, so that what is wrong from the start is a problem document.
    first = await anext(lines)

    async def all_lines() -> AsyncIterator[str]:
        yield first
        async for line in lines:
            yield line

    name = f"audit-{call.principal.project}-{call.platform.clock.now():%Y%m%dT%H%M%SZ}.jsonl"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(all_lines(), 200, headers, _MEDIA_TYPE)
