"""Pictures as callers have them, and how they go out: ids and URLs as text, everything else as parts of a form."""

import base64
import binascii
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from platemark.client.views import GenerationView, ImageView
from platemark.core.base import JsonObject
from platemark.core.errors import InvalidRequest

_IMAGE_ID = re.compile(r"img_[0-9a-f]{32}")
_ELSEWHERE = ("https://", "http://", "data:")
_BYTES = "application/octet-stream"
# Shorter text is rather the name of a file that is not there.
_LEAST_BASE64 = 64


class Readable(Protocol):
    """An open file, or what reads like one."""

    def read(self) -> bytes:
        """Everything that is left."""
        ...


class Savable(Protocol):
    """A picture of Pillow."""

    def save(self, fp: Any, format: str) -> object:
        """Encode it."""
        ...


Picture = str | bytes | bytearray | memoryview | os.PathLike[str] | Readable | Savable | ImageView | GenerationView
"""A path, or an `img_…` id, an https URL or a data URI, as text; encoded bytes; an open file; a picture of Pillow; an
image of an earlier generation, or a generation of one image."""
Part = tuple[str, tuple[str, bytes, str]]


@dataclass(slots=True)
class Body:
    """A request: as JSON when `files` is empty, else as a form."""

    fields: JsonObject
    files: list[Part] = field(default_factory=list[Part])

    @property
    def form(self) -> dict[str, str]:
        """The fields as a form has them: texts as they are, everything else as JSON."""
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in self.fields.items()}


def body(prompt: str, fields: Mapping[str, Any]) -> Body:
    """The request. Fields that are None are left out, so that the server's defaults hold. Reads files.

    Raises InvalidRequest for a picture that cannot be read.
    """
    given = {name: _plain(value) for name, value in fields.items() if value is not None}
    made = Body({"prompt": prompt, **given})
    for name in ("image", "mask"):
        if name in given:
            _place(made, name, name, made.fields, fields[name])
    controls = cast("Sequence[Mapping[str, Any]]", fields.get("controls") or ())
    for index, control in enumerate(controls):
        if "image" in control:
            _place(made, "image", "control_image", made.fields["controls"][index], control["image"])
    return made


def _plain(value: Any) -> Any:
    """Containers as JSON knows them, copied, so that what the caller gave stays as it is."""
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in cast("Sequence[Any]", value)]
    return value


def _place(made: Body, name: str, part: str, where: JsonObject, picture: Any) -> None:
    """Put a picture where it goes: its text into the fields, or its bytes into a part."""
    named = found(picture)
    if isinstance(named, str):
        where[name] = named
        return
    # The server gives such parts, in order, to those controls that name no image.
    del where[name]
    made.files.append((part, (f"{part}.bin", named, _BYTES)))


def found(picture: Any) -> str | bytes:
    """What names the picture on the server, or its encoded bytes. Raises InvalidRequest."""
    match picture:
        case ImageView():
            return picture.id
        case GenerationView():
            return _only(picture)
        case bytes() | bytearray() | memoryview():
            return bytes(cast("bytes", picture))
        case str():
            return _of_text(picture)
        case os.PathLike():
            return read(Path(cast("os.PathLike[str]", picture)))
        case _ if hasattr(picture, "read"):
            return _of_file(cast("Readable", picture))
        case _ if hasattr(picture, "save"):
            return _of_pillow(cast("Savable", picture))
        case _:
            raise InvalidRequest(
                f"A {type(picture).__name__} is no picture that can be sent. Give a path, bytes, an open file, a "
                "picture of Pillow, an image of an earlier generation, an img_ id or a URL."
            )


def _only(generation: GenerationView) -> str:
    images = generation.resource.images
    if len(images) != 1:
        raise InvalidRequest(f"{generation.id} has {len(images)} images. Give one of them: generation.images[0].")
    return images[0].id


def _of_text(text: str) -> str | bytes:
    if _IMAGE_ID.fullmatch(text) or text.lower().startswith(_ELSEWHERE):
        return text
    if len(text) >= _LEAST_BASE64:
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            pass
    return read(Path(text).expanduser())


def _of_file(file: Readable) -> bytes:
    try:
        data = cast("object", file.read())
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"The open file cannot be read: {error}.") from error
    if isinstance(data, bytes):
        return data
    raise InvalidRequest("The file is open as text. Open it for bytes: open(path, 'rb').")


def _of_pillow(picture: Savable) -> bytes:
    out = io.BytesIO()
    try:
        picture.save(out, "PNG")
    except (OSError, ValueError, TypeError) as error:
        raise InvalidRequest(f"The picture cannot be written as PNG ({error}). Convert it to RGB or RGBA.") from error
    return out.getvalue()


def read(path: Path) -> bytes:
    """The bytes of a file. Raises InvalidRequest naming it when it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise InvalidRequest(f"{path} cannot be read: {reason}.") from error
