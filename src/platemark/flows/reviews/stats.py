"""Figures of the review desk: queues, agreement between people, how long decisions take, which rules are overturned."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from statistics import median

from platemark.core.base import JsonObject
from platemark.core.moderation import Verdict
from platemark.core.ports import Platform, Query, Reading
from platemark.core.project import Principal
from platemark.core.review import OUTCOME, Decision, Review

_MOST = 10_000
_PAGE = 500


async def queues(platform: Platform, principal: Principal) -> list[JsonObject]:
    """How many cases wait by reason code and level, how many are held, the oldest age, how many are late."""
    principal.require("reviews:decide")
    async with platform.store.reading() as read:
        found = await read.all(Review, order_by="place", project=principal.project, state=("pending", "claimed"))
    groups: dict[tuple[str | None, str, int], list[Review]] = defaultdict(list)
    for case in found:
        groups[case.reason_code, case.desk, case.level].append(case)
    now = platform.clock.now()
    return [
        {
            "reason_code": code,
            "desk": desk,
            "level": level,
            "pending": sum(case.state == "pending" for case in cases),
            "claimed": sum(case.state == "claimed" for case in cases),
            "late": sum(case.due_at <= now for case in cases),
            "oldest_seconds": round(max((now - case.created_at).total_seconds() for case in cases)),
            "next_due_at": min(case.due_at for case in cases).isoformat(),
        }
        for (code, desk, level), cases in groups.items()
    ]


async def agreement(platform: Platform, principal: Principal, since: datetime | None = None) -> list[JsonObject]:
    """How often two people said the same about one case: by reason code, in percent and as Cohen's kappa.

    `kappa` is None where it says nothing: both always said the same one thing, or there is no pair.
    """
    principal.require("reviews:decide")
    pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)
    async with platform.store.reading() as read:
        said = await _said(read, principal.project, since)
        for case in await _cases(read, principal.project, ("second", "sample")):
            one, other = said.get(case.of or ""), said.get(case.id)
            if one and other:
                pairs[case.reason_code or "none"].append((one, other))
    everything = [pair for found in pairs.values() for pair in found]
    return [_agreed("all", everything), *(_agreed(code, found) for code, found in sorted(pairs.items()))]


def _agreed(code: str, pairs: Sequence[tuple[str, str]]) -> JsonObject:
    same = sum(one == other for one, other in pairs)
    return {
        "reason_code": code,
        "pairs": len(pairs),
        "percent": round(100 * same / len(pairs), 1) if pairs else None,
        "kappa": kappa(pairs),
    }


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa of two raters: 1 is full agreement, 0 that of chance. None where chance alone would agree."""
    if not pairs:
        return None
    count = len(pairs)
    observed = sum(one == other for one, other in pairs) / count
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    chance = sum(first[word] * second[word] for word in first) / count**2
    return None if chance == 1 else round((observed - chance) / (1 - chance), 4)


async def report(platform: Platform, principal: Principal, since: datetime | None = None) -> JsonObject:
    """Backlog, median time to a decision, how many appeals were overturned, and by which rules."""
    principal.require("reviews:decide")
    now = platform.clock.now()
    async with platform.store.reading() as read:
        waiting = await read.all(Review, project=principal.project, state=("pending", "claimed"))
        ended = [case for case in await _cases(read, principal.project) if case.decided_at and case.state != "expired"]
        ended = [case for case in ended if since is None or (case.decided_at or now) >= since]
        rules = await _overturned(read, [case for case in ended if case.kind == "appeal"])
    return {
        "backlog": len(waiting),
        "oldest_seconds": _longest(now - case.created_at for case in waiting),
        "late": sum(case.due_at <= now for case in waiting),
        "decided": len(ended),
        "median_seconds": _median(ended),
        "by_reason_code": {
            code: {"decided": len(cases), "median_seconds": _median(cases), "outcomes": dict(_outcomes(cases))}
            for code, cases in sorted(_by_code(ended).items())
        },
        "overturned_by_rule": rules,
    }


def _longest(spans: Iterable[timedelta]) -> int:
    return round(max((span.total_seconds() for span in spans), default=0.0))


def _median(cases: Sequence[Review]) -> float | None:
    taken = [(case.decided_at - case.created_at).total_seconds() for case in cases if case.decided_at]
    return round(median(taken), 1) if taken else None


def _by_code(cases: Sequence[Review]) -> dict[str, list[Review]]:
    found: dict[str, list[Review]] = defaultdict(list)
    for case in cases:
        found[case.reason_code or "none"].append(case)
    return found


def _outcomes(cases: Sequence[Review]) -> Counter[str]:
    return Counter(case.state for case in cases)


async def _overturned(read: Reading, appeals: Sequence[Review]) -> list[JsonObject]:
    """By rule: how many appeals ended, and the share that was overturned. A high one tells of a bad rule."""
    ended: dict[str, list[bool]] = defaultdict(list)
    for case in appeals:
        for rule in (await read.get(Verdict, case.verdict)).rule_ids or ("none",):
            ended[rule].append(case.state == "overturned")
    return [
        {"rule": rule, "appeals": len(found), "overturned": sum(found), "rate": round(sum(found) / len(found), 4)}
        for rule, found in sorted(ended.items())
    ]


async def _cases(read: Reading, project: str, kinds: Sequence[str] = ()) -> list[Review]:
    """Cases of the project, newest first, at most ten thousand."""
    found: list[Review] = []
    cursor: str | None = None
    wanted = {"kind": tuple(kinds)} if kinds else {}
    while len(found) < _MOST:
        page = await read.page(Review, Query(project, limit=_PAGE, cursor=cursor, equals=wanted))
        found += page.data
        if (cursor := page.next_cursor) is None:
            break
    return found


async def _said(read: Reading, project: str, since: datetime | None) -> dict[str, str]:
    """The outcome that each case was given by the person who decided it."""
    made = await read.all(Decision, order_by="decided_at", project=project, state="effected")
    return {
        each.review: OUTCOME[each.action]
        for each in made
        if each.action in OUTCOME and (since is None or each.decided_at >= since)
    }
