"""Keys: who may call, made, replaced and taken away. Secrets are shown once and stored as hashes."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from platemark.core.errors import Conflict, FieldError, InvalidRequest, NotFound, Unauthenticated
from platemark.core.event import EventType
from platemark.core.ids import is_id
from platemark.core.ports import Platform, Reading, Transaction
from platemark.core.project import DEFAULT_SCOPES, ROLE_SCOPES, SCOPES, ApiKey, Person, Principal, Project
from platemark.flows.note import emit

KEY_PREFIX = "pm_"
_SECRET_BYTES = 32


async def authenticate(platform: Platform, secret: str) -> Principal:
    """The principal of a key. Raises Unauthenticated for a key that is unknown, revoked or expired.

    Looked up by the SHA-256 of a 256-bit random secret: nothing about the secret can be learned from timing.
    """
    async with platform.store.reading() as read:
        found = await read.all(ApiKey, secret_sha256=hash_secret(secret), limit=1)
        project = await read.find(Project, found[0].project) if found else None
        person = await read.find(Person, found[0].person) if found and found[0].person else None
    if not found or project is None or project.disabled_at is not None:
        raise Unauthenticated(
            "This API key is not known here. Check that it was copied whole and belongs to this server."
        )
    key, now = found[0], platform.clock.now()
    if key.revoked_at is not None and key.revoked_at <= now:
        raise Unauthenticated(f"The key {key.name!r} ({key.hint}) was revoked. Ask for a new one.")
    if key.expires_at is not None and key.expires_at <= now:
        raise Unauthenticated(
            f"The key {key.name!r} ({key.hint}) expired on {key.expires_at:%Y-%m-%d}. Ask for a new one."
        )
    return Principal(project=key.project, key=key.id, person=key.person, scopes=_scopes_now(key, person))


def _scopes_now(key: ApiKey, person: Person | None) -> frozenset[str]:
    """What the key may do today: no more than its person may, whose role can have changed since it was made."""
    if key.person is None:
        return frozenset(key.scopes)
    if person is None or person.disabled_at is not None:
        raise Unauthenticated(f"The person of the key {key.name!r} ({key.hint}) works here no longer. Ask for a key.")
    return frozenset(key.scopes) & ROLE_SCOPES.get(person.roles.get(key.project, ""), frozenset())


def hash_secret(secret: str) -> str:
    """SHA-256 of a key's secret, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def issue(
    platform: Platform,
    principal: Principal,
    *,
    name: str,
    scopes: Sequence[str] | None = None,
    person: str | None = None,
    expires_at: datetime | None = None,
    project: str | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its secret. A key cannot give what its maker does not have, nor what its person may not do.

    `person` is a name or an id; without `scopes` the key gets all that the person's role allows and its maker has.
    Raises InvalidRequest, NotAllowed, NotFound.
    """
    principal.require("keys:manage")
    owner = project or principal.project
    if owner != principal.project:
        principal.require("projects:manage")
    if scopes is not None:
        _check_scopes(principal, scopes)
    async with platform.store.transaction() as tx:
        if await tx.find(Project, owner) is None:
            raise NotFound(f"There is no project {owner!r}.")
        holder = await named_person(tx, owner, person) if person is not None else None
        given = _given(principal, holder, owner, scopes)
        key, secret = await add_key(
            platform, tx, owner, name, given, person=holder and holder.id, expires_at=expires_at
        )
        await note(platform, tx, "key.created", owner, key=key.id, scopes=list(key.scopes), by=principal.key)
    return key, secret


async def named_person(read: Reading, project: str, named: str) -> Person:
    """The person at work in the project that has this name or id. Raises NotFound."""
    by_id = is_id(named, "per")
    for person in [await read.find(Person, named)] if by_id else await read.all(Person):
        at_work = person is not None and person.disabled_at is None and project in person.roles
        if person is not None and at_work and (by_id or person.name.casefold() == named.casefold()):
            return person
    raise NotFound(f"Nobody at work in this project is called {named[:80]!r}. `platemark people list` names everybody.")


def _given(principal: Principal, holder: Person | None, project: str, scopes: Sequence[str] | None) -> Sequence[str]:
    if holder is None:
        return DEFAULT_SCOPES if scopes is None else scopes
    role = holder.roles[project]
    if scopes is None:
        return [scope for scope in SCOPES if scope in ROLE_SCOPES[role] & principal.scopes]
    errors = [
        FieldError(pointer=f"/scopes/{index}", code="scope_not_in_role", message=f"The role {role} has no {scope!r}.")
        for index, scope in enumerate(scopes)
        if scope not in ROLE_SCOPES[role]
    ]
    if errors:
        raise InvalidRequest("A key may not do more than its person's role.", errors=errors)
    return scopes


def _check_scopes(principal: Principal, scopes: Sequence[str]) -> None:
    errors = [
        FieldError(
            pointer=f"/scopes/{index}",
            code="unknown_scope" if scope not in SCOPES else "scope_not_held",
            message=f"Known scopes: {', '.join(SCOPES)}."
            if scope not in SCOPES
            else f"Your key does not have {scope!r} itself.",
        )
        for index, scope in enumerate(scopes)
        if scope not in SCOPES or scope not in principal.scopes
    ]
    if errors or not scopes:
        raise InvalidRequest("The scopes of the new key are not possible.", errors=errors)


async def add_key(
    platform: Platform,
    tx: Transaction,
    project: str,
    name: str,
    scopes: Sequence[str],
    *,
    secret: str | None = None,
    person: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Insert a key; the secret is drawn unless it is given."""
    secret = secret or KEY_PREFIX + platform.ids.secret(_SECRET_BYTES)
    key = ApiKey(
        id=platform.ids.new("key"),
        project=project,
        person=person,
        name=name,
        secret_sha256=hash_secret(secret),
        hint=f"…{secret[-4:]}",
        scopes=tuple(scopes),
        created_at=platform.clock.now(),
        expires_at=expires_at,
    )
    await tx.add(key)
    return key, secret


