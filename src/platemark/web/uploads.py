"""Multipart bodies and raw uploads, streamed and bounded; file parts become bytes in memory, never files on disk."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, cast

import anyio
import python_multipart
from fastapi import Request
from pydantic import Field
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from platemark.core.base import JsonObject
from platemark.core.errors import FieldError, InvalidRequest, MalformedBody, TooLarge, UnsupportedMedia
from platemark.core.request import PART, GenerationRequest
from platemark.core.upload import Said
from platemark.settings import Settings
from platemark.web import bodies

_MOST_PARTS = 64
SHA256: Final = r"^[0-9a-f]{64}$"
_FILES = ("image", "mask")
# The guides of `controls` that name no image of their own, in order; the only name that may stand more than once.
CONTROL_IMAGE: Final = "control_image"
# Everything that is not a text: a form can only send text, so these are read as JSON.
NOT_TEXT: Final = frozenset(
    {"width", "height", "steps", "cfg_scale", "seed", "n", "strength", "left", "right", "up", "down"}
    | {"variation", "mask_grow", "mask_feather", "clip_skip", "guidance_rescale", "reproducible"}
    | {"watermark", "tags", "controls", "loras"}
)


@dataclass(slots=True)
class FormPart:
    """One part of a form. `filename` is None for a plain field."""

    name: str
    filename: str | None
    media_type: str
    data: bytearray = field(default_factory=bytearray, repr=False)


class _Form:
    """Collects parts from the parser's callbacks."""

    def __init__(self, boundary: bytes, most_file_bytes: int) -> None:
        self.parts: list[FormPart] = []
        self.ended = False
        self._most_file_bytes = most_file_bytes
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = bytearray(), bytearray()
        self._parser = python_multipart.MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._header,
                "on_headers_finished": self._begin,
                "on_part_data": self._data,
                "on_end": self._end,
            },
        )

    def write(self, chunk: bytes) -> None:
        self._parser.write(chunk)

    def _header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _begin(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        kind, _ = parse_options_header(self._headers.get(b"content-type", b"text/plain"))
        self._headers = {}
        if b"name" not in options:
            raise MalformedBody("A part of the form has no name. Give each part a Content-Disposition with a name.")
        if len(self.parts) == _MOST_PARTS:
            raise MalformedBody(f"The form has more than {_MOST_PARTS} parts. Send only fields that are documented.")
        name = options[b"name"].decode("utf-8", "replace")
        filename = options[b"filename"].decode("utf-8", "replace") if b"filename" in options else None
        self.parts.append(FormPart(name, filename, kind.decode("latin-1").lower()))

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        part.data += memoryview(data)[start:end]
        if part.filename is not None and len(part.data) > self._most_file_bytes:
            raise TooLarge(
                f"The file of {part.name[:100]!r} is larger than {self._most_file_bytes} bytes. Send a smaller one."
            )

    def _end(self) -> None:
        self.ended = True


async def read_form(request: Request, settings: Settings) -> list[FormPart]:
    """The parts of a multipart body in order. Raises MalformedBody, TooLarge."""
    _, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if not boundary:
        raise MalformedBody("The Content-Type of the form names no boundary. Let your HTTP library set that header.")
    try:
        form = _Form(boundary, settings.max_image_bytes)
        async for chunk in bodies.stream(request, settings.max_body_bytes):
            form.write(chunk)
    except FormParserError:
        raise MalformedBody("The form cannot be read: its parts do not fit its boundary.") from None
    if not form.ended:
        raise MalformedBody("The form ends in the middle of a part. Send it again, whole.")
    return form.parts


@dataclass(slots=True)
class _Fields:
    """A form on its way to the names of the JSON body. `parts`: bytes of files, by the text that stands for them."""

    values: JsonObject = field(default_factory=dict[str, Any])
    parts: dict[str, bytes] = field(default_factory=dict[str, bytes])
    guides: list[str] = field(default_factory=list[str])
    errors: list[FieldError] = field(default_factory=list[FieldError])

    def add(self, part: FormPart) -> None:
        """One part."""
        if part.name == CONTROL_IMAGE:
            self.guides.append(self._kept(part) if part.filename is not None else _text(part) or "")
        elif part.name in self.values:
            self._refuse(part.name, "duplicate_field", "stands twice; keep one")
        elif part.filename is None:
            self.values[part.name], problem = _field(part)
            self.errors += [problem] if problem else []
        elif part.name in _FILES:
            self.values[part.name] = self._kept(part)
        else:
            self.values[part.name] = None
            if part.name in GenerationRequest.model_fields:
                self._refuse(part.name, "wrong_type", "must be a text, not a file")

    def _kept(self, part: FormPart) -> str:
        data = bytes(part.data)
        # The hash in its place makes the request say which bytes it came with, also to an idempotency key.
        text = f"{PART}{hashlib.sha256(data).hexdigest()}"
        self.parts[text] = data
        return text

    def _refuse(self, name: str, code: str, message: str) -> None:
        self.errors.append(FieldError(pointer=f"/{name[:100]}", code=code, message=message))

    def place_guides(self) -> None:
        """Hand the guides to those controls that name no image."""
        given = self.values.get("controls")
        controls = cast("list[Any]", given) if isinstance(given, list) else []
        objects = [cast("dict[str, Any]", control) for control in controls if isinstance(control, dict)]
        waiting = [control for control in objects if "image" not in control]
        for control, text in zip(waiting, self.guides, strict=False):
            control["image"] = text
        if len(self.guides) > len(waiting):
            message = f"stands {len(self.guides)} times, but {len(waiting)} of `controls` have no image"
            self._refuse(CONTROL_IMAGE, "unknown_field", message)


async def generation_fields(request: Request, settings: Settings) -> tuple[JsonObject, dict[str, bytes]]:
    """A form with the names of the JSON body, as that body, and the bytes of its files.

    In the body a short text stands for each file (`core.request.PART`). Raises MalformedBody, TooLarge, InvalidRequest.
    """
    fields, parts = _Fields(), await read_form(request, settings)

    def collect() -> None:
        for part in parts:
            fields.add(part)
        fields.place_guides()

    await anyio.to_thread.run_sync(collect)
    if fields.errors:
        raise InvalidRequest("The form cannot be read as it is. Correct it and send it again.", errors=fields.errors)
    return fields.values, fields.parts


def _text(part: FormPart) -> str | None:
    try:
        return part.data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _field(part: FormPart) -> tuple[Any, FieldError | None]:
    text = _text(part)
    if text is None:
        return None, FieldError(pointer=f"/{part.name[:100]}", code="wrong_type", message="must be UTF-8 text")
    if part.name not in NOT_TEXT:
        return text, None
    try:
        return bodies.load(text.encode()), None
    except MalformedBody:
        # What is wrong with it is said in the words for its field.
        return text, None


@dataclass(frozen=True, slots=True)
class Brought:
    """An uploaded picture, what was said with it, and the hash that it is said to have."""

    data: bytes = field(repr=False)
    said: Said
    sha256: str | None


class _Words(Said):
    """The fields of an upload's form besides the file."""

    sha256: Annotated[str, Field(pattern=SHA256)] | None = None


async def read_image(request: Request, settings: Settings) -> Brought:
    """The one image of an upload: part `image` or `file` of a form with what is said about it, or the body itself.

    Raises UnsupportedMedia, TooLarge, MalformedBody, InvalidRequest.
    """
    kind = bodies.media_type(request)
    if kind == "multipart/form-data":
        brought = _with_words(await read_form(request, settings))
    elif kind.startswith("image/") or kind == "application/octet-stream":
        brought = Brought(await bodies.read(request, settings.max_image_bytes), Said(), None)
    else:
        raise UnsupportedMedia(
            "Send the image as part 'image' of a multipart/form-data body, or as a body of type image/…."
        )
    if not brought.data:
        raise InvalidRequest("The body is empty. Send the bytes of one image.")
    announced = request.headers.get("x-content-sha256")
    return brought if announced is None else replace(brought, sha256=announced.strip().lower())


def _with_words(parts: list[FormPart]) -> Brought:
    files = [part for part in parts if part.name in ("image", "file") and part.data]
    words, errors = _words([part for part in parts if part.name not in ("image", "file")])
    if len(files) != 1 or len(files) + len(words) < len(parts):
        message = "is required once, with the bytes of one image"
        code = "duplicate_field" if len(parts) - len(words) > 1 else "missing"
        errors.append(FieldError(pointer="/image", code=code, message=message))
    if errors:
        raise InvalidRequest("The form must hold one image, and of the rest only what is known.", errors=errors)
    name = files[0].filename
    # A library's own word where nobody gave the file a name says nothing about the picture.
    if name and name not in ("image", "file", "blob"):
        words.setdefault("filename", name)
    said = bodies.checked(_Words, words)
    return Brought(bytes(files[0].data), Said.model_validate(said.model_dump(exclude={"sha256"})), said.sha256)


def _words(parts: list[FormPart]) -> tuple[dict[str, Any], list[FieldError]]:
    found, errors = dict[str, Any](), list[FieldError]()
    for part in parts:
        pointer = f"/{part.name[:100]}"
        if part.name in found:
            errors.append(FieldError(pointer=pointer, code="duplicate_field", message="stands twice; keep one"))
        elif part.name not in _Words.model_fields:
            errors.append(FieldError(pointer=pointer, code="unknown_field", message="is not known here; remove it"))
        found[part.name], problem = _field(part)
        errors += [problem] if problem else []
    return found, errors


async def read_piece(request: Request, limit: int) -> tuple[bytes, bool]:
    """The bytes of a piece, and whether all of them came: a connection that breaks leaves what came before.

    Raises UnsupportedMedia, TooLarge.
    """
    if bodies.media_type(request) not in ("application/offset+octet-stream", "application/octet-stream"):
        raise UnsupportedMedia("Send the bytes as a body of type application/offset+octet-stream.")
    came = bytearray()
    try:
        async for chunk in bodies.stream(request, limit):
            came += chunk
    except ClientDisconnect:
        return bytes(came), False
    return bytes(came), True
