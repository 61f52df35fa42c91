"""The OpenAPI 3.1 document: what FastAPI knows from the routes, completed by what every route shares."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from platemark.core.errors import InvalidRequest, NotAllowed, PlatemarkError, RateLimited, Unauthenticated, Unavailable
from platemark.core.project import SCOPES
from platemark.core.request import GenerationRequest
from platemark.core.resource import Problem
from platemark.web import documented
from platemark.web.uploads import CONTROL_IMAGE, NOT_TEXT
from platemark.web.v1.analyze import AnalysisRequest
from platemark.web.v1.appeals import Appeal, NamedAppeal
from platemark.web.v1.hash_lists import NewHashList, Withdrawal
from platemark.web.v1.holds import NewHold
from platemark.web.v1.keys import NewKey, Rotation
from platemark.web.v1.moderations import ModerationRequest
from platemark.web.v1.people import NewPerson, NewRole
from platemark.web.v1.policies import BundleText, Comparison, NewPolicy
from platemark.web.v1.projects import NewProfile, NewProject
from platemark.web.v1.publications import Release
from platemark.web.v1.reviews import Declined, GivenBack, Ruling, Rulings, Unveiling
from platemark.web.v1.takedowns import MoreImages, NewTakedown, Rejection
from platemark.web.v1.uploads import NewUpload

_SHARED = documented.faults(Unauthenticated, NotAllowed, InvalidRequest, RateLimited, PlatemarkError, Unavailable)
# What is sent, and what comes back when it was no good: those that no route names as its answer.
_BODIES: tuple[type[BaseModel], ...] = (
    GenerationRequest,
    AnalysisRequest,
    ModerationRequest,
    NewKey,
    Rotation,
    NewHashList,
    Withdrawal,
    NewPerson,
    NewRole,
    NewProject,
    NewProfile,
    NewPolicy,
    BundleText,
    Comparison,
    Release,
    Problem,
    NewHold,
    NewTakedown,
    MoreImages,
    Rejection,
    NewUpload,
    Ruling,
    Rulings,
    GivenBack,
    Declined,
    Unveiling,
    Appeal,
    NamedAppeal,
)
_REF = "#/components/schemas/{model}"
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": f"An API key, `Authorization: Bearer pm_…`. Scopes: {', '.join(SCOPES)}.",
}
_REQUEST_ID = {"description": "The id of this request, also in the log.", "schema": {"type": "string"}}


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document."""
    whole = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    parts = whole.setdefault("components", {})
    schemas: dict[str, Any] = parts.setdefault("schemas", {})
    for model in _BODIES:
        schemas.update(_schemas(model))
    schemas["GenerationForm"] = _form(schemas["GenerationRequest"])
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    parts["securitySchemes"] = {"key": _KEY}
    for path, method, scope in scopes(app):
        operation = whole["paths"].get(path, {}).get(method.lower())
        if operation is not None:
            _complete(operation, scope)
    return whole


def scopes(app: FastAPI) -> Iterator[tuple[str, str, str | None]]:
    """Path, method and needed scope of every route; None for a route without the dependency."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            calls = [dependant.call for dependant in route.dependant.dependencies]
            scope = next((found for call in calls if (found := getattr(call, "scope", None))), None)
            for method in sorted(route.methods or ()):
                yield route.path, method, scope


def _complete(operation: dict[str, Any], scope: str | None) -> None:
    if scope is not None:
        operation["security"] = [{"key": [scope]}]
    responses: dict[str, Any] = operation["responses"]
    # FastAPI's own word for what is wrong with parameters; we answer with a problem document.
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status, shared in _SHARED.items():
        if str(status) not in responses:
            responses[str(status)] = shared
    operation["responses"] = dict(sorted(responses.items()))
    for response in operation["responses"].values():
        response.setdefault("headers", {})["X-Request-Id"] = _REQUEST_ID


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=_REF)
    return {**schema.pop("$defs", {}), model.__name__: schema}


def _form(request: dict[str, Any]) -> dict[str, Any]:
    """The same names as a form: everything is text, and pictures may be files."""
    fields = {name: dict(schema) for name, schema in request["properties"].items()}
    for name in ("image", "mask"):
        fields[name] = {"type": "string", "description": "A file part, or a text as in JSON."}
    fields[CONTROL_IMAGE] = {
        "type": "array",
        "maxItems": 8,
        "items": {"type": "string", "contentMediaType": "application/octet-stream"},
        "description": "File parts of this name, repeated: the images of those `controls` that name none, in order.",
    }
    for name in NOT_TEXT & fields.keys():
        fields[name]["description"] = f"{fields[name].get('description', '')} As JSON text.".strip()
    return {**request, "properties": fields, "title": "GenerationForm"}
