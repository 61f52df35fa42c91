"""Jobs of the engine, and which of them were being drawn when its process crashed."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from platemark.core.base import JsonObject
from platemark.core.errors import PlatemarkError
from platemark.core.updates import Order, Update

Said = Update | PlatemarkError | None
_REMEMBERED = 256
# What differs between two tries of one order.
_OF_THE_TRY = frozenset({"idempotency_key", "previews", "lane"})


@dataclass(eq=False)
class Job:
    """One order in the queue. `say` takes updates, then an error, or None for a good end.

    `header` and `body` are the order packed for the child; `drawn` are the pictures that were given out already.
    """

    order: Order
    say: Callable[[Said], None]
    id: int = 0
    header: JsonObject = field(default_factory=dict[str, Any])
    body: bytes = b""
    canceled: bool = False
    drawn: set[int] = field(default_factory=set[int])

    @cached_property
    def digest(self) -> bytes:
        """Equal for every try of the same order."""
        facts = {name: value for name, value in self.header.items() if name not in _OF_THE_TRY}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode() + self.body).digest()


class Suspects:
    """Orders that were being drawn during a crash, until they are drawn well. Only the newest are remembered."""

    def __init__(self) -> None:
        self._digests: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, job: Job) -> bool:
        return bool(self._digests) and job.digest in self._digests

    def add(self, job: Job) -> None:
        """It may be at fault."""
        self._digests[job.digest] = None
        while len(self._digests) > _REMEMBERED:
            self._digests.popitem(last=False)

    def clear(self, job: Job) -> None:
        """It is not at fault, or no longer."""
        if self._digests:
            self._digests.pop(job.digest, None)
