"""Evidence: asks everything that can say where a file comes from, cheap looks first, and times each."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import get_args

import anyio

from platemark.core.inspection import Finding, FindingKind
from platemark.core.ports import Clock, OriginDetector, Provenance

Look = Callable[[], Awaitable[Sequence[Finding]]]
KNOWN = "the file is one of ours: nothing has to be guessed"
UNWANTED = "left out by the request"
ABSENT = "no detector is installed"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which looks are wanted, by kind of finding or by the name of a detector. `only` empty: all of them."""

    only: frozenset[str] = field(default_factory=frozenset[str])
    without: frozenset[str] = field(default_factory=frozenset[str])

    def takes(self, *names: str) -> bool:
        """Whether what has these names is to look."""
        return (not self.only or bool(self.only.intersection(names))) and not self.without.intersection(names)


EVERYTHING = Choice()


@dataclass(frozen=True, slots=True)
class Step:
    """One look. `kinds`: the findings that it gives; `names`: what else it can be chosen by.

    `certain`: it still looks when the file is known as ours.
    """

    kinds: tuple[FindingKind, ...]
    look: Look
    names: tuple[str, ...] = ()
    certain: bool = False


@dataclass(slots=True)
class Gathered:
    """Findings in the order in which they were made, and milliseconds by step."""

    evidence: list[Finding] = field(default_factory=list[Finding])
    timings_ms: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def known(self) -> bool:
        """The file itself is one of ours: what costs more than reading it can be spared."""
        return any(finding.kind == "registry" and finding.status == "exact" for finding in self.evidence)

    def complete(self) -> None:
        """Say of every kind that gave no finding that nothing could look (promise P5)."""
        missing = [kind for kind in get_args(FindingKind) if all(kind != found.kind for found in self.evidence)]
        self.evidence += [not_evaluated(kind, ABSENT) for kind in missing]


async def gather(clock: Clock, steps: Iterable[Step], choice: Choice = EVERYTHING) -> Gathered:
    """Take the steps in order. Once the file is known as ours, only those that are `certain` still look."""
    gathered = Gathered()
    for step in steps:
        spared = gathered.known and not step.certain
        wanted = [kind for kind in step.kinds if not spared and choice.takes(kind, *step.names)]
        if wanted:
            started = clock.monotonic()
            found = await step.look()
            gathered.timings_ms[step.kinds[0]] = round((clock.monotonic() - started) * 1000, 1)
            gathered.evidence += [finding for finding in found if finding.kind in wanted]
        gathered.evidence += [
            Finding(kind=kind, status="skipped", detail={"reason": KNOWN if spared else UNWANTED})
            for kind in step.kinds
            if kind not in wanted
        ]
    gathered.complete()
    return gathered


def reading(provenance: Provenance, data: bytes, media_type: str) -> Step:
    """What the file says about itself: milliseconds, and what an auditor asks for first, so always read."""
    return Step(("c2pa", "metadata"), partial(provenance.read, data, media_type), certain=True)


def guessing(detectors: Sequence[OriginDetector], data: bytes, media_type: str, choice: Choice) -> Iterator[Step]:
    """The origin detectors: those that run here, then those of others, who are asked at the same time."""
    kinds: tuple[FindingKind, ...] = ("third_party_watermark", "learned", "remote")
    for kind in kinds:
        every = [detector for detector in detectors if detector.kind == kind]
        wanted = [detector for detector in every if choice.takes(kind, detector.name)]
        if every:
            names = tuple(detector.name for detector in wanted or every)
            yield Step((kind,), partial(_together, wanted, data, media_type), names)


async def _together(detectors: Sequence[OriginDetector], data: bytes, media_type: str) -> Sequence[Finding]:
    found: dict[int, Finding] = {}

    async def one(number: int) -> None:
        found[number] = await detectors[number].look(data, media_type)

    async with anyio.create_task_group() as group:
        for number in range(len(detectors)):
            group.start_soon(one, number)
    return [found[number] for number in sorted(found)]


def frugal(steps: Iterable[Step], forget: Callable[[], None]) -> Iterator[Step]:
    """The same steps; pixels are let go of before others are asked, whose answers may take long."""
    for step in steps:
        if "remote" in step.kinds:
            forget()
        yield step


def not_evaluated(kind: FindingKind, reason: str) -> Finding:
    """The finding of a look that nobody could take."""
    return Finding(kind=kind, status="not_evaluated", detail={"reason": reason})
