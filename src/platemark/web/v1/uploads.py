"""`/v1/uploads`: a file in pieces, taken up again where it broke. The header names are those of tus 1.0."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from platemark.core.errors import (
    FieldError,
    Gone,
    InvalidImage,
    InvalidRequest,
    MalformedBody,
    NotFound,
    OffsetConflict,
    StorageUnavailable,
    TooLarge,
    UnsupportedMedia,
)
from platemark.core.keeping import UploadResource
from platemark.core.upload import Said
from platemark.flows import present, receive
from platemark.flows.receive import Receiving
from platemark.web import answers, bodies, documented, uploads
from platemark.web.addresses import UploadId
from platemark.web.auth import Call, Writer

router = APIRouter(tags=["images"])
_LARGEST_BODY = 64 * 1024
_OFFSET = {
    "name": "Upload-Offset",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9]{1,15}$"},
    "description": "Where in the file these bytes begin.",
}
_PIECE = {"application/offset+octet-stream": {"schema": {"type": "string", "contentMediaType": "image/*"}}}


class NewUpload(Said):
    """The file that is to come, and what is said about it."""

    sha256: Annotated[str, Field(pattern=uploads.SHA256, description="SHA-256 of the whole file, in hexadecimal.")]
    size: Annotated[int, Field(ge=1, le=2**53, description="Bytes of the whole file.")]


async def _answer(call: Call, found: Receiving, status: int = 200) -> Response:
    """The state with the headers of tus: where to go on, and how much there is."""
    row, image = found.upload, found.image
    shown = await present.image_resource(call.platform, image, url=call.url) if image is not None else None
    if row is None:
        body = UploadResource(
            id=None,
            state="stored",
            sha256=image.sha256 if image else "",
            size=found.size,
            offset=found.size,
            expires_at=None,
            existing=True,
            image=shown,
        )
        return answers.json(body, status, {"Location": call.url(f"/v1/images/{image.id}")} if image else None)
    body = UploadResource(
        id=row.id,
        state=row.state,
        sha256=row.sha256,
        size=row.size,
        offset=row.received,
        expires_at=row.expires_at,
        image=shown,
    )
    headers = {"Upload-Offset": str(row.received), "Upload-Length": str(row.size)}
    return answers.json(body, status, {**headers, "Location": call.url(f"/v1/uploads/{row.id}")})


@router.post(
    "/v1/uploads",
    operation_id="begin_upload",
    summary="Begin an upload in pieces",
    status_code=201,
    responses={
        200: {"model": UploadResource, "description": "The project has this picture already, or it broke off before."},
        201: {"model": UploadResource},
        **documented.faults(MalformedBody, TooLarge, UnsupportedMedia),
    },
    openapi_extra=documented.body("NewUpload", {"sha256": "0f" * 32, "size": 204_800, "filename": "harbour.jpg"}),
)
async def begin(call: Writer) -> Response:
    """Says which file comes. Where its bytes are here already they need not be sent; `existing` says so."""
    wanted = await bodies.read_model(call.request, NewUpload, _LARGEST_BODY)
    said = Said.model_validate(wanted.model_dump(exclude={"sha256", "size"}))
    found = await receive.begin(call.platform, call.principal, wanted.sha256, wanted.size, said)
    fresh = found.upload is not None and found.upload.received == 0
    return await _answer(call, found, 201 if fresh else 200)


@router.get(
    "/v1/uploads/{id}",
    operation_id="get_upload",
    summary="Ask where an upload stands",
    responses={200: {"model": UploadResource}, **documented.faults(NotFound, Gone)},
)
async def get(call: Writer, id: UploadId) -> Response:
    """`Upload-Offset` is where to go on; `HEAD` asks for the headers alone."""
    return await _answer(call, await receive.status(call.platform, call.principal, id))


@router.patch(
    "/v1/uploads/{id}",
    operation_id="append_to_upload",
    summary="Send a piece",
    responses={
        200: {"model": UploadResource, "description": "Kept; with the last piece, `image` is there."},
        **documented.faults(
            Gone, InvalidImage, NotFound, OffsetConflict, StorageUnavailable, TooLarge, UnsupportedMedia
        ),
    },
    openapi_extra={"requestBody": {"required": True, "content": _PIECE}, "parameters": [_OFFSET]},
)
async def append(call: Writer, id: UploadId) -> Response:
    """The bytes from `Upload-Offset` on. Of a piece whose connection breaks what came is kept (from 64 KiB on).

    The last piece is answered when the picture is checked, screened, inspected and stored.
    """
    offset = _offset(call)
    here = await receive.status(call.platform, call.principal, id)
    left = here.upload.size - here.upload.received if here.upload else 0
    data, whole = await uploads.read_piece(call.request, min(left, call.settings.max_body_bytes))
    return await _answer(call, await receive.append(call.platform, call.principal, id, offset, data, whole=whole))


def _offset(call: Call) -> int:
    text = call.request.headers.get("upload-offset", "")
    if text.isascii() and text.isdecimal() and len(text) <= 15:
        return int(text)
    message = "must say at which byte of the file the body begins"
    raise InvalidRequest(
        f"The header Upload-Offset {message}.",
        errors=[FieldError(pointer="/header/Upload-Offset", code="missing", message=message)],
    )


@router.delete(
    "/v1/uploads/{id}",
    operation_id="abandon_upload",
    summary="Give up an upload",
    responses={200: {"model": UploadResource}, **documented.faults(NotFound)},
)
async def abandon(call: Writer, id: UploadId) -> Response:
    """What came goes at once, with what was said about it. A stored image stays: delete that itself."""
    return await _answer(call, await receive.give_up(call.platform, call.principal, id))
