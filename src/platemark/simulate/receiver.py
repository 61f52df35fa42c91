"""A receiver of webhooks for tests: keeps what comes, checked by the Standard Webhooks or told to be wrong."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.simulate.board import COMMON, Switchboard

SECRET = "whsec_" + base64.b64encode(b"simulated receiver of webhooks").decode()


@dataclass
class Receiver:
    """One endpoint at `/hook`. `messages` by id: a message that comes twice is kept once."""

    board: Switchboard = field(default_factory=Switchboard)
    name: str = "receiver"
    troubles: frozenset[str] = frozenset(COMMON)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    came: int = 0

    @property
    def app(self) -> ASGIApp:
        """The route."""
        return Starlette(routes=[Route("/hook", self._take, methods=["POST"])])

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error without words."""
        return Response(status_code=status)

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        id, moment = (request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp"))
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        mac = hmac.new(key, f"{id}.{moment}.".encode() + body, hashlib.sha256).digest()
        genuine = f"v1,{base64.b64encode(mac).decode()}"
        if not hmac.compare_digest(genuine, request.headers.get("webhook-signature", "")):
            return JSONResponse({"error": "the signature does not fit"}, 401)
        self.came += 1
        self.messages[id] = json.loads(body)
        return Response(status_code=204)
