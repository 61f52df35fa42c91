"""Context: everything that a person needs to decide a case, and nothing of what others decided before them."""

import hashlib
from typing import Any

from platemark.core.attempt import Attempt
from platemark.core.base import JsonObject
from platemark.core.generation import REVISED, Generation, PromptText
from platemark.core.image import Fingerprint, Image, Publication
from platemark.core.inspection import Inspection
from platemark.core.message import MESSAGES
from platemark.core.moderation import Signal, Verdict
from platemark.core.policy import Reason
from platemark.core.ports import Platform, Query, Reading
from platemark.core.project import Principal
from platemark.core.review import OUTCOME, Decision, Review, ReviewNote
from platemark.core.sentence import sentence
from platemark.flows.note import tell_case
from platemark.flows.replay import explained
from platemark.flows.reviews.desk import case, reviewer_of
from platemark.flows.reviews.reveal import pictures_of
from platemark.imaging.fingerprint import distance

_PAST = 20
_COMPARED = 500
_BLIND = ("second", "sample")


async def context(platform: Platform, principal: Principal, id: str) -> JsonObject:
    """The whole of a case as one document, and a line that it was read.

    A second reviewer is not told what the first one said.
    """
    async with platform.store.transaction() as tx:
        who = await reviewer_of(tx, principal)
        found = await case(tx, who.project, id)
        await tell_case(platform, tx, "review.read", found, by=who.actor)
    async with platform.store.reading() as read:
        ruled = await read.get(Verdict, found.verdict)
        generation = await read.find(Generation, found.generation) if found.generation else None
        explanation = await explained(platform, ruled)
        return {
            "review": found.model_dump(mode="json"),
            "told": sentence(ruled.decision, found.reason_code),
            "request": await _request(read, generation, ruled) if generation else None,
            "pictures": [await _picture(read, found, generation, image) for image in await pictures_of(read, found)],
            "verdict": ruled.model_dump(mode="json"),
            "rules": [_rule(reason) for reason in explanation.reasons],
            "attempts": [_attempt(each) for each in await _attempts(read, generation)],
            "user": await _user(read, found),
            "near": [] if found.hard else await _near(platform, read, found),
            "decisions": await decided(read, found, who.actor),
            "notes": await _notes(read, found, who.actor),
            "messages": MESSAGES,
        }


async def _request(read: Reading, generation: Generation, ruled: Verdict) -> JsonObject:
    text = await read.get(PromptText, generation.text)
    said = text.body or {}
    spans = [span for signal in ruled.signals for span in _spans(signal)]
    return {
        "generation": generation.id,
        "status": generation.status,
        "operation": generation.operation,
        "model": generation.model,
        "role": generation.role,
        "audience": generation.audience,
        "prompt": said.get("prompt"),
        "negative_prompt": said.get("negative_prompt"),
        REVISED: said.get(REVISED, {}),
        "text_erased_at": text.erased_at.isoformat() if text.erased_at else None,
        "matches": spans,
        "inputs": [each.model_dump(mode="json") for each in generation.inputs],
    }


def _spans(signal: Signal) -> list[JsonObject]:
    """Where in the texts a signal was found: `field`, `start` and `end` in characters."""
    places: list[Any] = [signal.evidence, *signal.evidence.get("with", ())]
    return [
        {"field": place["field"], "start": place["start"], "end": place["end"], "category": signal.category}
        for place in places
        if isinstance(place, dict) and {"field", "start", "end"} <= place.keys()  # pyright: ignore[reportUnknownMemberType]
    ]


