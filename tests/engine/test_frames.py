"""Frames come back as they were sent, and nothing else is taken for one."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as some

from platemark.engine.frames import MAX_HEADER, BadFrame, read_frame, write_frame

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=8,
)


@given(some.lists(some.tuples(some.dictionaries(some.text(), VALUES, max_size=4), some.binary()), max_size=3))
def test_frames_come_back(frames: list[tuple[dict[str, object], bytes]]) -> None:
    stream = io.BytesIO()
    for header, body in frames:
        write_frame(stream, header, body)
    stream.seek(0)
    assert [read_frame(stream) for _ in frames] == frames
    assert read_frame(stream) is None


@given(some.binary(min_size=1, max_size=40), some.integers(min_value=1, max_value=60))
def test_a_stream_that_ends_early_has_no_frame(body: bytes, cut: int) -> None:
    stream = io.BytesIO()
    write_frame(stream, {"kind": "picture"}, body)
    assert read_frame(io.BytesIO(stream.getvalue()[: -min(cut, len(stream.getvalue()))])) is None


@pytest.mark.parametrize(
    "data",
    [
        (MAX_HEADER + 1).to_bytes(4, "big") + bytes(4),
        bytes(4) + b"\xff" * 4,
        (2).to_bytes(4, "big") + bytes(4) + b"{}"[:1] + b"!",
        (2).to_bytes(4, "big") + bytes(4) + b"[]",
    ],
)
def test_what_is_not_a_frame_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        read_frame(io.BytesIO(data))
