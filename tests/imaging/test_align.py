"""Parts of pictures: found by the middle that they show, laid where they were cut out, put back there."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pictures import encoded, house, noise, pixels
from platemark.imaging.align import align, likeness, mirrored, put_back, reduced
from platemark.imaging.parts import (
    CUT,
    Box,
    Part,
    core_of,
    low_of,
    mirrored_box,
    mirrored_core,
    mirrored_low,
)

WHOLE = noise(640, 3)
CUTS = {
    "all round": (0.05, 0.05, 0.95, 0.95),
    "left": (0.1, 0.0, 1.0, 1.0),
    "top": (0.0, 0.1, 1.0, 1.0),
    "right": (0.0, 0.0, 0.9, 1.0),
    "bottom": (0.0, 0.0, 1.0, 0.9),
    "as it came": (0.037, 0.081, 0.944, 0.987),
    "as much as is looked for": (CUT, CUT, 1 - CUT, 1 - CUT),
}


def cut(picture: Image.Image, box: Box) -> tuple[Image.Image, Box]:
    """The part in whole pixels, and where it really lies."""
    left, top, right, bottom = (round(edge * side) for edge, side in zip(box, picture.size * 2, strict=True))
    width, height = picture.size
    return picture.crop((left, top, right, bottom)), (left / width, top / height, right / width, bottom / height)


def core(picture: Image.Image) -> str:
    found = core_of(picture)
    assert found is not None
    return found


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("again", [{}, {"quality": 60}])
def test_a_part_is_found_and_laid_to_a_fraction_of_a_pixel(name: str, again: dict[str, int]) -> None:
    part, box = cut(WHOLE, CUTS[name])
    if again:
        smaller = part.resize((part.width * 3 // 4, part.height * 3 // 4))
        part = Image.fromarray(pixels(encoded(smaller, "JPEG", **again)))
    seen, whole = Part.of(part), core(WHOLE)
    assert min((low ^ low_of(whole)).bit_count() for low in seen.lows()) <= 14
    ((guess, bits),) = seen.places([whole])
    assert bits <= 50
    assert np.abs(np.subtract(guess, box)).max() <= 0.0251
    found = align(part, WHOLE, guess)
    assert found is not None
    assert np.abs(np.subtract(found, box)).max() * 640 < 0.5
    correlation, distance = likeness(part, WHOLE, found)
    assert correlation > 0.9
    assert distance <= 31


def test_a_mirrored_part_is_a_part_of_the_mirrored_picture() -> None:
    whole, (part, box) = core(WHOLE), cut(WHOLE, CUTS["as it came"])
    other = core_of(mirrored(WHOLE))
    assert other is not None
    # Grey levels are rounded: signs of what is nearly nothing may differ.
    assert (int(mirrored_core(whole), 16) ^ int(other, 16)).bit_count() <= 4
    assert mirrored_core(mirrored_core(whole)) == whole
    assert mirrored_low(low_of(whole)) == low_of(mirrored_core(whole))
    seen = Part.of(mirrored(part))
    assert min((mirrored_low(low) ^ low_of(whole)).bit_count() for low in seen.lows()) <= 14
    (_, far), (place, bits) = seen.places([whole, mirrored_core(whole)])
    assert bits <= 50 < far
    assert np.abs(np.subtract(mirrored_box(place), box)).max() <= 0.0251


def test_other_pictures_are_far_and_do_not_lie_anywhere() -> None:
    wholes = [noise(320, seed) for seed in range(10, 16)]
    part = Part.of(cut(WHOLE, CUTS["all round"])[0])
    for whole, (guess, bits) in zip(wholes, part.places([core(whole) for whole in wholes]), strict=True):
        assert bits > 50
        found = align(WHOLE, whole, guess)
        assert found is None or likeness(WHOLE, whole, found)[0] < 0.9


def test_a_caption_over_the_edge_hides_nothing() -> None:
    captioned = WHOLE.copy()
    ImageDraw.Draw(captioned).rectangle((0, 565, 640, 640), fill="white")
    ((guess, bits),) = Part.of(captioned).places([core(WHOLE)])
    assert bits <= 50
    found = align(captioned, WHOLE, guess)
    assert found is not None
    assert found == pytest.approx((0, 0, 1, 1), abs=0.002)
    assert likeness(captioned, WHOLE, found)[1] <= 31


def test_what_is_flat_in_the_middle_is_not_known_by_it() -> None:
    frame = noise(320)
    frame.paste(Image.new("RGB", (260, 260), (90, 90, 90)), (30, 30))
    assert core_of(frame) is None
    assert likeness(frame, frame, (0.0, 0.0, 1.0, 1.0)) == (0.0, 256)


@pytest.mark.parametrize(
    "picture",
    [Image.new("RGB", (64, 64)), house(48), noise(17), noise(900).resize((900, 40)), noise(90).resize((90, 1))],
)
def test_no_shape_stops_the_search(picture: Image.Image) -> None:
    ((guess, bits),) = Part.of(picture).places([core(WHOLE)])
    assert 0 <= bits <= 256
    found = align(picture, WHOLE, guess)
    assert found is None or all(0 <= edge <= 1 for edge in found)


def test_only_so_much_of_a_picture_is_compared() -> None:
    assert reduced(WHOLE.resize((3000, 1500))).size == (1024, 512)
    assert reduced(Image.new("RGB", (4000, 10))).size == (1024, 16)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_a_part_goes_back_where_it_was(scale: float) -> None:
    part, box = cut(WHOLE, CUTS["as it came"])
    part = part.resize((round(part.width * scale), round(part.height * scale)), Image.Resampling.BICUBIC)
    back = put_back(part, box, WHOLE.size)
    assert back.size == WHOLE.size
    left, top, right, bottom = (edge * 640 for edge in box)
    inner = (left + 4, top + 4, right - 4, bottom - 4)
    one, other = (
        np.asarray(each.crop(inner).convert("L").resize((128, 128), Image.Resampling.BOX), dtype=float)
        for each in (back, WHOLE)
    )
    assert np.abs(one - other).mean() < 2
    # Nothing of the whole picture is around it.
    mean = np.asarray(part).mean(axis=(0, 1))
    assert np.abs(np.asarray(back)[:10].mean(axis=(0, 1)) - mean).max() <= 1
