"""The shared transport: one client per provider; calls bounded in time and bytes; answers kept without secrets."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, cast
from urllib.parse import quote, urlsplit

import anyio
import anyio.to_thread
import httpx2

from platemark.core.base import JsonObject

MAX_REPLY_BYTES = 64 * 1024 * 1024
# Longer texts of a body are payloads: they are kept by their hash.
_LONG = 2000
_SHORT_PROMPT = 8
_UNTOLD = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization", "www-authenticate", "x-api-key"})
_DATA_URI = re.compile(r"data:(image/[\w.+-]+)?(;[\w=.-]+)*(;base64)?,", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-fA-F]+")
Part = tuple[str, bytes, str]


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. `path` is joined to the base URL, or is a whole URL on the same host.

    At most one of `json`, `form` (with `files`: name to file name, bytes, media type) and `content` is given; a form is
    sent as multipart also without files. `repeatable`: asking twice neither costs nor changes anything.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    json: Any = None
    form: Mapping[str, str] | None = None
    files: Mapping[str, Part] = field(default_factory=dict[str, Part], repr=False)
    content: bytes | None = field(default=None, repr=False)
    repeatable: bool = False


@dataclass(frozen=True)
class Reply:
    """A whole answer. Names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        """The claimed type, without parameters, which some vendors write so that strict readers fail."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def json(self) -> Any:
        """The body as JSON, whatever type it claims to be; None where it is none."""
        if self.body[:1].lstrip() not in (b"{", b"[", b'"', b""):
            return None
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @cached_property
    def text(self) -> str:
        """The beginning of the body as text, as far as it is any."""
        return "" if b"\0" in self.body[:512] else self.body[:20_000].decode("utf-8", "replace")


Cut = Literal["not_sent", "no_answer", "cut_off", "too_large"]


class Lost(Exception):
    """No whole answer. `not_sent`: the request never left; else the vendor may have worked on it."""

    def __init__(self, cut: Cut, words: str) -> None:
        super().__init__(words)
        self.cut: Cut = cut
        self.words = words


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds: to connect, between two bytes, and for everything of one call together."""

    connect: float = 10.0
    read: float = 120.0
    total: float = 300.0


@dataclass(frozen=True)
class Keys:
    """The keys of one provider, used in turn. A key that was refused goes to the end of the row."""

    values: tuple[str, ...] = field(default=(), repr=False)
    _order: list[str] = field(default_factory=list[str], repr=False)

    def __post_init__(self) -> None:
        """Start with the order in which they were given."""
        self._order[:] = self.values

    def in_turn(self) -> tuple[str, ...]:
        """All keys, the one to try first at the head."""
        return tuple(self._order)

    def refused(self, key: str) -> None:
        """Try this one last from now on."""
        if key in self._order:
            self._order.remove(key)
            self._order.append(key)

    def clean(self, text: str) -> str:
        """The text without any key, in the forms in which keys travel."""
        for key in self.values:
            for form in (key, quote(key, safe=""), base64.b64encode(key.encode()).decode()):
                text = text.replace(form, "[secret]")
        return text


@dataclass(frozen=True)
class Transport:
    """Sends calls of one provider to its base URL. Follows no redirect, sends no cookie, reads no environment."""

    name: str
    base_url: str
    client: httpx2.AsyncClient = field(repr=False)
    deadlines: Deadlines = Deadlines()
    max_bytes: int = MAX_REPLY_BYTES

    async def send(self, call: Call) -> Reply:
        """The whole answer, whatever its status. Raises Lost."""
        request = self._request(call)
        sent = False
        try:
            with anyio.fail_after(self.deadlines.total):
                response = await self.client.send(request, stream=True)
                sent = True
                try:
                    body = await self._read(response)
                finally:
                    with anyio.CancelScope(shield=True):
                        await response.aclose()
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise Lost("not_sent", f"no connection: {type(error).__name__}") from None
        except (TimeoutError, httpx2.TimeoutException):
            raise Lost("cut_off" if sent else "no_answer", "no whole answer in time") from None
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise Lost("cut_off" if sent else "no_answer", f"the connection broke: {type(error).__name__}") from None
        return Reply(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body)

    def _request(self, call: Call) -> httpx2.Request:
        url = call.path if "://" in call.path else f"{self.base_url.rstrip('/')}{call.path}"
        if origin(url) != origin(self.base_url):
            raise Lost("not_sent", f"{self.name} named an address on another host for our next call")
        options: dict[str, Any] = {"headers": dict(call.headers), "params": dict(call.query) or None}
        if call.json is not None:
            options["json"] = call.json
        elif call.form is not None or call.files:
            # A field as a part without a file name: so the body is multipart also where there is no file.
            fields = [(name, (None, value.encode(), None)) for name, value in (call.form or {}).items()]
            options["files"] = [*fields, *call.files.items()]
        elif call.content is not None:
            options["content"] = call.content
        return self.client.build_request(call.method, url, **options)

    async def _read(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self.max_bytes:
                raise Lost("too_large", f"the answer has more than {self.max_bytes} bytes")
        return bytes(body)


@asynccontextmanager
async def open_transport(
    name: str, base_url: str, *, deadlines: Deadlines | None = None, max_bytes: int = MAX_REPLY_BYTES
) -> AsyncGenerator[Transport]:
    """One client for one provider, for as long as the block runs."""
    times = deadlines or Deadlines()
    timeout = httpx2.Timeout(times.read, connect=times.connect, pool=times.total)

    def make() -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            timeout=timeout,
            trust_env=False,
            follow_redirects=False,
            # What is packed could unpack to more than anybody bounds; pictures do not shrink anyway.
            headers={"user-agent": "platemark", "accept-encoding": "identity"},
        )

    # In a thread: the first client reads the system's certificates.
    async with await anyio.to_thread.run_sync(make) as client:
        yield Transport(name, base_url, client, times, max_bytes)


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return (
        parts.scheme.lower(),
        (parts.hostname or "").lower(),
        parts.port or {"http": 80, "https": 443}.get(parts.scheme),
    )


