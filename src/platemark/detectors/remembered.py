"""Text detectors that are not asked twice about the same words: signals are kept for a while, texts never are."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from platemark.core.moderation import Signal
from platemark.core.ports import TextDetector

# About a kilobyte each, so that all of them are a few megabytes of a process.
MOST = 4096
# Services of others change behind the same version; what they said goes with the hour.
SECONDS = 3600.0
_Key = tuple[str, str, bytes]


@dataclass(slots=True)
class Memory:
    """What detectors found, by name, version and keyed digest of the texts. Bounded; the least used goes first.

    `secret` is drawn anew for each process: a digest says nothing about a text to who finds it elsewhere.
    """

    secret: bytes
    monotonic: Callable[[], float]
    most: int = MOST
    seconds: float = SECONDS
    _kept: OrderedDict[_Key, tuple[float, tuple[Signal, ...]]] = field(
        default_factory=OrderedDict[_Key, tuple[float, tuple[Signal, ...]]], repr=False
    )

    def __len__(self) -> int:
        return len(self._kept)

    def key(self, detector: TextDetector, texts: Mapping[str, str]) -> _Key:
        """The place of what this version of a detector finds in these named texts, in any order of the names."""
        whole = json.dumps(dict(texts), sort_keys=True).encode()
        return detector.name, detector.version, hashlib.blake2b(whole, digest_size=32, key=self.secret).digest()

    def recall(self, key: _Key) -> tuple[Signal, ...] | None:
        """What was found there; None where nothing is kept, or no longer."""
        found = self._kept.get(key)
        if found is None or found[0] <= self.monotonic():
            self._kept.pop(key, None)
            return None
        self._kept.move_to_end(key)
        return found[1]

    def keep(self, key: _Key, signals: Sequence[Signal]) -> None:
        """Keep measurements. Where somebody could not look, nothing is kept: the next call may see."""
        if signals and all(signal.evaluated for signal in signals):
            self._kept[key] = self.monotonic() + self.seconds, tuple(signals)
            self._kept.move_to_end(key)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)


class Remembered:
    """A detector with a memory. Rulings are not kept: policy, role and audience change."""

    def __init__(self, detector: TextDetector, memory: Memory) -> None:
        self._detector, self._memory = detector, memory

    @property
    def name(self) -> str:
        """That of the detector."""
        return self._detector.name

    @property
    def version(self) -> str:
        """That of the detector, at this moment."""
        return self._detector.version

    async def look(self, texts: Mapping[str, str], /) -> Sequence[Signal]:
        """What it found in these very texts before, or finds now. Raises what the detector raises."""
        key = self._memory.key(self._detector, texts)
        found = self._memory.recall(key)
        if found is None:
            found = tuple(await self._detector.look(texts))
            self._memory.keep(key, found)
        return found

    async def warm(self) -> None:
        """Load what the detector needs, where it needs anything."""
        load = getattr(self._detector, "warm", None)
        if load is not None:
            await load()
