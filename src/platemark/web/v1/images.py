"""`/v1/images`: upload, look, read, delete."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from platemark.core.errors import (
    Conflict,
    Gone,
    IdempotencyKeyReused,
    InvalidImage,
    LegalHold,
    MalformedBody,
    NotAllowed,
    NotFound,
    StorageUnavailable,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
)
from platemark.core.ports import Platform
from platemark.core.record import Record
from platemark.core.resource import ImageResource, ListResource
from platemark.core.upload import Said
from platemark.flows import content, look, present, record
from platemark.flows.keeping import delete as delete_flow
from platemark.flows.keeping import erase
from platemark.flows.upload import store
from platemark.web import answers, documented, negotiation, uploads
from platemark.web.addresses import ImageId
from platemark.web.auth import Reader, Writer, identify, secret_of
from platemark.web.v1.filters import ImageFilters, SignedUrl

router = APIRouter(tags=["images"])
_FOUND = {200: {"model": ImageResource}, **documented.faults(NotFound)}
_FORM = {
    "type": "object",
    "required": ["image"],
    "additionalProperties": False,
    "properties": {
        "image": {"type": "string", "contentMediaType": "application/octet-stream"},
        "sha256": {"type": "string", "pattern": uploads.SHA256, "description": "What the bytes must have."},
        **Said.model_json_schema()["properties"],
    },
}


@router.post(
    "/v1/images",
    operation_id="upload_image",
    summary="Upload an image",
    status_code=201,
    responses={
        201: {"model": ImageResource},
        **documented.faults(
            MalformedBody, TooLarge, UnsupportedMedia, InvalidImage, IdempotencyKeyReused, StorageUnavailable
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": _FORM}, **documented.image_content()},
        },
        "parameters": [documented.IDEMPOTENCY_KEY, documented.CONTENT_SHA256],
    },
)
async def upload(call: Writer) -> Response:
    """As part `image` of a form, or as the body. It is decoded, screened and inspected, never trusted by its name.

    File name and caption are screened like a prompt; the strictest verdict holds. Large files and bad lines: send them
    in pieces (`POST /v1/uploads`).
    """
    brought = await uploads.read_image(call.request, call.settings)
    key = negotiation.idempotency_key(call.request)
    stored = await store(
        call.platform, call.principal, brought.data, brought.said, sha256=brought.sha256, idempotency_key=key
    )
    if stored.replayed:
        call.header("Idempotency-Replayed", "true")
    image = stored.image
    resource = await present.image_resource(call.platform, image, url=call.url)
    return answers.json(resource, 201, {"Location": call.url(f"/v1/images/{image.id}")})


@router.get(
    "/v1/images",
    operation_id="list_images",
    summary="List images",
    responses={200: {"model": ListResource[ImageResource]}},
)
async def listing(call: Reader, filters: Annotated[ImageFilters, Query()]) -> Response:
    """Newest first, generated and uploaded, deleted ones too."""
    query = filters.query(
        call.principal.project,
        origin=filters.origin,
        generation=filters.generation,
        moderation_state=tuple(filters.moderation_state),
    )
    page = await look.images(call.platform, call.principal, query)
    shown = tuple([await present.image_resource(call.platform, image, url=call.url) for image in page.data])
    return answers.listing(ListResource[ImageResource], shown, page.next_cursor)


@router.get("/v1/images/{id}", operation_id="get_image", summary="Read about an image", responses=_FOUND)
async def get(call: Reader, id: ImageId) -> Response:
    """Its facts and states, with a fresh URL for its bytes."""
    image = await look.image(call.platform, call.principal, id)
    return answers.json(await present.image_resource(call.platform, image, url=call.url))


@router.get(
    "/v1/images/{id}/content",
    operation_id="get_image_content",
    summary="Read the bytes of an image",
    response_class=Response,
    responses=documented.picture("The file, with its credential inside.", Unauthenticated, NotAllowed, NotFound, Gone),
    openapi_extra={"security": [{"key": ["images:read"]}, {}]},
)
async def read(request: Request, id: ImageId, url: Annotated[SignedUrl, Query()]) -> Response:
    """With a key of its project; without one only by its signed URL, and only once it is published."""
    # The only route that also answers without a key, so it does not use the dependency of the others.
    principal = await identify(request) if secret_of(request.headers) is not None else None
    platform: Platform = request.app.state.platform
    found = await content.read(platform, principal, id, expires=url.expires, signature=url.signature)
    return answers.image_bytes(request, found)


@router.get(
    "/v1/images/{id}/original",
    operation_id="get_image_original",
    summary="Read what a vendor or uploader gave",
    response_class=Response,
    responses=documented.picture(
        "The bytes as they came, with any credential that was in them.", NotAllowed, NotFound, Gone
    ),
)
async def read_original(call: Reader, id: ImageId) -> Response:
    """For evidence: not screened again, not sealed, never published. Our own engine's are not kept: 404."""
    return answers.image_bytes(call.request, await content.read_original(call.platform, call.principal, id))


@router.get(
    "/v1/images/{id}/record",
    operation_id="get_image_record",
    summary="Read the record of an image",
    responses={200: {"model": Record}, **documented.faults(NotFound)},
)
async def read_record(call: Reader, id: ImageId) -> Response:
    """Everything about it, also after its deletion, with the audit chain checked."""
    return answers.json(await record.image_record(call.platform, call.principal, id))


@router.delete(
    "/v1/images/{id}",
    operation_id="delete_image",
    summary="Delete the bytes of an image",
    responses={**_FOUND, **documented.faults(LegalHold)},
)
async def delete(call: Writer, id: ImageId) -> Response:
    """File, original and fingerprint go, releases and open reviews end; the record stays. Twice is once."""
    image = await delete_flow.delete(call.platform, call.principal, id)
    return answers.json(await present.image_resource(call.platform, image, url=call.url))


@router.delete(
    "/v1/images/{id}/text",
    operation_id="erase_image_text",
    summary="Erase the words of an upload",
    responses={**_FOUND, **documented.faults(Conflict)},
)
async def erase_words(call: Writer, id: ImageId) -> Response:
    """File name, caption and user id go for good; the record and its chain stay whole."""
    image = await erase.erase_words(call.platform, call.principal, id)
    return answers.json(await present.image_resource(call.platform, image, url=call.url))
