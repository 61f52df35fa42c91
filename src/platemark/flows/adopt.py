"""Adopt: a policy is written, tried in shadow, put in force by a second person, and taken out again."""

from functools import partial
from typing import Any

import anyio

from platemark.core.errors import FieldError, InvalidRequest, NotAllowed, NotFound
from platemark.core.policy import Policy, Problem, policy_id
from platemark.core.ports import Platform, Reading, Transaction
from platemark.core.project import SYSTEM_PROJECT, Person, Principal, Project
from platemark.flows import foureyes, policies
from platemark.flows.keys import note as tell


async def lint(platform: Platform, principal: Principal, content: str) -> tuple[Problem, ...]:
    """What is wrong with a bundle; nothing is kept."""
    principal.require("policies:manage")
    return await anyio.to_thread.run_sync(partial(platform.bundles.lint, content, platform.clock.now().date()))


async def create(
    platform: Platform, principal: Principal, content: str, *, note: str | None = None, project: str | None = None
) -> Policy:
    """A draft. Equal content is the same policy: it is returned as it is. `project`: `system` for the installation.

    Raises InvalidRequest with what lint finds, NotAllowed.
    """
    owner = _owner(principal, project)
    if errors := [one for one in await lint(platform, principal, content) if one.level == "error"]:
        raise InvalidRequest(
            "The policy has mistakes. Correct them; `platemark policy lint` shows them, too.",
            errors=map(_field, errors),
        )
    digest = await anyio.to_thread.run_sync(platform.bundles.digest, content)
    now = platform.clock.now()
    made = Policy(
        id=policy_id(owner, digest),
        project=owner,
        content=content,
        author=principal.actor,
        note=note,
        created_at=now,
        changed_at=now,
    )
    async with platform.store.transaction() as tx:
        if owner != SYSTEM_PROJECT:
            await tx.get(Project, owner)
        if (known := await tx.find(Policy, made.id)) is not None:
            return known
        await tx.add(made)
        await tell(platform, tx, "policy.created", owner, policy=made.id, digest=digest, by=principal.actor)
    return made


def _field(problem: Problem) -> FieldError:
    where = f"line {problem.line}, {problem.field}"
    return FieldError(pointer="/content", code=problem.code, message=f"{where}: {problem.message}.")


def _owner(principal: Principal, project: str | None) -> str:
    principal.require("policies:manage")
    owner = project or principal.project
    if owner != principal.project:
        principal.require("projects:manage")
    return owner


async def listing(platform: Platform, principal: Principal) -> list[Policy]:
    """The project's policies and, for who manages projects, the installation's; the newest first."""
    principal.require("policies:manage")
    system = (SYSTEM_PROJECT,) if "projects:manage" in principal.scopes else ()
    async with platform.store.reading() as read:
        found = await read.all(Policy, project=(principal.project, *system), order_by="created_at")
    return found[::-1]


async def get(platform: Platform, principal: Principal, id: str) -> Policy:
    """One policy. Raises NotFound."""
    principal.require("policies:manage")
    async with platform.store.reading() as read:
        return await mine(read, principal, id)


async def mine(read: Reading, principal: Principal, id: str) -> Policy:
    """A policy that the caller may see: the project's, or the installation's for who manages projects."""
    found = await read.find(Policy, id)
    seen = found is not None and (
        found.project == principal.project
        or (found.project == SYSTEM_PROJECT and "projects:manage" in principal.scopes)
    )
    if found is None or not seen:
        raise NotFound(f"There is no policy {id[:80]!r} in this project.")
    return found


async def shadow(platform: Platform, principal: Principal, id: str) -> Policy:
    """Have it asked beside what is in force, deciding nothing. What was in shadow before is a draft again."""
    principal.require("policies:manage")
    async with platform.store.transaction() as tx:
        policy = await mine(tx, principal, id)
        if policy.state == "shadow":
            return policy
        was = None
        for other in await tx.all(Policy, project=policy.project, state="shadow"):
            was = other.id
            await _move(platform, tx, other, "draft")
        policy = await _move(platform, tx, policy, "shadow")
        await tell(platform, tx, "policy.shadowed", policy.project, policy=policy.id, was=was, by=principal.actor)
    policies.forget(platform)
    return policy


async def activate(platform: Platform, principal: Principal, id: str) -> Policy:
    """Put it in force in place of what is in force now; both in one transaction.

    A retired policy is activated like any other: that is how one goes back. Raises NotAllowed for its author where a
    second person could have looked.
    """
    principal.require("policies:manage")
    async with platform.store.transaction() as tx:
        policy = await mine(tx, principal, id)
        if policy.state == "active":
            return policy
        alone = await _second_pair_of_eyes(tx, principal, policy)
        was = None
        for other in await tx.all(Policy, project=policy.project, state="active"):
            was = other.id
            await _move(platform, tx, other, "retired")
            await tell(platform, tx, "policy.retired", policy.project, policy=was, successor=id, by=principal.actor)
        policy = await _move(platform, tx, policy, "active", approver=principal.actor)
        await tell(
            platform,
            tx,
            "policy.activated",
            policy.project,
            policy=policy.id,
            was=was,
            author=policy.author,
            by=principal.actor,
            single_operator=alone,
        )
    policies.forget(platform)
    return policy


async def retire(platform: Platform, principal: Principal, id: str) -> Policy:
    """Take it out. Without an active one, the project has no rules of its own, the installation its configured ones.

    What is in force loosens by that, so it takes the same two people.
    """
    principal.require("policies:manage")
    async with platform.store.transaction() as tx:
        policy = await mine(tx, principal, id)
        if policy.state == "retired":
            return policy
        alone = policy.state == "active" and await _second_pair_of_eyes(tx, principal, policy)
        policy = await _move(platform, tx, policy, "retired")
        data = {"policy": policy.id, "by": principal.actor}
        await tell(platform, tx, "policy.retired", policy.project, **data, single_operator=alone)
    policies.forget(platform)
    return policy


async def _move(platform: Platform, tx: Transaction, policy: Policy, state: str, **changes: Any) -> Policy:
    return await tx.change(policy, state=state, changed_at=platform.clock.now(), **changes)


async def _second_pair_of_eyes(read: Reading, principal: Principal, policy: Policy) -> bool:
    """True when there was no second person to ask. Raises NotAllowed for the author where two people are there."""
    if await _several(read, policy.project):
        if principal.person is None:
            raise NotAllowed("Two people have to agree to this. Use a key that belongs to a person.")
        if principal.actor == policy.author:
            raise NotAllowed("You wrote this policy: somebody else has to put it in force or take it out.")
        return False
    return principal.actor == policy.author


async def _several(read: Reading, project: str) -> bool:
    if project != SYSTEM_PROJECT:
        return await foureyes.several(read, project)
    return len([person for person in await read.all(Person) if person.disabled_at is None]) >= 2
