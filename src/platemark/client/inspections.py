"""What was read from images, and files that are analysed. The blocking class has its async twin below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from platemark.client import nouns, pictures
from platemark.client.drive import Async, Blocking
from platemark.client.effects import Steps, do
from platemark.client.nouns import Page, route
from platemark.client.pictures import Picture
from platemark.client.wire import Call, Server, body_of, perform
from platemark.core.errors import InvalidRequest
from platemark.core.resource import InspectionResource

_LIST = "/v1/inspections"


def analyze(
    server: Server, image: Picture, *, retain: bool, only: Sequence[str], without: Sequence[str]
) -> Steps[InspectionResource]:
    """One call; asking twice leaves a second line in the audit chain and, with `retain`, a second answer."""
    found = yield from do(lambda: pictures.found(image))
    if not found:
        raise InvalidRequest("The picture is empty. Give a path, bytes, an img_ id or a URL.")
    if isinstance(found, str):
        body: dict[str, Any] = {"image": found, "retain": retain, "only": list(only), "without": list(without)}
        return (yield from nouns.act(server, InspectionResource, "/v1/analyze", body, repeatable=True))
    form = {"retain": str(retain).lower(), "only": ",".join(only), "without": ",".join(without)}
    files = [("image", ("image", found, "application/octet-stream"))]
    call = Call("POST", "/v1/analyze", form=form, files=files, repeatable=True)
    return nouns.parse(InspectionResource, body_of((yield from perform(server, call))))


def _page(server: Server, **filters: Any) -> Steps[Page[InspectionResource]]:
    given = {name: value for name, value in filters.items() if value not in (None, ())}
    return nouns.page(server, InspectionResource, _LIST, given, lambda found: found)


def _again(server: Server, image: str) -> Steps[InspectionResource]:
    return nouns.act(server, InspectionResource, route("images", image, "inspect"))


@dataclass(frozen=True, slots=True)
class Inspections:
    """Inspections of the project's images, and of files that were analysed.

    >>> for found in client.inspections.list(verdict="conflicting"):
    ...     print(found.image, found.input["sha256"])
    """

    _link: Blocking

    def list(
        self,
        *,
        image: str | None = None,
        verdict: str | Sequence[str] = (),
        tier: str | None = None,
        sha256: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[InspectionResource]:
        """A page, newest first; of one image, its history."""
        asked = {"image": image, "verdict": verdict, "tier": tier, "sha256": sha256, "limit": limit, "cursor": cursor}
        return self._link.run(_page(self._link.server, **asked))

    def get(self, inspection: str) -> InspectionResource:
        """One of them. Raises NotFound."""
        return self._link.run(nouns.get(self._link.server, InspectionResource, route("inspections", inspection)))

    def again(self, image: str) -> InspectionResource:
        """Look at an image with what the server can look with now. The older inspections stay."""
        return self._link.run(_again(self._link.server, image))


@dataclass(frozen=True, slots=True)
class AsyncInspections:
    """Inspections of the project's images, and of files that were analysed; see `Inspections`."""

    _link: Async

    async def list(
        self,
        *,
        image: str | None = None,
        verdict: str | Sequence[str] = (),
        tier: str | None = None,
        sha256: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[InspectionResource]:
        """A page, newest first; of one image, its history."""
        asked = {"image": image, "verdict": verdict, "tier": tier, "sha256": sha256, "limit": limit, "cursor": cursor}
        return await self._link.run(_page(self._link.server, **asked))

    async def get(self, inspection: str) -> InspectionResource:
        """One of them. Raises NotFound."""
        return await self._link.run(nouns.get(self._link.server, InspectionResource, route("inspections", inspection)))

    async def again(self, image: str) -> InspectionResource:
        """Look at an image with what the server can look with now. The older inspections stay."""
        return await self._link.run(_again(self._link.server, image))
