"""A fake of a WordPress site's media library: `wp/v2/media` with an application password."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.simulate.board import COMMON, Switchboard, address_of

USER, PASSWORD = "editor", "abcd efgh ijkl mnop"
_NAME = re.compile(r'filename="([^"]+)"')
_WORDS = frozenset({"title", "alt_text", "caption", "description", "slug"})
_MOST = 32 * 1024 * 1024


@dataclass
class FakeWordPress:
    """One site. `media` holds what lies in its library by id, `files` the bytes."""

    board: Switchboard = field(default_factory=Switchboard)
    name: str = "wordpress"
    troubles: frozenset[str] = frozenset(COMMON)
    media: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    files: dict[int, bytes] = field(default_factory=dict[int, bytes])
    _last: int = 100

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        return Starlette(
            routes=[
                Route("/wp-json/wp/v2/media", self._list, methods=["GET"]),
                Route("/wp-json/wp/v2/media", self._upload, methods=["POST"]),
                Route("/wp-json/wp/v2/media/{id:int}", self._change, methods=["POST"]),
                Route("/wp-json/wp/v2/media/{id:int}", self._delete, methods=["DELETE"]),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error in WordPress' shape."""
        return JSONResponse({"code": "rest_error", "message": "Sorry.", "data": {"status": status}}, status)

    def _refuse(self, request: Request) -> Response | None:
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return None if request.headers.get("authorization") == wanted else self.error(401)

    async def _list(self, request: Request) -> Response:
        slug = request.query_params.get("slug")
        found = [one for one in self.media.values() if slug in (None, one["slug"])]
        return self._refuse(request) or JSONResponse(found)

    async def _upload(self, request: Request) -> Response:
        if refused := self._refuse(request):
            return refused
        data = await request.body()
        named = _NAME.search(request.headers.get("content-disposition", ""))
        if named is None or not data or len(data) > _MOST or request.headers.get("content-type") not in _KINDS:
            return self.error(400)
        self._last += 1
        stem = named[1].rpartition(".")[0].lower()
        slugs = {one["slug"] for one in self.media.values()}
        self.media[self._last] = {
            "id": self._last,
            # A second file of the same name gets a number, as there.
            "slug": stem if stem not in slugs else f"{stem}-2",
            "source_url": f"{address_of(request)}/wp-content/uploads/{named[1]}",
            "mime_type": request.headers["content-type"],
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        self.files[self._last] = data
        return JSONResponse(self.media[self._last], 201)

    async def _change(self, request: Request) -> Response:
        found = self.media.get(request.path_params["id"])
        if refused := self._refuse(request):
            return refused
        said: dict[str, Any] = await request.json()
        if found is None or not said.keys() <= _WORDS:
            return self.error(404 if found is None else 400)
        found.update(said)
        return JSONResponse(found)

    async def _delete(self, request: Request) -> Response:
        if refused := self._refuse(request):
            return refused
        if request.query_params.get("force") != "true":
            # Media have no bin.
            return self.error(501)
        found = self.media.pop(request.path_params["id"], None)
        self.files.pop(request.path_params["id"], None)
        return self.error(404) if found is None else JSONResponse({"deleted": True, "previous": found})


_KINDS = ("image/png", "image/jpeg", "image/webp")
