"""One call to the server: address and key, redirects, retries, errors. The key goes to the server's own origin only."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx2
from pydantic import SecretStr

from platemark.client import retry
from platemark.client.effects import Sleep, Steps, draw, now, send
from platemark.client.errors import Unreachable, error_of_response, json_object, problem_of, unreachable
from platemark.client.retry import Retry
from platemark.core.base import JsonObject
from platemark.core.errors import Misconfigured, PlatemarkError

URL_VARIABLE = "PLATEMARK_URL"
KEY_VARIABLES = ("PLATEMARK_API_KEY", "SD_API_KEY")
MAX_REDIRECTS = 5
# A proxy of the environment leads outside; what is here is never reached through it.
DIRECT: dict[str, None] = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}


def _agent() -> str:
    try:
        return f"platemark-python/{version('platemark')}"
    except PackageNotFoundError:
        return "platemark-python"


# Read once while importing: it looks at files, which an event loop must not wait for.
_AGENT = _agent()


@dataclass(frozen=True, slots=True)
class Call:
    """What to send, without the server it goes to.

    `path` is below the base URL. `form` and `files` make a multipart body in place of `json`,
    `content` is a body as it is. `repeatable`: sending it
    twice does no more than sending it once. `again` is sent instead from the second time on. `read_timeout`: seconds
    without a byte of the answer; the client's own when None.
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    json: Any = None
    content: bytes | None = None
    form: Mapping[str, str] | None = None
    files: Sequence[tuple[str, tuple[str, bytes, str]]] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    repeatable: bool = False
    stream: bool = False
    read_timeout: float | None = None
    again: "Call | None" = None


@dataclass(frozen=True, slots=True)
class Server:
    """Where calls go, and how."""

    base: httpx2.URL
    key: SecretStr | None = field(repr=False)
    timeout: httpx2.Timeout
    retry: Retry

    def request(self, call: Call) -> httpx2.Request:
        """The request of a call, with the key."""
        path = self.base.path.rstrip("/") + call.path
        url = self.base.copy_with(path=path)
        params = {name: value for name, value in call.params.items() if value is not None}
        return httpx2.Request(
            call.method,
            url.copy_merge_params(params) if params else url,
            headers=self._headers(call, url),
            json=call.json,
            content=call.content,
            data=call.form,
            files=call.files,
            extensions={"timeout": self._timeout(call)},
        )

    def redirected(self, call: Call, request: httpx2.Request, target: httpx2.URL) -> httpx2.Request:
        """The same reading request at another address; without the key where that is another origin."""
        return httpx2.Request(
            request.method, target, headers=self._headers(call, target), extensions={"timeout": self._timeout(call)}
        )

    def _headers(self, call: Call, url: httpx2.URL) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": _AGENT, **call.headers}
        if self.key is not None and url.origin == self.base.origin:
            headers["Authorization"] = f"Bearer {self.key.get_secret_value()}"
        return headers

    def _timeout(self, call: Call) -> dict[str, float | None]:
        if call.read_timeout is None:
            return self.timeout.as_dict()
        return {**self.timeout.as_dict(), "read": call.read_timeout}


def server(base_url: str | None, api_key: str | None, timeout: float | httpx2.Timeout, patience: Retry) -> Server:
    """The server that arguments or environment name. Raises Misconfigured, which says what to set."""
    address = base_url or os.environ.get(URL_VARIABLE)
    if not address:
        raise Misconfigured(
            f"No server is named. Pass base_url, as in Client('http://127.0.0.1:8460'), or set {URL_VARIABLE}."
        )
    try:
        base = httpx2.URL(address.strip())
    except httpx2.InvalidURL as error:
        raise Misconfigured(f"The address {address!r} is not a URL: {error}.") from error
    if base.scheme not in ("http", "https") or not base.host or base.userinfo or base.query or base.fragment:
        raise Misconfigured(
            f"The address {base.copy_with(username=None, password=None)} cannot be used. It has the form "
            "https://host or https://host/path, with no user, query or fragment in it."
        )
    if not isinstance(timeout, httpx2.Timeout):
        timeout = httpx2.Timeout(timeout, connect=min(timeout, 10.0))
    return Server(base, _key(api_key), timeout, patience)