def as_object(value: Any) -> Mapping[str, Any]:
    """A JSON object; empty for what else an answer may have in its place."""
    return cast(Mapping[str, Any], value) if isinstance(value, dict) else {}


def as_list(value: Any) -> Sequence[Any]:
    """A JSON list; empty for what else an answer may have in its place."""
    return cast(Sequence[Any], value) if isinstance(value, list) else ()


def with_bearer(call: Call, key: str) -> Call:
    """The call with the key as a bearer token."""
    return replace(call, headers={**call.headers, "authorization": f"Bearer {key}"})


def png_part(name: str, png: bytes) -> Part:
    """A picture as a file of a form."""
    return (f"{name}.png", png, "image/png")


def as_base64(data: bytes) -> str:
    """Bytes as a text."""
    return base64.b64encode(data).decode()


def data_uri(png: bytes) -> str:
    """A PNG as vendors take it inside JSON."""
    return f"data:image/png;base64,{as_base64(png)}"


# Payloads of the answer that is being read, by the identity of their text, which is held so that it stays the same.
_decoded: ContextVar[dict[int, tuple[str, bytes | None]] | None] = ContextVar("_decoded", default=None)


@contextmanager
def decoding_once() -> Generator[None]:
    """Inside the block a text is decoded once: what is kept of an answer and what is read from it are the same."""
    token = _decoded.set({})
    try:
        yield
    finally:
        _decoded.reset(token)


def decode_payload(text: str) -> bytes | None:
    """The bytes of a picture that came as text: a data URI, base64 (any alphabet, with or without padding) or hex."""
    known = _decoded.get()
    if known is None:
        return _decode(text)
    if id(text) not in known:
        known[id(text)] = (text, _decode(text))
    return known[id(text)][1]


def _decode(text: str) -> bytes | None:
    text = text.strip()
    if found := _DATA_URI.match(text):
        text = text[found.end() :]
    try:
        if not _HEX.fullmatch(text):
            # What nearly all send, at half the price; strict, so that nothing is skipped.
            return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        pass
    compact = "".join(text.split())
    try:
        if _HEX.fullmatch(compact) and len(compact) % 2 == 0:
            return bytes.fromhex(compact)
        padded = compact.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except ValueError:
        return None


def kept(reply: Reply, keys: Keys, secret_headers: Collection[str] = (), texts: Sequence[str] = ()) -> JsonObject:
    """The answer as it is kept with the attempt: payloads by their hash, secrets and signatures of URLs taken out.

    `texts`: prompts, which some vendors repeat. They are kept in one place only, where they can be erased.
    """
    hidden = _UNTOLD | {name.lower() for name in secret_headers}
    forms = [form for text in texts if text for form in (text, json.dumps(text)[1:-1])]

    def clean(text: str) -> str:
        return keys.clean(_without(text, forms))

    headers = {
        name: _tidy(value, clean) for name, value in sorted(reply.headers.items())[:64] if name.lower() not in hidden
    }
    return {"status": reply.status, "headers": headers, "body": _body(reply, clean)}


_Clean = Callable[[str], str]


def _without(text: str, forms: Sequence[str]) -> str:
    """A short prompt stands inside other words by chance: it is taken out only where it is everything."""
    for form in forms:
        text = "[prompt]" if text.strip() == form.strip() else text
        text = text.replace(form, "[prompt]") if len(form) >= _SHORT_PROMPT else text
    return text


def _body(reply: Reply, clean: _Clean) -> Any:
    if reply.json is not None:
        return _plain(reply.json, clean, 0)
    if not reply.body:
        return None
    is_text = reply.media_type.startswith("text/") and len(reply.body) <= _LONG
    return _tidy(reply.text, clean) if is_text else _hash_of(reply.body, reply.media_type)


def _plain(value: Any, clean: _Clean, depth: int) -> Any:
    if depth > 12:
        return "…"
    if isinstance(value, Mapping):
        return {str(k)[:200]: _plain(v, clean, depth + 1) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each, clean, depth + 1) for each in value[:100]]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, str):
        if len(value) <= _LONG:
            return _tidy(value, clean)
        data = decode_payload(value)
        return _hash_of(value.encode("utf-8", "replace") if data is None else data, "text" if data is None else "")
    return value


_URL_QUERY = re.compile(r"(https?://[^\s?#\"']+)\?[^\s\"']+")


def _tidy(text: str, clean: _Clean) -> str:
    return _URL_QUERY.sub(r"\1?[signed]", clean(text[:_LONG]))


def _hash_of(data: bytes, media_type: str) -> JsonObject:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "media_type": media_type}
