"""`/v1/publications`: the gate before an audience, and the way back."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from platemark.core.delivery import Delivery
from platemark.core.errors import (
    BlockedByAppPolicy,
    Conflict,
    Gone,
    MalformedBody,
    NotAllowed,
    NotFound,
    SealFailed,
    StorageUnavailable,
    UnsupportedMedia,
)
from platemark.core.image import Publication, PublicationState
from platemark.core.ports import Platform
from platemark.core.rendition import MAX_RENDITIONS, Rendition, Wanted
from platemark.core.request import CleanText, Name, StrictModel
from platemark.core.resource import (
    DeliveryResource,
    ListResource,
    PublicationResource,
    RenditionResource,
    TargetResource,
)
from platemark.flows import publish as flow
from platemark.web import answers, bodies, documented
from platemark.web.addresses import ImageId, PublicationId
from platemark.web.auth import Call, Reader, Writer
from platemark.web.v1.filters import Filters, Text

router = APIRouter(tags=["publications"])
_LARGEST_BODY = 64 * 1024


class Release(StrictModel):
    """For whom an image is to be released. `role`: of who asks; needs the scope roles:assert."""

    audience: (
        Annotated[Name, Field(description="newsroom, education, marketplace, internal or your own word.")] | None
    ) = None
    role: Name | None = None
    targets: Annotated[
        tuple[Name, ...], Field(strict=False, max_length=16, description="Names of GET /v1/targets.")
    ] = ()
    renditions: Annotated[
        tuple[Wanted, ...],
        Field(strict=False, max_length=MAX_RENDITIONS, description="Sizes and formats besides the picture itself."),
    ] = ()
    alt_text: Annotated[CleanText, Field(min_length=1, max_length=2_000)] | None = None
    burn_label: Annotated[
        bool | None, Field(description="Draw the label into the pixels; as configured for the audience when absent.")
    ] = None


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
            SealFailed,
            StorageUnavailable,
            UnsupportedMedia,
        ),
    },
    openapi_extra=documented.body(
        "Release",
        {"audience": "newsroom"},
        {"audience": "newsroom", "renditions": [{"width": 640, "format": "webp"}], "alt_text": "A red house."},
    ),
)
async def publish(call: Writer, id: ImageId) -> Response:
    """Screens it once more, for this audience, then makes its files, with watermark and credential.

    Publishing again to the same audience is publishing once; further targets are delivered to.
    """
    release = await bodies.read_model(call.request, Release, _LARGEST_BODY)
    made = await flow.publish(
        call.platform,
        call.principal,
        id,
        audience=release.audience,
        role=release.role,
        targets=release.targets,
        renditions=release.renditions,
        alt_text=release.alt_text,
        burn_label=release.burn_label,
    )
    status = 202 if made.state == "held" else 200
    return answers.json(await _resource(call, made), status, {"Location": call.url(f"/v1/publications/{made.id}")})


class PublicationFilters(Filters):
    """Filters of the list of publications."""

    state: Annotated[list[PublicationState], Field(max_length=5, description="Any of these; repeat it.")] = []
    audience: Text | None = None
    image: Text | None = None


@router.get(
    "/v1/publications",
    operation_id="list_publications",
    summary="List publications",
    responses={200: {"model": ListResource[PublicationResource]}},
)
async def listing(call: Reader, filters: Annotated[PublicationFilters, Query()]) -> Response:
    """Newest first. The draft of a picture that nobody asked to publish is among them."""
    query = filters.query(
        call.principal.project, state=tuple(filters.state), audience=filters.audience, image=filters.image
    )
    page = await flow.listing(call.platform, call.principal, query)
    shown = tuple([await _resource(call, each) for each in page.data])
    return answers.listing(ListResource[PublicationResource], shown, page.next_cursor)


@router.get(
    "/v1/publications/{id}",
    operation_id="get_publication",
    summary="Read a publication",
    responses={200: {"model": PublicationResource}, **documented.faults(NotFound)},
)
async def get(call: Reader, id: PublicationId) -> Response:
    """Where it stands; with the address under which it can be read without a key while it is published."""
    return answers.json(await _resource(call, await flow.find(call.platform, call.principal, id)))


@router.get(
    "/v1/publications/{id}/content",
    operation_id="get_publication_content",
    summary="Read a published image",
    response_class=Response,
    responses=documented.picture("The file, with its credential inside.", NotAllowed, NotFound, Gone),
    openapi_extra={"security": [{"key": ["images:read"]}, {}]},
)
async def read(
    request: Request,
    id: PublicationId,
    rendition: Annotated[
        str | None, Query(max_length=40, description="Its name; the picture itself if absent.")
    ] = None,
) -> Response:
    """For anybody, without a key, for as long as it is published; a withdrawn one is gone."""
    platform: Platform = request.app.state.platform
    return answers.image_bytes(request, await flow.read(platform, id, rendition))


@router.post(
    "/v1/publications/{id}/withdraw",
    operation_id="withdraw_publication",
    summary="Withdraw a publication",
    responses={200: {"model": PublicationResource}, **documented.faults(NotFound, Conflict)},
)
async def withdraw(call: Writer, id: PublicationId) -> Response:
    """From now on nothing of it is readable without a key, and it is taken out of its targets.

    Withdrawing twice is withdrawing once.
    """
    return answers.json(await _resource(call, await flow.withdraw(call.platform, call.principal, id)))


@router.post(
    "/v1/publications/{id}/retry",
    operation_id="retry_publication",
    summary="Try again what failed",
    responses={200: {"model": PublicationResource}, **documented.faults(NotFound, Conflict)},
)
async def retry(call: Writer, id: PublicationId) -> Response:
    """Makes the files of a release that has none yet, and delivers what could not be delivered."""
    return answers.json(await _resource(call, await flow.retry(call.platform, call.principal, id)))


@router.get(
    "/v1/targets",
    operation_id="list_targets",
    summary="List targets",
    responses={200: {"model": ListResource[TargetResource]}},
)
async def targets(call: Reader) -> Response:
    """Where releases may be delivered; the operator configures them."""
    found = tuple(TargetResource(name=one.name, kind=one.kind) for _, one in sorted(call.platform.targets.items()))
    return answers.listing(ListResource[TargetResource], found)


async def _resource(call: Call, publication: Publication) -> PublicationResource:
    renditions, deliveries = await flow.files(call.platform, publication)
    here, out = call.url(f"/v1/publications/{publication.id}"), publication.state == "published"
    same = publication.model_dump(include=PublicationResource.model_fields.keys() & Publication.model_fields.keys())
    return PublicationResource(
        **same,
        url=f"{here}/content" if out else None,
        ai_disclosure=publication.disclosure,
        renditions=tuple(
            RenditionResource(
                **one.model_dump(include=RenditionResource.model_fields.keys() & Rendition.model_fields.keys()),
                url=f"{here}/content?rendition={one.name}" if out else None,
            )
            for one in renditions
        ),
        deliveries=tuple(_delivery(one) for one in deliveries),
        retry_at=publication.next_at,
        verify_url=call.url(f"/verify/{publication.id}") if out else None,
    )


def _delivery(row: Delivery) -> DeliveryResource:
    same = DeliveryResource.model_fields.keys() & Delivery.model_fields.keys()
    return DeliveryResource(**row.model_dump(include=same), retry_at=row.next_at)
