"""Papers of the review desk: decisions as labelled examples, and the statement of reasons for a restriction."""

import csv
import io
import json
from collections.abc import AsyncGenerator
from typing import Any

from platemark.core.base import JsonObject
from platemark.core.errors import Conflict
from platemark.core.generation import Generation, PromptText
from platemark.core.moderation import Verdict
from platemark.core.ports import Platform, Query, Reading
from platemark.core.project import Principal
from platemark.core.review import APPEAL_WITHIN, OUTCOME, Decision, Review, ReviewNote
from platemark.core.sentence import sentence
from platemark.flows.keeping import holds
from platemark.flows.keys import note
from platemark.flows.note import tell_case
from platemark.flows.reviews.desk import case, reviewer_of
from platemark.flows.reviews.effects import ruling

COLUMNS = (
    "review",
    "stage",
    "audience",
    "reason_code",
    "rule_ids",
    "machine",
    "action",
    "decided_code",
    "overridden",
    "decided_at",
    "prompt",
    "negative_prompt",
)
_PAGE = 200
_RESTRICTED = ("rejected", "sent_back", "upheld")


async def export(platform: Platform, principal: Principal, *, texts: bool = False) -> AsyncGenerator[JsonObject]:
    """Every decision that has had its effect, newest first, as an example to learn from.

    With `texts` also the prompts, where they are not erased: needs `moderation:manage`, and the chain says so.
    """
    principal.require("reviews:decide")
    if texts:
        principal.require("moderation:manage")
    async with platform.store.transaction() as tx:
        await note(platform, tx, "review.exported", principal.project, by=principal.actor, texts=texts)
    cursor: str | None = None
    while True:
        query = Query(principal.project, limit=_PAGE, cursor=cursor, equals={"state": tuple(set(OUTCOME.values()))})
        async with platform.store.reading() as read:
            page = await read.page(Review, query)
            rows = [await _example(read, found, texts) for found in page.data]
        for row in rows:
            yield row
        if (cursor := page.next_cursor) is None:
            return


async def _example(read: Reading, found: Review, texts: bool) -> JsonObject:
    ruled = await read.get(Verdict, found.verdict)
    made = [each for each in await read.all(Decision, review=found.id, state="effected") if each.action in OUTCOME]
    decision = made[-1] if made else None
    text = await _text(read, found) if texts else {}
    return {
        "review": found.id,
        "stage": found.stage,
        "audience": found.audience,
        "reason_code": found.reason_code,
        "rule_ids": list(ruled.rule_ids),
        "machine": ruled.decision,
        "action": decision.action if decision else found.state,
        "decided_code": decision.reason_code if decision else None,
        "overridden": bool(decision and decision.override),
        "decided_at": found.decided_at.isoformat() if found.decided_at else None,
        "prompt": text.get("prompt"),
        "negative_prompt": text.get("negative_prompt"),
    }


async def _text(read: Reading, found: Review) -> JsonObject:
    generation = await read.find(Generation, found.generation) if found.generation else None
    text = await read.find(PromptText, generation.text) if generation else None
    return (text.body or {}) if text else {}


def csv_line(row: JsonObject | None) -> str:
    """One line of the export as CSV; None for the line of names."""
    out = io.StringIO()
    values = [_cell(row[name]) for name in COLUMNS] if row is not None else COLUMNS
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue()


def _cell(value: Any) -> str:
    text = "" if value is None else " ".join(value) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownArgumentType]
    # A spreadsheet takes these for the beginning of a formula.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def json_line(row: JsonObject) -> str:
    """One line of the export as JSON."""
    return json.dumps(row, ensure_ascii=False) + "\n"


async def statement(platform: Platform, principal: Principal, id: str) -> JsonObject:
    """The statement of reasons for a restriction, in the shape of Article 17 of the Digital Services Act.

    Holds no personal data. For the project's own keys. Raises Conflict where nothing is restricted by this case.
    """
    principal.require("images:read")
    async with platform.store.reading() as read:
        found = await case(read, principal.project, id)
        if found.state not in _RESTRICTED:
            raise Conflict(f"This review is {found.state}: it restricts nothing, so there are no reasons to state.")
        ruled = await read.get(Verdict, found.verdict)
        decision = await ruling(read, found)
        appeals = [each for each in await read.all(Review, verdict=ruled.id) if each.kind == "appeal"]
    decided = found.decided_at or decision.decided_at
    return {
        "review": found.id,
        "subject": {"type": "image" if found.image else "request", "id": found.image or found.generation},
        "restriction": "visibility" if found.stage == "before_publish" else "removal",
        "territorial_scope": "everywhere this service is offered",
        "duration": "until it is undone on appeal",
        "imposed_at": decided.isoformat(),
        "facts": sentence("block", found.reason_code),
        "reason_code": found.reason_code,
        "detection": "automated",
        "decision": "manual",
        "ground": {"type": "terms", "rules": list(ruled.rule_ids), "policy_version": ruled.policy_version},
        "redress": {
            "internal_appeal": f"/v1/reviews/{found.id}/appeal" if found.kind == "first" else None,
            "until": (decided + APPEAL_WITHIN).isoformat(),
            "appeal": {"review": appeals[-1].id, "state": appeals[-1].state} if appeals else None,
            "judicial": "You may also go to court, or to a certified body for out-of-court settlement.",
        },
    }


async def erase_notes(platform: Platform, principal: Principal, id: str) -> int:
    """Erase what people wrote at a case; the chain keeps digests that say nothing any more. How many there were.

    Raises LegalHold where one keeps what the case is about.
    """
    async with platform.store.transaction() as tx:
        who = await reviewer_of(tx, principal)
        found = await case(tx, who.project, id)
        await holds.refuse(platform, tx, found.project, image=found.image, generation=found.generation)
        notes = [each for each in await tx.all(ReviewNote, review=found.id) if each.erased_at is None]
        for each in notes:
            await tx.change(each, body=None, salt=None, erased_at=platform.clock.now())
        if notes:
            await tell_case(platform, tx, "review.note_erased", found, by=who.actor, notes=len(notes))
    return len(notes)
