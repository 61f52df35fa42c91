"""A fake of Reality Defender: a place for a file, the file, and a result that takes a few looks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.simulate.board import COMMON, Switchboard, address_of, id_of, keep
from platemark.simulate.fields import Field, complaints, form_of
from platemark.simulate.seeing import share_of

_FIELDS: Mapping[str, Field] = {"fileName": Field(required=True, least=1, most=255)}
_LOOKS = 2
_OWN = frozenset({"auth", "bad_request", "out_of_credit", "error_in_200", "private_redirect", "never_ending"})


@dataclass
class FakeRealityDefender:
    """`files` by the id of their request: None until the picture came."""

    board: Switchboard = field(default_factory=lambda: Switchboard(uncounted=("/store",)))
    name: str = "realitydefender"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN
    files: dict[str, bytes | None] = field(default_factory=dict[str, bytes | None])
    looks: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def app(self) -> ASGIApp:
        """The routes; the store is its own, too."""
        return Starlette(
            routes=[
                Route("/api/files/aws-presigned", self._presign, methods=["POST"]),
                Route("/store/{id}", self._put, methods=["PUT"]),
                Route("/api/media/users/{id}", self._result, methods=["GET"]),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error in the vendor's shape."""
        wait = "" if retry_after is None else f" Try again in {retry_after} seconds."
        return JSONResponse({"code": f"error-{status}", "response": f"It failed.{wait}"}, status)

    async def _presign(self, request: Request) -> Response:
        given, files = await form_of(request)
        self.board.note(request, fields=given, files=files)
        trouble = self.board.take("POST", *_OWN - {"never_ending"})
        if trouble == "auth" or request.headers.get("x-api-key") not in self.board.keys:
            return self.error(401)
        if trouble == "out_of_credit":
            return JSONResponse({"code": "upload-limit-reached", "response": "No more uploads."}, 400)
        if trouble == "bad_request" or [*complaints(_FIELDS, given, files)]:
            return self.error(400)
        if trouble == "error_in_200":
            return JSONResponse({"code": "failed", "response": None})
        id = id_of(f"{len(self.files)} {given['fileName']}")
        keep(self.files, id, None)
        base = "https://127.0.0.1" if trouble == "private_redirect" else address_of(request)
        url = f"{base}/store/{id}?X-Signature=abc"
        return JSONResponse({"code": "ok", "response": {"signedUrl": url}, "requestId": id, "mediaId": id_of(id)})

    async def _put(self, request: Request) -> Response:
        id, data = request.path_params["id"], await request.body()
        self.board.note(request, files={"body": data})
        if self.board.take("PUT", "auth") or id not in self.files or request.query_params.get("X-Signature") != "abc":
            return Response(status_code=403)
        self.files[id] = data
        return Response(status_code=200)

    async def _result(self, request: Request) -> Response:
        self.board.note(request)
        if request.headers.get("x-api-key") not in self.board.keys:
            return self.error(401)
        id = request.path_params["id"]
        data = self.files.get(id)
        if data is None:
            return self.error(404)
        self.looks[id] = self.looks.get(id, 0) + 1
        head: dict[str, Any] = {"requestId": id, "mediaType": "IMAGE", "heatmaps": {}}
        if self.looks[id] < _LOOKS or self.board.take("GET", "never_ending"):
            return JSONResponse({**head, "overallStatus": "ANALYZING", "models": []})
        return JSONResponse({**head, **_found(share_of(data))})


def _found(share: float | None) -> dict[str, Any]:
    if share is None:
        return {"overallStatus": "UNABLE_TO_EVALUATE", "resultsSummary": {"status": "UNABLE_TO_EVALUATE"}, "models": []}
    status = "FAKE" if share > 0.6 else "AUTHENTIC" if share < 0.4 else "SUSPICIOUS"
    models = [
        {"name": "rd-oak-img", "status": status, "predictionNumber": share},
        {"name": "rd-pine-img", "status": "NOT_APPLICABLE", "predictionNumber": None},
    ]
    summary = {"status": status, "metadata": {"finalScore": round(100 * share)}}
    return {"overallStatus": status, "resultsSummary": summary, "models": models}
