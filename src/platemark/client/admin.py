"""What administrators do: keys, projects, audit export. Each blocking class has its async twin below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from platemark.client import nouns
from platemark.client.drive import Async, Blocking
from platemark.client.effects import Steps
from platemark.client.wire import Server
from platemark.core.project import DEFAULT_SCOPES, Profile
from platemark.core.resource import KeyResource, ProjectResource


def _create_key(
    server: Server,
    name: str,
    scopes: Sequence[str] | None,
    expires_at: datetime | None,
    project: str | None,
    person: str | None,
) -> Steps[KeyResource]:
    if scopes is None and person is None:
        scopes = DEFAULT_SCOPES
    given = {"scopes": scopes and list(scopes), "expires_at": expires_at and expires_at.isoformat()}
    given |= {"project": project, "person": person}
    body = {"name": name, **{field: value for field, value in given.items() if value is not None}}
    return nouns.act(server, KeyResource, "/v1/keys", body)


def _rotate_key(server: Server, key: str, overlap: timedelta) -> Steps[KeyResource]:
    body = {"overlap_seconds": int(overlap.total_seconds())}
    return nouns.act(server, KeyResource, nouns.route("keys", key, "rotate"), body)


def _revoke_key(server: Server, key: str) -> Steps[KeyResource]:
    return nouns.act(server, KeyResource, nouns.route("keys", key, "revoke"), repeatable=True)


def _create_project(server: Server, name: str, profile: Profile) -> Steps[ProjectResource]:
    return nouns.act(server, ProjectResource, "/v1/projects", {"name": name, "profile": profile})


def _set_profile(server: Server, project: str, profile: Profile) -> Steps[ProjectResource]:
    path = nouns.route("projects", project, "profile")
    return nouns.act(server, ProjectResource, path, {"profile": profile}, repeatable=True)


@dataclass(frozen=True, slots=True)
class Keys:
    """API keys of the project.

    >>> made = client.keys.create("website", scopes=["images:read", "images:write"])
    >>> print(made.id, made.secret)  # the secret is shown this once
    """

    _link: Blocking

    def list(self) -> list[KeyResource]:
        """All keys, revoked ones too, without their secrets."""
        return self._link.run(nouns.listing(self._link.server, KeyResource, "/v1/keys"))

    def create(
        self,
        name: str,
        *,
        scopes: Sequence[str] | None = None,
        expires_at: datetime | None = None,
        project: str | None = None,
        person: str | None = None,
    ) -> KeyResource:
        """A new key; `secret` is in this answer only. A key cannot give scopes that it does not have itself.

        `person`: name or id of whom it belongs to; then no scopes means those of the person's role, else
        `images:read` and `images:write`.
        """
        return self._link.run(_create_key(self._link.server, name, scopes, expires_at, project, person))

    def rotate(self, key: str, *, overlap: timedelta = timedelta(hours=24)) -> KeyResource:
        """A successor with the same scopes; the old key works on for `overlap`."""
        return self._link.run(_rotate_key(self._link.server, key, overlap))

    def revoke(self, key: str) -> KeyResource:
        """Take a key away at once."""
        return self._link.run(_revoke_key(self._link.server, key))


@dataclass(frozen=True, slots=True)
class AsyncKeys:
    """API keys of the project; see `Keys`."""

    _link: Async

    async def list(self) -> list[KeyResource]:
        """All keys, revoked ones too, without their secrets."""
        return await self._link.run(nouns.listing(self._link.server, KeyResource, "/v1/keys"))

    async def create(
        self,
        name: str,
        *,
        scopes: Sequence[str] | None = None,
        expires_at: datetime | None = None,
        project: str | None = None,
        person: str | None = None,
    ) -> KeyResource:
        """A new key; `secret` is in this answer only. A key cannot give scopes that it does not have itself.

        `person`: name or id of whom it belongs to; then no scopes means those of the person's role, else
        `images:read` and `images:write`.
        """
        return await self._link.run(_create_key(self._link.server, name, scopes, expires_at, project, person))

    async def rotate(self, key: str, *, overlap: timedelta = timedelta(hours=24)) -> KeyResource:
        """A successor with the same scopes; the old key works on for `overlap`."""
        return await self._link.run(_rotate_key(self._link.server, key, overlap))

    async def revoke(self, key: str) -> KeyResource:
        """Take a key away at once."""
        return await self._link.run(_revoke_key(self._link.server, key))


@dataclass(frozen=True, slots=True)
class Projects:
    """Projects that the key may see."""

    _link: Blocking

    def list(self) -> list[ProjectResource]:
        """All projects for a key that manages them, else its own."""
        return self._link.run(nouns.listing(self._link.server, ProjectResource, "/v1/projects"))

    def create(self, name: str, *, profile: Profile = "standard") -> ProjectResource:
        """A new, empty project. `profile`: which checks it gets."""
        return self._link.run(_create_project(self._link.server, name, profile))

    def set_profile(self, project: str, profile: Profile) -> ProjectResource:
        """Which checks the project gets for what it accepts from now on."""
        return self._link.run(_set_profile(self._link.server, project, profile))


@dataclass(frozen=True, slots=True)
class AsyncProjects:
    """Projects that the key may see; see `Projects`."""

    _link: Async

    async def list(self) -> list[ProjectResource]:
        """All projects for a key that manages them, else its own."""
        return await self._link.run(nouns.listing(self._link.server, ProjectResource, "/v1/projects"))

    async def create(self, name: str, *, profile: Profile = "standard") -> ProjectResource:
        """A new, empty project. `profile`: which checks it gets."""
        return await self._link.run(_create_project(self._link.server, name, profile))

    async def set_profile(self, project: str, profile: Profile) -> ProjectResource:
        """Which checks the project gets for what it accepts from now on."""
        return await self._link.run(_set_profile(self._link.server, project, profile))


@dataclass(frozen=True, slots=True)
class Audit:
    """The project's audit chain."""

    _link: Blocking

    def export(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the chain to a file of JSON lines, whole or not at all; `platemark audit verify` checks it offline."""
        return self._link.run(nouns.export(self._link.server, path, overwrite=overwrite))


@dataclass(frozen=True, slots=True)
class AsyncAudit:
    """The project's audit chain; see `Audit`."""

    _link: Async

    async def export(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the chain to a file of JSON lines, whole or not at all; `platemark audit verify` checks it offline."""
        return await self._link.run(nouns.export(self._link.server, path, overwrite=overwrite))
