"""People: who works in a project and in which role. Their names stay in their rows; events hold ids."""

from functools import partial

import anyio

from platemark.core.errors import Conflict, FieldError, InvalidRequest, NotFound
from platemark.core.ids import is_id
from platemark.core.ports import Platform, Reading, Transaction
from platemark.core.project import SYSTEM_PROJECT, ApiKey, Person, Principal, Project, Role
from platemark.flows.keys import note
from platemark.flows.projects import hash_password


async def add(
    platform: Platform,
    principal: Principal,
    name: str,
    role: Role,
    *,
    password: str | None = None,
    project: str | None = None,
) -> Person:
    """A new person of the project; without a password nobody can sign in as them.

    Raises NotAllowed, NotFound for an unknown project, Conflict for a name that somebody there has,
    InvalidRequest for one that cannot be told from an id.
    """
    owner = _project(principal, project)
    hashed = await _hashed(platform, password)
    person = Person(
        id=platform.ids.new("per"),
        name=_told_from_ids(name),
        password_hash=hashed,
        roles={owner: role},
        created_at=platform.clock.now(),
    )
    async with platform.store.transaction() as tx:
        await _turn(tx)
        await _open(tx, owner)
        await _name_is_free(tx, person, owner)
        await tx.add(person)
        await note(platform, tx, "person.created", owner, person=person.id, role=role, by=principal.actor)
    return person


async def listing(platform: Platform, principal: Principal, project: str | None = None) -> list[Person]:
    """Everybody who has a role in the project, the disabled ones too. Raises NotAllowed, NotFound."""
    owner = _project(principal, project)
    async with platform.store.reading() as read:
        await _open(read, owner)
        return [person for person in await read.all(Person) if owner in person.roles]


async def person(platform: Platform, principal: Principal, person_id: str) -> Person:
    """One person whom the caller may see. Raises NotAllowed, NotFound."""
    principal.require("keys:manage")
    async with platform.store.reading() as read:
        return await _visible(read, principal, person_id)


async def set_role(
    platform: Platform, principal: Principal, person_id: str, role: Role | None, *, project: str | None = None
) -> Person:
    """Give the person this role in the project, instead of any other; None takes it away, with the keys there.

    What their keys may do follows at once. Raises NotAllowed, NotFound, Conflict for somebody who is disabled and for
    a name that somebody there has.
    """
    owner = _project(principal, project)
    async with platform.store.transaction() as tx:
        await _turn(tx)
        await _open(tx, owner)
        found = await _visible(tx, principal, person_id)
        if found.disabled_at is not None:
            raise Conflict("This person is disabled. Add them anew if they work here again.")
        was = found.roles.get(owner)
        if was == role:
            return found
        await _name_is_free(tx, found, owner)
        others = {project: role for project, role in found.roles.items() if project != owner}
        changed = await tx.change(found, roles=others if role is None else {**others, owner: role})
        await note(platform, tx, "person.changed", owner, person=found.id, was=was, role=role, by=principal.actor)
        if role is None:
            await _revoke_keys(platform, tx, principal, found, owner)
    return changed


async def disable(platform: Platform, principal: Principal, person_id: str) -> Person:
    """Somebody works here no longer: their keys end at once, everywhere. Twice is once.

    Raises NotFound; NotAllowed for somebody who also works in projects that the caller does not manage.
    """
    principal.require("keys:manage")
    async with platform.store.transaction() as tx:
        await _turn(tx)
        found = await _visible(tx, principal, person_id)
        if found.disabled_at is not None:
            return found
        if set(found.roles) != {principal.project}:
            principal.require("projects:manage")
        changed = await tx.change(found, disabled_at=platform.clock.now())
        for project in sorted(found.roles):
            await note(platform, tx, "person.disabled", project, person=found.id, by=principal.actor)
            await _revoke_keys(platform, tx, principal, found, project)
    return changed


def seen(principal: Principal, person: Person) -> dict[str, str]:
    """The person's roles in the projects that the caller may see."""
    if "projects:manage" in principal.scopes:
        return person.roles
    return {project: role for project, role in person.roles.items() if project == principal.project}


def _project(principal: Principal, project: str | None) -> str:
    principal.require("keys:manage")
    if project is not None and project != principal.project:
        principal.require("projects:manage")
    return project or principal.project


async def _turn(tx: Transaction) -> None:
    """People belong to no project, so changes of them take turns under the installation's own."""
    await tx.all(ApiKey, project=SYSTEM_PROJECT, limit=1)


async def _open(read: Reading, project: str) -> None:
    if await read.find(Project, project) is None:
        raise NotFound(f"There is no project {project[:80]!r}.")


async def _visible(read: Reading, principal: Principal, person_id: str) -> Person:
    found = await read.find(Person, person_id)
    if found is None or not seen(principal, found):
        raise NotFound(f"There is no person {person_id[:80]!r} in this project.")
    return found


async def _name_is_free(read: Reading, person: Person, project: str) -> None:
    name = person.name.casefold()
    for other in await read.all(Person):
        if other.id != person.id and project in other.roles and other.name.casefold() == name:
            raise Conflict("Somebody of this project has this name already. Choose another, so that both can be told.")


def _told_from_ids(name: str) -> str:
    if name.strip() and not is_id(name, "per"):
        return name
    message = "must be a name, not an id and not blank"
    raise InvalidRequest(
        "This is no name for a person.", errors=[FieldError(pointer="/name", code="no_name", message=message)]
    )


async def _hashed(platform: Platform, password: str | None) -> str:
    if password is None:
        return ""
    return await anyio.to_thread.run_sync(partial(hash_password, password, platform.ids.secret(16)))


async def _revoke_keys(platform: Platform, tx: Transaction, principal: Principal, person: Person, project: str) -> None:
    now = platform.clock.now()
    for key in await tx.all(ApiKey, project=project, person=person.id):
        if key.revoked_at is None or key.revoked_at > now:
            await tx.change(key, revoked_at=now)
            await note(platform, tx, "key.revoked", project, key=key.id, by=principal.actor)
