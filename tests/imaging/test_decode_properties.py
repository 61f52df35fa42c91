"""Whatever the bytes are, the guard ends in a picture or in an error of ours."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import BOUNDS, encoded, house, noise
from platemark.core.errors import InvalidImage, TooLarge
from platemark.imaging.blank import find_blankness
from platemark.imaging.decode import inspect_bytes, normalise
from platemark.imaging.fingerprint import pdq

MAGIC = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x20\0\0\0WEBPVP8X", b"RIFF\xff\xff\xff\xffWEBP", b"GIF89a"]
FILES = [
    *(encoded(noise(48), format) for format in ("PNG", "JPEG", "WEBP")),
    encoded(house(48).convert("P")),
    encoded(house(48).convert("RGBA"), "WEBP", xmp=b"<x/>"),
    encoded(noise(48), "JPEG", progressive=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
]


@given(st.sampled_from(MAGIC), st.binary(max_size=400))
@settings(max_examples=300)
def test_random_bytes_are_never_anything_but_our_errors(magic: bytes, rest: bytes) -> None:
    with pytest.raises((InvalidImage, TooLarge)):
        inspect_bytes(magic + rest, **BOUNDS)


@given(st.sampled_from(FILES), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12))
@settings(max_examples=400)
def test_mutated_files_are_pictures_or_our_errors(data: bytes, changes: list[tuple[float, int]]) -> None:
    mutated = bytearray(data)
    for place, value in changes:
        mutated[round(place * (len(mutated) - 1))] = value
    with suppress(InvalidImage, TooLarge):
        normal = normalise(bytes(mutated), "png", **BOUNDS)
        assert inspect_bytes(normal.data, **BOUNDS).media_type == "image/png"


@given(st.sampled_from(FILES), st.floats(0, 1), st.floats(0, 1), st.binary(max_size=40))
@settings(max_examples=200)
def test_spliced_files_are_pictures_or_our_errors(data: bytes, start: float, end: float, middle: bytes) -> None:
    first, last = sorted((round(start * len(data)), round(end * len(data))))
    spliced = data[:first] + middle + data[last:]
    for look in (pdq, find_blankness):
        with suppress(InvalidImage, TooLarge):
            look(spliced, **BOUNDS)
