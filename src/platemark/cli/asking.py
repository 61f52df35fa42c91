"""What `platemark moderate` asks: lines and pictures, ruled on this machine or by a server, as JSON values."""

import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BufferedIOBase
from itertools import islice
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync

from platemark import telemetry
from platemark.client import Client
from platemark.core.errors import InvalidRequest, Misconfigured, PlatemarkError
from platemark.core.moderation import Stage
from platemark.core.ports import Circumstances, Platform
from platemark.core.request import MAX_PROMPT
from platemark.flows.moderate import Asked, judge
from platemark.imaging.header import sniff
from platemark.settings import Settings

MAX_PICTURE_BYTES = 64 * 1024 * 1024
_HEAD = 64
# A text of as many characters has at most four times as many bytes.
_MAX_LINE = MAX_PROMPT * 4
_BATCH, _TOGETHER = 32, 8


@dataclass(frozen=True, slots=True)
class Input:
    """One thing that is asked about. `name` is the text itself, or the picture's path; `fault`: why it was not read."""

    name: str
    picture: bytes | None = field(default=None, repr=False)
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """Under which circumstances is asked."""

    audience: str | None = None
    role: str | None = None
    stage: Stage = "before_request"


Ask = Callable[[list[Input]], Awaitable[list[dict[str, Any]]]]
Opened = AbstractAsyncContextManager[tuple[Ask, int]]


def read_picture(path: Path) -> Input:
    """The picture in a file."""
    try:
        with path.open("rb") as file:
            return _picture(str(path), file.read(MAX_PICTURE_BYTES + 1))
    except OSError as error:
        return Input(str(path), fault=f"{path} cannot be read: {error.strerror}.")


def read_file(path: Path) -> Iterator[Input]:
    """A picture as one input, told by its bytes; anything else line by line, never more than one line in memory."""
    try:
        with path.open("rb") as file:
            yield from read_stream(file, str(path))
    except OSError as error:
        yield Input(str(path), fault=f"{path} cannot be read: {error.strerror}.")


def read_stream(file: BufferedIOBase, name: str) -> Iterator[Input]:
    """As `read_file`, from what is open for bytes."""
    lines = _Lines(file, file.read1(_HEAD))
    if (sniff(lines.head) or "").startswith("image/"):
        yield _picture(name, lines.head + file.read(MAX_PICTURE_BYTES + 1 - len(lines.head)))
        return
    while line := lines.next():
        yield _line(line, lines)


@dataclass(slots=True)
class _Lines:
    """Lines of a file whose first bytes were read before."""

    file: BufferedIOBase
    head: bytes

    def next(self) -> bytes:
        """The next line with its end, or as much of it as may be; empty at the end of the file."""
        line, end, rest = self.head.partition(b"\n")
        if end:
            self.head = rest
            return line + end
        self.head = b""
        return line + self.file.readline(_MAX_LINE + 1 - len(line))


def _picture(name: str, data: bytes) -> Input:
    if len(data) > MAX_PICTURE_BYTES:
        return Input(name, fault=f"{name} has more than {MAX_PICTURE_BYTES} bytes. Make it smaller.")
    return Input(name, data)


def _line(line: bytes, lines: _Lines) -> Input:
    whole = line
    while len(line) > _MAX_LINE and not line.endswith(b"\n"):
        line = lines.next()
    try:
        text = whole.rstrip(b"\r\n").decode()
    except UnicodeDecodeError:
        shown = whole[:200].decode("utf-8", "replace").rstrip("\r\n")
        fault = "The line is not UTF-8 text." if len(whole) <= _MAX_LINE else _too_long()
        return Input(shown, fault=fault)
    return Input(text[:200], fault=_too_long()) if len(text) > MAX_PROMPT else Input(text)


def _too_long() -> str:
    return f"The line has more than {MAX_PROMPT} characters. Split it."


async def answer(inputs: Iterator[Input], opened: Opened, tell: Callable[[dict[str, Any]], None]) -> bool:
    """Tell one answer an input, in order and as soon as it is there. False when one could not be read."""
    clean = True
    async with opened as (ask, size):
        # Reading waits for whoever writes the input.
        while group := await run_sync(lambda: list(islice(inputs, size))):
            readable = [each for each in group if each.fault is None]
            found = iter(await ask(readable) if readable else [])
            for each in group:
                said = next(found) if each.fault is None else unread(each.name, "unreadable", each.fault)
                clean = clean and "error" not in said
                tell(said)
    return clean


