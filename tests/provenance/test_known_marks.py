"""The encoder here follows the published description of `dwtDct`; nothing of the package is used."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from pictures import BOUNDS, encoded, gradient, house, noise, pixels
from platemark.provenance.known_marks import SCHEMES, KnownMarks, Scheme, judge

pytestmark = pytest.mark.anyio
Levels = np.ndarray[Any, np.dtype[np.float64]]


def marked(picture: Image.Image, message: np.ndarray[Any, np.dtype[np.bool_]], middle: float) -> Image.Image:
    """The greatest value of each 4 × 4 block of U's Haar approximation moves into the half of its step."""
    levels = np.asarray(picture.convert("RGB")).astype(np.float64)
    bright = levels @ np.array([0.299, 0.587, 0.114])
    u = 0.492 * (levels[:, :, 2] - bright) + middle
    half = (u[0::2, 0::2] + u[0::2, 1::2] + u[1::2, 0::2] + u[1::2, 1::2]) / 2
    change, count = np.zeros_like(half), 0
    for row in range(0, half.shape[0] - 3, 4):
        for column in range(0, half.shape[1] - 3, 4):
            block = half[row : row + 4, column : column + 4].ravel()
            place = int(np.argmax(np.abs(block[1:]))) + 1
            size = (abs(block[place]) // 36 + 0.25 + 0.5 * message[count % len(message)]) * 36
            change[row + place // 4, column + place % 4] = np.copysign(size, block[place]) - block[place]
            count += 1
    delta = np.kron(change / 2, np.ones((2, 2)))
    # Back to colours with the same brightness and V: B = Y + U / 0.492, and green makes up for it.
    levels[:, :, 2] += delta / 0.492
    levels[:, :, 1] -= delta / 0.492 * 0.114 / 0.587
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def carrier(seed: int = 3) -> Image.Image:
    """Noise without its extremes, so that nothing is cut off."""
    levels = np.asarray(noise(320, seed)).astype(np.float64)
    return Image.fromarray((64 + levels / 2).astype(np.uint8))


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
@pytest.mark.parametrize("middle", [128.0, 0.5])
async def test_each_scheme_is_found_in_untouched_files(scheme: Scheme, middle: float) -> None:
    file = encoded(marked(carrier(), scheme.message, middle))
    finding = await KnownMarks(**BOUNDS).look(file, "image/png")
    assert (finding.kind, finding.status, finding.direction) == ("third_party_watermark", "present", "ai")
    assert finding.detail["scheme"] == scheme.name
    assert scheme.least <= finding.detail["matched_bits"] <= finding.detail["of"] == len(scheme.message)
    assert finding.weight == "weak"


async def test_a_lossless_webp_is_looked_at_and_a_lossy_one_is_not() -> None:
    picture = marked(carrier(), SCHEMES[2].message, 128.0)
    marks = KnownMarks(**BOUNDS)
    assert (await marks.look(encoded(picture, "WEBP", lossless=True), "image/webp")).status == "present"
    assert (await marks.look(encoded(picture, "WEBP", quality=90), "image/webp")).status == "not_evaluated"
    assert (await marks.look(encoded(picture, "JPEG", quality=95), "image/jpeg")).status == "not_evaluated"


async def test_jpeg_destroys_the_mark_so_that_its_pixels_as_png_say_nothing() -> None:
    file = encoded(marked(carrier(), SCHEMES[2].message, 128.0), "JPEG", quality=80)
    finding = judge(pixels(file))
    assert finding.status == "absent"


@pytest.mark.parametrize("picture", [noise(300, 9), house(300), gradient(300, (0, 0, 0), (255, 255, 255))])
async def test_unmarked_pictures_have_no_mark(picture: Image.Image) -> None:
    finding = await KnownMarks(**BOUNDS).look(encoded(picture), "image/png")
    assert (finding.status, finding.direction, finding.weight) == ("absent", "none", "none")
    assert finding.detail["matched_bits"] < finding.detail["of"]


@pytest.mark.parametrize("data", [encoded(noise(64)), b"", b"\x89PNG\r\n\x1a\nbroken"])
async def test_what_cannot_be_looked_at_says_so(data: bytes) -> None:
    finding = await KnownMarks(**BOUNDS).look(data, "image/png")
    assert (finding.status, finding.weight) == ("not_evaluated", "none")
    assert finding.detail["reason"]
