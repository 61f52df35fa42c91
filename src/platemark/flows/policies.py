"""Policies: which rules hold for a project, and what they make of signals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from weakref import WeakKeyDictionary

import anyio

from platemark.core.base import JsonObject
from platemark.core.moderation import LATTICE, Ruling, Signal
from platemark.core.policy import Policy as Kept
from platemark.core.policy import Reason
from platemark.core.ports import Circumstances, Platform, Policy, Store
from platemark.core.project import SYSTEM_PROJECT
from platemark.telemetry import logger

log = logger(__name__)
# A switch is obeyed by every process within this time, and costs nothing per picture.
HOLDS_SECONDS = 2.0
UNAVAILABLE, UNUSABLE = "MODERATION_UNAVAILABLE", "policy-unusable"
_MOST_PROJECTS = 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """Who rules for one project. `base`: for the installation; None where the configured one holds. `own`: adds to it.

    The last two are in shadow: they are asked, and decide nothing.
    """

    base: Policy | None = None
    own: Policy | None = None
    shadow_base: Policy | None = None
    shadow_own: Policy | None = None

    def ruling(self, platform: Platform) -> tuple[Policy, ...]:
        """Those that decide, the installation's first."""
        return tuple(one for one in (self.base or platform.policy, self.own) if one is not None)

    def trying(self, platform: Platform) -> tuple[Policy, ...]:
        """Those that would decide if what is in shadow were in force; none where nothing is."""
        if self.shadow_base is None and self.shadow_own is None:
            return ()
        base = self.shadow_base or self.base or platform.policy
        return tuple(one for one in (base, self.shadow_own or self.own) if one is not None)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands in for a policy that cannot be asked: everything goes to a person, nothing passes."""

    version: str
    error: str

    def rule(self, signals: Sequence[Signal], circumstances: Circumstances) -> Ruling:
        """Review, whatever it is."""
        return Ruling(
            decision="review",
            reason_code=UNAVAILABLE,
            severity=1,
            rule_ids=(UNUSABLE,),
            policy_version=self.version,
        )

    def explain(self, signals: Sequence[Signal], circumstances: Circumstances) -> tuple[Reason, ...]:
        """What stood in the way."""
        return (
            Reason(
                rule=UNUSABLE,
                decision="review",
                reason_code=UNAVAILABLE,
                severity=1,
                note="The policy could not be asked.",
                error=self.error,
                policy=self.version,
            ),
        )


_seen: WeakKeyDictionary[Store, dict[str | None, tuple[float, Standing]]] = WeakKeyDictionary()


async def rule(platform: Platform, signals: Sequence[Signal], circumstances: Circumstances) -> Ruling:
    """The strictest of what the installation's policy and the project's own make of signals.

    So a project can only tighten. A policy that cannot be asked counts as *review*. Raises DatabaseUnavailable.
    """
    where = replace(circumstances, now=circumstances.now or platform.clock.now())
    found = await standing(platform, where.project)
    ruling = ruled(found.ruling(platform), signals, where)
    trying = found.trying(platform)
    return ruling.model_copy(update={"shadow": _shadow(ruled(trying, signals, where))}) if trying else ruling


async def standing(platform: Platform, project: str | None) -> Standing:
    """Who rules for a project now, or ruled within the last two seconds."""
    kept = _seen.setdefault(platform.store, {})
    now = platform.clock.monotonic()
    known = kept.get(project)
    if known is not None and 0 <= now - known[0] < HOLDS_SECONDS:
        return known[1]
    found = await _read_standing(platform, project)
    if len(kept) >= _MOST_PROJECTS:
        kept.clear()
    kept[project] = (now, found)
    return found


def forget(platform: Platform) -> None:
    """What was read before counts no more: a switch was made in this process."""
    _seen.pop(platform.store, None)


async def _read_standing(platform: Platform, project: str | None) -> Standing:
    projects = (SYSTEM_PROJECT,) if project is None else (SYSTEM_PROJECT, project)
    async with platform.store.reading() as read:
        rows = await read.all(Kept, project=projects, state=("active", "shadow"))
    opened = {(row.project == SYSTEM_PROJECT, row.state): await opened_policy(platform, row) for row in rows}
    return Standing(
        base=opened.get((True, "active")),
        own=opened.get((False, "active")),
        shadow_base=opened.get((True, "shadow")),
        shadow_own=opened.get((False, "shadow")),
    )


async def opened_policy(platform: Platform, kept: Kept) -> Policy:
    """The policy of a kept bundle. One that cannot be opened is *unusable*, not an error."""
    return await opened_text(platform, kept.content, kept.id, whole=kept.project == SYSTEM_PROJECT)


async def opened_text(platform: Platform, content: str, version: str, *, whole: bool) -> Policy:
    """The policy of a bundle under a name for it."""
    try:
        return await anyio.to_thread.run_sync(partial(platform.bundles.open, content, version, whole=whole))
    except Exception as error:  # whatever it is: the gate must not open, and must not break either
        log.exception("policy.unusable", policy=version)
        return Unusable(version, f"{type(error).__name__}: {error}"[:300])


def ruled(policies: Sequence[Policy], signals: Sequence[Signal], where: Circumstances) -> Ruling:
    """The strictest of the rulings; reason, codes and rules of all of them, the strictest first."""
    rulings = [_asked(policy, signals, where) for policy in policies]
    rulings.sort(key=lambda one: (LATTICE.index(one.decision), one.severity), reverse=True)
    first = rulings[0]
    codes = [code for one in rulings for code in (one.reason_code, *one.secondary_codes) if code]
    return first.model_copy(
        update={
            "secondary_codes": tuple(code for code in dict.fromkeys(codes) if code != first.reason_code),
            "severity": max(one.severity for one in rulings),
            "rule_ids": tuple(dict.fromkeys(rule for one in rulings for rule in one.rule_ids)),
            "policy_version": "+".join(policy.version for policy in policies),
        }
    )


def _asked(policy: Policy, signals: Sequence[Signal], where: Circumstances) -> Ruling:
    try:
        return policy.rule(signals, where)
    except Exception as error:  # an answer that failed is never taken for a pass
        log.exception("policy.failed", policy=policy.version)
        return Unusable(policy.version, type(error).__name__).rule(signals, where)


def _shadow(ruling: Ruling) -> JsonObject:
    return ruling.model_dump(mode="json", include={"policy_version", "decision", "reason_code", "rule_ids"})
