"""The header of a safetensors file: names, kinds and shapes of its tensors, read without reading the weights."""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from platemark.core.errors import ModelUnavailable

# Ten times what the largest models need; the format itself would allow 100 MB, which take a gigabyte to parse.
_MAX_HEADER = 16 * 1024 * 1024
_MAX_DIMENSIONS = 16
_LENGTH = struct.Struct("<Q")
_METADATA = "__metadata__"
# Bits of one number, by the format's names.
_BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: its number format by the format's name, and its shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How many bytes it takes in its file."""
        return self.numbers * _BITS[self.dtype] // 8


@dataclass(frozen=True, slots=True)
class Header:
    """What one file holds. `metadata` is free text by its maker; `size` is that of the file in bytes."""

    path: Path
    size: int
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]


class _Faulty(ValueError):
    """Why a header cannot be what it claims to be."""


def read_header(path: Path) -> Header:
    """The header of a file whose every byte is accounted for. Raises ModelUnavailable, and nothing else."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
            if length > min(size, _MAX_HEADER):
                raise _Faulty("its header is longer than the file or than any model's")
            text = file.read(length)
        entries, metadata = _entries(json.loads(text, object_pairs_hook=_no_twins))
        end = _end(list(entries.values()))
    except PermissionError as error:
        raise ModelUnavailable(
            f"{printable(path)} may not be read by this user. Give it read permission (chmod a+r)."
        ) from error
    except (OSError, ValueError, RecursionError, MemoryError, struct.error) as error:
        reason = f": {error}" if isinstance(error, _Faulty) else ""
        raise ModelUnavailable(
            f"{printable(path)} is not a readable safetensors file{reason}. It is damaged or something else under that "
            "name; fetch it again from where it came from."
        ) from error
    if size != (expected := _LENGTH.size + length + end):
        raise ModelUnavailable(
            f"{printable(path)} has {size} bytes where its header says {expected}: it was cut off while copying or "
            "changed afterwards. Fetch it again from where it came from."
        )
    return Header(path, size, {name: tensor for name, (tensor, _) in entries.items()}, metadata)


def printable(path: Path | str) -> str:
    """A path for one line of text: whatever its name holds, nothing in it moves the cursor or breaks the line."""
    text = str(path)
    return text if text.isprintable() else ascii(text)[1:-1]


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Faulty("a name occurs twice")
    return found


_Entry = tuple[Tensor, tuple[int, int]]


def _entries(header: Any) -> tuple[dict[str, _Entry], dict[str, str]]:
    if not isinstance(header, dict):
        raise _Faulty("its header is no table")
    table = cast("dict[str, Any]", header)
    metadata: Any = table.pop(_METADATA, None)
    if metadata is not None and not isinstance(metadata, dict):
        raise _Faulty("its metadata is no table")
    notes = cast("dict[str, Any]", metadata or {})
    texts = {name: value for name, value in notes.items() if isinstance(value, str)}
    return {name: _entry(name, value) for name, value in table.items()}, texts


def _entry(name: str, entry: Any) -> _Entry:
    if not isinstance(entry, dict) or cast("dict[str, Any]", entry).keys() != {"dtype", "shape", "data_offsets"}:
        raise _Faulty(f"{name[:80]!r} is no tensor")
    facts = cast("dict[str, Any]", entry)
    dtype, shape, offsets = facts["dtype"], _counts(facts["shape"]), _counts(facts["data_offsets"])
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _Faulty(f"{name[:80]!r} has an unknown number format")
    if shape is None or offsets is None or len(offsets) != 2 or len(shape) > _MAX_DIMENSIONS:
        raise _Faulty(f"{name[:80]!r} has an impossible shape or place")
    tensor = Tensor(dtype, shape)
    if 8 * (offsets[1] - offsets[0]) != tensor.numbers * _BITS[dtype]:
        raise _Faulty(f"{name[:80]!r} has a shape that does not fit its bytes")
    return tensor, (offsets[0], offsets[1])


def _counts(value: Any) -> tuple[int, ...] | None:
    """The list as whole numbers from 0 that fit into 64 bits, or None."""
    if not isinstance(value, list):
        return None
    items = cast("list[Any]", value)
    good = all(type(item) is int and 0 <= item < 1 << 63 for item in items)
    return tuple(items) if good else None


def _end(entries: Sequence[_Entry]) -> int:
    """Where the last tensor ends, when they lie one after the other without holes and overlaps."""
    end = 0
    for start, stop in sorted(place for _, place in entries):
        if start != end:
            raise _Faulty("its tensors overlap or leave holes")
        end = stop
    return end
