"""Small things that flows write: events and review cases."""

from datetime import datetime
from typing import Any

from platemark.core.base import JsonObject
from platemark.core.event import Event, EventType
from platemark.core.generation import Generation
from platemark.core.hashlist import KNOWN_HASH_MATCH
from platemark.core.image import Image
from platemark.core.moderation import Verdict
from platemark.core.ports import Platform, Reading, Transaction
from platemark.core.project import ApiKey
from platemark.core.review import Review, ReviewKind
from platemark.flows.reviews.timing import Said, Timing, expiry, timing


async def emit(
    platform: Platform,
    tx: Transaction,
    type: EventType,
    project: str,
    data: JsonObject,
    *,
    generation: str | None = None,
    image: str | None = None,
) -> Event:
    """Append an event of now. `data` must not hold personal text."""
    return await tx.emit(
        Event(
            id=platform.ids.new("evt"),
            project=project,
            type=type,
            at=platform.clock.now(),
            data=data,
            generation=generation,
            image=image,
        )
    )


async def tell(platform: Platform, tx: Transaction, type: EventType, about: Generation | Image, **data: Any) -> Event:
    """Append an event about a generation or an image."""
    if isinstance(about, Image):
        return await emit(platform, tx, type, about.project, data, generation=about.generation, image=about.id)
    return await emit(platform, tx, type, about.project, data, generation=about.id)


async def tell_case(platform: Platform, tx: Transaction, type: EventType, case: Review, **data: Any) -> Event:
    """Append an event about a case: its id, the state that it is in now, and `data`."""
    facts = {"review": case.id, "state": case.state, **data}
    return await emit(platform, tx, type, case.project, facts, generation=case.generation, image=case.image)


async def open_review(
    platform: Platform, tx: Transaction, about: Generation | Image, ruled: Verdict, *, requester: str | None = None
) -> Review:
    """A case for a person; it expires by a timer and is never approved by one.

    `requester`: the person or key that asked, where `about` does not say it (an upload).
    """
    generation = about if isinstance(about, Generation) else await _generation(tx, ruled)
    now = platform.clock.now()
    hard = is_hard(ruled)
    said = Said(code=ruled.reason_code, audience=ruled.audience, hard=hard)
    schedule = timing(
        platform.limits.reviews,
        now,
        **said,
        severity=ruled.severity,
        level=3 if hard else 1,
        desk="child_safety" if hard else "general",
    )
    case = case_of(
        platform,
        ruled,
        kind="first",
        expires_at=expiry(platform.limits, now, schedule, **said),
        requester=requester or (await actor_of(tx, generation.key) if generation else None),
        user_sha256=generation.user_sha256 if generation else None,
        schedule=schedule,
    )
    await tx.add(case)
    await tell_case(platform, tx, "review.opened", case, reason_code=case.reason_code, kind=case.kind, level=case.level)
    return case


def case_of(
    platform: Platform, ruled: Verdict, *, kind: ReviewKind, expires_at: datetime, schedule: Timing, **fields: Any
) -> Review:
    """A new case about a verdict."""
    return Review(
        id=platform.ids.new("rev"),
        project=ruled.project,
        generation=ruled.generation,
        image=ruled.image,
        verdict=ruled.id,
        kind=kind,
        state="pending",
        reason_code=ruled.reason_code,
        severity=ruled.severity,
        stage=ruled.stage,
        audience=ruled.audience,
        hard=is_hard(ruled),
        created_at=platform.clock.now(),
        expires_at=expires_at,
        **schedule,
        **fields,
    )


def is_hard(ruled: Verdict) -> bool:
    """Whether a verdict speaks of the safety of children. A match whose list does not say what it is for counts too."""
    if "MINOR_SAFETY" in (ruled.reason_code, *ruled.secondary_codes):
        return True
    matches = [signal for signal in ruled.signals if signal.category == KNOWN_HASH_MATCH and signal.evaluated]
    unclear = ruled.reason_code == KNOWN_HASH_MATCH and not matches
    return unclear or any(signal.evidence.get("purpose", "child_safety") == "child_safety" for signal in matches)


async def actor_of(read: Reading, key: str) -> str:
    """Who answers for what a key did: its person, or the key itself."""
    found = await read.find(ApiKey, key)
    return (found.person if found else None) or key


async def _generation(read: Reading, ruled: Verdict) -> Generation | None:
    return await read.find(Generation, ruled.generation) if ruled.generation else None