def unread(name: str, code: str, detail: str) -> dict[str, Any]:
    """The answer on what could not be looked at: a check that did not look is no pass."""
    return {
        "input": name,
        "decision": "review",
        "reason_code": "MODERATION_UNAVAILABLE",
        "signals": [],
        "policy_version": None,
        "error": {"code": code, "detail": detail},
    }


def here(settings: Settings, given: Given) -> Opened:
    """Asks the detectors and the policy on this machine, beside the store of `settings`."""
    # Before the event loop runs, which its imports would hold up.
    from platemark.wiring import open_parts

    # Standard output is for answers.
    telemetry.configure(level="warning")
    return _here(open_parts(settings), Circumstances(stage=given.stage, role=given.role, audience=given.audience))


@asynccontextmanager
async def _here(
    parts: AbstractAsyncContextManager[Platform], circumstances: Circumstances
) -> AsyncGenerator[tuple[Ask, int]]:
    async with parts as platform:
        yield partial(_asked_here, platform, circumstances), 1


async def _asked_here(platform: Platform, circumstances: Circumstances, group: list[Input]) -> list[dict[str, Any]]:
    return [await _judged(platform, each, circumstances) for each in group]


async def _judged(platform: Platform, each: Input, circumstances: Circumstances) -> dict[str, Any]:
    asked = Asked((each.name,)) if each.picture is None else Asked(pictures=(each.picture,))
    try:
        found = await judge(platform, asked, circumstances)
    except PlatemarkError as error:
        return unread(each.name, error.code, error.detail)
    ruling = found.ruling.model_dump(mode="json", exclude={"shadow"})
    signals = [signal.model_dump(mode="json") for signal in found.signals]
    return _shaped(each.name, {**ruling, "signals": signals}, circumstances.audience)


@asynccontextmanager
async def there(client: Client, given: Given) -> AsyncGenerator[tuple[Ask, int]]:
    """Asks a server."""

    async def ask(group: list[Input]) -> list[dict[str, Any]]:
        return await run_sync(_asked_there, client, given, group)

    with client:
        yield ask, _BATCH


def _asked_there(client: Client, given: Given, group: list[Input]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    texts = [number for number, each in enumerate(group) if each.picture is None]
    # As many as fit into one request when each is as long as it may be.
    for first in range(0, len(texts), _TOGETHER):
        found |= _texts_there(client, given, group, texts[first : first + _TOGETHER])
    for number, each in enumerate(group):
        if each.picture is not None:
            found[number] = _picture_there(client, given, each.name, each.picture)
    return [found[number] for number in range(len(group))]


def _texts_there(client: Client, given: Given, group: list[Input], some: list[int]) -> dict[int, dict[str, Any]]:
    wanted: dict[str, Any] = {"audience": given.audience, "role": given.role, "stage": given.stage}
    answer = client.moderate([group[number].name for number in some], **wanted)
    return {
        number: _shaped(group[number].name, result.model_dump(mode="json"), given.audience)
        for number, result in zip(some, answer.results, strict=True)
    }


def _picture_there(client: Client, given: Given, name: str, data: bytes) -> dict[str, Any]:
    try:
        answer = client.moderate(image=data, audience=given.audience, role=given.role, stage=given.stage)
    except InvalidRequest as error:
        return unread(name, error.code, error.detail)
    return _shaped(name, answer.results[0].model_dump(mode="json"), given.audience)


def _shaped(name: str, found: dict[str, Any], audience: str | None) -> dict[str, Any]:
    """The five names that every answer begins with, then the rest of a ruling."""
    first = ("decision", "reason_code", "signals", "policy_version")
    more = ("secondary_codes", "severity", "rule_ids")
    return {"input": name, **{key: found[key] for key in (*first, *more)}, "audience": audience}


@contextmanager
def settings_here(data: Path | None) -> Generator[Settings]:
    """Settings for asking on this machine. Raises Misconfigured for a store that was named and is not there.

    Where there is no store, an empty one stands in for it that is thrown away, so that nothing on disk is touched.
    """
    from platemark.cli.serve import settings

    # An `api` starts no engine, and no detector needs a provider.
    found: Settings = settings(data=data, role="api").model_copy(update={"providers": ()})
    if found.database_url is not None or (found.data / "platemark.db").is_file():
        yield found
        return
    if data is not None:
        raise Misconfigured(f"There is no store in {found.data}. Name its directory with --data, or leave it out.")
    with tempfile.TemporaryDirectory(prefix="platemark-moderate-") as folder:
        yield found.model_copy(update={"data": Path(folder), "blobs": None})