def _key(api_key: str | None) -> SecretStr:
    key = api_key or next(filter(None, map(os.environ.get, KEY_VARIABLES)), None)
    if key is None:
        raise Misconfigured(
            f"No API key is given. Pass api_key=…, or set {' or '.join(KEY_VARIABLES)}. The first start of a server "
            "writes an admin key into its data directory; `platemark keys create` makes others."
        )
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise Misconfigured(
            "The API key holds characters that a key never has. Copy it again, without quotes or line breaks."
        )
    return SecretStr(key)


def perform(server: Server, call: Call) -> Steps[httpx2.Response]:
    """The answer to a call, with a success status, after as many tries as the retry table allows.

    Patience ends `retry.total` seconds after the first failure. Raises the core error of the answer's problem document,
    or Unreachable.
    """
    failed_at: float | None = None
    number = 0
    while True:
        number += 1
        outcome = yield from _try(server, call)
        if isinstance(outcome, httpx2.Response) and outcome.is_success:
            return outcome
        failure, again, least = _judge(server, call, outcome)
        pause = server.retry.pause(number, (yield from draw()), least)
        moment = yield from now()
        failed_at = moment if failed_at is None else failed_at
        if not again or moment - failed_at + pause > server.retry.total:
            raise failure from (outcome if isinstance(outcome, httpx2.RequestError) else None)
        yield Sleep(pause)
        call = call.again or call


def _try(server: Server, call: Call) -> Steps[httpx2.Response | httpx2.RequestError]:
    try:
        return (yield from _follow(server, call))
    except httpx2.RequestError as error:
        return error


def _judge(
    server: Server, call: Call, outcome: httpx2.Response | httpx2.RequestError
) -> tuple[PlatemarkError, bool, float]:
    """What went wrong, whether sending again can help, and the least seconds to wait before."""
    if isinstance(outcome, httpx2.RequestError):
        return unreachable(outcome, str(server.base)), retry.after_error(outcome, repeatable=call.repeatable), 0.0
    least = retry.floor(outcome.headers)
    again = retry.after_answer(outcome.status_code, problem_of(outcome), repeatable=call.repeatable)
    return error_of_response(outcome, retry_after=least or None), again, least


def _follow(server: Server, call: Call) -> Steps[httpx2.Response]:
    request = server.request(call)
    for _ in range(MAX_REDIRECTS):
        response = yield from send(request, stream=call.stream)
        location = response.headers.get("location")
        if not 300 <= response.status_code < 400 or location is None:
            return response
        target = request.url.join(location)
        if call.method != "GET" or not _may_follow(request.url, target):
            raise Unreachable(
                f"{request.url.copy_with(query=None)} redirects to {target.copy_with(query=None)}, which is not "
                "followed for this request. If that is the right server, use its address as base_url."
            )
        request = server.redirected(call, request, target)
    raise Unreachable(f"{server.base} redirects more than {MAX_REDIRECTS} times.")


def _may_follow(here: httpx2.URL, there: httpx2.URL) -> bool:
    return there.scheme == "https" or (there.scheme == "http" and here.scheme == "http")


def body_of(response: httpx2.Response) -> JsonObject:
    """The JSON object of a success. Raises Unreachable when it is something else: then this is not our server."""
    try:
        body = json_object(response.json())
    except ValueError:
        body = None
    if body is not None:
        return body
    raise Unreachable(
        f"{response.request.url.copy_with(query=None)} answered {response.status_code}, but not with JSON of the "
        "Platemark API. Check that the address is the API's and not that of a page or a proxy."
    )
