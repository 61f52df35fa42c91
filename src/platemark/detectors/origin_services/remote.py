"""A service of others behind `core.ports.OriginDetector`: bounded, left alone while it is down, never an error."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import anyio
import anyio.to_thread

from platemark.core.base import JsonObject
from platemark.core.errors import PlatemarkError
from platemark.core.inspection import Finding, FindingKind
from platemark.core.limits import Limits
from platemark.detectors.asking import Asking, Refused
from platemark.detectors.origin_services.forms import Form, Opinion, Sent
from platemark.detectors.origin_services.realitydefender import RealityDefender
from platemark.imaging.decode import inspect_bytes
from platemark.imaging.posting import posted
from platemark.telemetry import logger

log = logger(__name__)
THRESHOLD = 0.5
_AT_ONCE, _PICTURES_AT_ONCE = 4, 1
_MIN_SIDE = 64
# How a number of theirs lies in a finding: one in full precision teaches those who want to get past it.
_DIGITS = {1: 2, 100: 0}
Send = Literal["pixels", "file"]


@dataclass
class RemoteOrigin:
    """One configured service. `service`: how it is asked; `kind_of_service`: its name among those that are known.

    `threshold`: the score from which its finding points to AI. `send`: only the pixels, as JPEG, or the file as it is.
    `address`: gives the public URL of a file by its SHA-256, for a service that reads pictures from there.
    """

    name: str
    kind_of_service: str
    service: Form | RealityDefender
    asking: Asking
    limits: Limits
    threshold: float = THRESHOLD
    send: Send = "pixels"
    address: Callable[[str], str] | None = None
    kind: FindingKind = "remote"

    def __post_init__(self) -> None:
        """Its own gates."""
        self._calls = anyio.CapacityLimiter(_AT_ONCE)
        self._decoding = anyio.CapacityLimiter(_PICTURES_AT_ONCE)
        read = hashlib.sha256(f"{self.service!r} {self.threshold} {self.send}".encode()).hexdigest()[:12]
        self._version = f"{self.kind_of_service}+{read}"

    @property
    def version(self) -> str:
        """The service and our reading of it: read in another way it is another measurement."""
        return self._version

    async def look(self, data: bytes, media_type: str, /) -> Finding:
        """`scored`, `abstained` where the service is unsure or its verdict and number disagree, or `not_evaluated`."""
        clock = self.asking.clock
        started = clock.monotonic()
        try:
            sent = await anyio.to_thread.run_sync(self._sent, data, media_type, limiter=self._decoding)
            async with self._calls:
                opinion = await self.service.ask(self.asking, sent)
        except Refused as refused:
            finding = self._unseen(refused.code, refused.words)
        except PlatemarkError as error:
            finding = self._unseen(error.code, error.detail)
        except Exception as error:
            # Without a traceback, which could show the key.
            log.error("origin_service.failed", detector=self.name, error=type(error).__name__)
            finding = self._unseen("failed", f"the detector failed: {type(error).__name__}")
        else:
            finding = self._seen(opinion)
        took = {"latency_ms": round((clock.monotonic() - started) * 1000, 1)}
        return finding.model_copy(update={"detail": {**finding.detail, **took}})

    def _sent(self, data: bytes, media_type: str) -> Sent:
        service, bounds = self.service, self.limits.picture
        if service.body == "url":
            inspect_bytes(data, **bounds)
            digest = hashlib.sha256(data).hexdigest()
            return Sent(data, media_type, self.address(digest) if self.address else None)
        if self.send == "file":
            media_type = inspect_bytes(data, **bounds).media_type
        else:
            bare = posted(data, max_side=service.max_side, min_side=_MIN_SIDE, most=service.most_bytes, **bounds)
            data, media_type = bare[0], "image/jpeg"
        if len(data) > service.most_bytes:
            raise Refused(f"the picture has more than {service.most_bytes} bytes", code="too_large")
        return Sent(data, media_type)

    def _seen(self, opinion: Opinion) -> Finding:
        above = opinion.score >= self.threshold
        # Unsure, or one of number and verdict is ours to doubt: three-way verdicts are never made two-way.
        abstained = opinion.says == "unsure" or (opinion.says is not None and above != (opinion.says == "ai"))
        sure = above and not abstained
        measured = {"score": round(opinion.score, 2), "threshold": self.threshold, "abstained": abstained}
        return Finding(
            kind="remote",
            status="abstained" if abstained else "scored",
            direction="ai" if sure else "none",
            weight="weak" if sure else "none",
            detail=self._who | measured | {"raw": _rounded(dict(opinion.read)), "sent": self._as},
        )

    def _unseen(self, code: str, reason: str) -> Finding:
        told = {"code": code, "reason": f"{self.kind_of_service}: {reason}"}
        return Finding(kind="remote", status="not_evaluated", detail=self._who | told)

    @property
    def _who(self) -> JsonObject:
        return {"detector": self.name, "service": self.kind_of_service}

    @property
    def _as(self) -> str:
        return "url" if self.service.body == "url" else self.send


def _rounded(read: dict[str, Any]) -> dict[str, Any]:
    if read["value"] is not None:
        read["value"] = round(read["value"], _DIGITS[read["scale"]])
    return read
