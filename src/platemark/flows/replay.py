"""Replay: what another policy would have ruled on what was measured before, and why a verdict is what it is."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import anyio

from platemark.core.errors import FieldError, InvalidRequest, Misconfigured, NotFound
from platemark.core.generation import Generation
from platemark.core.ids import is_id
from platemark.core.moderation import LATTICE, Decision, Verdict
from platemark.core.policy import Change, Difference, Explanation, Reason
from platemark.core.policy import Policy as Kept
from platemark.core.ports import Circumstances, Platform, Policy, Query
from platemark.core.project import SYSTEM_PROJECT, Principal
from platemark.flows import adopt, policies

IN_FORCE, BUILT_IN = "in_force", "built_in"
MOST = 10_000
_PAGE, _EXAMPLES = 100, 5
Ruled = tuple[Decision, Decision, str | None]


async def diff(
    platform: Platform, principal: Principal, a: str, b: str, *, replay: int = 1000, installation: bool = False
) -> Difference:
    """What changes between two policies on the project's last `replay` verdicts.

    `a`, `b`: a policy's id, `in_force`, `built_in`, or the text of a bundle. Each is taken as if it were in force at
    its place, beside what is in force at the other one; a text counts as the project's own policy, or with
    `installation` as the installation's. Raises NotFound, InvalidRequest.
    """
    principal.require("policies:manage")
    one = await _chosen(platform, principal, a, installation=installation, pointer="/a")
    other = await _chosen(platform, principal, b, installation=installation, pointer="/b")
    tally = _Tally()
    async for verdicts, operations in _verdicts(platform, principal.project, replay):

        def compare(verdicts: Sequence[Verdict] = verdicts, operations: dict[str, str] = operations) -> list[Ruled]:
            return [_compared(one, other, verdict, operations) for verdict in verdicts]

        for verdict, ruled in zip(verdicts, await anyio.to_thread.run_sync(compare), strict=True):
            tally.add(verdict, *ruled)
    return tally.difference(_name(one), _name(other))


async def shadow_report(platform: Platform, principal: Principal, id: str, *, replay: int = MOST) -> Difference:
    """What a policy in shadow would have changed among the project's last verdicts that it was asked about."""
    principal.require("policies:manage")
    async with platform.store.reading() as read:
        policy = await adopt.mine(read, principal, id)
    tally = _Tally()
    async for verdicts, _ in _verdicts(platform, principal.project, replay, operations=False):
        for verdict in verdicts:
            shadow = verdict.shadow or {}
            if policy.id in str(shadow.get("policy_version", "")).split("+"):
                tally.add(verdict, _decision(verdict), shadow["decision"], shadow.get("reason_code"))
    return tally.difference(IN_FORCE, policy.id)


async def explain(platform: Platform, principal: Principal, id: str) -> list[Explanation]:
    """Why: of one verdict, or of all verdicts on an image or generation. Raises NotFound.

    For staff: thresholds and rules are in it.
    """
    if "reviews:decide" not in principal.scopes:
        principal.require("policies:manage")
    async with platform.store.reading() as read:
        if is_id(id, "vdt"):
            one = await read.find(Verdict, id)
            found = [] if one is None else [one]
        else:
            on_image = is_id(id, "img")
            found = await (read.all(Verdict, image=id) if on_image else read.all(Verdict, generation=id))
    found = [one for one in found if one.project == principal.project]
    if not found:
        raise NotFound(f"There is no verdict {id[:80]!r}, and none on such an image or generation, in this project.")
    return [await explained(platform, one) for one in found]


async def explained(platform: Platform, verdict: Verdict) -> Explanation:
    """One verdict, its rules asked again under the policies that gave it."""
    where = _where(verdict, await _operations(platform, [verdict]))
    reasons: list[Reason] = []
    unknown: list[str] = []
    for version in verdict.policy_version.split("+"):
        policy = await _by_version(platform, version)
        if policy is None:
            unknown.append(version)
        else:
            reasons += policy.explain(verdict.signals, where)
    reasons.sort(key=lambda one: (LATTICE.index(one.decision), one.severity), reverse=True)
    return Explanation(
        verdict=verdict.id,
        generation=verdict.generation,
        image=verdict.image,
        stage=verdict.stage,
        audience=verdict.audience,
        role=verdict.role,
        decision=verdict.decision,
        reason_code=verdict.reason_code,
        policy_version=verdict.policy_version,
        reasons=tuple(reasons),
        unknown=tuple(unknown),
        signals=verdict.signals,
        inspection=verdict.inspection,
    )


async def _by_version(platform: Platform, version: str) -> Policy | None:
    if version == platform.policy.version:
        return platform.policy
    async with platform.store.reading() as read:
        kept = await read.find(Kept, version)
    if kept is not None:
        return await policies.opened_policy(platform, kept)
    built_in = await _built_in(platform)
    return built_in if built_in.version == version else None


