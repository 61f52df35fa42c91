"""Releases of images to audiences. The blocking class has its async twin below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from platemark.client import nouns
from platemark.client.drive import Async, Blocking
from platemark.client.effects import Steps
from platemark.client.nouns import Page
from platemark.client.wire import Server
from platemark.core.resource import PublicationResource, TargetResource


class Size(TypedDict, total=False):
    """A further file of a release: `width` in pixels, `format` png, jpeg or webp."""

    width: int
    format: str


def _publish(server: Server, image: str, **said: Any) -> Steps[PublicationResource]:
    body = {name: value for name, value in said.items() if value is not None and value != []}
    # Publishing twice to one audience is publishing once.
    return nouns.act(server, PublicationResource, nouns.route("images", image, "publish"), body, repeatable=True)


def _withdraw(server: Server, publication: str) -> Steps[PublicationResource]:
    path = nouns.route("publications", publication, "withdraw")
    return nouns.act(server, PublicationResource, path, repeatable=True)


def _list(
    server: Server, state: Sequence[str], audience: str | None, image: str | None, cursor: str | None
) -> Steps[Page[PublicationResource]]:
    wanted = {"state": list(state) or None, "audience": audience, "image": image, "cursor": cursor}
    filters = {name: value for name, value in wanted.items() if value is not None}
    return nouns.page(server, PublicationResource, "/v1/publications", filters, lambda one: one)


@dataclass(frozen=True, slots=True)
class Publications:
    """Releases of the project's images.

    >>> released = client.publications.create(image.id, audience="newsroom")
    >>> print(released.state, released.url)
    """

    _link: Blocking

    def create(
        self,
        image: str,
        *,
        audience: str | None = None,
        role: str | None = None,
        targets: Sequence[str] = (),
        renditions: Sequence[Size] = (),
        alt_text: str | None = None,
        burn_label: bool | None = None,
    ) -> PublicationResource:
        """Screen the image for the audience and release it, with further `renditions`, to `targets`.

        `burn_label`: draw the label into the pixels; as configured for the audience when None. `held` where a person
        looks first. Raises Blocked, SealFailed, InvalidRequest where the label has no room.
        """
        return self._link.run(
            _publish(
                self._link.server,
                image,
                audience=audience,
                role=role,
                targets=[*targets],
                renditions=[*renditions],
                alt_text=alt_text,
                burn_label=burn_label,
            )
        )

    def get(self, publication: str) -> PublicationResource:
        """One release as it is now. Raises NotFound."""
        path = nouns.route("publications", publication)
        return self._link.run(nouns.get(self._link.server, PublicationResource, path))

    def withdraw(self, publication: str) -> PublicationResource:
        """Take it back: nothing of it is readable without a key any more, and its targets lose it."""
        return self._link.run(_withdraw(self._link.server, publication))

    def retry(self, publication: str) -> PublicationResource:
        """Try again what failed: making its files, or delivering them. Raises Conflict where nothing did."""
        path = nouns.route("publications", publication, "retry")
        return self._link.run(nouns.act(self._link.server, PublicationResource, path))

    def targets(self) -> Sequence[TargetResource]:
        """Where releases may be delivered."""
        return self._link.run(nouns.listing(self._link.server, TargetResource, "/v1/targets"))

    def list(
        self,
        *,
        state: Sequence[str] = (),
        audience: str | None = None,
        image: str | None = None,
        cursor: str | None = None,
    ) -> Page[PublicationResource]:
        """One page, newest first; the drafts of pictures that nobody asked to publish are among them."""
        return self._link.run(_list(self._link.server, state, audience, image, cursor))


@dataclass(frozen=True, slots=True)
class AsyncPublications:
    """Releases of the project's images; see `Publications`."""

    _link: Async

    async def create(
        self,
        image: str,
        *,
        audience: str | None = None,
        role: str | None = None,
        targets: Sequence[str] = (),
        renditions: Sequence[Size] = (),
        alt_text: str | None = None,
        burn_label: bool | None = None,
    ) -> PublicationResource:
        """Screen the image for the audience and release it, with further `renditions`, to `targets`.

        `burn_label`: draw the label into the pixels; as configured for the audience when None. `held` where a person
        looks first. Raises Blocked, SealFailed, InvalidRequest where the label has no room.
        """
        return await self._link.run(
            _publish(
                self._link.server,
                image,
                audience=audience,
                role=role,
                targets=[*targets],
                renditions=[*renditions],
                alt_text=alt_text,
                burn_label=burn_label,
            )
        )

    async def get(self, publication: str) -> PublicationResource:
        """One release as it is now. Raises NotFound."""
        path = nouns.route("publications", publication)
        return await self._link.run(nouns.get(self._link.server, PublicationResource, path))

    async def withdraw(self, publication: str) -> PublicationResource:
        """Take it back: nothing of it is readable without a key any more, and its targets lose it."""
        return await self._link.run(_withdraw(self._link.server, publication))

    async def retry(self, publication: str) -> PublicationResource:
        """Try again what failed: making its files, or delivering them. Raises Conflict where nothing did."""
        path = nouns.route("publications", publication, "retry")
        return await self._link.run(nouns.act(self._link.server, PublicationResource, path))

    async def targets(self) -> Sequence[TargetResource]:
        """Where releases may be delivered."""
        return await self._link.run(nouns.listing(self._link.server, TargetResource, "/v1/targets"))

    async def list(
        self,
        *,
        state: Sequence[str] = (),
        audience: str | None = None,
        image: str | None = None,
        cursor: str | None = None,
    ) -> Page[PublicationResource]:
        """One page, newest first; the drafts of pictures that nobody asked to publish are among them."""
        return await self._link.run(_list(self._link.server, state, audience, image, cursor))
