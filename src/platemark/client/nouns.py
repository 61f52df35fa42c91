"""Reading, listing, uploading and saving, as steps without I/O: one call each."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ValidationError

from platemark.client import files, pictures
from platemark.client.effects import Steps, do, next_chunk
from platemark.client.errors import Damaged, Unreachable, unreachable
from platemark.client.wire import Call, Server, body_of, perform
from platemark.core.base import JsonObject
from platemark.core.resource import ImageResource

B = TypeVar("B", bound=BaseModel)
T = TypeVar("T")


def parse(kind: type[B], body: Any) -> B:
    """A resource from its JSON; fields that are not known here are ignored. Raises Unreachable for another shape."""
    try:
        return kind.model_validate(body, extra="ignore")
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise Unreachable(
            f"The server's answer is not a {kind.__name__.removesuffix('Resource')} as this version knows it (at "
            f"{where!r}). Is platemark of the same major version on both sides?"
        ) from error


def get(server: Server, kind: type[B], path: str, params: Mapping[str, Any] | None = None) -> Steps[B]:
    """Read one resource."""
    response = yield from perform(server, Call("GET", path, params or {}, repeatable=True))
    return parse(kind, body_of(response))


def act(
    server: Server, kind: type[B], path: str, json: JsonObject | None = None, *, repeatable: bool = False
) -> Steps[B]:
    """POST to an action and read the resource that it answers with."""
    response = yield from perform(server, Call("POST", path, json=json, repeatable=repeatable))
    return parse(kind, body_of(response))


def delete(server: Server, kind: type[B], path: str) -> Steps[B]:
    """Delete and read the resource that is left."""
    response = yield from perform(server, Call("DELETE", path, repeatable=True))
    return parse(kind, body_of(response))


def read(server: Server, path: str) -> Steps[bytes]:
    """The bytes of an image or of a preview."""
    response = yield from perform(server, Call("GET", path, headers={"Accept": "image/*"}, repeatable=True))
    return response.content


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, newest first. `next_cursor` asks for the following one; None on the last."""

    data: tuple[T, ...]
    next_cursor: str | None

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


def page(
    server: Server, kind: type[B], path: str, filters: Mapping[str, Any], wrap: Callable[[B], T]
) -> Steps[Page[T]]:
    """One page of a list, its entries wrapped."""
    body = body_of((yield from perform(server, Call("GET", path, filters, repeatable=True))))
    entries = tuple(wrap(parse(kind, entry)) for entry in body.get("data", ()))
    return Page(entries, body.get("next_cursor"))


def listing(server: Server, kind: type[B], path: str) -> Steps[list[B]]:
    """A list that comes whole."""
    body = body_of((yield from perform(server, Call("GET", path, repeatable=True))))
    return [parse(kind, entry) for entry in body.get("data", ())]


def send_image(server: Server, kind: type[B], path: str, part: str, source: bytes | Path, name: str | None) -> Steps[B]:
    """POST an encoded image as one part of a form."""
    if isinstance(source, Path):
        source, name = (yield from do(partial(pictures.read, source))), name or source.name
    call = Call("POST", path, files=[(part, (name or "image", source, "application/octet-stream"))])
    return parse(kind, body_of((yield from perform(server, call))))


def save_image(server: Server, image: ImageResource, path: Path | str, *, overwrite: bool) -> Steps[Path]:
    """Read an image and write it whole; see `files` for where it goes and what is refused."""
    target = yield from do(partial(files.destination, path, image.id, image.media_type))
    yield from do(partial(files.refuse_taken, target, overwrite))
    data = yield from read_image(server, image)
    return (yield from do(partial(files.save, target, data, overwrite=overwrite)))


def read_image(server: Server, image: ImageResource) -> Steps[bytes]:
    """The stored bytes, checked against their hash. Raises Damaged when they are others."""
    data = yield from read(server, route("images", image.id, "content"))
    if hashlib.sha256(data).hexdigest() != image.sha256:
        raise Damaged(
            f"The bytes of {image.id} do not have the SHA-256 that the server names. Something between changed them, "
            "or its store is damaged; read them again, and tell the operator if it stays."
        )
    return data


def export(
    server: Server,
    path: Path | str,
    *,
    overwrite: bool,
    route: str = "/v1/audit",
    query: Mapping[str, str] | None = None,
    accept: str = "application/x-ndjson",
) -> Steps[Path]:
    """Write an export, the project's audit chain by default, to a file, whole or not at all."""
    target = yield from do(Path(path).expanduser)
    yield from do(partial(files.refuse_taken, target, overwrite))
    call = Call("GET", route, params=dict(query or {}), headers={"Accept": accept}, repeatable=True, stream=True)
    response = yield from perform(server, call)
    with (yield from do(partial(files.WholeFile, target, overwrite=overwrite))) as file:
        try:
            while (chunk := (yield from next_chunk(response))) is not None:
                yield from do(partial(file.write, chunk))
        except httpx2.RequestError as error:
            raise unreachable(error, str(server.base)) from error
        yield from do(file.finish)
    return target


def route(*parts: str) -> str:
    """A path below `/v1` with every part escaped."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)
