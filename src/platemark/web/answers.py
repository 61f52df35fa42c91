"""What routes answer with: JSON of resources, image bytes, and the state of a generation as its HTTP status."""

import base64
import math
import re
from collections.abc import Mapping
from typing import TypeVar

import anyio
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from platemark.core.errors import Gone, NotAllowed, NotFound
from platemark.core.generation import Generation
from platemark.core.image import EXTENSIONS
from platemark.core.resource import GenerationResource, ImageResource, ListResource
from platemark.flows import content, look, present
from platemark.flows.content import Content
from platemark.web import problems
from platemark.web.auth import Call

R = TypeVar("R")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
# Nothing inside an image may run or load anything when a browser opens it as a page.
_LOCKED = "default-src 'none'; sandbox"
_RETRY_UNFINISHED_SECONDS = 1
# A person decides about what is held; asking every second would be noise.
_RETRY_HELD_SECONDS = 30


def json(resource: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A resource as JSON. Nothing of an API answer is for caches."""
    return Response(
        resource.model_dump_json(), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json"
    )


def listing(kind: type[ListResource[R]], data: tuple[R, ...], next_cursor: str | None = None) -> Response:
    """A page of a list as JSON; the last one, or all there is, without a cursor."""
    return json(kind(data=data, next_cursor=next_cursor, has_more=next_cursor is not None))


def page(body: str, policy: str) -> Response:
    """A page for people where others get JSON. `policy`: its Content-Security-Policy."""
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Response(body, headers=headers, media_type="text/html")


async def shown(call: Call, generation: Generation) -> GenerationResource:
    """The resource of a generation, whose `error` is the whole problem document."""
    resource = await present.generation_resource(call.platform, generation, url=call.url)
    if resource.images and not generation.done:
        # It ended between the two reads, and must not be shown half ended.
        generation = await look.generation(call.platform, call.principal, generation.id)
        resource = await present.generation_resource(call.platform, generation, url=call.url)
    error = problems.outcome(generation)
    return resource.model_copy(update={"error": problems.problem(error, request_id=None) if error else None})


async def generation(call: Call, generation: Generation, status: int = 200) -> Response:
    """One generation, with the bytes of its images where it was asked for `b64_json`."""
    resource = await shown(call, generation)
    status = 200 if status == 202 and resource.status == "succeeded" else status
    headers = {"Location": resource.urls.self} if status in (201, 202) else {}
    if status == 202:
        headers["Retry-After"] = str(_retry_after(call, generation))
    if generation.response_format != "b64_json" or not resource.images:
        return json(resource, status, headers)
    body = await _with_bytes(call, resource)
    return Response(body, status, {"Cache-Control": "no-store", **headers}, "application/json")


def _retry_after(call: Call, generation: Generation) -> int:
    if generation.status == "held":
        return _RETRY_HELD_SECONDS
    left = (generation.retry_at - call.platform.clock.now()).total_seconds() if generation.retry_at else 0
    return max(_RETRY_UNFINISHED_SECONDS, math.ceil(left))


async def _with_bytes(call: Call, resource: GenerationResource) -> bytes:
    # base64 through the model costs half as much again (docs/decisions): a random mark holds each place instead.
    mark = call.platform.ids.secret(16)
    marked = [image.model_copy(update={"b64_json": mark}) if image.url else image for image in resource.images]
    head, *tails = resource.model_copy(update={"images": tuple(marked)}).model_dump_json().split(f'"{mark}"')
    pieces = [head.encode()]
    for image, tail in zip((image for image in marked if image.b64_json), tails, strict=True):
        pieces += [await _base64(call, image), tail.encode()]
    return b"".join(pieces)


async def _base64(call: Call, image: ImageResource) -> bytes:
    try:
        found = await content.read(call.platform, call.principal, image.id)
    except (Gone, NotAllowed, NotFound):
        # Deleted or blocked since the row was read.
        return b"null"
    encoded = await anyio.to_thread.run_sync(base64.b64encode, found.data)
    return b'"' + encoded + b'"'


def image_bytes(request: Request, found: Content, headers: Mapping[str, str] | None = None) -> Response:
    """The bytes of a picture; 304 for who has them, 206 for one range of them."""
    etag = f'"{found.sha256}"'
    name = f"{found.image or found.sha256[:16]}.{EXTENSIONS.get(found.media_type, 'bin')}"
    about = {
        "ETag": etag,
        # May be kept, but every use asks again: a block or a deletion must show at once.
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": _LOCKED,
        **(headers or {}),
    }
    reading = request.method == "GET"
    if reading and _matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=about)
    about |= {"Content-Disposition": f'inline; filename="{name}"', "Accept-Ranges": "bytes"}
    span = _span(request, etag, len(found.data)) if reading else None
    if span is None:
        return Response(found.data, 200, about, found.media_type)
    first, last = span
    if first > last:
        return Response(status_code=416, headers={**about, "Content-Range": f"bytes */{len(found.data)}"})
    about["Content-Range"] = f"bytes {first}-{last}/{len(found.data)}"
    return Response(found.data[first : last + 1], 206, about, found.media_type)


def _matches(header: str | None, etag: str) -> bool:
    known = [entry.strip().removeprefix("W/") for entry in (header or "").split(",")]
    return etag in known or known == ["*"]


def _span(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a single range; None for the whole, an empty span for what cannot be given."""
    match = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if match is None or match[0] == "bytes=-" or request.headers.get("if-range", etag) != etag:
        return None
    first, last = match[1], match[2]
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) else (size, 0)
    start, end = int(first), min(int(last or size), size - 1)
    # A range that ends before it starts is no range at all (RFC 9110, 14.1.1).
    return None if last and int(last) < start else (start, end)
