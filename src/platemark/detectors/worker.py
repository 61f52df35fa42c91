"""The process that `detectors/pool.py` starts: `python -m platemark.detectors.worker`, never by hand.

Calls what it is asked to and answers, one at a time, until the pipe to its parent ends.
"""

import os
import pickle
import signal
import struct
import sys
from typing import Any, BinaryIO

_LENGTH = struct.Struct(">Q")


def write_frame(stream: BinaryIO, data: bytes) -> None:
    """Write a length and that many bytes. Raises OSError when the other side is gone."""
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame; None when the other side has ended."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else None


def main() -> None:
    """Work until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = _take_over_standard_streams()
    while (order := read_frame(source)) is not None:
        answer = answer_of(order)
        try:
            write_frame(sink, answer)
        except OSError:
            break
    # Nothing is left to save, and libraries with threads of their own can take long to say goodbye.
    os._exit(0)


def answer_of(order: bytes) -> bytes:
    """Pickled (True, result), or (False, error)."""
    try:
        function, args = pickle.loads(order)  # noqa: S301 - from the process that started this one
        result: tuple[bool, Any] = (True, function(*args))
        return pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        return _failure(error)


def _failure(error: Exception) -> bytes:
    """The error as it is where it survives the way, else its words."""
    try:
        data = pickle.dumps((False, error), pickle.HIGHEST_PROTOCOL)
        pickle.loads(data)  # noqa: S301 - made in the line above
    except Exception:
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return data


def _take_over_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the two pipes for frames alone: what libraries print goes to standard error."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return source, sink


if __name__ == "__main__":
    sys.exit(main())
