"""`/v1/projects`: the tenants."""

from fastapi import APIRouter
from starlette.responses import Response

from platemark.core.errors import MalformedBody, NotFound, UnsupportedMedia
from platemark.core.project import Profile, Project
from platemark.core.request import Name, StrictModel
from platemark.core.resource import ListResource, ProjectResource
from platemark.flows import projects
from platemark.web import answers, bodies, documented
from platemark.web.addresses import ProjectId
from platemark.web.auth import Operator, Reader

router = APIRouter(tags=["projects"])
_LARGEST_BODY = 64 * 1024


class NewProject(StrictModel):
    """What a new project is called, and which checks it gets."""

    name: Name
    profile: Profile = "standard"


class NewProfile(StrictModel):
    """The checks that a project gets from now on."""

    profile: Profile


def _resource(project: Project) -> ProjectResource:
    return ProjectResource.model_validate(project.model_dump())


@router.get(
    "/v1/projects",
    operation_id="list_projects",
    summary="List projects",
    responses={200: {"model": ListResource[ProjectResource]}},
)
async def listing(call: Reader) -> Response:
    """All of this server for a key with `projects:manage`, its own for any other."""
    found = tuple(_resource(project) for project in await projects.projects(call.platform, call.principal))
    return answers.listing(ListResource[ProjectResource], found)


@router.post(
    "/v1/projects",
    operation_id="create_project",
    summary="Make a project",
    status_code=201,
    responses={201: {"model": ProjectResource}, **documented.faults(MalformedBody, UnsupportedMedia)},
    openapi_extra=documented.body("NewProject", {"name": "marketplace"}),
)
async def create(call: Operator) -> Response:
    """An empty one; make its first key with `POST /v1/keys` and its id as `project`."""
    wanted = await bodies.read_model(call.request, NewProject, _LARGEST_BODY)
    made = await projects.create_project(call.platform, call.principal, wanted.name, wanted.profile)
    return answers.json(_resource(made), 201)


@router.post(
    "/v1/projects/{id}/profile",
    operation_id="set_project_profile",
    summary="Set a project's profile",
    responses={200: {"model": ProjectResource}, **documented.faults(MalformedBody, UnsupportedMedia, NotFound)},
    openapi_extra=documented.body("NewProfile", {"profile": "pass_through"}),
)
async def profile(call: Operator, id: ProjectId) -> Response:
    """For what it accepts from now on: what runs already keeps the profile that it was accepted under."""
    wanted = await bodies.read_model(call.request, NewProfile, _LARGEST_BODY)
    return answers.json(_resource(await projects.set_profile(call.platform, call.principal, id, wanted.profile)))
