"""`/v1/publications`: the gate before an audience, and the way back."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from platemark.core.errors import (
    BlockedByAppPolicy,
    Conflict,
    Gone,
    MalformedBody,
    NotAllowed,
    NotFound,
    StorageUnavailable,
    UnsupportedMedia,
)
from platemark.core.image import Publication
from platemark.core.ports import Platform
from platemark.core.request import Name, StrictModel
from platemark.core.resource import PublicationResource
from platemark.flows import publish as flow
from platemark.web import answers, bodies, documented
from platemark.web.addresses import ImageId, PublicationId
from platemark.web.auth import Call, Reader, Writer

router = APIRouter(tags=["publications"])
_LARGEST_BODY = 64 * 1024


class Release(StrictModel):
    """For whom an image is to be released. `role`: of who asks; needs the scope roles:assert."""

    audience: (
        Annotated[Name, Field(description="newsroom, education, marketplace, internal or your own word.")] | None
    ) = None
    role: Name | None = None


@router.post(
    "/v1/images/{id}/publish",
    operation_id="publish_image",
    summary="Publish an image",
    responses={
        200: {"model": PublicationResource},
        202: {"model": PublicationResource, "description": "Held: a person looks first."},
        **documented.faults(
            BlockedByAppPolicy,
            Conflict,
            Gone,
            MalformedBody,
            NotAllowed,
            NotFound,
            StorageUnavailable,
            UnsupportedMedia,
        ),
    },
    openapi_extra=documented.body("Release", {"audience": "newsroom"}),
)
async def publish(call: Writer, id: ImageId) -> Response:
    """Screens it once more, for this audience. Publishing again to the same audience is publishing once."""
    release = await bodies.read_model(call.request, Release, _LARGEST_BODY)
    made = await flow.publish(call.platform, call.principal, id, audience=release.audience, role=release.role)
    status = 202 if made.state == "held" else 200
    return answers.json(_resource(call, made), status, {"Location": call.url(f"/v1/publications/{made.id}")})


@router.get(
    "/v1/publications/{id}",
    operation_id="get_publication",
    summary="Read a publication",
    responses={200: {"model": PublicationResource}, **documented.faults(NotFound)},
)
async def get(call: Reader, id: PublicationId) -> Response:
    """Where it stands; with the address under which it can be read without a key while it is published."""
    return answers.json(_resource(call, await flow.find(call.platform, call.principal, id)))


@router.get(
    "/v1/publications/{id}/content",
    operation_id="get_publication_content",
    summary="Read a published image",
    response_class=Response,
    responses=documented.picture("The file, with its credential inside.", NotAllowed, NotFound, Gone),
    openapi_extra={"security": [{"key": ["images:read"]}, {}]},
)
async def read(request: Request, id: PublicationId) -> Response:
    """For anybody, without a key, for as long as it is published; a withdrawn one is gone."""
    platform: Platform = request.app.state.platform
    return answers.image_bytes(request, await flow.read(platform, id))


@router.post(
    "/v1/publications/{id}/withdraw",
    operation_id="withdraw_publication",
    summary="Withdraw a publication",
    responses={200: {"model": PublicationResource}, **documented.faults(NotFound, Conflict)},
)
async def withdraw(call: Writer, id: PublicationId) -> Response:
    """From now on nothing of it is readable without a key. Withdrawing twice is withdrawing once."""
    return answers.json(_resource(call, await flow.withdraw(call.platform, call.principal, id)))


def _resource(call: Call, publication: Publication) -> PublicationResource:
    url = call.url(f"/v1/publications/{publication.id}/content") if publication.state == "published" else None
    return PublicationResource(**publication.model_dump(), url=url)
