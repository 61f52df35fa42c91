"""Networks in ONNX files, loaded once a process and only when they are the files that were listed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from platemark.core.errors import ModelUnavailable


@dataclass(frozen=True, slots=True)
class Weights:
    """One file of `weights.toml`: its name there, where it lies on this machine, and what it must be."""

    name: str
    path: Path
    sha256: str

    @property
    def short(self) -> str:
        """Enough of the hash to tell two files apart in a record."""
        return self.sha256[:12]


class Session(Protocol):
    """A network that is ready to run."""

    def run(self, outputs: list[str] | None, inputs: Mapping[str, NDArray[Any]], /) -> list[NDArray[np.float32]]:
        """Every output, or those that are named."""
        ...


@cache
def open_session(weights: Weights, inner: str | None = None) -> Session:
    """A session of one thread that does not spin. Raises ModelUnavailable saying what to do.

    `inner`: a value inside the network that becomes an output too. Failures are not remembered, so weights that are
    pulled later are found.
    """
    _verify(weights)
    try:
        library: Any = import_module("onnxruntime")
    except ImportError as error:
        raise ModelUnavailable("onnxruntime is not installed. Run: pip install 'platemark[server]'") from error
    library.set_default_logger_severity(3)
    options = library.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Memory for the next picture comes from the system's allocator: faster arenas never give any back.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    network = str(weights.path) if inner is None else weights.path.read_bytes() + _output(inner)
    return library.InferenceSession(network, options, providers=["CPUExecutionProvider"])


def _output(name: str) -> bytes:
    """What declares one more output when it follows the file: ModelProto.graph (7), its output (12), its name (1).

    Parsers of protocol buffers merge what is said twice (protobuf.dev/programming-guides/encoding, "Last One Wins").
    """
    return _field(7, _field(12, _field(1, name.encode())))


def _field(number: int, body: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])


def _verify(weights: Weights) -> None:
    remedy = f"Run: platemark models pull {weights.name}"
    try:
        with weights.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelUnavailable(f"The weights {weights.name} are not on this machine. {remedy}") from error
    if digest != weights.sha256:
        raise ModelUnavailable(f"The weights {weights.name} are not the file that was listed. {remedy}")
