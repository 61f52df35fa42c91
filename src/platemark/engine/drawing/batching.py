"""Which pictures are drawn together. Pure: orders and times go in, batches come out; no library, no clock."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from platemark.core.updates import Order

# Company is waited for while orders come within QUIET seconds of each other, for WINDOW seconds at the most: a request
# that is alone loses no more than the first, and eight that were sent at once are still one batch.
QUIET = 0.010
WINDOW = 0.030
# Work of the batch lane goes behind interactive work that came up to so many seconds later, and no further behind.
BATCH_LANE_SECONDS = 20.0
# Past these sums of pixels a larger batch is no faster (docs/performance.md), and only takes more memory.
_PIXELS = {"cpu": 8 * 256 * 256, "mps": 8 * 512 * 512, "cuda": 4 * 1024 * 1024}
_MOST = {"cpu": 8, "mps": 8, "cuda": 16}
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Item:
    """One picture: number `index` of the order of a job."""

    job: int
    order: Order
    index: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures that are drawn together, at least one. All of the same model and key."""

    key: Hashable
    items: Sequence[Item]


@dataclass(slots=True, eq=False)
class _Line:
    """What is left to draw of one job. `turn` decides who goes first: when it came, or was served last."""

    key: Hashable
    room: int
    left: list[Item]
    came: float
    patience: float
    turn: float


def room_for(pixels: int, device: str) -> int:
    """How many pictures of so many pixels a batch has, at least 1. `device` as torch names its type."""
    return max(1, min(_MOST[device], _PIXELS[device] // max(1, pixels)))


class Batches:
    """The jobs of one process that wait to be drawn. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._lines: dict[int, _Line] = {}
        self._rooms: OrderedDict[Hashable, int] = OrderedDict()

    def add(self, items: Sequence[Item], key: Hashable | None, room: int, came: float) -> None:
        """Queue the pictures of one job. Jobs of equal keys share batches of up to `room` pictures.

        Without a key, and for a reproducible order, every picture is a batch of its own: then its bits depend neither
        on other requests, nor on how many pictures were asked for at once, nor on one of them being canceled.
        """
        job, order = items[0].job, items[0].order
        if key is None or order.parameters.reproducible:
            key, room = ("alone", job), 1
        patience = BATCH_LANE_SECONDS if order.lane == "batch" else 0.0
        self._lines[job] = _Line(key, room, list(items), came, patience, came + patience)

    def drop(self, job: int) -> None:
        """Forget what is left of a job."""
        self._lines.pop(job, None)

    def shrink(self, key: Hashable, room: int) -> None:
        """More pictures of this key than `room` did not fit into memory."""
        self._rooms[key] = max(1, min(room, self._rooms.get(key, room)))
        self._rooms.move_to_end(key)
        while len(self._rooms) > _REMEMBERED:
            self._rooms.popitem(last=False)

    def take(self, now: float) -> Batch | None:
        """The next batch, or None while its company is waited for. A job that has more left then goes to the back.

        Whoever waits longest goes first, and is joined by those of the same key in their order.
        """
        for lines in self._groups():
            if now >= self._due(lines):
                return Batch(lines[0].key, self._deal(lines, now))
        return None

    def wait(self, now: float) -> float | None:
        """Seconds until `take` has something; None when nothing waits."""
        return min((max(0.0, self._due(lines) - now) for lines in self._groups()), default=None)

    def _groups(self) -> list[list[_Line]]:
        groups: dict[Hashable, list[_Line]] = {}
        for line in sorted(self._lines.values(), key=lambda line: line.turn):
            groups.setdefault(line.key, []).append(line)
        return list(groups.values())

    def _due(self, lines: Sequence[_Line]) -> float:
        """When this group may be drawn: at once when it fills a batch."""
        came = [line.came for line in lines]
        if sum(len(line.left) for line in lines) >= self._room(lines):
            return min(came)
        return min(max(came) + QUIET, min(came) + WINDOW)

    def _room(self, lines: Sequence[_Line]) -> int:
        rooms = [line.room for line in lines]
        return min(*rooms, self._rooms.get(lines[0].key, rooms[0]))

    def _deal(self, lines: Sequence[_Line], now: float) -> list[Item]:
        room, batch = self._room(lines), list[Item]()
        for line in lines:
            free = room - len(batch)
            taken, line.left = line.left[:free], line.left[free:]
            batch += taken
            if not line.left:
                del self._lines[taken[0].job]
            elif taken:
                line.turn = now + line.patience
        return batch


def halves(items: Sequence[Item]) -> list[Sequence[Item]]:
    """Two batches of about the same size."""
    middle = (len(items) + 1) // 2
    return [items[:middle], items[middle:]]


def by_job(items: Sequence[Item]) -> list[Sequence[Item]]:
    """One batch for each job."""
    jobs: dict[int, list[Item]] = {}
    for item in items:
        jobs.setdefault(item.job, []).append(item)
    return list(jobs.values())
