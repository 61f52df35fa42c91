"""Writes safetensors files by hand: right ones, and ones that no library would write."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Shapes = dict[str, tuple[int, ...]]


def header_of(shapes: Shapes) -> dict[str, Any]:
    """Of half-precision tensors that lie one after the other."""
    made: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * math.prod(shape)
        made[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}
    return made


def write_raw(path: Path, header: bytes, body: int = 0) -> Path:
    """A header as it is, and `body` zeros, which take no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + body)
    return path


def write_shapes(path: Path, shapes: Shapes, metadata: Mapping[str, str] | None = None) -> Path:
    """A file of zeros with these tensors."""
    header = ({"__metadata__": dict(metadata)} if metadata else {}) | header_of(shapes)
    return write_raw(path, json.dumps(header).encode(), sum(2 * math.prod(shape) for shape in shapes.values()))
