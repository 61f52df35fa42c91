"""The blurred copy for reviewers: small, without detail, without metadata."""

import io

import numpy as np
import pytest
from PIL import Image

from pictures import encoded, house, noise, pixels
from platemark.core.errors import InvalidImage
from platemark.imaging.veil import veil

BYTES, PIXELS = 32 * 1024 * 1024, 4_000_000


def veiled(data: bytes, *, greyscale: bool = False) -> bytes:
    return veil(data, max_bytes=BYTES, max_pixels=PIXELS, greyscale=greyscale)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("size", "expected"), [((1200, 600), (512, 256)), ((90, 300), (90, 300)), ((3, 900), (2, 512))]
)
def test_it_is_a_small_jpeg_in_the_proportions_of_the_picture(size: tuple[int, int], expected: tuple[int, int]):
    made = opened(veiled(encoded(house(256).resize(size))))

    assert (made.format, made.size, made.mode) == ("JPEG", expected, "RGB")


def test_colours_stay_and_detail_goes():
    sharp, soft = pixels(encoded(house(512))), pixels(veiled(encoded(house(512))))

    def steps(levels: np.ndarray) -> np.ndarray:
        return np.abs(np.diff(levels.astype(int), axis=0))

    assert steps(sharp).max() > 100
    assert steps(soft).max() < 20
    assert steps(pixels(veiled(encoded(noise(512))))).mean() < 0.2 * steps(pixels(encoded(noise(512)))).mean()


def test_in_grey_it_has_one_channel():
    assert opened(veiled(encoded(house()), greyscale=True)).mode == "L"


def test_transparent_parts_are_white_and_metadata_is_gone():
    picture = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    exif = Image.Exif()
    exif[0x010E] = "a secret description"
    data = encoded(picture, exif=exif)
    made = veiled(data)

    assert pixels(made).min() > 250
    assert b"secret" in data
    assert b"secret" not in made


def test_what_is_no_picture_is_refused():
    with pytest.raises(InvalidImage):
        veiled(b"words")
