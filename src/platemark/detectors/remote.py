"""Detectors of somebody else, asked over HTTP: bounded in time and bytes, left alone while they are down.

Texts and pictures leave this machine for them; they are off unless the operator configures them.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import anyio
import anyio.to_thread

from platemark.core.errors import PlatemarkError
from platemark.core.limits import Limits
from platemark.core.moderation import NOTHING_FOUND, Signal
from platemark.core.ports import Clock
from platemark.detectors.asking import Asking, Call, Refused
from platemark.detectors.taxonomy import UNKNOWN, Taxonomy
from platemark.imaging.posting import posted
from platemark.telemetry import logger

log = logger(__name__)
NEGATIVE = "negative_prompt"
NOT_EVALUATED = "not_evaluated"
Reads = Literal["text", "image"]
# Calls and decoded pictures of one detector at a time.
_AT_ONCE, _PICTURES_AT_ONCE = 4, 1
# A text in more pieces than this is not looked at to its end, which is said.
_MOST_PIECES = 24
_OVERLAP = 100
# What a vendor says of one subject is no longer than this.
_MOST_CATEGORIES = 400
_MOST_KEPT = 64


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a vendor takes: characters of one text, and pixels and bytes of one picture."""

    characters: int
    max_side: int = 1536
    min_side: int = 64
    most_bytes: int = 3 * 1024 * 1024


class Vendor(Protocol):
    """One service: how it is asked, and what its answers say. It knows neither keys nor connections of others."""

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def model(self) -> str:
        """What is asked there, as part of the detector's version."""
        ...

    @property
    def bounds(self) -> Bounds: ...  # noqa: D102

    def of_text(self, text: str) -> Call: ...  # noqa: D102
    def of_picture(self, jpeg: bytes) -> Call: ...  # noqa: D102
    def scores(self, body: Any, reads: Reads) -> Mapping[str, float]:
        """The vendor's numbers by its categories. Raises Refused for what is no answer."""
        ...


