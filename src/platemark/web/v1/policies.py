"""`/v1/policies`: what is allowed, as data: written, tried in shadow, put in force, explained."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from platemark.core.errors import Conflict, MalformedBody, NotFound, UnsupportedMedia
from platemark.core.policy import Difference, Explanation, Policy
from platemark.core.request import CleanText, Name, StrictModel
from platemark.core.resource import ListResource, PolicyCheck, PolicyResource
from platemark.flows import adopt, replay
from platemark.flows.replay import MOST
from platemark.web import answers, bodies, documented
from platemark.web.addresses import JudgedId, PolicyId
from platemark.web.auth import Explainer, PolicyKeeper

router = APIRouter(tags=["policies"])
_LARGEST_BODY = 1024 * 1024
_BODY_FAULTS = documented.faults(MalformedBody, UnsupportedMedia)
_ACT_FAULTS = documented.faults(NotFound, Conflict)
EXAMPLE = """\
version: "1"
rules:
  - id: brands
    categories: [IP_TRADEMARK]
    at_least: 0.25
    decision: block
    tests:
      - fires: {scores: {IP_TRADEMARK: 0.3}}
      - stays: {scores: {IP_TRADEMARK: 0.2}}
"""
Content = Annotated[CleanText, Field(min_length=1, max_length=256 * 1024, description="The bundle, as YAML.")]


class NewPolicy(StrictModel):
    """A bundle to keep as a draft."""

    content: Content
    note: Annotated[CleanText, Field(max_length=1000, description="Why; for those who confirm it.")] | None = None
    project: (
        Annotated[Name, Field(description="`system` for the whole installation; needs projects:manage.")] | None
    ) = None


class BundleText(StrictModel):
    """A bundle to look over."""

    content: Content


class Comparison(StrictModel):
    """Two policies, and on how many of the project's last verdicts they are compared."""

    a: Annotated[Content, Field(description="`in_force`, `built_in`, the id of a policy, or a bundle as YAML.")]
    b: Content
    replay: Annotated[int, Field(ge=1, le=MOST)] = 1000
    installation: Annotated[
        bool, Field(description="A bundle stands in for the installation's policy, not for the project's own.")
    ] = False


