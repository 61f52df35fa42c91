"""The protocol between engine and child: length-prefixed frames of a JSON header and raw bytes; no pickle."""

import json
import struct
from dataclasses import fields
from typing import BinaryIO, cast

from platemark.core.base import JsonObject
from platemark.core.errors import ProviderRejected
from platemark.core.generation import Parameters
from platemark.core.updates import Order

_LENGTHS = struct.Struct(">II")
MAX_HEADER = 4 * 1024 * 1024
MAX_BODY = 512 * 1024 * 1024
_PICTURES = ("image", "mask", "guides")
_WORDS = tuple(one.name for one in fields(Order) if one.name not in _PICTURES)


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


def pack(order: Order, most: int = MAX_BODY) -> tuple[JsonObject, bytes]:
    """An order as a header of words and lengths, and a body of its pictures.

    Raises ProviderRejected when they have more than `most` bytes.
    """
    pictures = {name: part for name in ("image", "mask") if (part := getattr(order, name)) is not None}
    lengths: JsonObject = {name: len(part) for name, part in pictures.items()}
    lengths["guides"] = [len(guide) for guide in order.guides]
    body = b"".join((*pictures.values(), *order.guides))
    if len(body) > most:
        raise ProviderRejected(
            f"The pictures of this request have {len(body) >> 20} MB together; the engine takes {most >> 20} MB. "
            "Send smaller pictures, or fewer of them."
        )
    words = {name: getattr(order, name) for name in _WORDS}
    return words | {"parameters": order.parameters.model_dump(mode="json"), "lengths": lengths}, body


def unpack(header: JsonObject, body: bytes) -> Order:
    """The order of `pack`."""
    words, lengths = {name: header[name] for name in _WORDS}, header["lengths"]
    words["parameters"] = Parameters.model_validate_json(json.dumps(header["parameters"]))
    words["seeds"] = tuple(header["seeds"])
    rest = memoryview(body)
    for name in ("image", "mask"):
        if name in lengths:
            words[name], rest = bytes(rest[: lengths[name]]), rest[lengths[name] :]
    guides: list[bytes] = []
    for length in lengths["guides"]:
        guides.append(bytes(rest[:length]))
        rest = rest[length:]
    return Order(**words, guides=tuple(guides))
