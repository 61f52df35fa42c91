"""The switchboard of a fake vendor: what goes wrong next, what has arrived so far, and what all of them say alike."""

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

# Told by the connection or by HTTP, so alike for all vendors; `server.misbehaving` does them.
COMMON = (
    "rate_limited",
    "rate_limited_seconds",
    "rate_limited_date",
    "rate_limited_body",
    "error_500",
    "error_502",
    "error_503",
    "timeout",
    "reset",
    "slow_drip",
    "truncated",
    "wrong_type",
    "huge_body",
)
# Each vendor has its own way of these.
OWN = (
    "bad_request",
    "auth",
    "out_of_credit",
    "not_found",
    "prompt_blocked",
    "output_blocked",
    "error_in_200",
    "corrupt_base64",
    "corrupt_picture",
    "expired_url",
    "private_redirect",
    "never_ending",
    "fewer_pictures",
    "failed_later",
    "duplicate_webhook",
    "forged_webhook",
    "unknown_category",
)
TROUBLES = COMMON + OWN
# What a fake remembers of a kind, such as jobs or files.
_MOST_KEPT = 256
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that goes wrong, with requests of this method only (None: with any)."""

    name: str
    method: str | None = "POST"


@dataclass(frozen=True)
class Seen:
    """One request as it arrived: form fields or JSON, and the files by name; then what was answered."""

    method: str
    path: str
    headers: Mapping[str, str]
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    json: Any = None
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)


@dataclass
class Switchboard:
    """`keys` are let in; `calls` has every request, method and path, also those that went wrong.

    `uncounted`: how the paths begin of what is posted but asks for no picture, such as uploads and polls.
    """

    keys: frozenset[str] = frozenset({"sk-simulated"})
    uncounted: tuple[str, ...] = ()
    troubles: deque[Trouble] = field(default_factory=deque[Trouble])
    always: Trouble | None = None
    calls: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    # The last ones: with their files they are large.
    seen: deque[Seen] = field(default_factory=lambda: deque[Seen](maxlen=64))

    def next(self, name: str, *, times: int = 1, method: str | None = "POST") -> None:
        """Let this go wrong with the next `times` requests."""
        self.troubles.extend([Trouble(_known(name), method)] * times)

    def from_now_on(self, name: str | None, *, method: str | None = "POST") -> None:
        """Let this go wrong always; None ends it."""
        self.always = None if name is None else Trouble(_known(name), method)

    def take(self, method: str, *names: str) -> str | None:
        """What goes wrong with this request now, if it is one of `names`; it is then used up."""
        if self.troubles and self._fits(self.troubles[0], method, names):
            return self.troubles.popleft().name
        return self.always.name if self.always and self._fits(self.always, method, names) else None

    def note(
        self,
        request: Request,
        json: Any = None,
        *,
        fields: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Remember a request as it arrived."""
        self.seen.append(
            Seen(request.method, request.url.path, dict(request.headers), fields or {}, json=json, files=files or {})
        )

    def submissions(self, method: str = "POST") -> int:
        """How many requests of this method came in that asked for pictures."""
        return sum(each == method and not path.startswith(self.uncounted) for each, path in self.calls)

    @staticmethod
    def _fits(trouble: Trouble, method: str, names: tuple[str, ...]) -> bool:
        return trouble.method in (None, method) and trouble.name in names


def bearer_of(request: Request) -> str:
    """The key that came as a bearer token; empty where none came."""
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def address_of(request: Request) -> str:
    """Where the fake itself is reached, without a slash at the end."""
    return str(request.base_url).rstrip("/")


def gateway_page(status: int) -> Response:
    """What a gateway before a vendor says of itself."""
    return Response("<html><body>Bad Gateway</body></html>", status, media_type="text/html")


def id_of(told: bytes | str, length: int = 32) -> str:
    """An id of this length that follows from what was told."""
    return hashlib.sha256(told.encode() if isinstance(told, str) else told).hexdigest()[:length]


def keep(kept: dict[str, V], name: str, value: V) -> None:
    """Remember this, and forget the oldest where there are many."""
    if len(kept) >= _MOST_KEPT:
        kept.pop(next(iter(kept)))
    kept[name] = value


def _known(name: str) -> str:
    if name not in TROUBLES:
        raise ValueError(f"there is no trouble {name!r}; there are {', '.join(TROUBLES)}")
    return name
