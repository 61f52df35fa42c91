"""`/v1/keys`: who may call. A secret is shown once, in the answer that makes it."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from platemark.core.errors import Conflict, MalformedBody, NotFound, UnsupportedMedia
from platemark.core.project import ApiKey, Scope
from platemark.core.request import Name, StrictModel
from platemark.core.resource import KeyResource, ListResource
from platemark.flows import keys
from platemark.web import answers, bodies, documented
from platemark.web.addresses import KeyId
from platemark.web.auth import KeyKeeper
from platemark.web.moments import Moment

router = APIRouter(tags=["keys"])
_LARGEST_BODY = 64 * 1024
_BODY_FAULTS = documented.faults(MalformedBody, UnsupportedMedia)


def _at_least_one(scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
    if not scopes:
        raise PydanticCustomError("empty", "must name at least one scope")
    return scopes


Scopes = Annotated[tuple[Scope, ...], Field(strict=False, max_length=20), AfterValidator(_at_least_one)]


class NewKey(StrictModel):
    """What a new key is called and may do. It cannot do more than the key that makes it."""

    name: Name
    scopes: Scopes = ("images:read", "images:write")
    person: Annotated[Name, Field(description="Name or id (per_…) of whom it belongs to.")] | None = None
    project: Annotated[Name, Field(description="Another project; needs the scope projects:manage.")] | None = None
    expires_at: Moment | None = None


class Rotation(StrictModel):
    """How long the old key works beside its successor."""

    overlap_seconds: Annotated[int, Field(ge=0, le=30 * 24 * 3600)] = 24 * 3600


def _resource(key: ApiKey, secret: str | None = None) -> KeyResource:
    return KeyResource.model_validate({**key.model_dump(), "secret": secret})


@router.get(
    "/v1/keys", operation_id="list_keys", summary="List keys", responses={200: {"model": ListResource[KeyResource]}}
)
async def listing(call: KeyKeeper) -> Response:
    """The project's keys, revoked ones too, without their secrets."""
    found = tuple(_resource(key) for key in await keys.listing(call.platform, call.principal))
    return answers.listing(ListResource[KeyResource], found)


@router.post(
    "/v1/keys",
    operation_id="create_key",
    summary="Make a key",
    status_code=201,
    responses={201: {"model": KeyResource}, **_BODY_FAULTS, **documented.faults(NotFound)},
    openapi_extra=documented.body("NewKey", {"name": "newsroom", "scopes": ["images:read", "images:write"]}),
)
async def create(call: KeyKeeper) -> Response:
    """The answer holds the secret; it is not stored and cannot be shown again.

    A key of a person gets, without `scopes`, what the person's role allows and the calling key has.
    """
    wanted = await bodies.read_model(call.request, NewKey, _LARGEST_BODY)
    key, secret = await keys.issue(
        call.platform,
        call.principal,
        name=wanted.name,
        scopes=wanted.scopes if "scopes" in wanted.model_fields_set or wanted.person is None else None,
        person=wanted.person,
        expires_at=wanted.expires_at,
        project=wanted.project,
    )
    return answers.json(_resource(key, secret), 201)


@router.post(
    "/v1/keys/{id}/rotate",
    operation_id="rotate_key",
    summary="Replace a key",
    status_code=201,
    responses={201: {"model": KeyResource}, **_BODY_FAULTS, **documented.faults(NotFound, Conflict)},
    openapi_extra=documented.body("Rotation", {"overlap_seconds": 3600}),
)
async def rotate(call: KeyKeeper, id: KeyId) -> Response:
    """A successor with the same name and scopes; the old key works on for the overlap."""
    wanted = await bodies.read_model(call.request, Rotation, _LARGEST_BODY)
    overlap = timedelta(seconds=wanted.overlap_seconds)
    key, secret = await keys.rotate(call.platform, call.principal, id, overlap=overlap)
    return answers.json(_resource(key, secret), 201)


@router.post(
    "/v1/keys/{id}/revoke",
    operation_id="revoke_key",
    summary="Take a key away",
    responses={200: {"model": KeyResource}, **documented.faults(NotFound)},
)
async def revoke(call: KeyKeeper, id: KeyId) -> Response:
    """At once. Revoking twice is revoking once."""
    return answers.json(_resource(await keys.revoke(call.platform, call.principal, id)))