class ReportSpan(BaseModel):
    """How far a report goes back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    replay: Annotated[int, Field(ge=1, le=MOST, description="Of so many of the project's last verdicts.")] = 1000


def _resource(policy: Policy, *, whole: bool = True) -> PolicyResource:
    left_out = set[str]() if whole else {"content"}
    return PolicyResource.model_validate(policy.model_dump(exclude=left_out))


@router.get(
    "/v1/policies",
    operation_id="list_policies",
    summary="List policies",
    responses={200: {"model": ListResource[PolicyResource]}},
)
async def listing(call: PolicyKeeper) -> Response:
    """The project's, without their content; for a key with `projects:manage` the installation's, too."""
    found = tuple(_resource(one, whole=False) for one in await adopt.listing(call.platform, call.principal))
    return answers.listing(ListResource[PolicyResource], found)


@router.post(
    "/v1/policies",
    operation_id="create_policy",
    summary="Keep a policy as a draft",
    status_code=201,
    responses={201: {"model": PolicyResource}, **_BODY_FAULTS, **documented.faults(NotFound)},
    openapi_extra=documented.body("NewPolicy", {"content": EXAMPLE, "note": "asked for by the brand desk"}),
)
async def create(call: PolicyKeeper) -> Response:
    """Refused with every mistake that lint finds. The same content again is the same policy."""
    wanted = await bodies.read_model(call.request, NewPolicy, _LARGEST_BODY)
    made = await adopt.create(call.platform, call.principal, wanted.content, note=wanted.note, project=wanted.project)
    return answers.json(_resource(made), 201)


@router.post(
    "/v1/policies/lint",
    operation_id="lint_policy",
    summary="Look over a policy",
    responses={200: {"model": PolicyCheck}, **_BODY_FAULTS},
    openapi_extra=documented.body("BundleText", {"content": EXAMPLE}),
)
async def lint(call: PolicyKeeper) -> Response:
    """What is wrong with it, line by line, its own tests among it. Nothing is kept."""
    wanted = await bodies.read_model(call.request, BundleText, _LARGEST_BODY)
    problems = await adopt.lint(call.platform, call.principal, wanted.content)
    return answers.json(PolicyCheck(valid=all(one.level != "error" for one in problems), problems=problems))


@router.post(
    "/v1/policies/diff",
    operation_id="diff_policies",
    summary="Compare two policies on past verdicts",
    responses={200: {"model": Difference}, **_BODY_FAULTS, **documented.faults(NotFound)},
    openapi_extra=documented.body("Comparison", {"a": "in_force", "b": "built_in", "replay": 1000}),
)
async def diff(call: PolicyKeeper) -> Response:
    """Which verdicts would come out otherwise, by reason, audience and stage, with examples. Nothing is changed."""
    wanted = await bodies.read_model(call.request, Comparison, _LARGEST_BODY)
    found = await replay.diff(
        call.platform,
        call.principal,
        wanted.a,
        wanted.b,
        replay=wanted.replay,
        installation=wanted.installation,
    )
    return answers.json(found)


@router.get(
    "/v1/policies/{id}",
    operation_id="get_policy",
    summary="Read a policy",
    responses={200: {"model": PolicyResource}, **documented.faults(NotFound)},
)
async def get(call: PolicyKeeper, id: PolicyId) -> Response:
    """One policy with its content as it was written."""
    return answers.json(_resource(await adopt.get(call.platform, call.principal, id)))


@router.get(
    "/v1/policies/{id}/shadow-report",
    operation_id="get_policy_shadow_report",
    summary="What a policy in shadow would change",
    responses={200: {"model": Difference}, **documented.faults(NotFound)},
)
async def shadow_report(call: PolicyKeeper, id: PolicyId, span: Annotated[ReportSpan, Query()]) -> Response:
    """Counts of verdicts that it would have ruled otherwise, among those that it was asked about."""
    return answers.json(await replay.shadow_report(call.platform, call.principal, id, replay=span.replay))


@router.post(
    "/v1/policies/{id}/shadow",
    operation_id="shadow_policy",
    summary="Try a policy in shadow",
    responses={200: {"model": PolicyResource}, **_ACT_FAULTS},
)
async def shadow(call: PolicyKeeper, id: PolicyId) -> Response:
    """It is asked beside what is in force, and decides nothing. One at a time: another one is a draft again."""
    return answers.json(_resource(await adopt.shadow(call.platform, call.principal, id)))


@router.post(
    "/v1/policies/{id}/activate",
    operation_id="activate_policy",
    summary="Put a policy in force",
    responses={200: {"model": PolicyResource}, **_ACT_FAULTS},
)
async def activate(call: PolicyKeeper, id: PolicyId) -> Response:
    """In place of what is in force now, which is retired in the same moment. Not by its author where there are two."""
    return answers.json(_resource(await adopt.activate(call.platform, call.principal, id)))


@router.post(
    "/v1/policies/{id}/retire",
    operation_id="retire_policy",
    summary="Take a policy out of force",
    responses={200: {"model": PolicyResource}, **_ACT_FAULTS},
)
async def retire(call: PolicyKeeper, id: PolicyId) -> Response:
    """The project has no rules of its own then; those of the installation hold on."""
    return answers.json(_resource(await adopt.retire(call.platform, call.principal, id)))


@router.get(
    "/v1/verdicts/{id}/explain",
    operation_id="explain_verdict",
    summary="Explain a verdict",
    responses={200: {"model": ListResource[Explanation]}, **documented.faults(NotFound)},
)
async def explain(call: Explainer, id: JudgedId) -> Response:
    """Each rule that fired with its threshold and note, and the signals that met it. For staff, never for users.

    `id` is a verdict's, or an image's or generation's for all verdicts on it.
    """
    found = tuple(await replay.explain(call.platform, call.principal, id))
    return answers.listing(ListResource[Explanation], found)
