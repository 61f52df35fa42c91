"""Fakes of services that say how likely a picture is AI-made: one call, one answer each."""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.simulate.board import COMMON, Switchboard, bearer_of, id_of
from platemark.simulate.fields import Field, complaints, form_of
from platemark.simulate.seeing import share_of

OWN = frozenset({"auth", "bad_request", "out_of_credit", "error_in_200"})
_REFUSALS = {"auth": 401, "bad_request": 400, "out_of_credit": 402}
# What a service that reads URLs finds behind them: the first part of the path names it.
_BEHIND = {"red": 0.97, "blue": 0.5, "green": 0.03}
_WHEN = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class _Service:
    """What they share. `header`: where the key comes, after `prefix`."""

    board: Switchboard = field(default_factory=Switchboard)
    troubles: frozenset[str] = frozenset(COMMON) | OWN

    def refusal(self, request: Request, key: str, complaint: bool) -> Response | None:
        """An error in the service's shape where it refuses, or is told to."""
        trouble = self.board.take(request.method, *OWN)
        if key not in self.board.keys:
            trouble = "auth"
        if trouble == "error_in_200":
            return JSONResponse({"status": "error", "message": "It failed."})
        status = _REFUSALS.get(trouble or "", 400 if complaint else 0)
        return self.error(status) if status else None

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error in the service's shape."""
        wait = "" if retry_after is None else f" Try again in {retry_after} seconds."
        return JSONResponse({"message": f"It failed.{wait}"}, status)

    async def picture(self, request: Request, name: str, most: int = 64 * 1024 * 1024) -> bytes | None:
        """The one file of a form, remembered; None where there is anything else."""
        given, files = await form_of(request)
        self.board.note(request, fields=given, files=files)
        table = {name: Field("file", required=True)}
        fits = not [*complaints(table, given, files)] and len(files[name]) <= most
        return files[name] if fits else None

    async def asked(self, request: Request) -> Any:
        """The JSON of a question, remembered."""
        try:
            body = await request.json()
        except ValueError:
            body = None
        self.board.note(request, body)
        return body


@dataclass
class FakeAnyImageDetector(_Service):
    """imagedetector.online as its reference of 2026-07-16 says: verdict, score, a label of certainty."""

    name: str = "anyimagedetector"

    @property
    def app(self) -> ASGIApp:
        """The route."""
        return Starlette(routes=[Route("/v1/image/detect", self._detect, methods=["POST"])])

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error in the service's shape."""
        codes = {400: "bad_request", 401: "unauthorized", 402: "insufficient_credits", 429: "too_many_requests"}
        code = codes.get(status, "unavailable" if status == 503 else "detection_failed")
        return JSONResponse({"error": code, "message": "It failed."}, status)

    async def _detect(self, request: Request) -> Response:
        data = await self.picture(request, "image", most=8 * 1024 * 1024)
        share = share_of(data) if data else None
        refused = self.refusal(request, request.headers.get("x-api-key") or bearer_of(request), share is None)
        if refused or share is None:
            return refused or self.error(400)
        verdict = "likely_ai" if share > 0.6 else "likely_human" if share < 0.4 else "uncertain"
        certain = "low" if verdict == "uncertain" else "high"
        return JSONResponse({"verdict": verdict, "ai_score": share, "confidence": certain, "source_breakdown": []})


@dataclass
class FakeAiOrNot(_Service):
    """AI or Not, version 2, as its own client reads it."""

    name: str = "aiornot"

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        return Starlette(
            routes=[
                Route("/v2/image/sync", self._report, methods=["POST"]),
                Route("/v1/system/live", self._live, methods=["GET"]),
            ]
        )

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"is_live": True})

    async def _report(self, request: Request) -> Response:
        data = await self.picture(request, "image")
        share = share_of(data) if data else None
        refused = self.refusal(request, bearer_of(request), share is None)
        if refused or data is None or share is None:
            return refused or self.error(400)
        only = request.query_params.getlist("only")
        meta = {"width": 1, "height": 1, "format": "JPEG", "size_bytes": len(data)}
        meta |= {"md5": hashlib.md5(data, usedforsecurity=False).hexdigest()}
        report: dict[str, Any] = {"meta": meta | {"processing_status": {"ai_generated": "processed"}}}
        if not only or "ai_generated" in only:
            report["ai_generated"] = _made(share)
        if not only or "nsfw" in only:
            report["nsfw"] = {"version": "1", "is_detected": False}
        return JSONResponse({"id": id_of(data), "created_at": _WHEN.isoformat(), "report": report})


