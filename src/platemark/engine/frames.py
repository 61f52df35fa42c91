"""The protocol between engine and child: length-prefixed frames of a JSON header and raw bytes; no pickle."""

import json
import struct
from typing import BinaryIO, cast

from platemark.core.base import JsonObject

_LENGTHS = struct.Struct(">II")
MAX_HEADER = 4 * 1024 * 1024
MAX_BODY = 512 * 1024 * 1024


class BadFrame(Exception):
    """The other side sent something that is not a frame."""


def write_frame(stream: BinaryIO, header: JsonObject, body: bytes = b"") -> None:
    """Write one frame and flush. Raises OSError when the other side is gone."""
    data = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    stream.write(_LENGTHS.pack(len(data), len(body)) + data + body)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[JsonObject, bytes] | None:
    """The next frame, or None when the other side has ended. Raises BadFrame for anything else."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    header_length, body_length = _LENGTHS.unpack(lengths)
    if header_length > MAX_HEADER or body_length > MAX_BODY:
        raise BadFrame(f"a frame of {header_length} + {body_length} bytes")
    data, body = stream.read(header_length), stream.read(body_length)
    if len(data) < header_length or len(body) < body_length:
        return None
    try:
        header = json.loads(data)
    except ValueError as error:
        raise BadFrame("a header that is not JSON") from error
    if not isinstance(header, dict):
        raise BadFrame("a header that is not an object")
    return cast("JsonObject", header), body
