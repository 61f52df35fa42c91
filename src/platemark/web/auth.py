"""Who calls, and what they may: the one dependency of every route (bearer key, rate limit, scope, no unknown query)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from platemark.core.errors import FieldError, InvalidRequest, Unauthenticated
from platemark.core.ports import Platform
from platemark.core.project import Principal, Scope
from platemark.flows.keys import authenticate
from platemark.settings import Settings
from platemark.web.addresses import base_url
from platemark.web.ratelimit import RateLimits
from platemark.web.requests import exchange_of
from platemark.web.stopping import Stopping

_LONGEST_SECRET = 256
_HOW = "Send it as 'Authorization: Bearer pm_…'."


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request, with what its route needs to answer it."""

    request: Request
    platform: Platform
    settings: Settings
    stopping: Stopping
    principal: Principal
    base_url: str

    @property
    def request_id(self) -> str:
        """The id that the answer carries."""
        return exchange_of(self.request).request_id

    def header(self, name: str, value: str) -> None:
        """Add a header to the answer, whatever the answer will be."""
        exchange_of(self.request).headers[name] = value

    def url(self, path: str) -> str:
        """The absolute URL of a path of ours."""
        return self.base_url + path


def secret_of(headers: Mapping[str, str]) -> str | None:
    """The bearer secret; None without an Authorization header. Raises Unauthenticated for any other scheme."""
    value = headers.get("authorization")
    if value is None:
        return None
    scheme, _, secret = value.strip().partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not 0 < len(secret) <= _LONGEST_SECRET:
        raise Unauthenticated(f"The Authorization header holds no API key. {_HOW}")
    return secret


async def identify(request: Request) -> Principal:
    """The principal of the key in the request, after taking one request from its allowance.

    Raises Unauthenticated, RateLimited.
    """
    secret = secret_of(request.headers)
    if secret is None:
        raise Unauthenticated(f"This needs an API key. {_HOW}", code="no_key")
    state: Any = request.app.state
    platform: Platform = state.platform
    rates: RateLimits = state.rates
    principal = await authenticate(platform, secret)
    allowance, refused = rates.take(principal.key)
    if allowance is not None:
        exchange_of(request).headers.update(allowance.headers())
    if refused is not None:
        raise refused
    return principal


def requires(scope: Scope, *instead: Scope) -> Callable[[Request], Awaitable[Call]]:
    """The dependency of a route that needs `scope`, or one of those that do instead.

    The OpenAPI document reads it from the function's `scope`.
    """

    async def call(request: Request) -> Call:
        principal = await identify(request)
        if not principal.scopes.intersection(instead):
            principal.require(scope)
        _no_unknown_query(request)
        state: Any = request.app.state
        # Found out before anything is done: an answer without URLs could not be given afterwards.
        base = base_url(request, state.settings)
        return Call(request, state.platform, state.settings, state.stopping, principal, base)

    call.scope = scope  # type: ignore[attr-defined]
    return call


def _no_unknown_query(request: Request) -> None:
    # Routes with parameters refuse unknown ones by their model; this is for those that take none.
    if request.query_params and not request.scope["route"].dependant.query_params:
        raise InvalidRequest(
            "This address takes no query parameters. Remove them.",
            errors=[
                FieldError(pointer=f"/query/{name[:100]}", code="unknown_field", message="is not known here; remove it")
                for name in list(request.query_params)[:50]
            ],
        )


Reader = Annotated[Call, Depends(requires("images:read"))]
Writer = Annotated[Call, Depends(requires("images:write"))]
Auditor = Annotated[Call, Depends(requires("audit:read"))]
Reporter = Annotated[Call, Depends(requires("audit:read", "reviews:decide"))]
Reviewer = Annotated[Call, Depends(requires("reviews:decide"))]
KeyKeeper = Annotated[Call, Depends(requires("keys:manage"))]
Operator = Annotated[Call, Depends(requires("projects:manage"))]
PolicyKeeper = Annotated[Call, Depends(requires("policies:manage"))]
Explainer = Annotated[Call, Depends(requires("policies:manage", "reviews:decide"))]
Moderator = Annotated[Call, Depends(requires("moderation:manage"))]