async def _built_in(platform: Platform) -> Policy:
    text = platform.bundles.built_in()
    digest = await anyio.to_thread.run_sync(platform.bundles.digest, text)
    return await policies.opened_text(platform, text, digest, whole=True)


async def _chosen(
    platform: Platform, principal: Principal, name: str, *, installation: bool, pointer: str
) -> tuple[Policy, ...]:
    now = (await policies.standing(platform, principal.project)).ruling(platform)
    if name == IN_FORCE:
        return now
    if name == BUILT_IN:
        return (await _built_in(platform), *now[1:])
    if is_id(name, "pol"):
        kept = await adopt.get(platform, principal, name)
        whole, opened = kept.project == SYSTEM_PROJECT, await policies.opened_policy(platform, kept)
    else:
        whole, opened = installation, await _draft(platform, name, pointer, whole=installation)
    return (opened, *now[1:]) if whole else (now[0], opened)


async def _draft(platform: Platform, text: str, pointer: str, *, whole: bool) -> Policy:
    try:
        digest = await anyio.to_thread.run_sync(platform.bundles.digest, text)
    except Misconfigured as error:
        said = f"is neither {IN_FORCE}, {BUILT_IN}, the id of a policy, nor a bundle: {error.detail}"
        raise InvalidRequest(
            "There is no such policy.", errors=[FieldError(pointer=pointer, code="no_policy", message=said)]
        ) from error
    return await policies.opened_text(platform, text, digest, whole=whole)


def _name(chosen: Sequence[Policy]) -> str:
    return "+".join(policy.version for policy in chosen)


async def _verdicts(
    platform: Platform, project: str, most: int, *, operations: bool = True
) -> AsyncIterator[tuple[list[Verdict], dict[str, str]]]:
    """The project's last verdicts on what was looked at, newest first, with the operations of their generations."""
    cursor, left = None, min(most, MOST)
    while left > 0:
        async with platform.store.reading() as read:
            page = await read.page(Verdict, Query(project=project, limit=min(_PAGE, left), cursor=cursor))
        looked = [verdict for verdict in page.data if verdict.decision != "off"]
        yield looked, await _operations(platform, looked) if operations else {}
        cursor, left = page.next_cursor, left - len(page.data)
        if cursor is None:
            return


async def _operations(platform: Platform, verdicts: Sequence[Verdict]) -> dict[str, str]:
    wanted = tuple({verdict.generation for verdict in verdicts if verdict.generation is not None})
    if not wanted:
        return {}
    async with platform.store.reading() as read:
        return {one.id: one.operation for one in await read.all(Generation, id=wanted)}


def _where(verdict: Verdict, operations: dict[str, str]) -> Circumstances:
    return Circumstances(
        stage=verdict.stage,
        role=verdict.role,
        audience=verdict.audience,
        project=verdict.project,
        operation=operations.get(verdict.generation or ""),
        model=verdict.model,
        inspection=verdict.inspection,
        now=verdict.created_at,
    )


def _compared(a: Sequence[Policy], b: Sequence[Policy], verdict: Verdict, operations: dict[str, str]) -> Ruled:
    where = _where(verdict, operations)
    one, other = (policies.ruled(chosen, verdict.signals, where) for chosen in (a, b))
    return one.decision, other.decision, other.reason_code or one.reason_code


def _decision(verdict: Verdict) -> Decision:
    return "allow" if verdict.decision == "off" else verdict.decision


@dataclass(slots=True)
class _Tally:
    """Counts of verdicts that came out alike or otherwise."""

    verdicts: int = 0
    groups: dict[tuple[Decision, Decision, str | None, str | None, str], list[str]] = field(
        default_factory=lambda: defaultdict[tuple[Decision, Decision, str | None, str | None, str], list[str]](list)
    )

    def add(self, verdict: Verdict, before: Decision, after: Decision, code: str | None) -> None:
        """One verdict."""
        self.verdicts += 1
        if before != after:
            self.groups[before, after, code, verdict.audience, verdict.stage].append(verdict.id)

    def difference(self, a: str, b: str) -> Difference:
        """The sum, the largest group first."""
        changes = tuple(
            Change(
                before=before,
                after=after,
                reason_code=code,
                audience=audience,
                stage=stage,
                count=len(ids),
                examples=tuple(ids[:_EXAMPLES]),
            )
            for (before, after, code, audience, stage), ids in self.groups.items()
        )
        stricter = _sum(changes, lambda one: LATTICE.index(one.after) > LATTICE.index(one.before))
        changed = _sum(changes, lambda _: True)
        return Difference(
            a=a,
            b=b,
            verdicts=self.verdicts,
            same=self.verdicts - changed,
            changed=changed,
            stricter=stricter,
            looser=changed - stricter,
            changes=tuple(sorted(changes, key=lambda one: one.count, reverse=True)),
        )


def _sum(changes: Sequence[Change], wanted: Callable[[Change], bool]) -> int:
    return sum(change.count for change in changes if wanted(change))
