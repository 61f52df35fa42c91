"""Projects and the first start: the tenant, its first person and key."""

import base64
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from platemark.core.errors import Misconfigured
from platemark.core.ports import Platform
from platemark.core.project import SCOPES, ApiKey, Person, Principal, Profile, Project
from platemark.flows.keys import KEY_PREFIX, add_key, hash_secret, note

DEFAULT_PROJECT = "default"


@dataclass(frozen=True, slots=True)
class FirstStart:
    """What a new installation made. `key_file` is None when the operator gave the key."""

    project: str
    key_file: Path | None
    secret: str = field(repr=False)


async def create_project(platform: Platform, principal: Principal, name: str, profile: Profile = "standard") -> Project:
    """A new, empty project."""
    principal.require("projects:manage")
    project = Project(id=platform.ids.new("prj"), name=name, profile=profile, created_at=platform.clock.now())
    async with platform.store.transaction() as tx:
        await tx.add(project)
        await note(platform, tx, "project.created", project.id, by=principal.key, profile=profile)
    return project


async def set_profile(platform: Platform, principal: Principal, project_id: str, profile: Profile) -> Project:
    """Which checks run for what the project accepts from now on. Raises NotFound."""
    principal.require("projects:manage")
    async with platform.store.transaction() as tx:
        project = await tx.get(Project, project_id)
        if project.profile == profile:
            return project
        changed = await tx.change(project, profile=profile)
        await note(
            platform, tx, "project.profile_changed", project_id, by=principal.key, was=project.profile, profile=profile
        )
    return changed


async def projects(platform: Platform, principal: Principal) -> list[Project]:
    """All projects for who may manage them; otherwise the caller's own."""
    async with platform.store.reading() as read:
        if "projects:manage" in principal.scopes:
            return await read.all(Project)
        return [await read.get(Project, principal.project)]


async def first_start(platform: Platform, *, admin_key: str | None, key_file: Path) -> FirstStart | None:
    """Make project `default`, person `admin` and the admin key once; None when they are there already.

    A key that the operator gives is made known on any start, so that it can be set later. Raises Misconfigured.
    """
    if admin_key is not None and len(admin_key) < 20:
        raise Misconfigured("PLATEMARK_ADMIN_KEY is shorter than 20 characters. Use a long random string.")
    async with platform.store.reading() as read:
        existing = await read.all(Project, limit=1)
    if existing:
        await _admit(platform, existing[0], admin_key)
        return None
    secret = admin_key or KEY_PREFIX + platform.ids.secret(32)
    if admin_key is None:
        await anyio.to_thread.run_sync(_write_key, key_file, secret)
    project = await _found(platform, secret)
    return FirstStart(project.id, None if admin_key else key_file, secret)


async def _found(platform: Platform, secret: str) -> Project:
    now = platform.clock.now()
    project = Project(id=platform.ids.new("prj"), name=DEFAULT_PROJECT, created_at=now)
    person = Person(
        id=platform.ids.new("per"),
        name="admin",
        password_hash=hash_password(secret, platform.ids.secret(16)),
        roles={project.id: "admin"},
        created_at=now,
    )
    async with platform.store.transaction() as tx:
        await tx.add(project, person)
        key, _ = await add_key(platform, tx, project.id, "admin", SCOPES, secret=secret, person=person.id)
        await note(platform, tx, "project.created", project.id, by="first start")
        await note(platform, tx, "person.created", project.id, person=person.id)
        await note(platform, tx, "key.created", project.id, key=key.id, scopes=list(key.scopes), by="first start")
    return project


async def _admit(platform: Platform, project: Project, admin_key: str | None) -> None:
    if admin_key is None:
        return
    async with platform.store.transaction() as tx:
        if await tx.all(ApiKey, secret_sha256=hash_secret(admin_key), limit=1):
            return
        key, _ = await add_key(platform, tx, project.id, "admin", SCOPES, secret=admin_key)
        await note(platform, tx, "key.created", project.id, key=key.id, scopes=list(key.scopes), by="configuration")


def hash_password(password: str, salt: str) -> str:
    """scrypt (RFC 7914) in PHC form; `salt` is hexadecimal."""
    digest = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1)
    return f"$scrypt$ln=14,r=8,p=1${_phc(bytes.fromhex(salt))}${_phc(digest)}"


def _phc(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _write_key(path: Path, secret: str) -> None:
    """Readable by its owner only, from the first moment, and never half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    partial.replace(path)