@dataclass
class Remote:
    """One configured service, behind both ports: `texts` and `images` are its faces."""

    name: str
    vendor: Vendor
    taxonomy: Taxonomy
    asking: Asking
    clock: Clock
    fraction: Callable[[], float]
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Its own gates."""
        self._calls = anyio.CapacityLimiter(_AT_ONCE)
        self._decoding = anyio.CapacityLimiter(_PICTURES_AT_ONCE)

    @property
    def version(self) -> str:
        """Service, model and our mapping: another mapping is another measurement."""
        return f"{self.vendor.kind}:{self.vendor.model}+{self.taxonomy.version}"

    @property
    def texts(self) -> "RemoteTexts":
        """As a TextDetector."""
        return RemoteTexts(self)

    @property
    def images(self) -> "RemoteImages":
        """As an ImageDetector."""
        return RemoteImages(self)

    async def of_texts(self, texts: Mapping[str, str]) -> Sequence[Signal]:
        """Signals for named strings."""
        found: dict[str, list[Signal]] = {}

        async def one(name: str, text: str) -> None:
            avoided = name == NEGATIVE
            found[name] = await self._signals(self._pieces(text), "text", {"field": name}, avoided=avoided)

        async with anyio.create_task_group() as group:
            for name, text in texts.items():
                if text.strip():
                    group.start_soon(one, name, text)
        signals = [signal for name in texts for signal in found.get(name, ())]
        return signals or [self._signal(NOTHING_FOUND, 0.0, {})]

    async def of_image(self, data: bytes) -> Sequence[Signal]:
        """Signals for one encoded picture."""
        try:
            jpegs = await anyio.to_thread.run_sync(self._posted, data, limiter=self._decoding)
        except PlatemarkError as error:
            return [self._unseen(error.detail, {})]
        return await self._signals([self.vendor.of_picture(jpeg) for jpeg in jpegs], "image", {})

    def _posted(self, data: bytes) -> list[bytes]:
        bounds = self.vendor.bounds
        return posted(
            data,
            max_side=bounds.max_side,
            min_side=bounds.min_side,
            most=bounds.most_bytes,
            **self.limits.picture,
        )

    def _pieces(self, text: str) -> list[Call]:
        """The calls for a text; pieces overlap, so that no word is cut out of its place."""
        most = self.vendor.bounds.characters
        # Half a surrogate pair cannot be sent.
        text = text.encode("utf-8", "replace").decode()
        if len(text) <= most:
            return [self.vendor.of_text(text)]
        starts = range(0, len(text) - _OVERLAP, most - _OVERLAP)
        return [self.vendor.of_text(text[start : start + most]) for start in starts]

    async def _signals(
        self, calls: Sequence[Call], reads: Reads, evidence: Mapping[str, Any], *, avoided: bool = False
    ) -> list[Signal]:
        """What the calls say together: of each category the largest number. What could not be asked is said."""
        numbers: dict[str, float] = {}
        problems: list[str] = [] if len(calls) <= _MOST_PIECES else ["the text is too long to be asked to its end"]
        try:
            async with anyio.create_task_group() as group:
                for call in calls[:_MOST_PIECES]:
                    group.start_soon(self._one, call, reads, numbers, problems)
        except Exception as error:
            # A detector never raises. Without a traceback, which could show the key and what was asked about.
            log.error("remote_detector.failed", detector=self.name, error=type(error).__name__)
            problems.append(f"the detector failed: {type(error).__name__}")
        signals = list(self._read(numbers, evidence, avoided=avoided))
        if problems:
            told = (signal for signal in signals if signal.category != NOTHING_FOUND)
            return [*told, self._unseen(problems[0], evidence)]
        return signals

    async def _one(self, call: Call, reads: Reads, numbers: dict[str, float], problems: list[str]) -> None:
        try:
            async with self._calls:
                body = await self.asking.ask(call)
            found = self.vendor.scores(body, reads)
            if not found or len(found) > _MOST_CATEGORIES:
                raise Refused("its answer cannot be read")
        except Refused as refused:
            problems.append(f"{self.vendor.kind}: {refused.words}")
            return
        for category, raw in found.items():
            numbers[category] = max(raw, numbers.get(category, -math.inf))

    def _read(self, numbers: Mapping[str, float], evidence: Mapping[str, Any], *, avoided: bool) -> Iterator[Signal]:
        seen = False
        for category, raw in sorted(numbers.items()):
            if self.taxonomy.ignores(category):
                continue
            code, score = self.taxonomy.measure(category, raw)
            if code == UNKNOWN:
                log.warning("remote_detector.unknown_category", detector=self.name, category=category[:100])
            elif not score:
                continue
            seen = True
            told = {**evidence, "raw_category": category[:100], "raw": raw, "taxonomy": self.taxonomy.version}
            # What the picture shall not show is worth a note, as everywhere.
            yield self._signal(code, 0.0 if avoided else score, told | ({"avoided": True} if avoided else {}))
        if not seen:
            kept = dict(sorted(numbers.items(), key=lambda item: -item[1])[:_MOST_KEPT])
            yield self._signal(NOTHING_FOUND, 0.0, {**evidence, "raw": kept, "taxonomy": self.taxonomy.version})

    def _signal(self, category: str, score: float, evidence: Mapping[str, Any]) -> Signal:
        return Signal(detector=self.name, version=self.version, category=category, score=score, evidence=dict(evidence))

    def _unseen(self, reason: str, evidence: Mapping[str, Any]) -> Signal:
        return Signal(
            detector=self.name,
            version=self.version,
            category=NOT_EVALUATED,
            evaluated=False,
            evidence={**evidence, "reason": reason},
        )


@dataclass(frozen=True, slots=True)
class _Face:
    """A service as one of the two kinds of detectors."""

    remote: Remote

    @property
    def name(self) -> str:
        """As it is configured."""
        return self.remote.name

    @property
    def version(self) -> str:
        """See `Remote`."""
        return self.remote.version


class RemoteTexts(_Face):
    """The face for texts."""

    __slots__ = ()

    async def look(self, texts: Mapping[str, str], /) -> Sequence[Signal]:
        """Signals for named strings; never an error."""
        return await self.remote.of_texts(texts)


class RemoteImages(_Face):
    """The face for pictures."""

    __slots__ = ()

    async def look(self, data: bytes, /) -> Sequence[Signal]:
        """Signals for one encoded picture; never an error."""
        return await self.remote.of_image(data)