async def _picture(read: Reading, found: Review, generation: Generation | None, image: Image) -> JsonObject:
    inspection = await read.find(Inspection, image.inspection) if image.inspection else None
    sources = {each.image: each.role for each in generation.inputs} if generation else {}
    return {
        "image": image.id,
        "role": "subject" if image.id == found.image else sources.get(image.id, "image"),
        "width": image.width,
        "height": image.height,
        "moderation": image.moderation_state,
        "deleted_at": image.deleted_at.isoformat() if image.deleted_at else None,
        "shown": not found.hard and image.deleted_at is None,
        "inspection": {"verdict": inspection.verdict, "tier": inspection.tier} if inspection else None,
        "credential": image.credential_state,
        "publications": [
            {"id": each.id, "state": each.state, "audience": each.audience}
            for each in await read.all(Publication, image=image.id)
        ],
    }


def _rule(reason: Reason) -> JsonObject:
    return reason.model_dump(mode="json", include={"rule", "decision", "reason_code", "at_least", "when", "note"})


async def _attempts(read: Reading, generation: Generation | None) -> list[Attempt]:
    return await read.all(Attempt, generation=generation.id, order_by="number") if generation else []


def _attempt(attempt: Attempt) -> JsonObject:
    return attempt.model_dump(mode="json", include={"id", "provider", "model", "state", "response", "error"})


async def _user(read: Reading, found: Review) -> JsonObject:
    """What became of earlier requests of the same user; of nobody where the request names none."""
    if found.user_sha256 is None:
        return {"known": False, "strikes": 0, "past": []}
    mine = {"user_sha256": found.user_sha256}
    blocked = await read.page(Generation, Query(found.project, limit=100, equals={**mine, "status": "blocked"}))
    past = await read.page(Review, Query(found.project, limit=_PAST + 1, equals=mine))
    return {
        "known": True,
        "strikes": len(blocked.data),
        "past": [
            {"review": each.id, "state": each.state, "reason_code": each.reason_code, "kind": each.kind}
            for each in past.data
            if each.id != found.id and each.of != found.id and each.id != found.of
        ][:_PAST],
    }


async def _near(platform: Platform, read: Reading, found: Review) -> list[JsonObject]:
    """Nearly the same pictures that were decided before."""
    mine = await read.find(Fingerprint, found.image) if found.image else None
    if mine is None or mine.quality < platform.limits.pdq_min_quality:
        return []
    ended = Query(found.project, limit=_COMPARED, equals={"state": tuple(set(OUTCOME.values()))})
    cases = {each.image: each for each in (await read.page(Review, ended)).data if each.image and each.kind == "first"}
    prints = await read.all(Fingerprint, id=tuple(id for id in cases if id and id != found.image))
    return [
        {
            "review": cases[each.id].id,
            "image": each.id,
            "distance": distance(mine.pdq, each.pdq),
            "state": cases[each.id].state,
            "reason_code": cases[each.id].reason_code,
        }
        for each in prints
        if distance(mine.pdq, each.pdq) <= platform.limits.pdq_max_distance
    ]


async def decided(read: Reading, found: Review, actor: str) -> list[JsonObject]:
    """What was decided: for somebody who looks again without knowing, only what they said themselves."""
    cases = [found.id] if found.kind in _BLIND else [found.id, *([found.of] if found.of else [])]
    made = [each for id in cases for each in await read.all(Decision, review=id)]
    blind = found.kind in _BLIND or found.state in ("pending", "claimed")
    mine = [each for each in made if each.by == actor or each.review != found.id or not blind]
    return [each.model_dump(mode="json", exclude={"key"}) for each in mine]


async def _notes(read: Reading, found: Review, actor: str) -> list[JsonObject]:
    notes = await read.all(ReviewNote, review=found.id)
    return [
        {"id": each.id, "by": each.by, "body": each.body, "created_at": each.created_at.isoformat()}
        for each in notes
        if found.kind not in _BLIND or each.by == actor
    ]


def family(text: PromptText | None) -> str | None:
    """A digest that two requests share when they say the same; None once the text is erased."""
    if text is None or text.body is None:
        return None
    said = f"{text.body.get('prompt')}\n{text.body.get('negative_prompt')}"
    return hashlib.sha256(said.encode()).hexdigest()
