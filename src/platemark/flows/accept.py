"""Accept: everything that is checked and written before a generation exists, in one transaction."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from platemark.core.audit import canonical, salted_digest
from platemark.core.base import JsonObject
from platemark.core.errors import BlockedByAppPolicy, Conflict, IdempotencyKeyReused
from platemark.core.generation import (
    Generation,
    GenerationStatus,
    IdempotencyKey,
    PromptText,
)
from platemark.core.moderation import Ruled, Verdict, rank
from platemark.core.ports import Circumstances, Platform
from platemark.core.problem import document
from platemark.core.project import Principal, Profile
from platemark.core.request import MAX_SEED, GenerationRequest
from platemark.flows import routing, sources
from platemark.flows.digests import user_digest
from platemark.flows.note import open_review, tell
from platemark.flows.routing import Planned, Route
from platemark.flows.screen import About, screen_text, verdict
from platemark.flows.sources import Judged
from platemark.flows.strikes import strikes
from platemark.flows.unchecked import profile_of, unscreened
from platemark.telemetry import GENERATIONS, logger

log = logger(__name__)
_STATUS: dict[Ruled, GenerationStatus] = {
    "allow": "queued",
    "label": "queued",
    "review": "held",
    "block": "blocked",
    "off": "queued",
}


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The generation, and whether it was there before under the same idempotency key."""

    generation: Generation
    replayed: bool


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Everything that is written about a request."""

    generation: Generation
    text: PromptText
    ruled: Verdict
    judged: tuple[Judged, ...]


async def accept(
    platform: Platform,
    principal: Principal,
    request: GenerationRequest,
    *,
    parts: Mapping[str, bytes] | None = None,
    idempotency_key: str | None = None,
) -> Acceptance:
    """Check, screen and write down one request; start its work. Nothing is stored when it raises.

    `parts` are the bytes of file parts, by the text that stands for them in the request (`core.request.PART`). Raises
    Unsupported and InvalidRequest (all problems at once), InvalidImage, TooLarge, FetchRefused, NotAllowed,
    BudgetExceeded, IdempotencyKeyReused. A request that the policy blocks or holds is stored as such and returned.
    """
    principal.require("images:write")
    if request.role is not None:
        principal.require("roles:assert")
    key = await _key(platform, principal, request, idempotency_key)
    if key is not None and (known := await _replay(platform, key)) is not None:
        return Acceptance(known, replayed=True)
    route = routing.find_route(platform, request)
    prepared = await _prepare(platform, principal, route, parts or {})
    try:
        await sources.keep(platform, prepared.judged)
        await _write(platform, prepared, key)
    except Conflict:
        # Somebody else was faster with the same key: the unique row decides, not the clock.
        known = await _replay(platform, key) if key is not None else None
        if known is None:
            raise
        return Acceptance(known, replayed=True)
    if prepared.generation.status == "queued":
        await _submit(platform, prepared.generation)
    return Acceptance(prepared.generation, replayed=False)


async def _key(
    platform: Platform, principal: Principal, request: GenerationRequest, key: str | None
) -> IdempotencyKey | None:
    if key is None:
        return None
    # In a thread: a body may hold megabytes of source image.
    body = await anyio.to_thread.run_sync(lambda: canonical(request.model_dump(mode="json")))
    return IdempotencyKey(
        id=hashlib.sha256(f"{principal.project}\n{key}".encode()).hexdigest(),
        project=principal.project,
        body_sha256=hashlib.sha256(body).hexdigest(),
        generation="",
        created_at=platform.clock.now(),
    )


async def _replay(platform: Platform, key: IdempotencyKey) -> Generation | None:
    async with platform.store.reading() as read:
        known = await read.find(IdempotencyKey, key.id)
        if known is None:
            return None
        if known.body_sha256 != key.body_sha256:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for a request with another body. Send a new key for a new request.",
                generation=known.generation,
            )
        return await read.get(Generation, known.generation)


async def _prepare(platform: Platform, principal: Principal, route: Route, parts: Mapping[str, bytes]) -> _Prepared:
    request, profile = route.wanted, await profile_of(platform, principal.project)
    found = await sources.find(platform, principal, request, parts)
    # Seeds of one request count up, so the first must leave room.
    seed = request.seed if request.seed is not None else min(platform.ids.seed(), MAX_SEED - 64)
    planned = routing.plan(platform, route, seed, sources.size_of(found))
    await platform.budget.reserve(principal.project, planned.dearest)
    circumstances = Circumstances(
        stage="before_request",
        role=request.role,
        audience=request.audience,
        project=principal.project,
        operation=request.operation,
        model=planned.first.checked.model.id,
    )
    id, text = platform.ids.new("gen"), _text(platform, principal, request)
    ruled = await _screened(platform, profile, text, circumstances, id)
    judged = await sources.judge(platform, principal.project, found, circumstances, id, profile)
    generation = _generation(id, principal, planned, text)
    update = {
        "profile": profile,
        "status": _STATUS[_deciding(ruled, judged).decision],
        "inputs": tuple(entry.input for entry in judged),
        "start_by": text.created_at + platform.limits.start_within,
    }
    if update["status"] == "blocked":
        update |= {"error": document(_refusal(_deciding(ruled, judged))), "finished_at": text.created_at}
    return _Prepared(generation.model_copy(update=update), text, ruled, judged)


async def _screened(
    platform: Platform, profile: Profile, text: PromptText, circumstances: Circumstances, generation: str
) -> Verdict:
    """The verdict on prompt and negative prompt."""
    said = text.body or {}
    texts = {name: said[name] for name in ("prompt", "negative_prompt") if said[name]}
    # Salted like everything that is said about personal text: without the salt it confirms no guess.
    digest, about = (
        salted_digest(text.salt or "", texts),
        About(project=text.project, generation=generation, image=None),
    )
    if profile == "pass_through":
        return await unscreened(platform, platform.text_detectors, circumstances, digest, **about)
    user = user_digest(text.project, said["user"]) if said.get("user") else None
    flags = await strikes(platform, text.project, user)
    ruling, signals = await screen_text(platform, texts, circumstances, flags=flags)
    return verdict(platform, ruling, signals, digest, circumstances, **about)


def _generation(id: str, principal: Principal, planned: Planned, text: PromptText) -> Generation:
    request, first, hops = planned.request, planned.first, planned.hops
    checked, model = first.checked, first.checked.model
    return Generation(
        id=id,
        project=principal.project,
        key=principal.key,
        status="queued",
        operation=request.operation,
        lane=request.lane,
        requested_model=request.model,
        model=model.id,
        model_revision=model.revision,
        route=hops,
        parameters=first.parameters,
        text=text.id,
        text_sha256=salted_digest(text.salt or "", text.body or {}),
        user_sha256=user_digest(principal.project, request.user) if request.user else None,
        role=request.role,
        audience=request.audience,
        tags=request.tags,
        warnings=routing.warnings_of(request.model, model.id, checked.warnings, hops),
        dropped=checked.dropped,
        response_format=request.response_format,
        output_format=request.output_format,
        watermark=request.marked_at,
        created_at=text.created_at,
        start_by=text.created_at,
        cost_status=first.cost.status,
        cost_micro_usd=first.cost.micro_usd,
        cost_basis=first.cost.basis,
    )


def _deciding(ruled: Verdict, judged: tuple[Judged, ...]) -> Verdict:
    """The verdict that decides about the request: the first of the strictest."""
    verdicts = (ruled, *(entry.verdict for entry in judged))
    return max(verdicts, key=lambda each: rank(each.decision))


def _text(platform: Platform, principal: Principal, request: GenerationRequest) -> PromptText:
    said: JsonObject = {"prompt": request.prompt, "negative_prompt": request.negative_prompt, "user": request.user}
    return PromptText(
        id=platform.ids.new("txt"),
        project=principal.project,
        salt=platform.ids.secret(16),
        body=said,
        created_at=platform.clock.now(),
    )


def _refusal(ruled: Verdict) -> BlockedByAppPolicy:
    what = "the prompt" if ruled.image is None else f"the source {ruled.image}"
    return BlockedByAppPolicy(
        f"The policy does not allow this request ({ruled.reason_code}). Change {what}, or appeal with "
        f"POST /v1/generations/{ruled.generation}/appeal if you think that this is a mistake.",
        generation=ruled.generation,
        code=ruled.reason_code,
    )


async def _write(platform: Platform, prepared: _Prepared, key: IdempotencyKey | None) -> None:
    generation, ruled = prepared.generation, prepared.ruled
    deciding = _deciding(ruled, prepared.judged)
    new = {entry.image.id: entry for entry in prepared.judged}
    async with platform.store.transaction() as tx:
        bound = [] if key is None else [key.model_copy(update={"generation": generation.id})]
        await tx.add(prepared.text, generation, ruled, *bound)
        for entry in new.values():
            await entry.write(platform, tx, generation)
        await tell(
            platform,
            tx,
            "generation.accepted",
            generation,
            status=generation.status,
            model=generation.model,
            operation=generation.operation,
            lane=generation.lane,
            key=generation.key,
            text_sha256=generation.text_sha256,
            inputs=[{**entry.input.model_dump(), "sha256": entry.image.sha256} for entry in prepared.judged],
            decision=deciding.decision,
            reason_code=deciding.reason_code,
            policy_version=deciding.policy_version,
        )
        if ruled.decision == "review" and generation.status == "held":
            await open_review(platform, tx, generation, ruled)
        if generation.status == "blocked":
            await tell(
                platform, tx, "generation.blocked", generation, status="blocked", reason_code=deciding.reason_code
            )
    if generation.done:
        GENERATIONS.labels(generation.status, generation.model, generation.lane).inc()


async def _submit(platform: Platform, generation: Generation) -> None:
    try:
        await platform.jobs.submit(generation)
    except Exception:
        # It is accepted and written down: the sweeper submits it again.
        log.exception("submit.failed", generation=generation.id)
