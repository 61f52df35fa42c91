"""People of a project and their roles, for administrators. The blocking class has its async twin below it."""

from dataclasses import dataclass

from platemark.client import nouns
from platemark.client.drive import Async, Blocking
from platemark.client.effects import Steps
from platemark.client.wire import Call, Server, body_of, perform
from platemark.core.project import Role
from platemark.core.resource import PersonResource


def _list(server: Server, project: str | None) -> Steps[list[PersonResource]]:
    params = {} if project is None else {"project": project}
    body = body_of((yield from perform(server, Call("GET", "/v1/people", params, repeatable=True))))
    return [nouns.parse(PersonResource, entry) for entry in body.get("data", ())]


def _create(server: Server, name: str, role: str, password: str | None, project: str | None) -> Steps[PersonResource]:
    given = {"name": name, "role": role, "password": password, "project": project}
    body = {field: value for field, value in given.items() if value is not None}
    return nouns.act(server, PersonResource, "/v1/people", body)


def _set_role(server: Server, person: str, role: str | None, project: str | None) -> Steps[PersonResource]:
    body = {"role": role, **({} if project is None else {"project": project})}
    return nouns.act(server, PersonResource, nouns.route("people", person, "role"), body, repeatable=True)


def _disable(server: Server, person: str) -> Steps[PersonResource]:
    return nouns.act(server, PersonResource, nouns.route("people", person, "disable"), repeatable=True)


@dataclass(frozen=True, slots=True)
class People:
    """Who works in the project.

    >>> ada = client.people.create("Ada", "reviewer")
    >>> print(client.keys.create("Ada's laptop", person=ada.id).secret)
    """

    _link: Blocking

    def list(self, *, project: str | None = None) -> list[PersonResource]:
        """Everybody with a role in the project, the disabled ones too."""
        return self._link.run(_list(self._link.server, project))

    def get(self, person: str) -> PersonResource:
        """One person, by id."""
        return self._link.run(nouns.get(self._link.server, PersonResource, nouns.route("people", person)))

    def create(
        self, name: str, role: Role, *, password: str | None = None, project: str | None = None
    ) -> PersonResource:
        """A new person; `keys.create(…, person=…)` makes their key."""
        return self._link.run(_create(self._link.server, name, role, password, project))

    def set_role(self, person: str, role: Role | None, *, project: str | None = None) -> PersonResource:
        """The role from now on; None takes it away, with the person's keys there."""
        return self._link.run(_set_role(self._link.server, person, role, project))

    def disable(self, person: str) -> PersonResource:
        """End the person's keys at once."""
        return self._link.run(_disable(self._link.server, person))


@dataclass(frozen=True, slots=True)
class AsyncPeople:
    """Who works in the project; see `People`."""

    _link: Async

    async def list(self, *, project: str | None = None) -> list[PersonResource]:
        """Everybody with a role in the project, the disabled ones too."""
        return await self._link.run(_list(self._link.server, project))

    async def get(self, person: str) -> PersonResource:
        """One person, by id."""
        return await self._link.run(nouns.get(self._link.server, PersonResource, nouns.route("people", person)))

    async def create(
        self, name: str, role: Role, *, password: str | None = None, project: str | None = None
    ) -> PersonResource:
        """A new person; `keys.create(…, person=…)` makes their key."""
        return await self._link.run(_create(self._link.server, name, role, password, project))

    async def set_role(self, person: str, role: Role | None, *, project: str | None = None) -> PersonResource:
        """The role from now on; None takes it away, with the person's keys there."""
        return await self._link.run(_set_role(self._link.server, person, role, project))

    async def disable(self, person: str) -> PersonResource:
        """End the person's keys at once."""
        return await self._link.run(_disable(self._link.server, person))
