"""Clearance: what people have decided about a picture already, as the gate before an audience has to know it."""

from collections.abc import Iterable

from platemark.core.image import Image
from platemark.core.moderation import Decision as Decided
from platemark.core.moderation import Ruling, Verdict
from platemark.core.ports import Platform, Reading
from platemark.core.review import OUTCOME, Decision, Review

_YES = ("approved", "overturned")
_NO = ("rejected", "upheld")
Ended = tuple[Review, Decision]


async def cleared(platform: Platform, image: Image, audience: str | None, ruling: Ruling) -> Ruling:
    """The ruling, with what people have settled before.

    A picture that was restricted to one audience goes to no other. What a person decided for this audience is not
    asked again as long as nothing new stands against it: every code must have been before a person.
    """
    async with platform.store.reading() as read:
        ended = await _ended(read, image)
        settled = [each for each in ended if each[0].audience == audience]
        seen = await _codes(read, (case for case, _ in settled))
    for case, decision in ended:
        if case.state in _YES and decision.action == "restrict_audience" and decision.audience != audience:
            return _but(ruling, "block", f"restricted:{case.id}", decision.reason_code)
    if ruling.decision != "review" or not settled or not {ruling.reason_code, *ruling.secondary_codes} <= seen:
        return ruling
    case, decision = settled[-1]
    if case.state in _NO:
        return _but(ruling, "block", f"rejected:{case.id}")
    return _but(ruling, "label" if decision.action == "approve_with_label" else "allow", f"approved:{case.id}")


async def _ended(read: Reading, image: Image) -> list[Ended]:
    """Cases about the picture that a person has ended, the oldest first, each with the decision that had its effect."""
    found: list[Ended] = []
    for case in await read.all(Review, image=image.id, state=(*_YES, *_NO), order_by="id"):
        made = [each for each in await read.all(Decision, review=case.id, state="effected") if each.action in OUTCOME]
        found += [(case, made[-1])] if made else []
    return found


async def _codes(read: Reading, cases: Iterable[Review]) -> set[str | None]:
    verdicts = [await read.get(Verdict, case.verdict) for case in cases]
    return {code for each in verdicts for code in (each.reason_code, *each.secondary_codes)}


def _but(ruling: Ruling, decision: Decided, why: str, code: str | None = None) -> Ruling:
    changes = {"decision": decision, "rule_ids": (*ruling.rule_ids, why), "reason_code": code or ruling.reason_code}
    return ruling.model_copy(update=changes)
