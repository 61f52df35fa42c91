"""Frames come back as they were sent, and nothing else is taken for one."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from orders import order

from platemark.core.errors import ProviderRejected
from platemark.core.generation import ControlUse, LoraUse
from platemark.engine.serving.frames import MAX_HEADER, BadFrame, pack, read_frame, unpack, write_frame

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


@given(
    some.none() | some.binary(max_size=9),
    some.none() | some.binary(max_size=9),
    some.lists(some.binary(max_size=9), max_size=3),
    some.text(),
)
def test_orders_come_back_with_their_pictures_beside_the_words(
    image: bytes | None, mask: bytes | None, guides: list[bytes], prompt: str
) -> None:
    asked: dict[str, Any] = {
        "controls": (ControlUse(type="canny", strength=0.5),),
        "loras": (LoraUse(id="ink"),),
        "reproducible": True,
        "negative_prompt": "grün",
        "lane": "batch",
        "previews": True,
    }
    sent = order(prompt, seeds=(1, 2**32 - 1), image=image, mask=mask, guides=tuple(guides), **asked)
    stream = io.BytesIO()
    write_frame(stream, *pack(sent))
    stream.seek(0)
    frame = read_frame(stream)
    assert frame is not None
    assert unpack(*frame) == sent


def test_pictures_too_large_for_a_frame_are_refused_with_advice() -> None:
    assert pack(order(image=b"123"), most=3)[1] == b"123"
    with pytest.raises(ProviderRejected, match="Send smaller pictures"):
        pack(order(image=b"12", guides=(b"34",)), most=3)