def _made(share: float) -> dict[str, Any]:
    verdict = "ai" if share > 0.6 else "human" if share < 0.4 else "unknown"
    return {
        "verdict": verdict,
        "ai": {"is_detected": verdict == "ai", "confidence": share},
        "human": {"is_detected": verdict == "human", "confidence": 1 - share},
        "generator": {"midjourney": {"is_detected": False, "confidence": 0.01}},
    }


@dataclass
class FakeHiveOrigin(_Service):
    """Hive's model for generated pictures, by both versions of its interface."""

    name: str = "hive_origin"

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        path = "/api/v3/hive/ai-generated-and-deepfake-content-detection"
        return Starlette(
            routes=[
                Route(path, self._third, methods=["POST"]),
                Route("/api/v2/task/sync", self._second, methods=["POST"]),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error in the service's shape."""
        return JSONResponse({"return_code": status, "message": "It failed."}, status)

    async def _third(self, request: Request) -> Response:
        body = await self.asked(request)
        try:
            share = share_of(_of_uri(body["input"][0]["media_base64"]))
        except (TypeError, LookupError, ValueError):
            share = None
        refused = self.refusal(request, bearer_of(request), share is None)
        if refused or share is None:
            return refused or self.error(400)
        return JSONResponse({"output": [{"classes": _classes(share, "value")}]})

    async def _second(self, request: Request) -> Response:
        data = await self.picture(request, "media")
        share = share_of(data) if data else None
        key = request.headers.get("authorization", "").removeprefix("Token ")
        refused = self.refusal(request, key, share is None)
        if refused or share is None:
            return refused or self.error(400)
        said = {"output": [{"time": 0, "classes": _classes(share, "score")}]}
        done = {"status": {"code": "0", "message": "SUCCESS"}, "response": said}
        return JSONResponse({"id": id_of(data or b""), "code": 200, "status": [done]})


def _classes(share: float, called: str) -> list[dict[str, Any]]:
    shares = {"not_ai_generated": 1 - share, "ai_generated": share, "midjourney": share / 2, "deepfake": 0.01}
    return [{"class": name, called: said} for name, said in shares.items()]


def _of_uri(text: str) -> bytes:
    head, _, data = text.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64"):
        raise ValueError(head[:20])
    return base64.b64decode(data, validate=True)


@dataclass
class FakeWinston(_Service):
    """Winston AI: a public URL in, the score of a human out."""

    name: str = "winston"

    @property
    def app(self) -> ASGIApp:
        """The route."""
        return Starlette(routes=[Route("/v2/image-detection", self._detect, methods=["POST"])])

    async def _detect(self, request: Request) -> Response:
        body = await self.asked(request)
        try:
            share = _BEHIND.get(str(body["url"]).split("/")[3])
        except (TypeError, LookupError):
            share = None
        refused = self.refusal(request, bearer_of(request), share is None)
        if refused or share is None:
            return refused or self.error(400)
        human = round(100 * (1 - share), 2)
        said = {"score": human, "human_probability": human / 100, "ai_probability": share}
        return JSONResponse({**said, "version": "2", "mime_type": "image/jpeg", "credits_used": 300})


@dataclass
class FakeIlluminarty(_Service):
    """Illuminarty: one probability."""

    name: str = "illuminarty"

    @property
    def app(self) -> ASGIApp:
        """The route."""
        return Starlette(routes=[Route("/v1/image/classify", self._classify, methods=["POST"])])

    async def _classify(self, request: Request) -> Response:
        data = await self.picture(request, "file")
        share = share_of(data) if data else None
        refused = self.refusal(request, request.headers.get("x-api-key", ""), share is None)
        if refused or share is None:
            return refused or self.error(400)
        attribution = {"dalle2": share / 2, "human": 1 - share, "midjourney": 0.01, "stablediffusion": share / 2}
        return JSONResponse({"status": "success", "data": {"probability": share, "attribution": attribution}})


@dataclass
class FakePrivateDetector(_Service):
    """Nobody's service, of a shape that nobody here knows: base64 in, a verdict and the human's percentage out."""

    name: str = "private_detector"

    @property
    def app(self) -> ASGIApp:
        """The route."""
        return Starlette(routes=[Route("/check", self._check, methods=["POST", "PUT"])])

    async def _check(self, request: Request) -> Response:
        body = await self.asked(request)
        try:
            share = share_of(base64.b64decode(body["picture"]["bytes"], validate=True))
        except (TypeError, LookupError, ValueError):
            share = None
        refused = self.refusal(request, request.headers.get("x-detector-key", ""), share is None)
        if refused or share is None:
            return refused or self.error(400)
        verdict = "Synthetic" if share > 0.6 else "Camera" if share < 0.4 else "Unclear"
        found = {"name": "origin", "call": verdict, "human": 100 - 100 * share}
        return JSONResponse({"results": [{"name": "other"}, found]})
