"""The application: middleware, routes and error handlers around one Platform."""

import functools
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.middleware import Middleware

from platemark.core.ports import Platform
from platemark.settings import Settings
from platemark.web import openapi, operations
from platemark.web.analyses import Analyses
from platemark.web.ratelimit import RateLimits
from platemark.web.requests import RequestFrame, handlers
from platemark.web.stopping import Stopping
from platemark.web.v1 import (
    analyze,
    appeals,
    audit,
    desk,
    detectors,
    events,
    generate,
    generations,
    hash_lists,
    holds,
    images,
    inspections,
    keys,
    models,
    moderations,
    people,
    policies,
    projects,
    provenance,
    publications,
    reports,
    retention,
    reviews,
    takedowns,
    uploads,
    verify_page,
    webhooks,
)
from platemark.web.v1.verify_page import Visitors

_V1 = (
    generate,
    generations,
    images,
    uploads,
    publications,
    provenance,
    verify_page,
    desk,
    appeals,
    reviews,
    analyze,
    inspections,
    moderations,
    models,
    keys,
    people,
    hash_lists,
    projects,
    policies,
    holds,
    takedowns,
    retention,
    reports,
    detectors,
    audit,
    events,
    webhooks,
)
# FastAPI's own telemetry writes query strings and stack traces into spans; ours does not.
_SILENT: Any = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}


def _version() -> str:
    try:
        return version("platemark")
    except PackageNotFoundError:
        return "0"


_ABOUT: Any = {
    "title": "Platemark",
    "version": _version(),
    "summary": "One API from prompt to a picture you can publish and stand behind.",
}


def create_app(platform: Platform, settings: Settings, *, stopping: Stopping) -> FastAPI:
    """The HTTP API of one process. Roles without the API answer health, readiness and metrics only."""
    app = FastAPI(
        **_ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_SILENT,
        middleware=[Middleware(RequestFrame, ids=platform.ids, clock=platform.clock)],
        exception_handlers=handlers(lambda path: allowed(app, path)),  # type: ignore[arg-type]  # exact exception types
    )
    app.state.platform = platform
    app.state.settings = settings
    app.state.stopping = stopping
    app.state.rates = RateLimits(platform.clock, per_minute=settings.rate_per_minute, burst=settings.rate_burst)
    app.state.visitors = Visitors(platform.clock)
    app.state.analyses = Analyses(platform.clock, settings)
    if settings.role in ("all", "api"):
        _add_routes(app)
    app.include_router(operations.router)
    return app


def openapi_document() -> dict[str, Any]:
    """The API's OpenAPI 3.1 document, which needs no running platform."""
    app = FastAPI(**_ABOUT)
    _add_routes(app)
    return app.openapi()


def _add_routes(app: FastAPI) -> None:
    for module in _V1:
        app.include_router(module.router)
    app.openapi = functools.cache(lambda: openapi.document(app))


def allowed(app: FastAPI, path: str) -> list[str]:
    """The methods that an address takes; `HEAD` goes wherever `GET` does."""
    methods = {"OPTIONS"}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute) and route.path_regex.match(path):
            methods.update(route.methods or ())
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))
