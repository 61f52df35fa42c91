"""Request bodies, bounded while they stream in: JSON read strictly, and the types of content that are taken."""

import json
from collections.abc import AsyncIterator
from typing import Any, NoReturn, TypeVar

import anyio
from fastapi import Request
from pydantic import BaseModel, ValidationError

from platemark.core.base import JsonObject
from platemark.core.errors import MalformedBody, TooLarge, UnsupportedMedia
from platemark.web import validation

M = TypeVar("M", bound=BaseModel)
# Larger bodies are parsed on a thread, so that nobody else waits for them.
_SMALL_BYTES = 256 * 1024
_EXACT = 2**53


def media_type(request: Request) -> str:
    """The content type without parameters, in lower case; may be empty. Raises UnsupportedMedia for packed bodies."""
    packed = request.headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("", "identity"):
        raise UnsupportedMedia(f"The body is packed ({packed[:40]!r}). Send it without Content-Encoding.")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def stream(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body in chunks. Raises TooLarge as soon as it is known to exceed `limit` bytes."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes, the most that is taken here. Send less.")


async def read(request: Request, limit: int) -> bytes:
    """The whole body."""
    return b"".join([chunk async for chunk in stream(request, limit)])


async def read_model(request: Request, model: type[M], limit: int) -> M:
    """The body as `model`. Raises UnsupportedMedia, TooLarge, MalformedBody, InvalidRequest (all problems at once)."""
    if media_type(request) != "application/json":
        raise UnsupportedMedia("Send JSON, with the header 'Content-Type: application/json'.")
    return checked(model, await read_json(request, limit))


async def read_json(request: Request, limit: int) -> JsonObject:
    """The body as a JSON object."""
    body = await read(request, limit)
    if len(body) <= _SMALL_BYTES:
        return load_object(body)
    return await anyio.to_thread.run_sync(load_object, body)


def checked(model: type[M], value: JsonObject) -> M:
    """`value` as `model`, with every problem in the error's list."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise validation.invalid(error, into=model) from None


def load_object(body: bytes) -> JsonObject:
    """A JSON object from its bytes. Raises MalformedBody, also for names that stand twice."""
    value = load(body)
    if not isinstance(value, dict):
        raise MalformedBody('The body is JSON, but not an object. Send {"prompt": "…"} or the like.')
    return value  # pyright: ignore[reportUnknownVariableType]


def load(body: bytes) -> Any:
    """Any JSON value, by the letter of RFC 8259."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not UTF-8 (byte {error.start}). Encode JSON as UTF-8.") from None
    try:
        return json.loads(text, object_pairs_hook=_no_name_twice, parse_constant=_not_json, parse_float=_number)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedBody(f"The body is not valid JSON: {error.msg} at {where}. Correct it.") from None
    except RecursionError:
        raise MalformedBody("The body nests too deep. Nothing here needs more than a few levels.") from None
    except ValueError:
        raise MalformedBody("The body holds a number with too many digits. Correct it.") from None


def _no_name_twice(pairs: list[tuple[str, Any]]) -> JsonObject:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen = set[str]()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise MalformedBody(f"The name {name[:100]!r} stands twice in one object. Keep one of the two.")
    return value


def _number(text: str) -> int | float:
    # JSON has one kind of number: 64.0 and 6.4e1 are the whole number 64 to a schema, so they are here.
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


def _not_json(name: str) -> NoReturn:
    raise MalformedBody(f"{name} is not JSON. Send a number, or leave the field out.")
