"""The watermark on pictures that nobody drew for it: the goals of bench/watermark.py as a test."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import encoded
from platemark.imaging.marking import surface_of
from platemark.provenance.watermark import SpreadWatermark

MARKS = SpreadWatermark(b"c" * 32, max_bytes=64 << 20, max_pixels=64_000_000)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def pictures(corpus: Path, least: int, count: int) -> Iterator[Image.Image]:
    paths = [path for folder in ("real", "ai") for path in sorted((corpus / folder).glob("*"))]
    np.random.default_rng(9).shuffle(paths)
    for path in paths:
        with Image.open(path) as picture:
            if min(picture.size) >= least and count > 0:
                count -= 1
                yield picture.convert("RGBA").convert("RGB")


def test_every_picture_of_512_pixels_carries_all_bits_through_jpeg_50(corpus: Path) -> None:
    reached, kept = list[float](), 0
    for number, picture in enumerate(pictures(corpus, 512, 50)):
        data, decibels = MARKS.write(encoded(picture), "image/png", number)
        marked = Image.open(io.BytesIO(data)).convert("RGB")
        copy = Image.open(io.BytesIO(encoded(marked, "JPEG", quality=50))).convert("RGB")
        kept += MARKS.look(surface_of(copy)).number == number
        reached.append(decibels)
    assert kept == len(reached) == 50
    assert np.mean(reached) >= 38
    assert min(reached) >= 33


def test_no_picture_without_a_mark_has_a_number(corpus: Path) -> None:
    marks = [MARKS.look(surface_of(each)) for each in pictures(corpus, 96, 250)]
    assert len(marks) == 250
    assert [mark.number for mark in marks if mark.number is not None] == []
