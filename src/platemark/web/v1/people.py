"""`/v1/people`: who works in a project, and in which role."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from platemark.core.errors import Conflict, MalformedBody, NotFound, UnsupportedMedia
from platemark.core.project import Person, Principal, Role
from platemark.core.request import CleanText, Name, StrictModel
from platemark.core.resource import ListResource, PersonResource
from platemark.flows import people
from platemark.web import answers, bodies, documented
from platemark.web.addresses import PersonId
from platemark.web.auth import KeyKeeper

router = APIRouter(tags=["people"])
_LARGEST_BODY = 64 * 1024
_FAULTS = documented.faults(MalformedBody, UnsupportedMedia, NotFound, Conflict)
_Elsewhere = Annotated[Name, Field(description="Another project; needs the scope projects:manage.")]


class NewPerson(StrictModel):
    """A person, and the role that they have in the project."""

    name: Name
    role: Role
    password: Annotated[CleanText, Field(min_length=12, max_length=200)] | None = None
    project: _Elsewhere | None = None


class NewRole(StrictModel):
    """The role that a person has in the project from now on; null takes it away, with the person's keys there."""

    role: Role | None
    project: _Elsewhere | None = None


class WhichProject(BaseModel):
    """Whose people."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    project: Annotated[str, Field(max_length=100, description="Another project; needs projects:manage.")] | None = None


def _resource(principal: Principal, person: Person) -> PersonResource:
    return PersonResource(
        id=person.id,
        name=person.name,
        roles=people.seen(principal, person),
        password=bool(person.password_hash),
        created_at=person.created_at,
        disabled_at=person.disabled_at,
    )


@router.get(
    "/v1/people",
    operation_id="list_people",
    summary="List people",
    responses={200: {"model": ListResource[PersonResource]}, **documented.faults(NotFound)},
)
async def listing(call: KeyKeeper, which: Annotated[WhichProject, Query()]) -> Response:
    """Everybody with a role in the project, the disabled ones too."""
    found = await people.listing(call.platform, call.principal, which.project)
    data = tuple(_resource(call.principal, person) for person in found)
    return answers.listing(ListResource[PersonResource], data)


@router.post(
    "/v1/people",
    operation_id="create_person",
    summary="Add a person",
    status_code=201,
    responses={201: {"model": PersonResource}, **_FAULTS},
    openapi_extra=documented.body("NewPerson", {"name": "Ada", "role": "reviewer"}),
)
async def create(call: KeyKeeper) -> Response:
    """Make their key with `POST /v1/keys` and their name as `person`. A name stands once in a project."""
    wanted = await bodies.read_model(call.request, NewPerson, _LARGEST_BODY)
    made = await people.add(
        call.platform, call.principal, wanted.name, wanted.role, password=wanted.password, project=wanted.project
    )
    return answers.json(_resource(call.principal, made), 201)


@router.get(
    "/v1/people/{id}",
    operation_id="get_person",
    summary="Read a person",
    responses={200: {"model": PersonResource}, **documented.faults(NotFound)},
)
async def get(call: KeyKeeper, id: PersonId) -> Response:
    """With the roles in the projects that the key may see."""
    return answers.json(_resource(call.principal, await people.person(call.platform, call.principal, id)))


@router.post(
    "/v1/people/{id}/role",
    operation_id="set_person_role",
    summary="Set or take away a role",
    responses={200: {"model": PersonResource}, **_FAULTS},
    openapi_extra=documented.body("NewRole", {"role": "editor"}),
)
async def role(call: KeyKeeper, id: PersonId) -> Response:
    """What the person's keys may do follows at once."""
    wanted = await bodies.read_model(call.request, NewRole, _LARGEST_BODY)
    changed = await people.set_role(call.platform, call.principal, id, wanted.role, project=wanted.project)
    return answers.json(_resource(call.principal, changed))


@router.post(
    "/v1/people/{id}/disable",
    operation_id="disable_person",
    summary="Disable a person",
    responses={200: {"model": PersonResource}, **documented.faults(NotFound)},
)
async def disable(call: KeyKeeper, id: PersonId) -> Response:
    """Their keys end at once. Twice is once."""
    return answers.json(_resource(call.principal, await people.disable(call.platform, call.principal, id)))
