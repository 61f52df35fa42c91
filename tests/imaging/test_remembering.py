"""Several look at one file, and it is decoded once: each has pixels of its own, and nothing is kept afterwards."""

import io
from collections.abc import Generator
from contextlib import contextmanager

import anyio
import anyio.to_thread
import pytest
from PIL import Image, ImageFile

from pictures import BOUNDS, encoded, noise
from platemark.core.errors import TooLarge
from platemark.imaging.decode import open_picture, read_picture, remembering

pytestmark = pytest.mark.anyio


@contextmanager
def counting() -> Generator[list[str]]:
    """How often Pillow decodes: it says so when a file has been read to its end."""
    loaded: list[str] = []
    before = ImageFile.ImageFile.load_end

    def load_end(self: ImageFile.ImageFile) -> None:
        loaded.append(str(self.format))
        before(self)

    ImageFile.ImageFile.load_end = load_end
    try:
        yield loaded
    finally:
        ImageFile.ImageFile.load_end = before


async def test_all_who_ask_share_one_decoding() -> None:
    data = encoded(noise(32), "JPEG")
    with counting() as loaded:
        with remembering(data):
            (facts, first), second = read_picture(data, **BOUNDS), open_picture(data, **BOUNDS)
            third = await anyio.to_thread.run_sync(lambda: open_picture(data, **BOUNDS))
            with remembering(data):
                open_picture(data, **BOUNDS)
        assert (facts.width, facts.media_type, len(loaded)) == (32, "image/jpeg", 1)
        open_picture(data, **BOUNDS)
        assert len(loaded) == 2
    first.paste((0, 0, 0), (0, 0, 32, 32))
    assert second.tobytes() == third.tobytes() == Image.open(io.BytesIO(data)).convert("RGB").tobytes()


async def test_other_bytes_and_narrower_bounds_are_decoded_and_checked_anew() -> None:
    data = encoded(noise(32), "JPEG")
    copy = bytes(bytearray(data))
    with counting() as loaded, remembering(data) as forget:
        open_picture(data, **BOUNDS)
        open_picture(copy, **BOUNDS)
        with pytest.raises(TooLarge):
            open_picture(data, max_bytes=10, max_pixels=10_000)
        with pytest.raises(TooLarge):
            open_picture(data, max_bytes=1_000_000, max_pixels=100)
        assert len(loaded) == 2
        forget()
        open_picture(data, **BOUNDS)
        assert len(loaded) == 3
