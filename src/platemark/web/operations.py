"""Routes beside the API: health, readiness, metrics, and the page that explains error codes."""

import html
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import anyio
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from platemark.core.errors import PlatemarkError, ShuttingDown, Unavailable, all_errors
from platemark.settings import Settings
from platemark.web import problems, readiness
from platemark.web.auth import identify
from platemark.web.requests import exchange_of

router = APIRouter(include_in_schema=False)
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


@router.get("/healthz")
async def healthz() -> Response:
    """The process is alive and its event loop turns."""
    return _json({"status": "alive"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Whether requests should be sent here, part by part; 503 when not. Needs no key and names no details."""
    state: Any = request.app.state
    settings: Settings = state.settings
    if state.stopping.asked:
        raise ShuttingDown("This server is stopping. Use another one.")
    ready, parts = await readiness.state(state.platform, draws=settings.role in ("all", "engine"))
    if ready:
        return _json(parts)
    error = Unavailable("A part of this server cannot work now; `platemark doctor` on its machine says why.")
    return problems.answer(error, request_id=exchange_of(request).request_id, extra=parts)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus text. Open on this machine, so that an agent needs no secret; elsewhere with `projects:manage`."""
    if not _is_local(request.client.host if request.client else "", request.headers):
        (await identify(request)).require("projects:manage")
    # It reads files of the operating system about this process.
    text = await anyio.to_thread.run_sync(generate_latest)
    return Response(text, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_LATEST)


def _is_local(host: str, headers: Mapping[str, str]) -> bool:
    # Behind a proxy on this machine everybody comes from here.
    if any(name in headers for name in _FORWARDED):
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@router.get(problems.TYPES)
async def errors() -> Response:
    """What the `type` of a problem document points to."""
    return Response(_PAGE, headers={"Content-Security-Policy": "default-src 'none'"}, media_type="text/html")


def _row(error: type[PlatemarkError]) -> str:
    again = "yes" if error.retryable else "no"
    return (
        f'<tr id="{error.code}"><td><code>{error.code}</code></td><td>{error.status}</td>'
        f"<td>{html.escape(error.title)}</td><td>{again}</td></tr>"
    )


_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Platemark error codes</title><h1>Error codes</h1>'
    "<table><tr><th>code</th><th>status</th><th>meaning</th><th>worth repeating</th></tr>"
    + "".join(_row(error) for error in all_errors())
    + "</table></html>"
)


def _json(value: Mapping[str, Any]) -> Response:
    return Response(problems.dump(dict(value)), headers={"Cache-Control": "no-store"}, media_type="application/json")
