"""The small ports as the running system has them: the machine's clock, ids and randomness, wake-ups, an open budget."""

import secrets
from collections import defaultdict
from datetime import UTC, datetime

import anyio

from platemark.core.ids import Prefix, uuid7_hex
from platemark.core.money import Cost


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return anyio.current_time()

    async def sleep(self, seconds: float) -> None:
        """Let others run for so long."""
        await anyio.sleep(seconds)


class SystemIds:
    """UUIDv7 ids and the operating system's randomness. Ids made by one process grow also within a millisecond."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._last = (0, 0)

    def new(self, prefix: Prefix) -> str:
        """A new id, `prefix_` and 32 hexadecimal digits."""
        moment = int(self._clock.now().timestamp() * 1000)
        bits = secrets.randbits(73)
        if moment <= self._last[0]:
            # RFC 9562 section 6.2, method 2: count up by a random step where the clock stands still.
            moment, bits = self._last[0], self._last[1] + 1 + secrets.randbits(32)
        self._last = (moment, bits)
        return f"{prefix}_{uuid7_hex(moment, bits)}"

    def seed(self) -> int:
        """0 to 2**32 - 1."""
        return secrets.randbits(32)

    def secret(self, length: int) -> str:
        """`length` random bytes in hexadecimal."""
        return secrets.token_hex(length)

    def fraction(self) -> float:
        """Uniform in [0, 1)."""
        return secrets.randbits(53) / (1 << 53)


class LocalNotices:
    """Wake-ups inside this process. Topics exist only while somebody waits."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[anyio.Event]] = defaultdict(set)

    def tell(self, topic: str) -> None:
        """Wake everybody who waits for `topic`."""
        for event in self._waiting.pop(topic, ()):
            event.set()

    async def wait(self, topic: str, seconds: float) -> None:
        """Return when the topic is told, or after `seconds`."""
        event = anyio.Event()
        self._waiting[topic].add(event)
        with anyio.move_on_after(seconds):
            await event.wait()
        if topic in self._waiting:
            self._waiting[topic].discard(event)
            if not self._waiting[topic]:
                del self._waiting[topic]


class OpenBudget:
    """No limit is configured, so every cost is within it."""

    async def reserve(self, project: str, cost: Cost) -> None:
        """Always granted."""
