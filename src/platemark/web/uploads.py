"""Multipart bodies and raw uploads, streamed and bounded; file parts become bytes in memory, never files on disk."""

import base64
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import python_multipart
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from platemark.core.base import JsonObject
from platemark.core.errors import FieldError, InvalidRequest, MalformedBody, TooLarge, UnsupportedMedia
from platemark.core.image import EXTENSIONS
from platemark.core.request import GenerationRequest
from platemark.settings import Settings
from platemark.web import bodies

_MOST_PARTS = 64
_FILES = ("image", "mask")
# Everything that is not a text: a form can only send text, so these are read as JSON.
NOT_TEXT: Final = frozenset(
    {"width", "height", "steps", "cfg_scale", "seed", "n", "strength", "left", "right", "up", "down"}
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


async def generation_fields(request: Request, settings: Settings) -> JsonObject:
    """A form with the names of the JSON body, as that body. Files become data URIs."""
    fields: JsonObject = {}
    errors: list[FieldError] = []
    for part in await read_form(request, settings):
        problem = None
        if part.name in fields:
            problem = FieldError(
                pointer=f"/{part.name[:100]}", code="duplicate_field", message="stands twice; keep one"
            )
        elif part.filename is None:
            fields[part.name], problem = _field(part)
        elif part.name in _FILES:
            fields[part.name] = await anyio.to_thread.run_sync(_data_uri, part)
        elif part.name in GenerationRequest.model_fields:
            fields[part.name] = None
            problem = FieldError(pointer=f"/{part.name}", code="wrong_type", message="must be a text, not a file")
        else:
            fields[part.name] = None
        errors += [problem] if problem else []
    if errors:
        raise InvalidRequest("The form cannot be read as it is. Correct it and send it again.", errors=errors)
    return fields


def _field(part: FormPart) -> tuple[Any, FieldError | None]:
    try:
        text = part.data.decode("utf-8")
    except UnicodeDecodeError:
        return None, FieldError(pointer=f"/{part.name[:100]}", code="wrong_type", message="must be UTF-8 text")
    if part.name not in NOT_TEXT:
        return text, None
    try:
        return bodies.load(text.encode()), None
    except MalformedBody:
        # What is wrong with it is said in the words for its field.
        return text, None


def _data_uri(part: FormPart) -> str:
    kind = part.media_type if part.media_type in EXTENSIONS else "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(part.data).decode('ascii')}"


async def read_image(request: Request, settings: Settings) -> bytes:
    """The one image of an upload: part `image` or `file` of a form, or the body itself.

    Raises UnsupportedMedia, TooLarge, MalformedBody, InvalidRequest.
    """
    kind = bodies.media_type(request)
    if kind == "multipart/form-data":
        return _only_image(await read_form(request, settings))
    if kind.startswith("image/") or kind == "application/octet-stream":
        data = await bodies.read(request, settings.max_image_bytes)
        if not data:
            raise InvalidRequest("The body is empty. Send the bytes of one image.")
        return data
    raise UnsupportedMedia(
        "Send the image as part 'image' of a multipart/form-data body, or as a body of type image/…."
    )


def _only_image(parts: list[FormPart]) -> bytes:
    errors = [
        FieldError(pointer=f"/{part.name[:100]}", code="unknown_field", message="is not known here; remove it")
        for part in parts
        if part.name not in ("image", "file")
    ]
    if not errors and len(parts) == 1 and parts[0].data:
        return bytes(parts[0].data)
    if not errors:
        message = "is required once, with the bytes of one image"
        errors = [
            FieldError(pointer="/image", code="missing" if len(parts) < 2 else "duplicate_field", message=message)
        ]
    raise InvalidRequest("The form must hold one image and nothing else.", errors=errors)