async def note(platform: Platform, tx: Transaction, type: EventType, project: str, **data: Any) -> None:
    """An event about the project itself."""
    await emit(platform, tx, type, project, data)


async def listing(platform: Platform, principal: Principal) -> list[ApiKey]:
    """The project's keys, without their secrets."""
    principal.require("keys:manage")
    async with platform.store.reading() as read:
        return await read.all(ApiKey, project=principal.project)


async def _own_key(tx: Transaction, principal: Principal, key_id: str) -> ApiKey:
    key = await tx.find(ApiKey, key_id)
    if key is None or key.project != principal.project:
        raise NotFound(f"There is no key {key_id!r} in this project.")
    return key


async def revoke(platform: Platform, principal: Principal, key_id: str) -> ApiKey:
    """Take a key away at once. Revoking twice is revoking once."""
    principal.require("keys:manage")
    async with platform.store.transaction() as tx:
        key = await _own_key(tx, principal, key_id)
        now = platform.clock.now()
        if key.revoked_at is not None and key.revoked_at <= now:
            return key
        key = await tx.change(key, revoked_at=now)
        await note(platform, tx, "key.revoked", key.project, key=key.id, by=principal.key)
    return key


async def rotate(platform: Platform, principal: Principal, key_id: str, *, overlap: timedelta) -> tuple[ApiKey, str]:
    """A successor with the same name and scopes; the old key works on for `overlap`."""
    principal.require("keys:manage")
    async with platform.store.transaction() as tx:
        old = await _own_key(tx, principal, key_id)
        if old.revoked_at is not None:
            raise Conflict(f"The key {old.name!r} is revoked or being replaced already. Create a new key.")
        _check_scopes(principal, old.scopes)
        key, secret = await add_key(
            platform, tx, old.project, old.name, old.scopes, person=old.person, expires_at=old.expires_at
        )
        await tx.change(old, revoked_at=platform.clock.now() + overlap, replaced_by=key.id)
        await note(platform, tx, "key.rotated", old.project, key=old.id, successor=key.id, by=principal.key)
    return key, secret
