"""Releases of images to audiences. The blocking class has its async twin below it."""

from dataclasses import dataclass

from platemark.client import nouns
from platemark.client.drive import Async, Blocking
from platemark.client.effects import Steps
from platemark.client.wire import Server
from platemark.core.resource import PublicationResource


def _publish(server: Server, image: str, audience: str | None, role: str | None) -> Steps[PublicationResource]:
    body = {name: value for name, value in (("audience", audience), ("role", role)) if value is not None}
    # Publishing twice to one audience is publishing once.
    return nouns.act(server, PublicationResource, nouns.route("images", image, "publish"), body, repeatable=True)


def _withdraw(server: Server, publication: str) -> Steps[PublicationResource]:
    path = nouns.route("publications", publication, "withdraw")
    return nouns.act(server, PublicationResource, path, repeatable=True)


@dataclass(frozen=True, slots=True)
class Publications:
    """Releases of the project's images.

    >>> released = client.publications.create(image.id, audience="newsroom")
    >>> print(released.state, released.url)
    """

    _link: Blocking

    def create(self, image: str, *, audience: str | None = None, role: str | None = None) -> PublicationResource:
        """Screen the image for the audience and release it; `held` where a person looks first. Raises Blocked."""
        return self._link.run(_publish(self._link.server, image, audience, role))

    def get(self, publication: str) -> PublicationResource:
        """One release as it is now. Raises NotFound."""
        path = nouns.route("publications", publication)
        return self._link.run(nouns.get(self._link.server, PublicationResource, path))

    def withdraw(self, publication: str) -> PublicationResource:
        """Take it back: nothing of it is readable without a key any more."""
        return self._link.run(_withdraw(self._link.server, publication))


@dataclass(frozen=True, slots=True)
class AsyncPublications:
    """Releases of the project's images; see `Publications`."""

    _link: Async

    async def create(self, image: str, *, audience: str | None = None, role: str | None = None) -> PublicationResource:
        """Screen the image for the audience and release it; `held` where a person looks first. Raises Blocked."""
        return await self._link.run(_publish(self._link.server, image, audience, role))

    async def get(self, publication: str) -> PublicationResource:
        """One release as it is now. Raises NotFound."""
        path = nouns.route("publications", publication)
        return await self._link.run(nouns.get(self._link.server, PublicationResource, path))

    async def withdraw(self, publication: str) -> PublicationResource:
        """Take it back: nothing of it is readable without a key any more."""
        return await self._link.run(_withdraw(self._link.server, publication))
