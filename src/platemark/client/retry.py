"""The retry table: only what cannot have started, or what can be repeated without buying twice, is sent again.

| what came back                                   | repeatable | not repeatable |
|--------------------------------------------------|------------|----------------|
| no connection: nothing was sent                  | again      | again          |
| 429, and 503 `shutting_down`: refused before it began | again | again          |
| the connection broke, or no answer in time       | again      | raise          |
| 408, 425, 502, 503, 504 of a proxy (no problem document) | again | raise       |
| a problem document that says `retryable`         | again      | raise          |
| a problem document that names its generation: the end of that generation | raise | raise |
| everything else                                  | raise      | raise          |

Repeatable is what only reads, what ends in the same state however often it is sent, and what carries an
Idempotency-Key.
"""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

# Nothing of the request has left, so that even a purchase may be tried again.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_LOST = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ProxyError)
_PROXY_STATUS = frozenset({408, 425, 502, 503, 504})
_REFUSED_AT_THE_DOOR = frozenset({"rate_limited", "shutting_down"})


@dataclass(frozen=True, slots=True)
class Retry:
    """How patient to be, in seconds: pauses grow from `first` by doubling up to `longest`, `total` bounds them all.

    >>> Retry(total=0)  # never repeat anything
    Retry(first=0.5, longest=15.0, total=0)
    """

    first: float = 0.5
    longest: float = 15.0
    total: float = 60.0

    def pause(self, number: int, fraction: float, floor: float) -> float:
        """Seconds before try `number` + 1 (from 1): full jitter, but never less than the server's `floor`."""
        return max(fraction * min(self.longest, self.first * 2 ** (number - 1)), floor)


PATIENT = Retry()


def after_error(error: httpx2.RequestError, *, repeatable: bool) -> bool:
    """True when a request that got no answer may be sent again."""
    return isinstance(error, _NOT_SENT) or (repeatable and isinstance(error, _LOST))


def after_answer(status: int, problem: dict[str, Any] | None, *, repeatable: bool) -> bool:
    """True when a request that was answered with an error may be sent again."""
    if problem is None:
        return status == 429 or (repeatable and status in _PROXY_STATUS)
    if problem.get("generation"):
        return False
    if problem.get("code") in _REFUSED_AT_THE_DOOR or status == 429:
        return True
    return repeatable and problem.get("retryable") is True


def floor(headers: httpx2.Headers) -> float:
    """Seconds that `Retry-After` asks for: a number, or a date against the answer's own `Date`; 0 without one."""
    text = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        then, said = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (then - said).total_seconds())
    except (ValueError, TypeError):
        return 0.0
