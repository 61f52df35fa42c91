"""What differs from vendor to vendor: data and pure functions, which `remote.Remote` calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from platemark.core.base import JsonObject
from platemark.core.money import Cost
from platemark.core.updates import Order
from platemark.imaging.header import sniff
from platemark.providers.catalogue import Declared, Rate
from platemark.providers.http import Call, Reply, as_object, decode_payload
from platemark.providers.outcomes import Outcome, Row


def is_picture(data: bytes) -> bool:
    """Whether these bytes begin as those of a picture do."""
    return (sniff(data) or "").startswith("image/")


@dataclass(frozen=True, slots=True)
class Found:
    """One picture in an answer: its bytes, or the URL where they lie.

    `outcome` other than ok says what is wrong, and `words` what the vendor says about it.
    """

    data: bytes | None = field(default=None, repr=False)
    url: str | None = field(default=None, repr=False)
    seed: int | None = None
    outcome: Outcome = "ok"
    words: tuple[str, ...] = ()
    flags: JsonObject = field(default_factory=dict[str, Any])
    revised_prompt: str | None = field(default=None, repr=False)


# Under which names a picture lies in an object, the surest first.
_PICTURE_NAMES = ("b64_json", "base64", "image", "url", "resultUrl")


def found_in(value: Any, *, seed: int | None = None) -> Found:
    """The picture that a part of an answer is: bytes, a URL, a data URI, base64, hex, or an object that holds one.

    Where it is none of these, `Found` has nothing, which makes it unusable.
    """
    if isinstance(value, bytes):
        return Found(value, seed=seed)
    named = as_object(value)
    text = next((named[name] for name in _PICTURE_NAMES if named.get(name)), value)
    if not isinstance(text, str):
        return Found(seed=seed)
    revised = named.get("revised_prompt")
    found = Found(seed=seed, revised_prompt=revised if isinstance(revised, str) else None)
    if text.lstrip()[:8].lower().startswith(("http://", "https://")):
        return replace(found, url=text.strip())
    return replace(found, data=decode_payload(text))


def told(fields: Mapping[str, Any], *hidden: str) -> dict[str, Any]:
    """What may be kept of the fields of a call: neither prompts nor these, which are texts or pictures."""
    return {name: value for name, value in fields.items() if "prompt" not in name and name not in hidden}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer said. With `follow`, that is asked next (it must be repeatable; where the answer does not say
    enough, it is made of the ticket); with `pending`, the ticket is asked again later. `cost`: only when the vendor
    named a number. `progress`: the share that is done, 0 to 1; `preview`: a small picture of the present state.
    """

    found: tuple[Found, ...] = ()
    ticket: str | None = None
    pending: bool = False
    follow: Call | Callable[[str], Call] | None = None
    cost: Cost | None = None
    model_revision: str | None = None
    progress: float | None = None
    preview: bytes | None = field(default=None, repr=False)


def seed_of(said: Any) -> int | None:
    """A seed as vendors say it: as a text, or as a number with a fraction; 0 says nothing."""
    try:
        return int(float(said)) or None
    except (TypeError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Socket:
    """A WebSocket that tells how far the work is. `hear` reads one message, text or bytes; None where it says nothing.

    Only progress and previews are taken from it: what the work came to is asked by polls, with it or without.
    """

    path: str
    hear: Callable[[str | bytes], Reading | None]
    query: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Asked:
    """One call and the pictures that it is for: their indices and seeds. `chosen`: what the adapter sends for our words
    and beyond them, kept in the record; never a prompt, a picture or a key.

    `before`: repeatable calls that are answered first, such as uploads; where it needs their answers, `fill` makes the
    call out of them. `beside`: asked now and then while the call is under way, read for its progress. `socket`: it is
    listened to while a ticket is waited for. `stop`: told to the vendor when we go away while the call is under way.
    """

    call: Call
    indices: tuple[int, ...]
    seeds: tuple[int, ...]
    chosen: Mapping[str, Any] = field(default_factory=dict[str, Any])
    before: tuple[Call, ...] = ()
    fill: Callable[[Sequence[Reply]], Call] | None = None
    beside: Call | None = None
    socket: Socket | None = None
    stop: Call | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What an adapter says to people; it may have one as `about`. None: no source says it.

    `delivers`: how pictures come, and by which word that is chosen. `scopes`: what keys can be limited to.
    """

    delivers: str | None = None
    scopes: str | None = None
    not_verified: tuple[str, ...] = ()


class Vendor(Protocol):
    """An adapter's part. `free_repeat`: asking again costs nothing. `replays_keys`: our idempotency key, sent
    again, gives the same answer. `needs_key`: nothing works without a key."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def models(self) -> Mapping[str, Declared]: ...  # noqa: D102
    @property
    def table(self) -> Sequence[Row]: ...  # noqa: D102
    @property
    def rate(self) -> Rate: ...  # noqa: D102
    @property
    def request_id_headers(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def free_repeat(self) -> bool: ...  # noqa: D102
    @property
    def replays_keys(self) -> bool: ...  # noqa: D102
    @property
    def needs_key(self) -> bool: ...  # noqa: D102

    def authorise(self, call: Call, key: str) -> Call:
        """The call with the key where this vendor wants it."""
        ...

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """The calls that make an order's pictures: one a seed, or fewer where the vendor counts up seeds itself."""
        ...

    def read(self, reply: Reply, model: Declared) -> Reading:
        """The pictures, ticket or state in an answer that the table calls ok, partial or pending."""
        ...

    def poll(self, ticket: str, model: Declared) -> Call:
        """The call that asks what became of a ticket."""
        ...

    def cancel(self, ticket: str, model: Declared) -> Call | Sequence[Call] | None:
        """What ends the work on a ticket; None where the vendor has nothing that does."""
        ...
