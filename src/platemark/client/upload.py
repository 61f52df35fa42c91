"""Bringing a picture, as steps without I/O: in pieces, taken up again where the connection broke."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from platemark.client import pictures
from platemark.client.effects import Sleep, Steps, Tell, do
from platemark.client.errors import Unreachable
from platemark.client.nouns import act, get, parse, route
from platemark.client.wire import Call, Server, body_of, perform
from platemark.core.errors import InvalidRequest, OffsetConflict, Unavailable
from platemark.core.keeping import UploadResource
from platemark.core.resource import ImageResource

PIECE_BYTES = 4 * 1024 * 1024
# So often in a row a piece may fail before the caller is told.
MOST_FAILURES = 6
_KIND = "application/offset+octet-stream"


class Words(TypedDict, total=False):
    """What can be said about a picture that is brought. File name and caption are screened like a prompt."""

    filename: str | None
    caption: str | None
    user: str | None
    role: str | None
    audience: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sent:
    """How much of a file the server has. `existing`: it had these bytes before, and none were sent."""

    done: int
    total: int
    existing: bool = False


Watcher = Callable[[Sent], object]


def upload(
    server: Server, source: bytes | Path | str, words: Mapping[str, Any], watcher: Watcher | None, piece: int
) -> Steps[ImageResource]:
    """The image, new or one that the project has already. Raises what the server says of the file, or Unreachable."""
    said = {name: value for name, value in words.items() if value is not None}
    if not isinstance(source, bytes):
        path = Path(source).expanduser()
        source = yield from do(partial(pictures.read, path))
        said.setdefault("filename", path.name)
    data = source
    if not data:
        raise InvalidRequest("The file is empty. Give the bytes of one image.")
    digest = yield from do(lambda: hashlib.sha256(data).hexdigest())
    begun = {**said, "sha256": digest, "size": len(data)}
    now = yield from act(server, UploadResource, "/v1/uploads", begun, repeatable=True)
    yield from _tell(watcher, now)
    failures = 0
    while now.image is None:
        before = now.offset
        try:
            now = yield from _send(server, now, data[before : before + piece])
        except (Unavailable, OffsetConflict):
            failures += 1
            if failures >= MOST_FAILURES:
                raise
            yield Sleep(server.retry.pause(failures, 1.0, 0.0))
            now = yield from get(server, UploadResource, route("uploads", now.id or ""))
        failures = 0 if now.offset > before else failures
        yield from _tell(watcher, now)
    return now.image


def _send(server: Server, now: UploadResource, piece: bytes) -> Steps[UploadResource]:
    if now.id is None:
        raise Unreachable("The server says that it has the file, but names no image. Is it of the same major version?")
    headers = {"Upload-Offset": str(now.offset), "Content-Type": _KIND}
    call = Call("PATCH", route("uploads", now.id), content=piece, headers=headers)
    return parse(UploadResource, body_of((yield from perform(server, call))))


def _tell(watcher: Watcher | None, now: UploadResource) -> Steps[None]:
    if watcher is not None:
        yield Tell(watcher, Sent(now.offset, now.size, now.existing))
